//! `statekeep state rollback`, and how `state history` shows what came of it.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::json;

use crate::harness::{
    Client, Server, binary, resource, state_path, statekeep, tfstate, tfstate_with,
};
use crate::skip;

use super::{L1, Place, some_states, stderr};

fn read(place: &Place, name: &str) -> String {
    place.look(|admin| admin.read(name).text())
}

fn versions(place: &Place, name: &str) -> usize {
    place.look(|admin| admin.versions(name).len())
}

#[test]
fn it_says_what_it_would_do_and_does_it_when_told_so() {
    Place::both(some_states, |place| {
        let text = place.ok(&["state", "rollback", "team/net", "1", "--dry-run"]);
        for words in [
            "team/net would be rolled back to version 1 (serial 1",
            "version 3 (serial 3) is current",
            "serial 4",
        ] {
            assert!(text.contains(words), "{words} in {text}");
        }
        assert_eq!(
            (read(place, "team/net"), versions(place, "team/net")),
            (tfstate(L1, 3), 3),
            "only told"
        );
        let preview = place.json(&["state", "rollback", "team/net", "1", "--dry-run"]);
        assert_eq!(
            (&preview["dry_run"], &preview["serial"], &preview["refused"]),
            (&json!(true), &json!(4), &json!([]))
        );

        let output = place.run(&["state", "rollback", "team/net", "1", "--yes"]);
        assert_eq!(
            (output.status.code(), output.stdout.is_empty()),
            (Some(0), true),
            "{}",
            stderr(&output)
        );
        let said = stderr(&output);
        assert!(
            said.contains("would be rolled back to version 1")
                && said.contains("version 4, serial 4"),
            "first what, then that: {said}"
        );
        assert_eq!(read(place, "team/net"), tfstate(L1, 4));
        let version = place.json(&[
            "state",
            "rollback",
            "team/net",
            "2",
            "--yes",
            "--expected-current",
            "4",
        ]);
        assert_eq!(
            (&version["number"], &version["kind"], &version["serial"]),
            (&json!(5), &json!("rollback"), &json!(5))
        );
        assert!(
            place
                .ok(&["state", "history", "team/net"])
                .contains("rollback")
        );
    });
}

#[test]
fn without_a_terminal_and_a_yes_it_is_wrong_usage_and_nothing_is_done() {
    Place::both(some_states, |place| {
        let output = place.run(&["state", "rollback", "team/net", "1"]);
        assert_eq!(
            (output.status.code(), output.stdout.is_empty()),
            (Some(2), true),
            "{}",
            stderr(&output)
        );
        let said = stderr(&output);
        for words in [
            "team/net would be rolled back to version 1",
            "There is no terminal to ask at; --yes confirms it",
            "--expected-current 3",
        ] {
            assert!(said.contains(words), "{words}: {said}");
        }
        place.fails(&["state", "rollback", "team/none", "1"], "no_state");
        place.fails(&["state", "rollback", "team/net", "9"], "no_version");
        for args in [
            &["team/net"][..],
            &["team/net", "x", "--yes"],
            &["team/net", "-1", "--yes"],
            &["team", "1", "--yes"],
        ] {
            let output = place.run(&[&["state", "rollback"], args].concat());
            assert_eq!(
                output.status.code(),
                Some(2),
                "{args:?}: {}",
                stderr(&output)
            );
        }
        assert_eq!(versions(place, "team/net"), 3);
    });
}

#[test]
fn what_is_refused_says_why_and_changes_nothing() {
    let prepare = |admin: &Client| {
        some_states(admin);
        admin.lock("team/two", "lock & 1").expect_status(200);
        admin
            .write("team/two", tfstate(L1, 2), Some("lock%20%26%201"))
            .expect_status(200);
    };
    Place::both(prepare, |place| {
        place.fails(
            &["state", "rollback", "team/none", "1", "--yes"],
            "team/none",
        );
        place.fails(
            &["state", "rollback", "team/net", "9", "--yes"],
            "no version 9",
        );
        place.fails(
            &[
                "state",
                "rollback",
                "team/net",
                "1",
                "--yes",
                "--expected-current",
                "2",
            ],
            "not_current",
        );
        place.fails(&["state", "rollback", "team/two", "1", "--yes"], "lock & 1");
        place.fails(
            &[
                "state", "rollback", "team/two", "1", "--yes", "--id", "lock & 1",
            ],
            "locked",
        );
        place.fails(
            &[
                "state", "rollback", "team/net", "1", "--yes", "--id", "lock-9",
            ],
            "stale_lock_id",
        );
        let told = place.ok(&["state", "rollback", "team/two", "1", "--dry-run"]);
        assert!(
            told.contains("it would be refused") && told.contains("locked by admin"),
            "{told}"
        );
        assert_eq!(
            (versions(place, "team/net"), versions(place, "team/two")),
            (3, 2)
        );
    });
}

