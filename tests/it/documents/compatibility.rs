//! What clients, scripts and monitors hold on to, pinned: the API, the command line, the metrics,
//! the migrations.
//!
//! The documents are bound to the program by the tests beside this one. Here, each of them is
//! compared with the list in `pinned/`, so that nobody changes it without seeing that they do.
//! `.ci/run` wants a line in `CHANGELOG.md` for each commit that changes a list.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use super::openapi::{named, operations};
use super::{OPERATION, help, metrics};
use crate::harness::sha256;
use crate::openapi::{TEXT, parsed};

/// Each list by its name.
fn lists() -> [(&'static str, String); 4] {
    [
        ("api", lines(api(&parsed(TEXT)))),
        ("cli", lines(cli())),
        ("metrics", lines(of_metrics())),
        ("migrations", lines(migrations())),
    ]
}

fn lines(found: BTreeSet<String>) -> String {
    found.into_iter().map(|line| line + "\n").collect()
}

/// Each call with its parameters and statuses, and each member of each schema with its type.
fn api(document: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for operation in operations(document) {
        let call = format!("{} {}", operation.path, operation.method);
        let parameters = named(document, &operation, "query");
        found.extend(parameters.iter().map(|name| format!("{call} ?{name}")));
        let statuses = operation.said["responses"].as_object().expect("answers");
        let statuses: Vec<&str> = statuses.keys().map(String::as_str).collect();
        found.insert(format!("{call} -> {}", statuses.join(" ")));
    }
    let schemas = &document["components"]["schemas"];
    for (name, schema) in schemas.as_object().expect("schemas") {
        let required: Vec<&Value> = schema["required"]
            .as_array()
            .into_iter()
            .flatten()
            .collect();
        for (member, of) in schema["properties"].as_object().into_iter().flatten() {
            let is_required = required.iter().any(|name| *name == member);
            let mark = if is_required { "" } else { "?" };
            found.insert(format!("{name}.{member}{mark}: {}", kind(of)));
        }
        for word in schema["enum"].as_array().into_iter().flatten() {
            found.insert(format!("{name} = {word}"));
        }
    }
    found
}

/// The type of a member, or the schema that it has.
fn kind(schema: &Value) -> String {
    let referred = schema["$ref"].as_str();
    let referred = referred.and_then(|path| path.rsplit('/').next());
    referred.map_or_else(|| schema["type"].to_string(), str::to_owned)
}

/// Each command, and each of its flags with the variable that sets it and its default.
fn cli() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for command in help::all() {
        let name = format!("statekeep {}", command.name);
        for flag in command.flags {
            let variable = flag.variable.map(|variable| format!(" ${variable}"));
            let default = flag.default.map(|default| format!(" = {default}"));
            let (variable, default) = (variable.unwrap_or_default(), default.unwrap_or_default());
            found.insert(format!("{name} {}{variable}{default}", flag.name));
        }
        found.insert(name.trim_end().to_owned());
    }
    found
}

fn of_metrics() -> BTreeSet<String> {
    let told = metrics::told(OPERATION).into_iter();
    told.map(|(name, labels)| {
        let labels: Vec<String> = labels.into_iter().collect();
        format!("{name}{{{}}}", labels.join(","))
    })
    .collect()
}

/// Each migration with the SHA-256 of its file: one that was applied is never changed.
fn migrations() -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let files = folder.read_dir().expect("the folder").flatten();
    let files = files.filter(|file| file.path().extension().is_some_and(|end| end == "sql"));
    files
        .map(|file| {
            let digest = sha256(&std::fs::read(file.path()).expect("readable"));
            format!("{} {digest}", file.file_name().to_string_lossy())
        })
        .collect()
}

#[test]
fn what_others_hold_on_to_is_as_it_is_pinned() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/documents/pinned");
    let is_pinning = std::env::var_os("STATEKEEP_PIN").is_some();
    let mut findings = Vec::new();
    for (name, now) in lists() {
        assert!(now.lines().count() > 5, "{name}: {now}");
        let path = folder.join(format!("{name}.txt"));
        if is_pinning {
            std::fs::write(&path, &now).expect("the list is written");
        }
        let pinned = std::fs::read_to_string(&path).unwrap_or_default();
        findings.extend(differences(name, &pinned, &now));
    }
    assert!(
        findings.is_empty(),
        "If this is meant, run the test with STATEKEEP_PIN=1, and write a line into \
            CHANGELOG.md:\n{}",
        findings.join("\n")
    );
}

fn differences(name: &str, pinned: &str, now: &str) -> Vec<String> {
    let (pinned, now): (BTreeSet<&str>, BTreeSet<&str>) =
        (pinned.lines().collect(), now.lines().collect());
    let gone = pinned.difference(&now);
    let gone = gone.map(|line| format!("{name}: gone: {line}"));
    let new = now.difference(&pinned);
    gone.chain(new.map(|line| format!("{name}: new: {line}")))
        .collect()
}

#[test]
fn a_line_that_only_one_side_has_is_found() {
    assert_eq!(
        differences("cli", "a\nb\n", "b\nc\n"),
        ["cli: gone: a", "cli: new: c"]
    );
}
