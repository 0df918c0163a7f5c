//! The rules of the house, kept by plain matching on the text of the tree: which room may use
//! which, where each heavy dependency lives, how large things get, and what a migration and a
//! dependency must bring along. `CONTRIBUTING.md` explains them.
//!
//! The matching is approximate on purpose. Where a rule stands in the way of better code, change
//! the rule and `CONTRIBUTING.md` with it.

mod areas;
mod broken;
mod circles;
mod imports;
pub(crate) mod matching;
mod names;
mod open;
mod rooms;
mod statements;

use std::path::Path;

use imports::Crate;
use matching::{File, blank_sql_comments, body, is_rust};
use open::{Open, STILL};

const MAX_FILE_LINES: usize = 500;
const MAX_FUNCTION_LINES: usize = 70;
const MAX_COLUMNS: usize = 100;

/// Folders of somebody's machine that have no place in the tree (taken apart here, or this file
/// would break its own rule).
const MACHINE_PATHS: [&str; 3] = [
    concat!("/", "work/"),
    concat!("/", "farm/"),
    concat!("/", "root/"),
];

/// Not part of the tree.
const SKIPPED: [&str; 6] = [
    ".git",
    "target",
    "statekeep-data",
    "fuzz/target",
    "fuzz/corpus",
    "fuzz/artifacts",
];

/// Files open with why they exist; files and functions fit where they are read.
fn sizes(file: &File) -> Vec<String> {
    if !is_rust(&file.path) || !file.is_in(&["src/", "tests/", "benches/"]) {
        return Vec::new();
    }
    let mut findings = Vec::new();
    if !file.text.starts_with("//!") && !file.text.starts_with("#![doc = include_str!") {
        findings.push(file.finding(
            0,
            "a file opens with `//!`: say why it exists and which invariants it keeps",
        ));
    }
    let lines = file.text.lines().count();
    if lines > MAX_FILE_LINES {
        findings.push(file.finding(
            0,
            &format!(
                "{lines} lines, at most {MAX_FILE_LINES}: split the file by what its parts are for"
            ),
        ));
    }
    for (at, rest) in file.words("fn").filter(|(_, rest)| rest.starts_with(' ')) {
        let lines = body(rest)
            .lines()
            .filter(|line| !line.trim().is_empty())
            .count()
            .saturating_sub(1);
        if lines > MAX_FUNCTION_LINES {
            let rule = format!(
                "{lines} lines in a function, at most {MAX_FUNCTION_LINES}: give its steps names"
            );
            findings.push(file.finding(at, &rule));
        }
    }
    findings
}

/// A line is read without scrolling, on half a screen.
fn columns(file: &File, open: &Open) -> Vec<String> {
    let (mut findings, mut offset) = (Vec::new(), 0);
    if !is_rust(&file.path) || file.is_in(open.long_lines) {
        return findings;
    }
    for line in file.text.lines() {
        let columns = line.chars().count();
        if columns > MAX_COLUMNS {
            let rule = format!("{columns} columns, at most {MAX_COLUMNS}: break the line");
            findings.push(file.finding(offset, &rule));
        }
        offset += line.len() + 1;
    }
    findings
}

/// A file that no `mod` names is not compiled, and its tests never run.
fn declared(file: &File, tree: &[File]) -> Vec<String> {
    let place = file.path.trim_end_matches(".rs").trim_end_matches("/mod");
    let Some((dir, name)) = place.rsplit_once('/') else {
        return Vec::new();
    };
    if !is_rust(&file.path)
        || !file.is_in(&["src/", "tests/it/"])
        || matches!(name, "main" | "lib" | "it")
    {
        return Vec::new();
    }
    let parents = ["/mod.rs", ".rs", "/main.rs", "/lib.rs"].map(|end| format!("{dir}{end}"));
    let mut parents = tree.iter().filter(|other| parents.contains(&other.path));
    if parents.any(|parent| {
        parent
            .words("mod")
            .any(|(_, rest)| rest.trim_start().starts_with(&format!("{name};")))
    }) {
        return Vec::new();
    }
    vec![file.finding(
        0,
        &format!("nobody declares this file: write `mod {name};` in its parent, or remove it"),
    )]
}

/// No path of the machine that the tree was written on.
fn machine_paths(file: &File) -> Vec<String> {
    let found = MACHINE_PATHS
        .iter()
        .flat_map(|path| file.text.match_indices(path));
    found
        .map(|(at, path)| {
            file.finding(
                at,
                &format!("`{path}` is a folder of one machine: say it without"),
            )
        })
        .collect()
}

