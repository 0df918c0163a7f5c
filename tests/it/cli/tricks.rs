//! Characters that a terminal acts on, that turn a line around or that cannot be seen: in a state,
//! a lock, a resource and an argument. No command prints one of them.

use std::path::Path;

use serde_json::json;

use super::{run, stderr};
use crate::harness::{Server, Setup, lock_body, md5, state_path};

/// One of each kind. The line break begins a line that looks like one of ours.
const TRICKS: &str = "\u{1b}[2J\u{1b}]0;t\u{7}\u{9b}31m\u{85}\r\u{8}\u{7f}\u{61c}\u{200b}\u{200f}\
    \u{202e}\u{2066}\u{2028}\u{2029}\u{feff}\u{ad}\u{e0001}\nstatekeep: forged";

/// Everything in an output that should not be there.
fn faults(printed: &str) -> Vec<String> {
    let tricks = TRICKS.split('\n').next().unwrap_or_default();
    let is_trick = |letter: &char| !"[]2J0;t31m".contains(*letter) && tricks.contains(*letter);
    let mut faults: Vec<String> = printed
        .chars()
        .filter(is_trick)
        .map(|letter| format!("{letter:?}"))
        .collect();
    let forged = printed
        .lines()
        .filter(|line| line.starts_with("statekeep: forged"));
    faults.extend(forged.map(str::to_owned));
    faults
}

fn tricky(words: &str) -> String {
    format!("{words}{TRICKS}")
}

/// A state full of tricks.
fn state(serial: u64, note: &str) -> String {
    json!({
        "version": 4, "terraform_version": tricky("1.2.3"), "serial": serial,
        "lineage": tricky("lineage"),
        "outputs": {tricky("out"): {"value": tricky(note), "type": "string"}},
        "resources": [{
            "mode": "managed", "type": tricky("type"), "name": tricky("name"),
            "module": tricky("module.m"), "provider": tricky("provider"),
            "instances": [{
                "index_key": tricky("key"), "schema_version": 0,
                "attributes": {"id": tricky("id"), tricky("attribute"): tricky(note)},
            }, {
                "index_key": tricky("key"), "deposed": tricky("deposed"),
                "attributes": {"id": tricky(note)},
            }],
        }],
    })
    .to_string()
}

/// A lock full of tricks.
fn lock() -> String {
    json!({
        "ID": tricky("lock"), "Operation": tricky("OperationTypeApply"), "Info": tricky("info"),
        "Who": tricky("who"), "Version": tricky("1.2.3"), "Created": "2026-01-02T03:04:05Z",
        "Path": tricky("path"),
    })
    .to_string()
}

/// A server whose state, history, lock and refusals are full of tricks.
fn server() -> Server {
    let server = Setup::new().start();
    let admin = server.admin();
    for serial in 1..=3 {
        let body = state(serial, &format!("note {serial}"));
        let request = admin
            .request("POST", &state_path("team/net"))
            .header("Content-MD5", md5(body.as_bytes()));
        let answer = request.body(body).send().expect("an answer");
        assert_eq!(answer.status().as_u16(), 200);
    }
    admin
        .send("LOCK", &state_path("team/net"), lock())
        .expect_status(200);
    admin.lock("team/net", "other").expect_status(423);
    admin
        .write("team/net", state(4, "note"), Some("other"))
        .expect_status(423);
    server
}

/// Runs a command, which may fail, and looks at all that it prints; says how much that was.
#[track_caller]
fn look(data: &Path, args: &[&str]) -> String {
    let output = run(data, args);
    let printed = String::from_utf8_lossy(&output.stdout).into_owned() + &stderr(&output);
    assert_eq!(
        faults(&printed),
        Vec::<String>::new(),
        "{args:?}: {printed:?}"
    );
    printed
}

