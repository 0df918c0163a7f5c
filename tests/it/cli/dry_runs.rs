//! `--dry-run` of what destroys something: it says what would be done, on stdout, and does nothing,
//! also if `--yes` stands beside it.

use serde_json::json;

use super::{Place, some_states, stderr};

#[test]
fn a_dry_run_tells_and_does_nothing() {
    Place::both(
        |admin| {
            some_states(admin);
            admin.lock("team/two", "l").expect_status(200);
        },
        |place| {
            place.ok(&["key", "create", "ci", "--role", "admin"]);
            place.ok(&["state", "hold", "team/net", "2", "--reason", "audit"]);
            let cases: [(&[&str], &str); 6] = [
                (
                    &["state", "delete", "team/net"],
                    "team/net has 0 resources in version 3",
                ),
                (
                    &["state", "purge", "team/net", "1"],
                    "version 1: serial 1, 0 resources",
                ),
                (
                    &["state", "purge", "team/net", "2"],
                    "it is held, so the purge is refused",
                ),
                (
                    &["state", "purge", "team/net", "3"],
                    "it is current, so the purge is refused",
                ),
                (
                    &["state", "purge", "team/net", "--all"],
                    "it is not deleted, so the purge is refused",
                ),
                (&["key", "revoke", "ci"], "it was never used"),
            ];
            for (args, told) in cases {
                for yes in [&[][..], &["--yes"]] {
                    let said = place.ok(&[args, &["--dry-run"], yes].concat());
                    assert!(said.contains(told), "{args:?}: {said}");
                }
                let said = place.json(&[args, &["--dry-run"]].concat());
                assert_eq!(said["dry_run"], json!(true));
                let lines = said["would"].as_array().expect("lines");
                assert!(
                    lines
                        .iter()
                        .any(|line| { line.as_str().is_some_and(|line| line.contains(told)) })
                );
            }
            place.fails(&["state", "delete", "team/none", "--dry-run"], "no_state");
            place.fails(&["state", "delete", "team/two", "--dry-run"], "locked");
            place.fails(&["key", "revoke", "nobody", "--dry-run"], "no_key");

            assert_eq!(
                place.json(&["state", "show", "team/net"])["current"]["number"],
                3
            );
            let first = place.run(&["state", "pull", "team/net", "--version", "1"]);
            assert_eq!(first.status.code(), Some(0), "{}", stderr(&first));
            assert_eq!(place.json(&["key", "show", "ci"])["status"], "active");

            for told in ["deleted team/net;", "team/net was deleted already;"] {
                let said = place.run(&["state", "delete", "team/net", "--yes"]);
                assert!(stderr(&said).contains(told), "{}", stderr(&said));
            }
            let said = place.ok(&["state", "delete", "team/net", "--dry-run"]);
            assert_eq!(said, "team/net is deleted already\n");
            let said = place.ok(&["state", "purge", "team/net", "--all", "--dry-run"]);
            assert!(!said.contains("is refused"), "{said}");
            place.ok(&["key", "revoke", "ci", "--yes"]);
            let said = place.ok(&["key", "revoke", "ci", "--dry-run"]);
            assert!(said.contains("is revoked already"), "{said}");
        },
    );
}
