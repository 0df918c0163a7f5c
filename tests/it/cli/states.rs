//! `statekeep state …`.

use serde_json::{Value, json};

use crate::harness::{Client, eventually, state_path, tfstate};

use super::{L1, Place, some_states, stderr};

/// What a command does to a state, seen through the API afterwards: the status of a read and its
/// bytes.
fn read(place: &Place, name: &str) -> (u16, String) {
    place.look(|admin| {
        let answer = admin.read(name);
        (answer.status.as_u16(), answer.text())
    })
}

#[test]
fn list_shows_the_states_of_all_or_one_workspace() {
    Place::both(
        |admin| {
            some_states(admin);
            admin.delete("team/two").expect_status(200);
        },
        |place| {
            let all = place.ok(&["state", "list"]);
            assert!(
                all.contains("team/net") && all.contains("rival/net") && !all.contains("team/two"),
                "{all}"
            );
            let team = place.ok(&["state", "list", "--workspace", "team"]);
            assert!(
                team.contains("team/net") && !team.contains("rival"),
                "{team}"
            );
            assert!(
                place
                    .ok(&["state", "list", "--deleted"])
                    .contains("team/two")
            );
            let rows = place.json(&["state", "list", "--workspace", "team"]);
            assert_eq!(rows["states"].as_array().map(Vec::len), Some(1));
            assert_eq!(rows["states"][0]["current"]["number"], 3);
        },
    );
}

#[test]
fn a_state_that_has_left_says_where_to_and_keeps_its_history() {
    let prepare = |admin: &Client| {
        some_states(admin);
        let path = format!("{}/transfer", state_path("team/net"));
        admin
            .post_json(&path, &json!({"to": "s3://there \u{e9}x"}))
            .expect_status(200);
        admin
            .post_json(&format!("{path}/done"), &json!({"version": 3}))
            .expect_status(200);
    };
    Place::both(prepare, |place| {
        let there = "s3://there \u{e9}x";
        assert!(!place.ok(&["state", "list"]).contains("team/net"));
        let list = place.ok(&["state", "list", "--deleted"]);
        let row = list
            .lines()
            .find(|line| line.starts_with("team/net"))
            .expect("a row");
        assert!(row.contains("left ") && row.contains(there), "{row}");
        let text = place.ok(&["state", "show", "team/net"]);
        assert!(
            text.lines()
                .any(|line| line.starts_with("left ") && line.contains(there))
                && !text.contains("deleted"),
            "{text}"
        );
        assert_eq!(
            place.json(&["state", "show", "team/net"])["transferred_to"],
            "s3://there \u{e9}x"
        );
        assert_eq!(numbers(place, &[]), [3, 2, 1]);
        place.fails(&["state", "pull", "team/net"], there);
        let told = place.run(&["state", "rollback", "team/net", "1", "--dry-run"]);
        let told = String::from_utf8_lossy(&told.stdout).into_owned();
        assert!(
            told.contains("it has left for") && told.contains(there),
            "{told}"
        );
        place.ok(&["state", "rollback", "team/net", "1", "--yes"]);
        assert_eq!(read(place, "team/net").0, 200);
    });
}

#[test]
fn show_tells_of_one_state_and_its_lock() {
    Place::both(
        |admin| {
            some_states(admin);
            admin.lock("team/net", "lock-1").expect_status(200);
        },
        |place| {
            let text = place.ok(&["state", "show", "team/net"]);
            for word in ["team/net", "lock-1", "someone@somewhere", L1] {
                assert!(text.contains(word), "{word} in {text}");
            }
            let state = place.json(&["state", "show", "team/net"]);
            assert_eq!(
                (
                    &state["workspace"],
                    &state["buildingBlock"],
                    &state["current"]["number"]
                ),
                (&json!("team"), &json!("net"), &json!(3))
            );
            place.fails(&["state", "show", "team/none"], "team/none");
        },
    );
}

#[test]
fn pull_writes_the_exact_bytes_and_nothing_else() {
    let odd = "{\"version\":4,\r\n \"serial\" : 9,\t\"lineage\":\"\\u0061\"}\n\n";
    Place::both(
        |admin| {
            some_states(admin);
            admin.write("team/odd", odd, None).expect_status(200);
        },
        |place| {
            assert_eq!(place.ok(&["state", "pull", "team/odd"]), odd);
            assert_eq!(
                place.ok(&["state", "pull", "team/odd", "--format", "json"]),
                odd
            );
            assert_eq!(place.ok(&["state", "pull", "team/net"]), tfstate(L1, 3));
            assert_eq!(
                place.ok(&["state", "pull", "team/net", "--version", "1"]),
                tfstate(L1, 1)
            );
            place.fails(&["state", "pull", "team/none"], "team/none");
            place.fails(&["state", "pull", "team/net", "--version", "9"], "9");
        },
    );
}

/// The numbers of the versions that `history` prints as JSON.
fn numbers(place: &Place, more: &[&str]) -> Vec<u64> {
    let list = place.json(&[&["state", "history", "team/net"], more].concat());
    list["versions"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|version| version["number"].as_u64())
        .collect()
}

#[test]
fn what_a_command_has_read_is_in_the_event_log() {
    Place::both(some_states, |place| {
        place.ok(&["state", "pull", "team/net"]);
        place.look(|admin| {
            eventually("the read is written down", || {
                admin.events("kind=state.read&key=operator").len() == 1
            });
        });
    });
}

