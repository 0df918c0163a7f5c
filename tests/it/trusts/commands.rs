//! `statekeep trust …`, and what `whoami` says of an ID token.

use serde_json::{Value, json};

use super::issuer::{AUDIENCE, ISSUER, Issuer};
use crate::harness::{Server, statekeep};

/// Runs a command as the operator of a server: what it printed and said, and its exit code.
fn run(server: &Server, args: &[&str]) -> (String, String, Option<i32>) {
    let data = server.data().to_str().expect("UTF-8");
    let args = [args, &["--data", data]].concat();
    let done = statekeep(&args).output().expect("the binary runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (text(done.stdout), text(done.stderr), done.status.code())
}

/// The command that makes a trust, with the file of an issuer's keys.
fn create(file: &str) -> Vec<String> {
    let command = format!(
        "trust create gitlab --issuer {ISSUER} --audience {AUDIENCE} --jwks-file {file} --claim \
            project_path=infra/* --claim ref_protected=true --workspace {{namespace_path}} --role \
            writer"
    );
    command.split(' ').map(str::to_owned).collect()
}

#[test]
fn trusts_are_made_listed_shown_and_removed_by_name() {
    let server = Server::start();
    let issuer = Issuer::new();
    let create = create(issuer.file().to_str().expect("UTF-8"));
    let create: Vec<&str> = create.iter().map(String::as_str).collect();
    let (_, told, code) = run(&server, &create);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("{namespace_path}"), "{told}");
    let (_, told, code) = run(&server, &create);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("name_taken"), "{told}");

    let (list, _, _) = run(&server, &["trust", "list"]);
    assert!(
        list.contains("project_path=infra/* ref_protected=true"),
        "{list}"
    );
    let (shown, _, _) = run(&server, &["trust", "show", "gitlab"]);
    assert!(
        shown.contains(ISSUER) && shown.contains("operator"),
        "{shown}"
    );
    let (json, _, _) = run(&server, &["trust", "show", "gitlab", "--format", "json"]);
    let trust: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(trust["claims"]["ref_protected"], "true");

    let token = issuer.token(&json!({}));
    let key = issuer.file().with_file_name("token");
    std::fs::write(&key, &token).expect("a file");
    let by = [
        "whoami",
        "--url",
        server.url(),
        "--key-file",
        key.to_str().expect("UTF-8"),
    ];
    let done = statekeep(&by).output().expect("the binary runs");
    let told = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(
        told.contains("an ID token, under the trust gitlab"),
        "{told}"
    );

    let (_, told, code) = run(&server, &["trust", "remove", "gitlba", "--yes"]);
    assert_eq!(code, Some(1), "{told}");
    assert!(
        told.contains("no_trust") && told.contains("gitlab"),
        "{told}"
    );
    let nobody = "00000000-0000-4000-8000-000000000000";
    let (_, told, code) = run(&server, &["trust", "show", nobody]);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("`statekeep trust list` lists them"), "{told}");
    let (_, told, code) = run(&server, &["trust", "remove", "gitlab"]);
    assert_ne!(code, Some(0), "it asks, and nobody is there: {told}");
    let (_, told, code) = run(&server, &["trust", "remove", "gitlab", "--yes"]);
    assert_eq!(code, Some(0), "{told}");
    let (list, _, _) = run(&server, &["trust", "list"]);
    assert!(!list.contains("gitlab"), "{list}");
}

#[test]
fn a_claim_is_given_once_and_with_a_value() {
    let server = Server::start();
    let usual = [
        "trust",
        "create",
        "x",
        "--issuer",
        ISSUER,
        "--audience",
        "a",
        "--jwks-file",
        "/x",
        "--role",
        "reader",
        "--workspace",
        "team",
    ];
    for claims in [
        &["--claim", "a=1", "--claim", "a=2"][..],
        &["--claim", "a"],
        &["--claim", "=1"],
        &["--claim", "a="],
        &[],
    ] {
        let (_, told, code) = run(&server, &[&usual[..], claims].concat());
        assert_eq!(code, Some(2), "{claims:?}: {told}");
    }
}
