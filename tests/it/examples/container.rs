//! `examples/container`: the files are YAML, name the version that is built, and use variables and
//! probes that the server has.

use std::collections::BTreeSet;

use serde_json::Value;

use super::text;
use crate::harness::{Setup, statekeep};

/// Every text in a value, with the name that it stands under.
fn texts(value: &Value, name: &str, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(members) => members
            .iter()
            .for_each(|(name, value)| texts(value, name, found)),
        Value::Array(items) => items.iter().for_each(|item| texts(item, name, found)),
        Value::String(text) => found.push((name.to_owned(), text.clone())),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The documents of a file, and all their texts.
fn read(file: &str) -> (Vec<Value>, Vec<(String, String)>) {
    use serde::Deserialize as _;
    let text = text(&format!("container/{file}"));
    let documents: Vec<Value> = serde_yaml_ng::Deserializer::from_str(&text)
        .map(|document| Value::deserialize(document).unwrap_or_else(|why| panic!("{file}: {why}")))
        .collect();
    let mut found = Vec::new();
    for document in &documents {
        texts(document, "", &mut found);
    }
    (documents, found)
}

#[test]
fn the_files_name_this_version_and_variables_that_there_are() {
    let help = statekeep(&["serve", "--help"]).output().expect("it runs");
    let help = String::from_utf8(help.stdout).expect("UTF-8");
    let mut variables = BTreeSet::new();
    for file in ["compose.yaml", "kubernetes.yaml"] {
        let (_, texts) = read(file);
        let images: Vec<_> = texts.iter().filter(|(name, _)| name == "image").collect();
        let image = format!("statekeep:{}", env!("CARGO_PKG_VERSION"));
        assert!(images.iter().all(|(_, text)| *text == image), "{images:?}");
        assert_eq!(images.len(), 1, "{file}");
        let plain = text(&format!("container/{file}"));
        let words = plain.split(|letter: char| !letter.is_ascii_uppercase() && letter != '_');
        variables.extend(
            words
                .filter(|word| word.starts_with("STATEKEEP_"))
                .map(str::to_owned),
        );
    }
    assert_eq!(variables.len(), 3, "{variables:?}");
    for variable in variables {
        assert!(help.contains(&format!("[env: {variable}=")), "{variable}");
    }
}

#[test]
fn there_is_one_replica_and_its_probes_answer() {
    let (documents, _) = read("kubernetes.yaml");
    let set = documents
        .iter()
        .find(|document| document["kind"] == "StatefulSet")
        .expect("a StatefulSet");
    assert_eq!(set["spec"]["replicas"], 1);
    let pod = &set["spec"]["template"]["spec"]["containers"][0];
    let server = Setup::new().start();
    for probe in ["readinessProbe", "livenessProbe", "startupProbe"] {
        let path = pod[probe]["httpGet"]["path"].as_str().expect("a path");
        server.anonymous().get(path).expect_status(200);
    }
}
