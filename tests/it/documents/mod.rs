//! The documents say what the program does, and nothing else: codes, routes, events, flags,
//! defaults, metrics and links are compared with the program, and examples are run.
//!
//! Each comparison is a function from two texts to findings, so that a control can plant a fault in
//! one of them and see it found.

mod calls;
mod codes;
mod compatibility;
mod examples;
mod flags;
mod help;
mod links;
mod markdown;
mod metrics;
mod openapi;
mod vocabulary;

use std::collections::BTreeMap;
use std::path::Path;

/// Not part of the tree.
const SKIPPED: [&str; 6] = [
    ".git",
    "target",
    "statekeep-data",
    "fuzz/target",
    "fuzz/corpus",
    "fuzz/artifacts",
];

const API: &str = include_str!("../../../docs/api.md");
const CLI: &str = include_str!("../../../docs/cli.md");
const LIMITS: &str = include_str!("../../../docs/limits.md");
const OPERATION: &str = include_str!("../../../docs/operation.md");

/// Every call that the server declares, with the path as `docs/api.md` writes it and the method.
pub fn declared_calls() -> Vec<(String, String)> {
    calls::declared(calls::ROUTES).into_keys().collect()
}

/// Every document, by its path from the root of the tree.
fn documents() -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    collect(Path::new(env!("CARGO_MANIFEST_DIR")), "", "md", &mut found);
    assert!(found.contains_key("docs/api.md"), "the tree was not found");
    found
}

/// Every file of one kind below a folder.
fn collect(dir: &Path, prefix: &str, kind: &str, found: &mut BTreeMap<String, String>) {
    for entry in dir.read_dir().expect("a readable directory") {
        let entry = entry.expect("readable");
        let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if SKIPPED.contains(&path.as_str()) {
            continue;
        }
        if entry.file_type().expect("readable").is_dir() {
            collect(&entry.path(), &format!("{path}/"), kind, found);
        } else if Path::new(&path).extension().is_some_and(|end| end == kind) {
            let text = std::fs::read_to_string(entry.path()).expect("readable");
            found.insert(path, text);
        }
    }
}

/// The section of a document with this title.
fn section<'a>(text: &'a str, title: &str) -> markdown::Section<'a> {
    let found = markdown::sections(text).into_iter();
    let mut found = found.filter(|section| section.title == title);
    found
        .next()
        .unwrap_or_else(|| panic!("a section `{title}`"))
}