#[test]
fn under_ones_own_lock_it_takes_the_locks_id_however_that_is_written() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    writer
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    writer
        .write("team/net", tfstate(L1, 2), None)
        .expect_status(200);
    let key = server.data().join("key");
    std::fs::write(&key, writer.secret()).expect("a file");
    let id = "a lock & its \"ID\" = 100 % ü";
    writer.lock("team/net", id).expect_status(200);
    let args = [
        "state",
        "rollback",
        "team/net",
        "1",
        "--yes",
        "--id",
        id,
        "--url",
        server.url(),
        "--key-file",
        key.to_str().expect("UTF-8"),
    ];
    let output = statekeep(&args).output().expect("the binary runs");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(writer.versions("team/net")[0]["lock"]["id"], id);
}

#[test]
fn a_deleted_state_comes_back_and_the_current_version_stays_as_it_is() {
    Place::both(some_states, |place| {
        let output = place.run(&["state", "rollback", "team/net", "3", "--yes"]);
        assert!(
            output.status.success() && stderr(&output).contains("nothing was done"),
            "{}",
            stderr(&output)
        );
        assert_eq!(versions(place, "team/net"), 3);
        place.ok(&["state", "delete", "team/net", "--yes"]);
        let told = place.ok(&["state", "rollback", "team/net", "3", "--dry-run"]);
        assert!(
            told.contains("it is deleted, and would be brought back"),
            "{told}"
        );
        place.ok(&["state", "rollback", "team/net", "3", "--yes"]);
        assert_eq!(read(place, "team/net"), tfstate(L1, 4));
    });
}

