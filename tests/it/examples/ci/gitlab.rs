//! GitLab CI: jobs in checkouts of their own, which get all files that were kept before; the
//! store's secrets are variables, in one form as files.

use std::collections::BTreeMap;

use serde_yaml_ng::Value;

use super::{Form, Job, On, Store, plans_a_change_and_applies_on_main};
use crate::clients::Program;

#[test]
fn by_run() {
    if let Some(program) = Program::terraform() {
        plans_a_change_and_applies_on_main(&program, Form::Run, "gitlab/run.yml", jobs);
    }
}

#[test]
fn by_backend() {
    if let Some(program) = Program::terraform() {
        plans_a_change_and_applies_on_main(&program, Form::Backend, "gitlab/backend.yml", jobs);
    }
}

fn jobs(text: &str, on: On, store: &Store) -> Vec<Job> {
    let pipeline: Value = serde_yaml_ng::from_str(text).expect("YAML");
    let stages = pipeline["stages"].as_sequence().expect("stages");
    let mut kept: Vec<String> = Vec::new();
    let mut jobs = Vec::new();
    for stage in stages {
        let job = &pipeline[stage.as_str().expect("the one job of a stage has its name")];
        assert_eq!(&job["stage"], stage);
        if !job["rules"]
            .as_sequence()
            .expect("rules")
            .iter()
            .any(|rule| holds(rule, on))
        {
            continue;
        }
        let keeps = texts(&job["artifacts"]["paths"]);
        if !keeps.is_empty() {
            assert_eq!(
                job["artifacts"]["access"], "developer",
                "a plan is not for everybody"
            );
            assert_eq!(
                job["artifacts"]["expire_in"], "1 day",
                "a plan is not kept for long"
            );
        }
        jobs.push(Job {
            fresh: true,
            variables: variables(&pipeline, job, store, on),
            script: texts(&job["script"]).join("\n"),
            takes: kept.clone(),
            keeps: keeps.clone(),
        });
        kept.extend(keeps);
    }
    jobs
}

/// The conditions that the examples use.
fn holds(rule: &Value, on: On) -> bool {
    match rule["if"].as_str().expect("a condition") {
        "$CI_PIPELINE_SOURCE == \"merge_request_event\"" => on == On::Change,
        "$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH" => on == On::Main,
        other => panic!("the test does not know `{other}`"),
    }
}

/// The project's variables, then those of the pipeline and the job, which may name the former.
fn variables(pipeline: &Value, job: &Value, store: &Store, on: On) -> BTreeMap<String, String> {
    let kept = |name: &str| match store.form {
        Form::Run => store.file(name),
        Form::Backend => store.secret(name).to_owned(),
    };
    let mut variables = BTreeMap::new();
    // A protected variable is not there for a change.
    let protected = (on == On::Main).then_some("STATEKEEP_WRITER_KEY");
    for name in std::iter::once("STATEKEEP_PLANNER_KEY").chain(protected) {
        variables.insert(name.to_owned(), kept(name));
    }
    for level in [&pipeline["variables"], &job["variables"]] {
        for (name, text) in level.as_mapping().into_iter().flatten() {
            let text = text.as_str().expect("texts: YAML makes no numbers of them");
            let value = match text.strip_prefix('$') {
                Some(other) => variables
                    .get(other)
                    .expect("a variable of the project")
                    .clone(),
                None => text.to_owned(),
            };
            variables.insert(name.as_str().expect("a name").to_owned(), value);
        }
    }
    variables
}

fn texts(list: &Value) -> Vec<String> {
    let list = list.as_sequence().into_iter().flatten();
    list.map(|text| text.as_str().expect("a text").to_owned())
        .collect()
}