#[test]
fn no_command_prints_what_a_terminal_acts_on() {
    let server = server();
    let data = server.data();
    for command in [
        &["state", "list"][..],
        &["state", "show", "team/net"],
        &["state", "history", "team/net"],
        &["state", "history", "team/net", "--all"],
        &["state", "diff", "team/net"],
        &["state", "diff", "team/net", "1", "3", "--sensitive"],
        &["state", "outputs", "team/net"],
        &["state", "outputs", "team/net", "--sensitive"],
        &["state", "rollback", "team/net", "1", "--dry-run"],
        &["state", "rollback", "team/net", "1", "--yes"],
        &["state", "unlock", "team/net", "--id", "wrong"],
        &["state", "unlock", "team/net"],
        &["state", "delete", "team/net", "--yes"],
        &["key", "list"],
        &["verify"],
        &["prune", "--dry-run", "--keep-last", "1"],
        &["retention", "list"],
    ] {
        let text = look(data, command);
        assert!(!text.is_empty(), "{command:?} prints nothing");
        look(data, &[command, &["--format", "json"]].concat());
    }
    let shown = look(data, &["state", "show", "team/net"]);
    for escaped in [
        r"who\u001b[2J",
        r"\u202e",
        r"\U000e0001\nstatekeep: forged",
        r"lineage\u001b",
    ] {
        assert!(shown.contains(escaped), "{escaped} in {shown}");
    }
    let deleted = look(data, &["state", "delete", "team/net", "--yes"]);
    assert!(deleted.contains(r"who\u001b[2J"), "{deleted}");
    let unlocked = look(
        data,
        &["state", "unlock", "team/net", "--id", &tricky("lock")],
    );
    assert!(unlocked.contains(r"lock\u001b[2J"), "{unlocked}");
    assert!(!server.log().contains('\u{202e}'), "the log");
}

#[test]
fn no_command_prints_its_arguments_as_they_are() {
    let server = Server::start();
    let trick = tricky("x");
    for args in [
        &["state", "show", &trick][..],
        &[&trick],
        &["state", "list", &format!("--{trick}")],
        &["state", "show", &format!("--{trick}")],
        &["state", "unfreeze", &format!("--{trick}")],
        &["state", "list", "--url", &trick],
        &[
            "state",
            "list",
            "--url",
            "http://127.0.0.1:1",
            "--key-file",
            &trick,
        ],
        &["state", "unlock", "team/none", "--id", &trick],
        &["key", "create", &trick],
        &["key", "show", &trick],
        &["export", "--to", &format!("/nowhere/{trick}")],
        &["import", &format!("/nowhere/{trick}")],
        &["detect", &trick],
        &["run", "--", &trick, "plan"],
        &["transfer", "--", &trick],
    ] {
        let output = run(server.data(), args);
        assert_ne!(output.status.code(), Some(0), "{args:?}");
        look(server.data(), args);
    }
}

#[test]
fn names_reasons_and_targets_can_be_seen() {
    let server = Server::start();
    let admin = server.admin();
    let state = state_path("team/net");
    admin
        .write("team/net", state_of_one(), None)
        .expect_status(200);
    for trick in [
        '\u{1b}',
        '\n',
        '\u{85}',
        '\u{a0}',
        '\u{ad}',
        '\u{61c}',
        '\u{200b}',
        '\u{200d}',
        '\u{202e}',
        '\u{2028}',
        '\u{2066}',
        '\u{3000}',
        '\u{feff}',
        '\u{e0001}',
        '\u{e000}',
    ] {
        let text = format!("a{trick}b");
        for (path, body) in [
            (
                "/api/keys".to_owned(),
                json!({"name": text, "role": "admin"}),
            ),
            (format!("{state}/versions/1/hold"), json!({"reason": text})),
            (format!("{state}/transfer"), json!({"to": text})),
        ] {
            let answer = admin.post_json(&path, &body);
            assert_eq!(answer.status.as_u16(), 400, "{path} {trick:?}");
            answer.expect_problem(400, "bad_request");
        }
    }
    for text in ["Zoë’s key", "鍵 (1)", "🔑", "e\u{301}"] {
        admin
            .post_json("/api/keys", &json!({"name": text, "role": "admin"}))
            .expect_status(201);
    }
    admin
        .send("LOCK", &state, lock_body("id"))
        .expect_status(200);
}

fn state_of_one() -> String {
    crate::harness::tfstate("l", 1)
}

#[test]
fn a_fault_would_be_found() {
    for printed in [
        "a\u{202e}b",
        "\u{1b}[1m",
        "x\nstatekeep: forged\n",
        "\u{2028}",
    ] {
        assert_ne!(faults(printed), Vec::<String>::new(), "{printed:?}");
    }
    assert_eq!(faults("x\\nstatekeep: forged\n"), Vec::<String>::new());
}
