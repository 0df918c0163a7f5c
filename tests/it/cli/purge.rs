//! `statekeep state purge`.

use serde_json::json;

use super::{L1, Place, stderr};
use crate::harness::{Client, tfstate_noted};

fn three_versions(admin: &Client) {
    for serial in 1..=3 {
        admin
            .write("team/net", tfstate_noted(L1, serial, "of its own"), None)
            .expect_status(200);
    }
}

#[test]
fn it_removes_content_when_told_so_and_rows_stay() {
    Place::both(three_versions, |place| {
        let output = place.run(&["state", "purge", "team/net", "1", "2"]);
        assert_eq!(
            output.status.code(),
            Some(2),
            "nobody said yes: {}",
            stderr(&output)
        );
        place.ok(&["state", "pull", "team/net", "--version", "1"]);
        let output = place.run(&["state", "purge", "team/net", "1", "2", "--yes"]);
        let said = stderr(&output);
        assert!(
            output.status.success() && output.stdout.is_empty(),
            "{said}"
        );
        assert!(
            said.contains(
                "the content of 2 versions of team/net is removed and erased from the disk"
            ),
            "{said}"
        );
        assert!(
            said.contains("backups"),
            "and where it may still be: {said}"
        );
        let output = place.run(&["state", "pull", "team/net", "--version", "1"]);
        assert!(
            output.status.code() == Some(1) && stderr(&output).contains("purged"),
            "{}",
            stderr(&output)
        );
        let answer = place.json(&["state", "purge", "team/net", "1", "--yes"]);
        assert_eq!(
            (&answer["versions"], &answer["erased"]),
            (&json!([]), &json!(true))
        );
        assert!(
            stderr(&place.run(&["state", "purge", "team/net", "2", "--yes"]))
                .contains("nothing is left of version 2 of team/net")
        );
    });
}

#[test]
fn what_makes_no_sense_is_refused() {
    Place::both(three_versions, |place| {
        for args in [
            &["team/net", "--yes"][..],
            &["team/net", "1", "--all", "--yes"],
            &["team/net", "x", "--yes"],
            &["team", "1", "--yes"],
        ] {
            let output = place.run(&[&["state", "purge"], args].concat());
            assert_eq!(
                output.status.code(),
                Some(2),
                "{args:?}: {}",
                stderr(&output)
            );
        }
        for (args, code) in [
            (["team/net", "3"], "current_version"),
            (["team/net", "9"], "no_version"),
            (["team/net", "--all"], "not_deleted"),
        ] {
            let output = place.run(&[&["state", "purge"], &args[..], &["--yes"]].concat());
            assert!(
                output.status.code() == Some(1) && stderr(&output).contains(code),
                "{args:?}: {}",
                stderr(&output)
            );
        }
        place.ok(&["state", "delete", "team/net", "--yes"]);
        assert!(
            stderr(&place.run(&["state", "purge", "team/net", "--all", "--yes"]))
                .contains("3 versions")
        );
    });
}
