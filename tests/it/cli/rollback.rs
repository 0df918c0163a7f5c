//! `statekeep state rollback`, and how `state history` shows what came of it.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use serde_json::json;

use crate::harness::{Client, binary, state_path, tfstate};
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
        for words in ["team/net would be rolled back to version 1 (serial 1", "version 3 (serial 3) is current", "serial 4"] {
            assert!(text.contains(words), "{words} in {text}");
        }
        assert_eq!((read(place, "team/net"), versions(place, "team/net")), (tfstate(L1, 3), 3), "only told");
        let rehearsal = place.json(&["state", "rollback", "team/net", "1", "--dry-run"]);
        assert_eq!((&rehearsal["dry_run"], &rehearsal["serial"], &rehearsal["refused"]), (&json!(true), &json!(4), &json!([])));

        let output = place.run(&["state", "rollback", "team/net", "1", "--yes"]);
        assert_eq!((output.status.code(), output.stdout.is_empty()), (Some(0), true), "{}", stderr(&output));
        let said = stderr(&output);
        assert!(
            said.contains("would be rolled back to version 1") && said.contains("version 4, serial 4"),
            "first what, then that: {said}"
        );
        assert_eq!(read(place, "team/net"), tfstate(L1, 4));
        let version = place.json(&["state", "rollback", "team/net", "2", "--yes", "--expected-current", "4"]);
        assert_eq!((&version["number"], &version["kind"], &version["serial"]), (&json!(5), &json!("rollback"), &json!(5)));
        assert!(place.ok(&["state", "history", "team/net"]).contains("rollback"));
    });
}

#[test]
fn without_a_terminal_and_a_yes_it_is_wrong_usage_and_nothing_is_done() {
    Place::both(some_states, |place| {
        let output = place.run(&["state", "rollback", "team/net", "1"]);
        assert_eq!((output.status.code(), output.stdout.is_empty()), (Some(2), true), "{}", stderr(&output));
        assert!(stderr(&output).contains("--yes") && stderr(&output).contains("--dry-run"), "{}", stderr(&output));
        for args in [&["team/net"][..], &["team/net", "x", "--yes"], &["team/net", "-1", "--yes"], &["team", "1", "--yes"]] {
            let output = place.run(&[&["state", "rollback"], args].concat());
            assert_eq!(output.status.code(), Some(2), "{args:?}: {}", stderr(&output));
        }
        assert_eq!(versions(place, "team/net"), 3);
    });
}

#[test]
fn what_is_refused_says_why_and_changes_nothing() {
    let prepare = |admin: &Client| {
        some_states(admin);
        admin.lock("team/two", "lock & 1").expect_status(200);
        admin.write("team/two", tfstate(L1, 2), Some("lock%20%26%201")).expect_status(200);
    };
    Place::both(prepare, |place| {
        place.fails(&["state", "rollback", "team/none", "1", "--yes"], "team/none");
        place.fails(&["state", "rollback", "team/net", "9", "--yes"], "no version 9");
        place.fails(&["state", "rollback", "team/net", "1", "--yes", "--expected-current", "2"], "not_current");
        place.fails(&["state", "rollback", "team/two", "1", "--yes"], "lock & 1");
        place.fails(&["state", "rollback", "team/two", "1", "--yes", "--id", "lock & 1"], "locked");
        place.fails(&["state", "rollback", "team/net", "1", "--yes", "--id", "lock-9"], "stale_lock_id");
        let told = place.ok(&["state", "rollback", "team/two", "1", "--dry-run"]);
        assert!(told.contains("it would be refused") && told.contains("locked by admin"), "{told}");
        assert_eq!((versions(place, "team/net"), versions(place, "team/two")), (3, 2));
    });
}

#[test]
fn under_ones_own_lock_it_takes_the_locks_id_however_that_is_written() {
    let server = crate::harness::Server::start();
    let writer = server.key("team", "writer");
    writer.write("team/net", tfstate(L1, 1), None).expect_status(200);
    writer.write("team/net", tfstate(L1, 2), None).expect_status(200);
    let key = server.data().join("key");
    std::fs::write(&key, writer.secret()).expect("a file");
    let id = "a lock & its \"ID\" = 100 % ü";
    writer.lock("team/net", id).expect_status(200);
    let args =
        ["state", "rollback", "team/net", "1", "--yes", "--id", id, "--url", server.url(), "--key-file", key.to_str().expect("UTF-8")];
    let output = crate::harness::statekeep(&args).output().expect("the binary runs");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(writer.versions("team/net")[0]["lock"]["id"], id);
}

