//! Jenkins: stages in one workspace. Its files are Groovy; what the examples use of it is found by
//! its words.

use std::collections::BTreeMap;

use super::{Form, Job, On, Store, plans_a_change_and_applies_on_main};
use crate::clients::Program;

#[test]
fn by_run() {
    if let Some(program) = Program::terraform() {
        plans_a_change_and_applies_on_main(&program, Form::Run, "jenkins/run.Jenkinsfile", jobs);
    }
}

#[test]
fn by_backend() {
    if let Some(program) = Program::terraform() {
        let file = "jenkins/backend.Jenkinsfile";
        plans_a_change_and_applies_on_main(&program, Form::Backend, file, jobs);
    }
}

fn jobs(text: &str, on: On, store: &Store) -> Vec<Job> {
    let balance = |open, close| text.matches(open).count() == text.matches(close).count();
    assert!(
        balance('{', '}') && balance('(', ')') && balance('[', ']'),
        "{text}"
    );
    assert!(
        between(text, "post {", "\n}").contains("deleteDir()"),
        "the plan stays"
    );
    let stages = text.split("stage('").skip(1);
    let here = stages.filter(|stage| holds(between(stage, "when { ", " }\n"), on));
    here.map(|stage| read(text, stage, store)).collect()
}

/// The conditions that the examples use.
fn holds(condition: &str, on: On) -> bool {
    match condition {
        "branch 'main'" => on == On::Main,
        "anyOf { changeRequest(); branch 'main' }" => true,
        other => panic!("the test does not know `{other}`"),
    }
}

fn read(text: &str, stage: &str, store: &Store) -> Job {
    let mut variables = BTreeMap::new();
    let settings = between(text, "environment {", "\n    }")
        .lines()
        .map(str::trim);
    for setting in settings.filter(|line| !line.is_empty() && !line.starts_with("//")) {
        let (name, value) = setting.split_once(" = ").expect("NAME = 'value'");
        variables.insert(name.to_owned(), value.trim_matches('\'').to_owned());
    }
    let credential = between(stage, "withCredentials([", ")]");
    let (kind, _) = credential.split_once('(').expect("a kind");
    let id = between(credential, "credentialsId: '", "'");
    let value = match kind {
        "file" => store.file(id),
        "string" => store.secret(id).to_owned(),
        other => panic!("the test does not know the kind `{other}`"),
    };
    variables.insert(between(credential, "variable: '", "'").to_owned(), value);
    // Groovy joins lines at a backslash. Jenkins shows each command (`-x`).
    let script = between(stage, "sh '''", "'''").replace("\\\n", "");
    Job {
        fresh: false,
        variables,
        script: format!("set -x\n{script}"),
        takes: Vec::new(),
        keeps: Vec::new(),
    }
}

/// What stands between the first of these words and the next of those.
#[track_caller]
fn between<'t>(text: &'t str, open: &str, close: &str) -> &'t str {
    let (_, rest) = text
        .split_once(open)
        .unwrap_or_else(|| panic!("`{open}` is not in {text}"));
    rest.split_once(close)
        .unwrap_or_else(|| panic!("no `{close}` behind `{open}` in {text}"))
        .0
}