/// Each dependency has its reason above it; a run of lines may share one.
fn dependencies(file: &File) -> Vec<String> {
    let (mut findings, mut in_list, mut reason, mut offset) = (Vec::new(), false, false, 0);
    for line in file.text.lines().filter(|_| file.path == "Cargo.toml") {
        if line.starts_with('[') {
            in_list = line.contains("dependencies");
        }
        let is_key = line
            .split_once('=')
            .is_some_and(|(key, _)| !key.trim().is_empty() && !key.starts_with([' ', '#', '[']));
        reason = line.starts_with('#') || (reason && !line.is_empty() && !line.starts_with('['));
        if in_list && is_key && !reason {
            findings.push(file.finding(
                offset,
                "a dependency without its reason: write a comment above it",
            ));
        }
        offset += line.len() + 1;
    }
    findings
}

/// `V1__…sql`, `V2__…sql`, …, and every table `STRICT`.
fn migrations(tree: &[File]) -> Vec<String> {
    let number = |file: &File| {
        file.path
            .strip_prefix("migrations/V")?
            .split_once("__")?
            .0
            .parse::<usize>()
            .ok()
    };
    let sql = tree.iter().filter(|file| {
        file.path.starts_with("migrations/")
            && Path::new(&file.path)
                .extension()
                .is_some_and(|end| end == "sql")
    });
    let mut sorted: Vec<(Option<usize>, &File)> = sql.map(|file| (number(file), file)).collect();
    sorted.sort_by_key(|(number, _)| *number);
    let mut findings = Vec::new();
    for (index, (number, file)) in sorted.iter().enumerate() {
        if *number != Some(index + 1) {
            findings.push(file.finding(
                0,
                &format!(
                    "migrations are numbered without gaps: this one should be V{}__….sql",
                    index + 1
                ),
            ));
        }
        let sql = blank_sql_comments(&file.text).to_ascii_uppercase();
        let mut offset = 0;
        for statement in sql.split_inclusive(';') {
            let start = offset + statement.len() - statement.trim_start().len();
            if statement.trim_start().starts_with("CREATE TABLE")
                && !statement
                    .rsplit(')')
                    .next()
                    .unwrap_or_default()
                    .contains("STRICT")
            {
                findings.push(file.finding(
                    start,
                    "a table that is not STRICT: end the statement with `) STRICT;`",
                ));
            }
            offset += statement.len();
        }
    }
    findings
}

/// Everything that breaks a rule, but for what is still open.
fn judge(tree: &[File], open: &Open) -> Vec<String> {
    let each = |file| {
        [
            rooms::rooms(file),
            rooms::homes(file),
            areas::domain_itself(file, open),
            names::words(file, open),
            sizes(file),
            columns(file, open),
            declared(file, tree),
            machine_paths(file),
            dependencies(file),
            statements::unseen(file),
        ]
        .concat()
    };
    let mut findings: Vec<String> = tree.iter().flat_map(each).collect();
    let (src, benches) = (
        Crate::below("src/", tree),
        Crate::below("benches/figures/", tree),
    );
    findings.extend(circles::circles(&src, open));
    findings.extend(circles::circles(&benches, open));
    findings.extend(areas::directions(&src, open));
    findings.extend(areas::endpoints(&src, open));
    findings.extend(names::types(tree, open));
    findings.extend(migrations(tree));
    findings
}

/// Every text in the tree, by its path from the root.
fn read_tree(dir: &Path, prefix: &str, tree: &mut Vec<File>) {
    for entry in dir
        .read_dir()
        .expect("a readable directory")
        .map(|entry| entry.expect("readable"))
    {
        let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if SKIPPED.contains(&path.as_str()) {
            continue;
        }
        if entry.file_type().expect("readable").is_dir() {
            read_tree(&entry.path(), &format!("{path}/"), tree);
        } else if let Ok(text) = std::fs::read_to_string(entry.path()) {
            tree.push(File::new(&path, &text));
        }
    }
}

#[test]
fn the_tree_keeps_the_rules_of_the_house() {
    let mut tree = Vec::new();
    read_tree(Path::new(env!("CARGO_MANIFEST_DIR")), "", &mut tree);
    assert!(
        tree.iter().any(|file| file.path == "tests/it/tidy.rs"),
        "the tree was not found"
    );
    let findings = judge(&tree, &STILL);
    assert!(
        findings.is_empty(),
        "{} rules broken:\n{}",
        findings.len(),
        findings.join("\n")
    );
}
