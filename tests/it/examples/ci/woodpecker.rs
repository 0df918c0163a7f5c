//! Woodpecker: steps in one folder, each with secrets of its own.

use std::collections::BTreeMap;

use serde_yaml_ng::Value;

use super::{Form, Job, On, Store, plans_a_change_and_applies_on_main};
use crate::clients::Program;

#[test]
fn by_run() {
    if let Some(program) = Program::terraform() {
        plans_a_change_and_applies_on_main(&program, Form::Run, "woodpecker/run.yml", jobs);
    }
}

#[test]
fn by_backend() {
    if let Some(program) = Program::terraform() {
        plans_a_change_and_applies_on_main(&program, Form::Backend, "woodpecker/backend.yml", jobs);
    }
}

fn jobs(text: &str, on: On, store: &Store) -> Vec<Job> {
    assert!(
        !text.contains("${"),
        "Woodpecker replaces that before a shell sees it"
    );
    let workflow: Value = serde_yaml_ng::from_str(text).expect("YAML");
    assert!(starts(&workflow["when"], on), "{workflow:?}");
    let steps = workflow["steps"].as_sequence().expect("steps");
    let here = steps
        .iter()
        .filter(|step| step["when"].is_null() || starts(&step["when"], on));
    here.map(|step| read(step, store)).collect()
}

/// Whether one of the conditions holds.
fn starts(conditions: &Value, on: On) -> bool {
    conditions
        .as_sequence()
        .expect("conditions")
        .iter()
        .any(|condition| match on {
            On::Change => condition["event"] == "pull_request",
            On::Main => condition["event"] == "push" && condition["branch"] == "main",
        })
}

fn read(step: &Value, store: &Store) -> Job {
    let mut variables = BTreeMap::new();
    for (name, value) in step["environment"].as_mapping().expect("an environment") {
        let value = match value["from_secret"].as_str() {
            Some(secret) => store.secret(secret),
            None => value
                .as_str()
                .expect("texts: YAML makes no numbers of them"),
        };
        variables.insert(name.as_str().expect("a name").to_owned(), value.to_owned());
    }
    let commands = step["commands"].as_sequence().expect("commands").iter();
    let commands: Vec<&str> = commands
        .map(|line| line.as_str().expect("a text"))
        .collect();
    Job {
        fresh: false,
        variables,
        script: commands.join("\n"),
        takes: Vec::new(),
        keeps: Vec::new(),
    }
}
