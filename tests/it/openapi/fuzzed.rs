//! Requests that nobody thought of: schemathesis, the real program, makes them up by
//! `docs/openapi.json`, valid and invalid ones, and compares each answer with it. The server has to
//! refuse what the document forbids, to take what it allows, and to answer as it says.
//!
//! What it looks for and leaves out stands in `tests/schemathesis/`, with reasons. Its random
//! choices have a fixed seed. It runs in the middle tier, for about a minute.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::harness::{Client, Server, Setup, statekeep};
use crate::skip;

/// Every constraint of the document met and broken in turn.
const EACH_CONSTRAINT: [&str; 2] = ["--phases", "examples,coverage"];
/// Random requests. Which of them are valid is not asked: the texts that it makes up have
/// characters that nobody sees, and its whole numbers are written `1.0`.
const RANDOM: [&str; 6] = [
    "--phases",
    "fuzzing",
    "--max-examples",
    "8",
    "--exclude-checks",
    "positive_data_acceptance",
];
/// Requests in a row: what one answers, such as the id of a key, the next ones ask for.
const IN_A_ROW: [&str; 8] = [
    "--phases",
    "stateful",
    "--mode",
    "positive",
    "--max-examples",
    "200",
    "--include-path-regex",
    "^/api/(keys|token|login|hooks|trusts|approvals)",
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schemathesis")
}

/// A server that may be told wrong secrets at any rate, and can seal content.
fn server(keys: &Path) -> Server {
    let key = keys.join("storage-key");
    let key = key.to_str().expect("test directories are UTF-8");
    let mut command = statekeep(&["key", "new-storage", key]);
    let made = command.output().expect("the binary runs");
    assert!(made.status.success(), "{made:?}");
    Setup::new()
        .flag("--max-failures", "1000000")
        .flag("--storage-key-file", key)
        .start()
}

/// Runs schemathesis by a document with a key; whether all was well, and what it said. It may not
/// end the key that it asks with.
fn ask(document: &Path, by: (&Server, &Client), what: &[&str]) -> Option<(bool, String)> {
    let program = skip::program("schemathesis", "STATEKEEP_SCHEMATHESIS")?;
    let (server, key) = by;
    let me = key.get("/api/whoami").expect_status(200).json();
    let asked = Command::new(program)
        .args(["--config-file", "schemathesis.toml", "run"])
        .arg(document)
        .args(["--url", server.url(), "--seed", "1", "--no-color"])
        .args(["--continue-on-failure", "--generation-database", "none"])
        .arg(format!("--header=Authorization: Bearer {}", key.secret()))
        .args(what)
        .env(
            "STATEKEEP_OWN_KEY",
            me["key"]["id"].as_str().expect("an id"),
        )
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env(
            "HYPOTHESIS_STORAGE_DIRECTORY",
            Path::new(env!("CARGO_TARGET_TMPDIR")).join("hypothesis"),
        )
        .current_dir(folder())
        .stdin(Stdio::null())
        .output()
        .expect("schemathesis starts");
    let said = [asked.stdout, asked.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    Some((asked.status.success(), said))
}

#[track_caller]
fn finds_nothing(by: (&Server, &Client), what: &[&str]) -> Option<String> {
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/openapi.json");
    let (is_well, said) = ask(&document, by, what)?;
    assert!(is_well, "schemathesis found something: {said}");
    // A key that ended on the way would be answered nothing but 401.
    by.1.get("/api/whoami").expect_status(200);
    Some(said)
}

#[test]
#[ignore = "middle tier: asks for half a minute"]
fn schemathesis_finds_nothing_in_requests_that_follow_each_other() {
    let keys = tempfile::tempdir().expect("a directory");
    let server = server(keys.path());
    let Some(said) = finds_nothing((&server, &server.admin()), &IN_A_ROW) else {
        return;
    };
    let mut words = said.split_whitespace();
    let is_followed = words.any(|word| word == "Links:") && words.next() != Some("0");
    assert!(is_followed, "no answer led to another request: {said}");
}

#[test]
#[ignore = "middle tier: asks for half a minute"]
fn schemathesis_finds_nothing() {
    let keys = tempfile::tempdir().expect("a directory");
    let server = server(keys.path());
    let admin = server.admin();
    finds_nothing((&server, &admin), &EACH_CONSTRAINT);
    finds_nothing((&server, &admin), &RANDOM);
}

#[test]
#[ignore = "middle tier: asks for half a minute"]
fn schemathesis_finds_nothing_with_a_key_that_only_reads() {
    let keys = tempfile::tempdir().expect("a directory");
    let server = server(keys.path());
    let reader = server.key("", "reader");
    finds_nothing((&server, &reader), &EACH_CONSTRAINT);
}

/// The control: a document that promises something else is found out.
#[test]
#[ignore = "middle tier: starts schemathesis several times"]
fn schemathesis_finds_a_document_that_is_not_so() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = server(dir.path());
    let admin = server.admin();
    let broken = [
        // No answer fits.
        (r#""Whoami": {"#, r#""Whoami": {"not": {}, "#),
        // A parameter is narrower than the server takes it.
        (r#""maximum": 1000, "default": 50"#, r#""maximum": 49"#),
        // The same wider: what the document allows is refused.
        (r#""maximum": 1000, "default": 50"#, r#""maximum": 5000"#),
    ];
    for (is, said) in broken {
        let text = super::TEXT;
        assert!(text.contains(is), "{is} is not in the document any more");
        let file = dir.path().join("openapi.json");
        std::fs::write(&file, text.replace(is, said)).expect("a file");
        let few = ["--include-path-regex", "^/api/(whoami|keys)$"];
        let what = [&EACH_CONSTRAINT[..], &few].concat();
        let Some((is_well, told)) = ask(&file, (&server, &admin), &what) else {
            return;
        };
        assert!(!is_well, "nothing was found with {said}: {told}");
    }
}
