//! GitHub Actions: jobs in checkouts of their own, files handed on by name, secrets in expressions.

use std::collections::BTreeMap;

use serde_yaml_ng::Value;

use super::{Form, Job, On, Store, plans_a_change_and_applies_on_main};
use crate::clients::{Program, for_each_program};

for_each_program![by_run, by_backend];

fn by_run(program: &Program) {
    plans_a_change_and_applies_on_main(program, Form::Run, "github/run.yml", jobs);
}

fn by_backend(program: &Program) {
    plans_a_change_and_applies_on_main(program, Form::Backend, "github/backend.yml", jobs);
}

fn jobs(text: &str, on: On, store: &Store) -> Vec<Job> {
    let workflow: Value = serde_yaml_ng::from_str(text).expect("YAML");
    let events = workflow["on"].as_mapping().expect("events");
    let starts = match on {
        On::Change => events.contains_key("pull_request"),
        On::Main => events["push"]["branches"][0] == "main",
    };
    assert!(starts, "{events:?}");
    let jobs = workflow["jobs"].as_mapping().expect("jobs");
    let here = jobs.values().filter(|job| holds(&job["if"], on));
    here.map(|job| read(&workflow, job, store)).collect()
}

/// The conditions that the examples use, for a repository that is no fork.
fn holds(condition: &Value, on: On) -> bool {
    const NO_FORK: &str = "github.event.pull_request.head.repo.full_name == github.repository";
    const PUSH: &str = "github.event_name == 'push'";
    let condition = condition.as_str().expect("each job says when it runs");
    match condition
        .strip_prefix(PUSH)
        .expect("a condition that is known here")
    {
        "" => on == On::Main,
        rest => {
            assert_eq!(rest, format!(" || {NO_FORK}"));
            true
        }
    }
}

fn read(workflow: &Value, job: &Value, store: &Store) -> Job {
    let steps = job["steps"].as_sequence().expect("steps");
    let uses = |action: &str| {
        let found = steps.iter().filter(move |step| {
            step["uses"]
                .as_str()
                .is_some_and(|uses| uses.starts_with(&format!("actions/{action}@")))
        });
        found.cloned().collect::<Vec<_>>()
    };
    assert_eq!(uses("checkout").len(), 1, "a job begins with the sources");
    let runs: Vec<&Value> = steps
        .iter()
        .filter(|step| step["run"].is_string())
        .collect();
    assert_eq!(runs.len(), 1, "the test knows jobs with one command");
    let mut variables = BTreeMap::new();
    for level in [&workflow["env"], &job["env"], &runs[0]["env"]] {
        variables.extend(environment(level, store));
    }
    // The name of what is handed on is that of the file.
    let named = |step: &Value| step["with"]["name"].as_str().expect("a name").to_owned();
    let keeps: Vec<String> = uses("upload-artifact").iter().map(named).collect();
    for step in uses("upload-artifact") {
        assert_eq!(step["with"]["path"], step["with"]["name"]);
        assert_eq!(
            step["with"]["retention-days"], 1,
            "a plan is not kept for long"
        );
    }
    Job {
        fresh: true,
        variables,
        script: runs[0]["run"].as_str().expect("a script").to_owned(),
        takes: uses("download-artifact").iter().map(named).collect(),
        keeps,
    }
}

fn environment(level: &Value, store: &Store) -> BTreeMap<String, String> {
    let Some(level) = level.as_mapping() else {
        return BTreeMap::new();
    };
    let value = |text: &str| match text.strip_prefix("${{ secrets.") {
        Some(secret) => store
            .secret(secret.strip_suffix(" }}").expect("its end"))
            .to_owned(),
        None => text.to_owned(),
    };
    let pairs = level
        .iter()
        .map(|(name, text)| Some((name.as_str()?, text.as_str()?)));
    let pairs = pairs.map(|pair| pair.expect("texts: YAML makes no numbers of them"));
    pairs
        .map(|(name, text)| (name.to_owned(), value(text)))
        .collect()
}