#[test]
fn a_deleted_state_comes_back_and_the_current_version_stays_as_it_is() {
    Place::both(some_states, |place| {
        let output = place.run(&["state", "rollback", "team/net", "3", "--yes"]);
        assert!(output.status.success() && stderr(&output).contains("nothing was done"), "{}", stderr(&output));
        assert_eq!(versions(place, "team/net"), 3);
        place.ok(&["state", "delete", "team/net"]);
        let told = place.ok(&["state", "rollback", "team/net", "3", "--dry-run"]);
        assert!(told.contains("it is deleted, and would be brought back"), "{told}");
        place.ok(&["state", "rollback", "team/net", "3", "--yes"]);
        assert_eq!(read(place, "team/net"), tfstate(L1, 4));
    });
}

/// Runs a rollback on a terminal of its own, where somebody answers.
fn on_a_terminal(place: &Place, script: &std::path::Path, answer: &str) -> Output {
    let line = format!("{} state rollback team/net 1 --data {}", binary().display(), place.data.display());
    let mut command = Command::new(script);
    command.args(["-qec", &line, "/dev/null"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("script starts");
    child.stdin.take().expect("piped").write_all(answer.as_bytes()).expect("it listens");
    child.wait_with_output().expect("it ends")
}

#[test]
fn on_a_terminal_it_asks_and_only_a_yes_is_one() {
    let Some(script) = skip::program("script", "STATEKEEP_SCRIPT") else { return };
    Place::both(some_states, |place| {
        for answer in ["n\n", "\n", "yesterday\n"] {
            let output = on_a_terminal(place, &script, answer);
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            assert_eq!(output.status.code(), Some(1), "{answer:?}: {said}");
            assert!(said.contains("Roll team/net back to version 1? [y/N]") && said.contains("nothing was done"), "{answer:?}: {said}");
            assert_eq!(versions(place, "team/net"), 3, "{answer:?}");
        }
        let output = on_a_terminal(place, &script, "Yes\n");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        assert_eq!(read(place, "team/net"), tfstate(L1, 4));
    });
}

#[test]
fn history_folds_the_snapshots_of_each_apply_and_says_how_many() {
    let prepare = |admin: &Client| {
        some_states(admin);
        for (lock, serials) in [("lock-1", 4..=7), ("lock-2", 8..=9)] {
            admin.lock("team/net", lock).expect_status(200);
            for serial in serials {
                admin.write("team/net", tfstate(L1, serial), Some(lock)).expect_status(200);
            }
            admin.unlock("team/net", lock).expect_status(200);
        }
        admin.post_json(&format!("{}/rollback", state_path("team/net")), &json!({"version": 1})).expect_status(200);
    };
    Place::both(prepare, |place| {
        let rows = |args: &[&str]| {
            let text = place.ok(&[&["state", "history", "team/net"], args].concat());
            let first = |line: &str| line.split_whitespace().next().unwrap_or_default().trim_end_matches('*').to_owned();
            (text.lines().skip(1).map(first).collect::<Vec<_>>(), text)
        };
        let (numbers, text) = rows(&[]);
        assert_eq!(numbers, ["10", "9", "7", "3", "2", "1"], "{text}");
        assert!(text.contains("write (+1 snapshot) ") && text.contains("write (+3 snapshots) "), "{text}");
        let output = place.run(&["state", "history", "team/net"]);
        assert!(stderr(&output).contains("4; --all shows them"), "{}", stderr(&output));
        let (numbers, text) = rows(&["--limit", "3"]);
        assert_eq!(numbers, ["10", "9", "7"], "{text}");
        assert!(text.contains("write (+3 snapshots) "), "the last row has all of its own: {text}");
        let (numbers, text) = rows(&["--all"]);
        assert_eq!(numbers, ["10", "9", "8", "7", "6", "5", "4", "3", "2", "1"]);
        assert_eq!(text.matches("write (snapshot)").count(), 4, "{text}");
    });
}
