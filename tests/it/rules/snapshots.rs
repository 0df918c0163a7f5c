//! The snapshots of one apply: all that it wrote under its lock is kept, and all but the last is
//! marked, whatever comes in between.

use serde_json::json;

use super::L1;
use crate::harness::{Client, Server, state_path, tfstate_noted};

const STATE: &str = "team/net";

fn write(caller: &Client, serial: u64, lock: Option<&str>) {
    caller
        .write(
            STATE,
            tfstate_noted(L1, serial, &format!("serial {serial}")),
            lock,
        )
        .expect_status(200);
}

/// The number of each version, oldest first, with a mark on those that are intermediate.
fn marked(caller: &Client) -> Vec<String> {
    let row = |version: &serde_json::Value| {
        format!(
            "{}{}",
            version["number"],
            if version["intermediate"] == true {
                "~"
            } else {
                ""
            }
        )
    };
    caller.versions(STATE).iter().rev().map(row).collect()
}

#[test]
fn all_but_the_last_write_under_a_lock_are_marked_and_can_be_left_out() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    write(&writer, 1, None);
    for (lock, serials) in [("lock-1", 2..=4), ("lock-2", 5..=5), ("lock-3", 6..=7)] {
        writer.lock(STATE, lock).expect_status(200);
        serials.for_each(|serial| write(&writer, serial, Some(lock)));
        writer.unlock(STATE, lock).expect_status(200);
    }
    assert_eq!(marked(&writer), ["1", "2~", "3~", "4", "5", "6~", "7"]);
    let list = |query: &str| {
        let list = writer
            .get(&format!("{}/versions{query}", state_path(STATE)))
            .expect_status(200)
            .json();
        list["versions"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|version| version["number"].to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(list("?intermediate=false"), ["7", "5", "4", "1"]);
    for query in ["", "?intermediate=true"] {
        assert_eq!(
            list(query),
            ["7", "6", "5", "4", "3", "2", "1"],
            "nothing is left out unless asked: {query}"
        );
    }
    for number in 1..=7_u64 {
        let bytes = writer
            .get(&format!("{}/versions/{number}", state_path(STATE)))
            .expect_status(200)
            .text();
        assert_eq!(
            bytes,
            tfstate_noted(L1, number, &format!("serial {number}")),
            "snapshots are whole"
        );
    }
}

#[test]
fn a_lock_id_that_is_used_again_begins_another_apply() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    for serial in 1..=3 {
        writer.lock(STATE, "always-the-same").expect_status(200);
        write(&writer, serial, Some("always-the-same"));
        writer.unlock(STATE, "always-the-same").expect_status(200);
    }
    assert_eq!(marked(&writer), ["1", "2", "3"]);
}

#[test]
fn a_rollback_under_the_lock_is_no_snapshot_and_hides_none() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    write(&writer, 1, None);
    writer.lock(STATE, "lock-1").expect_status(200);
    write(&writer, 2, Some("lock-1"));
    let rollback = format!("{}/rollback?ID=lock-1", state_path(STATE));
    writer
        .post_json(&rollback, &json!({"version": 1}))
        .expect_status(200);
    assert_eq!(
        marked(&writer),
        ["1", "2", "3"],
        "the apply's last write so far"
    );
    write(&writer, 4, Some("lock-1"));
    write(&writer, 5, Some("lock-1"));
    assert_eq!(marked(&writer), ["1", "2~", "3", "4~", "5"]);
    writer
        .post_json(&rollback, &json!({"version": 1}))
        .expect_status(200);
    assert_eq!(marked(&writer), ["1", "2~", "3", "4~", "5", "6"]);
}

#[test]
fn a_deletion_under_the_lock_hides_no_snapshot() {
    let server = Server::start();
    let owner = server.key("team", "owner");
    write(&owner, 1, None);
    owner.lock(STATE, "lock-1").expect_status(200);
    for serial in [2, 3] {
        write(&owner, serial, Some("lock-1"));
        owner
            .send("DELETE", &format!("{}?ID=lock-1", state_path(STATE)), "")
            .expect_status(200);
    }
    owner
        .send(
            "POST",
            &format!("{}/restore?ID=lock-1", state_path(STATE)),
            "",
        )
        .expect_status(200);
    write(&owner, 4, Some("lock-1"));
    assert_eq!(marked(&owner), ["1", "2~", "3~", "4", "5"]);
}

#[test]
fn another_writer_in_between_is_no_part_of_the_apply() {
    let server = Server::start();
    let (writer, other) = (server.key("team", "writer"), server.key("team", "writer"));
    writer.lock(STATE, "lock-1").expect_status(200);
    write(&writer, 1, Some("lock-1"));
    server
        .admin()
        .send("UNLOCK", &state_path(STATE), "")
        .expect_status(200);
    write(&other, 2, None);
    writer
        .write(STATE, tfstate_noted(L1, 2, "late"), Some("lock-1"))
        .expect_problem(409, "stale_lock_id");
    other.lock(STATE, "lock-2").expect_status(200);
    write(&other, 4, Some("lock-2"));
    write(&other, 5, Some("lock-2"));
    assert_eq!(marked(&other), ["1", "2", "3", "4~", "5"]);
}

#[test]
fn rejected_writes_beside_the_apply_neither_are_snapshots_nor_hide_any() {
    let server = Server::start();
    let (writer, other) = (server.key("team", "writer"), server.key("team", "writer"));
    writer.lock(STATE, "lock-1").expect_status(200);
    write(&writer, 1, Some("lock-1"));
    for serial in 100..130 {
        other
            .write(STATE, tfstate_noted(L1, serial, "beside"), Some("lock-1"))
            .expect_status(423);
    }
    writer
        .send(
            "POST",
            &format!("{}/rollback?ID=lock-1", state_path(STATE)),
            json!({"version": 31}).to_string(),
        )
        .expect_status(200);
    write(&writer, 200, Some("lock-1"));
    let rows = marked(&writer);
    assert_eq!(
        (
            rows[0].as_str(),
            rows.iter().filter(|row| row.ends_with('~')).count()
        ),
        ("1~", 1),
        "{rows:?}"
    );
}
