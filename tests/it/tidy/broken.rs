//! A control: each rule finds what breaks it, at its line, and nothing in a tree that keeps them
//! all.

mod sample;
mod several;
mod single;

use super::matching::File;
use super::open::Open;
use super::{MAX_FILE_LINES, MAX_FUNCTION_LINES, judge};

/// `=== path` begins a file, and the lines behind it are its text.
fn tree(text: &str) -> Vec<File> {
    let files = text.split("=== ").skip(1);
    files
        .map(|file| {
            let (path, text) = file.split_once('\n').expect("a path and a text");
            File::new(path, text)
        })
        .collect()
}

#[track_caller]
fn expect(tree: &[File], beginning: &str) {
    let findings = judge(tree, &Open::default());
    let is_found = findings.iter().any(|one| one.starts_with(beginning));
    assert!(is_found, "no `{beginning}…`: {findings:#?}");
}

#[test]
fn each_rule_about_a_file_finds_what_breaks_it() {
    for (path, text, beginning) in single::CASES {
        expect(&[File::new(path, text)], &format!("{path}:{beginning}"));
    }
}

#[test]
fn each_rule_about_several_files_finds_what_breaks_it() {
    for (text, beginning) in several::CASES {
        expect(&tree(text), beginning);
    }
}

#[test]
fn what_is_too_large_is_found() {
    let function = format!(
        "//! x\nfn long() {{\n{}}}\n",
        "    step();\n".repeat(MAX_FUNCTION_LINES + 1)
    );
    let path = "src/model/name.rs";
    expect(
        &[File::new(path, &function)],
        "src/model/name.rs:2: 71 lines in a function, at most 70",
    );
    let file = format!("//! x\n{}", "\n".repeat(MAX_FILE_LINES));
    expect(
        &[File::new(path, &file)],
        "src/model/name.rs:1: 501 lines, at most 500",
    );
    let line = format!("//! x\n// é{}\n", "x".repeat(97));
    expect(
        &[File::new(path, &line)],
        "src/model/name.rs:2: 101 columns, at most 100",
    );
    let domain = format!("//! x\n{}", "\n".repeat(180));
    expect(
        &[File::new("src/domain/mod.rs", &domain)],
        "src/domain/mod.rs:1: 181 lines, at most 180",
    );
    let fields: Vec<String> = (0..9).map(|field| format!("    f{field}: u8,")).collect();
    let fields = fields.join("\n");
    let domain = format!("//! x\npub struct Domain {{\n{fields}\n}}\n");
    expect(
        &[File::new("src/domain/mod.rs", &domain)],
        "src/domain/mod.rs:2: 9 fields, at most 8",
    );
}

#[test]
fn the_folder_of_one_machine_is_found() {
    let text = format!("x\ncd {}main\n", super::MACHINE_PATHS[0]);
    let path = "docs/operation.md";
    expect(&[File::new(path, &text)], "docs/operation.md:2: `/");
}

/// What may stay open is found as well where nothing is.
#[test]
fn what_is_open_is_let_through_and_nothing_else() {
    let open = Open {
        circles: &["blob"],
        areas: &["auth"],
        endpoints: &["lock"],
        domain_itself: true,
        types: &["Kind"],
        words: &["settl-"],
        long_lines: &["src/blob/"],
    };
    let text = format!(
        "{}=== src/blob/long.rs\n//! {}\n=== src/model/settled.rs\n//! x\nfn settled() {{}}\n",
        several::CASES.map(|(text, _)| text).concat(),
        "x".repeat(97),
    );
    let tree = tree(&text);
    let (all, left) = (judge(&tree, &Open::default()), judge(&tree, &open));
    let of = |findings: &[String], part: &str| findings.iter().any(|one| one.contains(part));
    for part in [
        "src/blob/a.rs:2: a circle",
        "`auth` may not use `states`",
        "src/http/endpoints/lock.rs:2: an endpoint",
        "`Kind` is a type of",
        "`settled`: the field",
        "101 columns",
    ] {
        assert!(of(&all, part), "{part}: {all:#?}");
        assert!(!of(&left, part), "{part}: {left:#?}");
    }
    assert!(of(&left, "`engine` may not use `Domain`"), "{left:#?}");
}

#[test]
fn what_keeps_the_rules_is_left_alone() {
    assert_eq!(
        judge(&tree(sample::TREE), &Open::default()),
        Vec::<String>::new()
    );
}