/// A rollback on a terminal of its own that has asked its question; and what it has said so far.
fn asked(place: &Place, script: &Path) -> (Child, String) {
    let line = format!(
        "{} state rollback team/net 1 --data {}",
        binary().display(),
        place.data.display()
    );
    let mut command = Command::new(script);
    command
        .args(["-qec", &line, "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("script starts");
    let (mut said, mut byte) = (Vec::new(), [0]);
    let output = child.stdout.as_mut().expect("piped");
    while !said.ends_with(b"[y/N] ") && output.read(&mut byte).is_ok_and(|read| read == 1) {
        said.push(byte[0]);
    }
    (child, String::from_utf8_lossy(&said).into_owned())
}

/// Answers, and waits for the end; and for what is said then.
fn answer((mut child, _): (Child, String), answer: &str) -> (Option<i32>, String) {
    child
        .stdin
        .take()
        .expect("piped")
        .write_all(answer.as_bytes())
        .expect("it listens");
    let output = child.wait_with_output().expect("it ends");
    (
        output.status.code(),
        String::from_utf8_lossy(&output.stdout).into_owned(),
    )
}

#[test]
fn on_a_terminal_it_asks_and_only_a_yes_is_one() {
    let Some(script) = skip::program("script", "STATEKEEP_SCRIPT") else {
        return;
    };
    Place::both(some_states, |place| {
        for no in ["n\n", "\n", "yesterday\n"] {
            let asked = asked(place, &script);
            assert!(
                asked.1.contains("Roll team/net back to version 1?")
                    && asked.1.contains("version 3 (serial 3) is current"),
                "{}",
                asked.1
            );
            let (code, said) = answer(asked, no);
            assert!(
                code == Some(1) && said.contains("nothing was done"),
                "{no:?}: {said}"
            );
            assert_eq!(versions(place, "team/net"), 3, "{no:?}");
        }
        let (code, said) = answer(asked(place, &script), "Yes\n");
        assert_eq!(code, Some(0), "{said}");
        assert_eq!(read(place, "team/net"), tfstate(L1, 4));
    });
}

#[test]
fn what_was_shown_is_what_is_replaced_or_nothing_is() {
    let Some(script) = skip::program("script", "STATEKEEP_SCRIPT") else {
        return;
    };
    let server = Server::start();
    some_states(&server.admin());
    let place = Place {
        _dir: tempfile::TempDir::new().expect("a directory"),
        data: server.data().to_owned(),
        server: None,
    };
    let asked = asked(&place, &script);
    server
        .admin()
        .write("team/net", tfstate(L1, 4), None)
        .expect_status(200);
    let (code, said) = answer(asked, "y\n");
    assert!(code == Some(1) && said.contains("not_current"), "{said}");
    assert_eq!(server.admin().read("team/net").text(), tfstate(L1, 4));
}

#[test]
fn history_folds_the_snapshots_of_each_apply_and_says_how_many() {
    let prepare = |admin: &Client| {
        some_states(admin);
        for (lock, serials) in [("lock-1", 4..=7), ("lock-2", 8..=9)] {
            admin.lock("team/net", lock).expect_status(200);
            for serial in serials {
                admin
                    .write("team/net", tfstate(L1, serial), Some(lock))
                    .expect_status(200);
            }
            admin.unlock("team/net", lock).expect_status(200);
        }
        admin
            .post_json(
                &format!("{}/rollback", state_path("team/net")),
                &json!({"version": 1}),
            )
            .expect_status(200);
    };
    Place::both(prepare, |place| {
        let rows = |args: &[&str]| {
            let text = place.ok(&[&["state", "history", "team/net"], args].concat());
            let first = |line: &str| {
                line.split_whitespace()
                    .next()
                    .unwrap_or_default()
                    .trim_end_matches('*')
                    .to_owned()
            };
            (text.lines().skip(1).map(first).collect::<Vec<_>>(), text)
        };
        let (numbers, text) = rows(&[]);
        assert_eq!(numbers, ["10", "9", "7", "3", "2", "1"], "{text}");
        assert!(
            text.contains("write (+1 snapshot) ") && text.contains("write (+3 snapshots) "),
            "{text}"
        );
        let output = place.run(&["state", "history", "team/net"]);
        assert!(
            stderr(&output).contains("4; --all shows them"),
            "{}",
            stderr(&output)
        );
        let (numbers, text) = rows(&["--limit", "3"]);
        assert_eq!(numbers, ["10", "9", "7"], "{text}");
        assert!(
            text.contains("write (+3 snapshots) "),
            "the last row has all of its own: {text}"
        );
        let (numbers, text) = rows(&["--all"]);
        assert_eq!(numbers, ["10", "9", "8", "7", "6", "5", "4", "3", "2", "1"]);
        assert_eq!(text.matches("write (snapshot)").count(), 4, "{text}");
    });
}

#[test]
fn the_preview_lists_what_is_forgotten_and_what_is_recreated() {
    let prepare = |admin: &Client| {
        let of = |serial: u64, names: &[&str]| {
            let resources: Vec<_> = names
                .iter()
                .map(|name| resource("managed", "aws_x", name, 1))
                .collect();
            tfstate_with(L1, serial, "note", &json!(resources))
        };
        admin
            .write("team/net", of(1, &["kept", "old"]), None)
            .expect_status(200);
        admin
            .write(
                "team/net",
                of(2, &["kept", "new"]).replace("1.11.4", "1.12.0"),
                None,
            )
            .expect_status(200);
    };
    Place::both(prepare, |place| {
        let text = place.ok(&["state", "rollback", "team/net", "1", "--dry-run"]);
        let lines: Vec<&str> = text.lines().collect();
        let after = |heading: &str| {
            lines
                .iter()
                .position(|line| line.starts_with(heading))
                .map(|at| lines[at + 1])
        };
        assert_eq!(
            after("in the current version only"),
            Some("  - aws_x.new[0]"),
            "{text}"
        );
        assert_eq!(
            after("in the older version only"),
            Some("  + aws_x.old[0]"),
            "{text}"
        );
        assert!(text.contains("changes from 1.12.0 to 1.11.4"), "{text}");
    });
}
