//! Rollbacks of what is damaged, removed or has no room: told as what it is, and nothing is written
//! by halves.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::disk::{SmallDisk, damage, noise, sql};
use crate::harness::{
    Answer, Client, Server, Setup, eventually, state_path, tfstate, tfstate_noted,
};

use super::L1;
use crate::scrape::{eventually_all_is_back, monitor};

fn roll_back(caller: &Client, name: &str, body: &Value) -> Answer {
    caller.post_json(&format!("{}/rollback", state_path(name)), body)
}

/// The server again, after something was done to its directory while none ran.
fn again(server: Server, change: impl FnOnce(&std::path::Path)) -> Server {
    again_with(Setup::new(), server, change)
}

/// The same; the change is believed, as if the server had made it.
fn again_believing(server: Server, change: impl FnOnce(&std::path::Path)) -> Server {
    again_with(Setup::new().switch("--new-row-key"), server, change)
}

fn again_with(setup: Setup, server: Server, change: impl FnOnce(&std::path::Path)) -> Server {
    let data = server.data().to_owned();
    assert!(server.stop().success());
    change(&data);
    setup.data(&data).start()
}

/// A server on a directory that outlives it, and a writer.
fn start(dir: &TempDir) -> (Server, Client) {
    let server = Setup::new().data(&dir.path().join("data")).start();
    let writer = server.key("team", "writer");
    (server, writer)
}

#[test]
fn a_damaged_version_does_not_come_back() {
    let dir = TempDir::new().expect("a directory");
    let (server, writer) = start(&dir);
    writer
        .write(
            "team/net",
            tfstate_noted(L1, 1, &noise(1, 4 * 1024 * 1024)),
            None,
        )
        .expect_status(200);
    writer
        .write("team/net", tfstate(L1, 2), None)
        .expect_status(200);
    let server = again(server, damage);
    let writer = writer.at(&server);
    for dry_run in [true, false] {
        roll_back(
            &writer,
            "team/net",
            &json!({"version": 1, "dry_run": dry_run}),
        )
        .expect_problem(500, "damaged");
    }
    assert_eq!(
        (
            writer.read("team/net").text(),
            writer.versions("team/net").len()
        ),
        (tfstate(L1, 2), 2)
    );
}

#[test]
fn a_damaged_current_version_can_be_left_behind() {
    let dir = TempDir::new().expect("a directory");
    let (server, writer) = start(&dir);
    writer
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    writer
        .write(
            "team/net",
            tfstate_noted(L1, 2, &noise(1, 4 * 1024 * 1024)),
            None,
        )
        .expect_status(200);
    let server = again(server, damage);
    let writer = writer.at(&server);
    writer.read("team/net").expect_problem(500, "damaged");
    let preview = roll_back(&writer, "team/net", &json!({"version": 1, "dry_run": true}))
        .expect_status(200)
        .json();
    assert_eq!(
        (
            &preview["compared"],
            &preview["refused"],
            &preview["serial"]
        ),
        (&json!(false), &json!([]), &json!(3))
    );
    assert!(preview["not_compared"]["code"] == "damaged", "{preview}");
    roll_back(&writer, "team/net", &json!({"version": 1})).expect_status(200);
    assert_eq!(
        writer.read("team/net").expect_status(200).text(),
        tfstate(L1, 3)
    );
}

#[test]
fn a_version_whose_content_was_removed_is_410() {
    let dir = TempDir::new().expect("a directory");
    let (server, writer) = start(&dir);
    for serial in 1..=2 {
        writer
            .write("team/net", tfstate(L1, serial), None)
            .expect_status(200);
    }
    let mut done = None;
    let server = again_believing(server, |data| {
        done = sql(
            &data.join("statekeep.db"),
            "UPDATE versions SET blob_id = NULL WHERE number = 1",
        );
    });
    let Some(()) = done else { return };
    let writer = writer.at(&server);
    for dry_run in [true, false] {
        roll_back(
            &writer,
            "team/net",
            &json!({"version": 1, "dry_run": dry_run}),
        )
        .expect_problem(410, "purged");
    }
    assert_eq!(writer.versions("team/net").len(), 2);
}

#[test]
fn serials_of_versions_that_are_gone_are_not_used_again() {
    let dir = TempDir::new().expect("a directory");
    let (server, writer) = start(&dir);
    for serial in 1..=3 {
        writer
            .write("team/net", tfstate(L1, serial), None)
            .expect_status(200);
    }
    // As pruning leaves it: a row for the lineage, a UUID and so in its bytes, and one for another,
    // which does not count.
    let lineage = L1.replace('-', "");
    let gone = format!(
        "INSERT INTO removed_serials SELECT id, x'{lineage}', -9 FROM states; INSERT INTO \
            removed_serials SELECT id, 'l2', -2 FROM states;"
    );
    let mut done = None;
    let server = again(server, |data| done = sql(&data.join("statekeep.db"), &gone));
    let Some(()) = done else { return };
    let version = roll_back(&writer.at(&server), "team/net", &json!({"version": 1}))
        .expect_status(200)
        .json();
    assert_eq!(
        version["serial"],
        u64::MAX - 7,
        "two's complement: -9 is 2^64 - 9"
    );
}

#[test]
fn without_room_on_the_disk_nothing_is_written_and_the_current_version_stays() {
    let Some(disk) = SmallDisk::new("24m") else {
        return;
    };
    let server = Setup::new()
        .data(&disk.path().join("data"))
        .flag("--min-free-space", "12MiB")
        .start();
    let owner = server.key("team", "owner");
    let large = |serial: u64| tfstate_noted(L1, serial, &noise(serial, 1024 * 1024));
    let mut last = 0;
    while owner.write("team/net", large(last + 1), None).status == 200 {
        last += 1;
    }
    assert!(last > 1, "full from the start");
    roll_back(&owner, "team/net", &json!({"version": 1})).expect_problem(507, "disk_full");
    assert!(owner.read("team/net").expect_status(200).text() == large(last));
    assert_eq!(owner.versions("team/net").len() as u64, last);
    roll_back(&owner, "team/net", &json!({"version": 1, "dry_run": true})).expect_status(200);
    disk.grow("96m");
    eventually("there is room", || {
        roll_back(&owner, "team/net", &json!({"version": 1})).status == 200
    });
    assert!(
        owner.read("team/net").text()
            == large(1).replacen("\"serial\":1", &format!("\"serial\":{}", last + 1), 1)
    );
}

#[test]
fn a_state_as_large_as_memory_allows_comes_back_and_the_memory_with_it() {
    let server = Setup::new()
        .flag("--max-in-flight", "16MiB")
        .flag("--max-state-size", "8MiB")
        .flag("--cache-size", "0")
        .start();
    let writer = server.key("team", "writer");
    let large = |serial: u64| {
        let room = 8 * 1024 * 1024 - 4096;
        tfstate_noted(L1, serial, &noise(serial, room))
    };
    writer.write("team/net", large(1), None).expect_status(200);
    writer.write("team/net", large(2), None).expect_status(200);
    let monitor = monitor(&server);
    for round in 3..6_u64 {
        // What is kept in order in the background needs memory as well: then the answer is 503,
        // come again.
        let mut serial = Value::Null;
        eventually("it comes back", || {
            let answer = roll_back(&writer, "team/net", &json!({"version": round - 2}));
            serial = answer.json()["serial"].clone();
            answer.status == 200 || answer.expect_status(503).status == 200
        });
        assert_eq!(serial, round);
    }
    eventually_all_is_back(&monitor, "after the rollbacks");
    eventually("a write has room", || {
        writer.write("team/net", large(9), None).status == 200
    });
}
