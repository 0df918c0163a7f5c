//! `statekeep verify`: for a person, for a script, beside a server and without one.

use serde_json::json;
use tempfile::TempDir;

use crate::disk::sql;
use crate::harness::{Setup, lineage, tfstate};

use super::{Place, run, some_states, stderr};

#[test]
fn what_is_sound_is_0_and_says_how_much_was_looked_at() {
    Place::both(some_states, |place| {
        let text = place.ok(&["verify"]);
        assert!(
            text.contains("looked at 5 versions of 3 states; 5 of them")
                && text.contains("nothing is wrong"),
            "{text}"
        );
        assert!(
            place
                .ok(&["verify", "--quick"])
                .contains("nothing was decoded")
        );
        assert!(
            place
                .ok(&["verify", "--state", "team/net"])
                .contains("3 versions of 1 state;")
        );
        let answer = place.json(&["verify"]);
        assert_eq!(
            (&answer["found"], &answer["checked"]["decoded"]),
            (&json!(0), &json!(5))
        );
        place.fails(&["verify", "--state", "team/none"], "no_state");
        assert_eq!(
            place.run(&["verify", "--state", "none"]).status.code(),
            Some(2)
        );
    });
}

#[test]
fn each_finding_is_told_by_state_and_version_with_what_can_still_be_read_and_ends_with_1() {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let server = Setup::new().data(&data).start();
    (1..=8).for_each(|serial| {
        drop(
            server
                .admin()
                .write_by_force("a/b", tfstate(&lineage(serial), serial))
                .expect_status(200),
        );
    });
    assert!(server.stop().success());
    let Some(()) = sql(
        &data.join("statekeep.db"),
        "UPDATE blobs SET frame = zeroblob(9), stored = 9 WHERE id = 7;",
    ) else {
        return;
    };
    for beside in [true, false] {
        let _server = beside.then(|| Setup::new().data(&data).start());
        let output = run(&data, &["verify"]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(
            text.contains("version 7 of a/b: ") && text.contains("(damaged)"),
            "{text}"
        );
        assert!(
            text.contains("version 7 of a/b is damaged; versions 1–6 and 8 can be read"),
            "{text}"
        );
        assert!(
            stderr(&output).contains("1 finding;"),
            "{}",
            stderr(&output)
        );
        let output = run(&data, &["verify", "--format", "json"]);
        assert_eq!(output.status.code(), Some(1));
        let answer: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(answer["states"][0]["readable"], json!([[1, 6], [8, 8]]));
        assert_eq!(
            run(&data, &["verify", "--quick"]).status.code(),
            Some(0),
            "nothing is decoded"
        );
    }
}
