//! Words that were given up do not come back: not in the documents, not in `--help`, and not in
//! what the program says. The rules of the house look for them in names of the code.
//!
//! A word stands here with the field's own word for the same thing, so that a finding says what to
//! write. Where a word is right all the same, the exception has its reason.

use std::collections::BTreeMap;
use std::path::Path;

use super::{collect, documents, help};
use crate::tidy::matching::File;

/// Words, each with those to write in its place. Forms are written out; letter case does not
/// matter, and a word is only found as a whole.
const GIVEN_UP: [(&str, &str); 16] = [
    (
        "settle settles settled settling",
        "compact, compacted, compaction",
    ),
    ("stands alone|stand alone|standing alone", "stored in full"),
    ("leans on|lean on|leaning on", "has as its delta base"),
    ("journal", "WAL"),
    ("lend lends lent lending", "reserve, reserved"),
    ("lease leases", "reservation"),
    (
        "rehearse rehearses rehearsal rehearsals rehearsed",
        "preview, dry run",
    ),
    ("restless", "too_many_conflicts"),
    ("sought", "recreated"),
    ("forgive forgives forgiven", "clear the stale mark"),
    ("knocker knockers", "address or key"),
    ("gathered", "aggregated"),
    ("side by side", "at the same time"),
    (
        "whoever somebody",
        "the actor: a client, a person, the key, …",
    ),
    ("tenant tenants", "workspace"),
    ("revision revisions", "version"),
];

/// Where a word is right all the same: the beginning of a path, a text of its line, and why.
const EXCEPTIONS: [(&str, &str, &str); 2] = [
    (
        "CHANGELOG.md",
        "",
        "what was said of a release stays as it was said",
    ),
    (
        "CONTRIBUTING.md",
        "Not: ",
        "the list of words that are not used",
    ),
];

/// A text that people read: where it stands, from which line on, and the text.
struct Said {
    path: String,
    line: usize,
    text: String,
}

/// The words given up in these texts.
fn judge(texts: &[Said]) -> Vec<String> {
    let mut findings = Vec::new();
    for said in texts {
        for (index, line) in said.text.lines().enumerate() {
            let lower = line.to_lowercase();
            let is_exception = EXCEPTIONS
                .iter()
                .any(|(path, words, _)| said.path.starts_with(path) && line.contains(words));
            let found = GIVEN_UP.iter().filter(|_| !is_exception);
            let found = found.flat_map(|(words, instead)| {
                let words = forms(words).filter(|word| has_word(&lower, word));
                words.map(move |word| (word, instead))
            });
            let (path, number) = (&said.path, said.line + index);
            findings.extend(
                found.map(|(word, instead)| format!("{path}:{number}: `{word}`: write {instead}")),
            );
        }
    }
    findings
}

/// Phrases are separated by `|`, words by blanks.
fn forms(words: &'static str) -> impl Iterator<Item = &'static str> {
    let separator = if words.contains('|') || words == "side by side" {
        '|'
    } else {
        ' '
    };
    words.split(separator)
}

fn has_word(line: &str, word: &str) -> bool {
    let is_part = |char: char| char.is_alphanumeric() || char == '_';
    line.match_indices(word).any(|(at, _)| {
        !line[..at].ends_with(is_part) && !line[at + word.len()..].starts_with(is_part)
    })
}

/// The texts in the literals of a file, but for those of its unit tests.
fn literals(path: &str, text: &str) -> Vec<Said> {
    let text = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let code = File::new(path, text).code;
    let hidden = |at: usize| code.as_bytes().get(at) == Some(&b'~');
    let mut found = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let is_start = hidden(at) && text.is_char_boundary(at);
        if !is_start {
            at += 1;
            continue;
        }
        // A literal of several lines keeps its line breaks.
        let inside = |end: usize| hidden(end) || text.as_bytes().get(end) == Some(&b'\n');
        let end = (at..text.len()).find(|end| !inside(*end));
        let end = end.unwrap_or(text.len());
        found.push(Said {
            path: path.to_owned(),
            line: text[..at].matches('\n').count() + 1,
            text: text[at..end].to_owned(),
        });
        at = end.max(at + 1);
    }
    found
}

/// The sources, by their paths from the root of the tree.
fn sources() -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    collect(&root, "src/", "rs", &mut found);
    assert!(found.contains_key("src/main.rs"), "the tree was not found");
    found
}

#[test]
fn words_that_were_given_up_are_not_in_the_documents() {
    let texts = documents().into_iter().map(|(path, text)| Said {
        path,
        line: 1,
        text,
    });
    let findings = judge(&texts.collect::<Vec<_>>());
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

#[test]
fn words_that_were_given_up_are_not_in_help() {
    let texts = help::all().into_iter().map(|help| Said {
        path: format!("statekeep {} --help", help.name),
        line: 1,
        text: help.text,
    });
    let findings = judge(&texts.collect::<Vec<_>>());
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

#[test]
fn words_that_were_given_up_are_not_in_what_the_program_says() {
    let sources = sources();
    let texts = sources
        .iter()
        .filter(|(path, _)| !path.ends_with("tests.rs"));
    let texts: Vec<Said> = texts
        .flat_map(|(path, text)| literals(path, text))
        .collect();
    assert!(texts.len() > 1_000, "only {} literals", texts.len());
    let findings = judge(&texts);
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

#[test]
fn a_word_that_comes_back_is_found() {
    let said = |path: &str, text: &str| Said {
        path: path.to_owned(),
        line: 1,
        text: text.to_owned(),
    };
    let texts = [
        said("a.md", "fine\nIt Settled, and a version stands alone.\n"),
        said("a.md", "unsettled, a journalist, a calendar\n"),
        said("CHANGELOG.md", "It was settled.\n"),
        said("CONTRIBUTING.md", "Not: file, revision.\nA revision.\n"),
    ];
    let expected = [
        "a.md:2: `settled`: write compact, compacted, compaction",
        "a.md:2: `stands alone`: write stored in full",
        "CONTRIBUTING.md:2: `revision`: write version",
    ];
    assert_eq!(judge(&texts), expected);

    let source = "//! lent\nfn a() {\n    // somebody\n    say(\"it is lent\\\n        \
        by somebody\");\n}\n#[cfg(test)]\nmod tests {\n    const A: &str = \"lent\";\n}\n";
    let expected = [
        "src/a.rs:4: `lent`: write reserve, reserved",
        "src/a.rs:5: `somebody`: write the actor: a client, a person, the key, …",
    ];
    assert_eq!(judge(&literals("src/a.rs", source)), expected);
}
