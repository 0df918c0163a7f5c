//! `statekeep prune`, `statekeep retention …`, `statekeep state hold` and `release`.

use serde_json::{Value, json};

use crate::harness::{Client, tfstate};

use super::{L1, Place, some_states, stderr};

/// `team/net` with six versions beside some other states.
fn six_versions(admin: &Client) {
    some_states(admin);
    for serial in 4..=6 {
        admin
            .write("team/net", tfstate(L1, serial), None)
            .expect_status(200);
    }
}

fn numbers(place: &Place, name: &str) -> Vec<u64> {
    let rows: Vec<Value> = place.look(|admin| admin.versions(name));
    rows.iter()
        .rev()
        .filter_map(|row| row["number"].as_u64())
        .collect()
}

#[test]
fn hold_and_release_mark_a_version_and_history_shows_it() {
    Place::both(some_states, |place| {
        let held = place.run(&["state", "hold", "team/net", "2", "--reason", "known good"]);
        assert_eq!(held.status.code(), Some(0), "{}", stderr(&held));
        assert!(
            held.stdout.is_empty() && stderr(&held).contains("known good"),
            "{}",
            stderr(&held)
        );
        let history = place.ok(&["state", "history", "team/net"]);
        assert!(
            history.contains("2!") && history.contains("3*") && !history.contains("1!"),
            "{history}"
        );
        assert_eq!(
            place.json(&["state", "history", "team/net"])["versions"][1]["held"]["by"]["id"],
            "operator"
        );
        place.ok(&["prune", "--keep-last", "1", "--yes"]);
        assert_eq!(numbers(place, "team/net"), [2, 3]);
        assert_eq!(
            place.json(&["state", "release", "team/net", "2"])["held"],
            json!(null)
        );
        place.fails(
            &["state", "hold", "team/net", "1", "--reason", "too late"],
            "no_version",
        );
        place.fails(
            &["state", "hold", "team/net", "2", "--reason", ""],
            "bad_request",
        );
    });
}

#[test]
fn prune_says_what_would_go_and_then_removes_it() {
    Place::both(six_versions, |place| {
        let looked = place.ok(&["prune", "--keep-last", "2", "--dry-run"]);
        for word in [
            "team/net",
            "WOULD GO",
            "versions that would go",
            "4",
            "current 3",
            "last 4",
        ] {
            assert!(looked.contains(word), "{word}: {looked}");
        }
        assert!(!looked.contains("team/two"), "{looked}");
        assert_eq!(numbers(place, "team/net").len(), 6);
        let preview = place.json(&["prune", "--keep-last", "2", "--dry-run"]);
        let done = place.ok(&["prune", "--keep-last", "2", "--yes"]);
        assert!(
            done.contains("versions that went") && done.contains("given back"),
            "{done}"
        );
        assert_eq!(
            (numbers(place, "team/net"), preview["removed"].as_u64()),
            (vec![5, 6], Some(4))
        );
        let again = place.ok(&["prune", "--keep-last", "2", "--yes"]);
        assert!(
            again.contains("versions that went") && !again.contains("team/net"),
            "{again}"
        );
    });
}

#[test]
fn prune_can_be_told_where() {
    Place::both(six_versions, |place| {
        place.ok(&["prune", "--keep-last", "1", "--workspace", "rival", "--yes"]);
        assert_eq!(numbers(place, "team/net").len(), 6);
        place.ok(&[
            "prune",
            "--keep-daily",
            "3",
            "--keep-weekly",
            "2",
            "--state",
            "team/net",
            "--yes",
        ]);
        // Days may change during a test.
        assert!(numbers(place, "team/net").len() <= 2);
        place.fails(
            &["prune", "--keep-last", "1", "--state", "team/none"],
            "no_state",
        );
    });
}

#[test]
fn policies_of_workspaces_are_set_listed_used_and_taken_away() {
    Place::both(six_versions, |place| {
        place.fails(&["prune", "--configured"], "bad_policy");
        place.ok(&[
            "retention",
            "set",
            "team",
            "--keep-last",
            "3",
            "--keep-within",
            "1s",
            "--keep-rejected",
            "90d",
        ]);
        place.ok(&["retention", "set", "rival", "--keep-all"]);
        let list = place.ok(&["retention", "list"]);
        for word in [
            "(server)",
            "everything",
            "keep-last 3",
            "keep-within 1s",
            "keep-rejected 90d",
            "keep-all",
            "operator",
        ] {
            assert!(list.contains(word), "{word}: {list}");
        }
        let rows = place.json(&["retention", "list"]);
        assert_eq!(
            (rows["workspaces"].as_array().map(Vec::len), &rows["server"]),
            (Some(2), &json!(null))
        );
        place.ok(&["prune", "--configured", "--dry-run"]);
        place.ok(&["retention", "unset", "team"]);
        assert_eq!(
            place.json(&["retention", "unset", "team"])["removed"],
            false
        );
        assert_eq!(
            numbers(place, "team/net").len(),
            6,
            "nothing is pruned but by `prune` and by a server"
        );
        assert!(place.json(&["retention", "trust-clock"])["trusted_at"].is_string());
    });
}