#[test]
fn history_lists_versions_newest_first_without_intermediate_ones() {
    Place::both(
        |admin| {
            some_states(admin);
            admin.lock("team/net", "lock-1").expect_status(200);
            for serial in 4..=6 {
                admin
                    .write("team/net", tfstate(L1, serial), Some("lock-1"))
                    .expect_status(200);
            }
            admin.unlock("team/net", "lock-1").expect_status(200);
            admin
                .write("team/net", tfstate(L1, 2), None)
                .expect_status(409);
        },
        |place| {
            assert_eq!(numbers(place, &[]), [7, 6, 3, 2, 1]);
            assert_eq!(numbers(place, &["--all"]), [7, 6, 5, 4, 3, 2, 1]);
            assert_eq!(numbers(place, &["--all", "--limit", "2"]), [7, 6]);
            assert_eq!(numbers(place, &["--all", "--before", "3"]), [2, 1]);
            assert_eq!(numbers(place, &["--kind", "rejected"]), [7]);
            let text = place.ok(&["state", "history", "team/net"]);
            assert!(
                text.contains("rejected") && text.contains("admin"),
                "{text}"
            );
            place.fails(&["state", "history", "team/none"], "team/none");
        },
    );
}

#[test]
fn delete_and_restore_take_a_state_away_and_bring_it_back() {
    Place::both(some_states, |place| {
        place.ok(&["state", "delete", "team/net", "--yes"]);
        assert_eq!(read(place, "team/net").0, 404);
        place.ok(&["state", "delete", "team/net"]);
        place.ok(&["state", "restore", "team/net"]);
        assert_eq!(read(place, "team/net"), (200, tfstate(L1, 3)));
        assert_eq!(
            place.json(&["state", "delete", "team/net", "--yes"]),
            json!({"deleted": true, "version": 4})
        );
        let restored = place.json(&["state", "restore", "team/net"]);
        assert_eq!(
            (&restored["number"], &restored["kind"]),
            (&json!(5), &json!("restore"))
        );
        place.fails(&["state", "delete", "team/none"], "team/none");
        place.fails(&["state", "restore", "team/none"], "team/none");
        let actor = place.look(|admin| admin.events("kind=state.delete")[0]["actor"].clone());
        assert_eq!(actor, json!({"id": "operator", "name": "operator"}));
    });
}

#[test]
fn move_takes_a_state_elsewhere_and_restore_takes_it_back() {
    Place::both(some_states, |place| {
        place.ok(&["state", "move", "team/net", "rival/moved"]);
        assert_eq!(read(place, "team/net").0, 410);
        assert_eq!(read(place, "rival/moved"), (200, tfstate(L1, 3)));
        place.fails(&["state", "move", "team/two", "rival/net"], "rival/net");
        place.fails(&["state", "move", "team/none", "team/x"], "team/none");
        place.ok(&["state", "restore", "team/net"]);
        assert_eq!(read(place, "team/net"), (200, tfstate(L1, 3)));
        let state: Value = place.json(&["state", "move", "team/two", "team/three"]);
        assert_eq!(
            (&state["workspace"], &state["buildingBlock"]),
            (&json!("team"), &json!("three"))
        );
    });
}

fn locked(place: &Place) -> bool {
    place.look(|admin| {
        admin
            .get(&format!("{}/lock", state_path("team/net")))
            .status
            == 200
    })
}

#[test]
fn unlock_breaks_whatever_lock_is_there_or_only_the_named_one() {
    let lock = |admin: &Client| {
        admin.lock("team/net", "lock-1").expect_status(200);
    };
    Place::both(lock, |place| {
        place.fails(&["state", "unlock", "team/net", "--id", "lock-2"], "lock-1");
        assert!(locked(place));
        place.ok(&["state", "unlock", "team/net", "--id", "lock-1"]);
        assert!(!locked(place));
        place.look(lock);
        let refused = place.run(&["state", "unlock", "team/net"]);
        assert_eq!(
            refused.status.code(),
            Some(2),
            "nobody said yes: {}",
            stderr(&refused)
        );
        for word in ["lock-1", "someone@somewhere", "since", "--yes"] {
            assert!(
                stderr(&refused).contains(word),
                "{word}: {}",
                stderr(&refused)
            );
        }
        assert!(locked(place));
        place.ok(&["state", "unlock", "team/net", "--yes"]);
        assert!(!locked(place));
        place.fails(
            &["state", "unlock", "team/net", "--yes"],
            "there is no state at team/net",
        );
        place.look(|admin| {
            admin
                .write("team/net", tfstate(L1, 1), None)
                .expect_status(200)
        });
        assert_eq!(
            place.json(&["state", "unlock", "team/net"]),
            json!({}),
            "nothing was locked"
        );
        let breaks = place.look(|admin| admin.events("kind=lock.break"));
        assert_eq!(breaks.len(), 2);
        assert_eq!(breaks[0]["actor"]["id"], "operator");
    });
}

#[test]
fn a_locked_state_is_neither_deleted_nor_moved() {
    let prepare = |admin: &Client| {
        some_states(admin);
        admin.lock("team/net", "lock-1").expect_status(200);
    };
    Place::both(prepare, |place| {
        place.fails(&["state", "delete", "team/net"], "lock");
        place.fails(&["state", "move", "team/net", "team/x"], "lock");
        assert_eq!(read(place, "team/net"), (200, tfstate(L1, 3)));
    });
}
