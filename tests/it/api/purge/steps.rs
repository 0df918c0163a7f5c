//! A purge goes in steps: beside writers and readers, after a crash, and with a client that goes
//! away.

use std::path::Path;

use serde_json::json;
use tempfile::TempDir;

use super::{frames, holds, purge, state};
use crate::disk::{sql, strace};
use crate::harness::{Client, Server, Setup, eventually, state_path};
use crate::inside;
use crate::wire::{Wire, head};

#[test]
fn a_reader_that_delays_a_purge_is_told_and_a_crash_does_not_stop_it() {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let mut server = Setup::new().data(&data).start();
    let writer = server.key("team", "writer");
    writer
        .write("team/net", state(1, Some(9)), None)
        .expect_status(200);
    writer
        .write("team/net", state(2, None), None)
        .expect_status(200);
    let reader = inside::open(&data);
    reader.execute_batch("BEGIN").expect("a transaction");
    let _: i64 = reader
        .query_row("SELECT count(*) FROM versions", [], |row| row.get(0))
        .expect("a look");
    let answer = purge(&server.admin(), "team/net", &json!([1]))
        .expect_status(200)
        .json();
    assert_eq!(
        (&answer["versions"], &answer["erased"]),
        (&json!([1]), &json!(false)),
        "{answer}"
    );
    writer
        .write("team/net", state(3, None), None)
        .expect_status(200);
    server.kill();
    drop(reader);
    let _server = Setup::new().data(&data).start();
    eventually("it is erased", || {
        inside::number(&data, "SELECT count(*) FROM pending_erasure") == 0
    });
    for form in frames(&state(1, Some(9)), &[]) {
        assert!(!holds(&data, &form));
    }
}

/// How many blobs no version has.
const LEFT_OVER: &str =
    "SELECT count(*) FROM blobs b WHERE NOT EXISTS (SELECT 1 FROM versions WHERE blob_id = b.id)";

#[test]
fn what_was_only_kept_as_the_base_of_purged_content_goes_as_well() {
    let server = Server::start();
    let (admin, writer) = (server.admin(), server.key("team", "writer"));
    let refused = |body: String| {
        drop(
            writer
                .write("team/net", body, Some("lost"))
                .expect_problem(409, "stale_lock_id"),
        );
    };
    writer
        .write("team/net", state(1, None), None)
        .expect_status(200);
    writer
        .write("team/net", state(2, None), None)
        .expect_status(200);
    refused(state(3, Some(9)));
    writer
        .write("team/net", state(4, Some(9)), None)
        .expect_status(200);
    writer
        .write("team/net", state(5, None), None)
        .expect_status(200);
    inside::compacted(server.data());
    let leaning = "SELECT count(*) FROM versions v JOIN blobs b ON b.id = v.blob_id JOIN versions \
        o ON o.blob_id = b.base \
                   WHERE v.number = 4 AND o.number = 3";
    assert_eq!(
        inside::number(server.data(), leaning),
        1,
        "otherwise this shows nothing"
    );
    (6..=25).for_each(|serial| refused(state(serial, None)));
    assert_eq!(
        inside::number(server.data(), LEFT_OVER),
        1,
        "the row of the refused one is gone, and its bytes are needed"
    );
    let forms = frames(&state(3, Some(9)), &[state(1, None), state(2, None)]);
    assert!(
        forms.iter().any(|form| holds(server.data(), form)),
        "otherwise this shows nothing"
    );
    let answer = purge(&admin, "team/net", &json!([4]))
        .expect_status(200)
        .json();
    assert_eq!(answer["erased"], true, "{answer}");
    assert!(
        !forms.iter().any(|form| holds(server.data(), form)),
        "the same secret, which only the purged one needed"
    );
    assert_eq!(inside::number(server.data(), LEFT_OVER), 0);
    assert_eq!(
        admin
            .post_json("/api/verify", &json!({}))
            .expect_status(200)
            .json()["found"],
        0
    );
}

#[test]
fn a_purge_takes_what_was_left_over_with_it_and_a_prune_does() {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    for by_purge in [true, false] {
        let server = Setup::new().data(&data).start();
        let admin = server.admin();
        (1..=3).for_each(|serial| {
            drop(
                admin
                    .write_by_force("team/net", state(serial, None))
                    .expect_status(200),
            );
        });
        inside::compacted(&data);
        assert!(server.stop().success());
        let orphan = "INSERT INTO blobs (id, digest, format, size, stored, frame) SELECT (SELECT \
            max(id) + 1 FROM blobs), randomblob(32), format, \
                      size, stored, frame FROM blobs WHERE frame IS NOT NULL LIMIT 1;";
        let Some(()) = sql(&data.join("statekeep.db"), orphan) else {
            return;
        };
        assert_eq!(inside::number(&data, LEFT_OVER), 1);
        let server = Setup::new().data(&data).start();
        let admin = admin.at(&server);
        if by_purge {
            purge(&admin, "team/net", &json!([2])).expect_status(200);
        } else {
            admin
                .post_json("/api/prune", &json!({"policy": {"keep_last": 1}}))
                .expect_status(200);
        }
        assert_eq!(inside::number(&data, LEFT_OVER), 0, "purge: {by_purge}");
        assert_eq!(
            admin.read("team/net").expect_status(200).text(),
            state(3, None)
        );
    }
}

#[test]
fn a_purge_whose_client_goes_away_is_finished() {
    let server = Server::start();
    let (admin, writer) = (server.admin(), server.key("team", "writer"));
    writer
        .write("team/net", state(1, Some(9)), None)
        .expect_status(200);
    writer
        .write("team/net", state(2, None), None)
        .expect_status(200);
    let reader = inside::open(server.data());
    reader.execute_batch("BEGIN").expect("a transaction");
    let _: i64 = reader
        .query_row("SELECT count(*) FROM versions", [], |row| row.get(0))
        .expect("a look");
    let body = json!({ "versions": [1] }).to_string();
    let mut wire = Wire::to(&server);
    let headers = [
        "Content-Type: application/json",
        &format!("Content-Length: {}", body.len()),
    ];
    wire.send(head(
        "POST",
        &format!("{}/purge", state_path("team/net")),
        &admin,
        &headers,
    ));
    wire.send(&body);
    eventually("it is removed", || {
        !admin.events("kind=state.purge").is_empty()
    });
    wire.reset();
    // Longer than the request would have waited.
    std::thread::sleep(std::time::Duration::from_secs(6));
    assert_eq!(
        inside::number(server.data(), "SELECT count(*) FROM pending_erasure"),
        1,
        "the reader holds it up"
    );
    drop(reader);
    eventually("it is erased", || {
        inside::number(server.data(), "SELECT count(*) FROM pending_erasure") == 0
    });
    for form in frames(&state(1, Some(9)), &[]) {
        assert!(!holds(server.data(), &form));
    }
}

/// How many versions are added behind the server.
const MORE: u64 = 1_000;

/// `team/net` with three versions and deleted, and `team/other`; the owner and an admin, once the
/// server has stopped.
fn deleted_with_three_versions(data: &Path) -> (Client, Client) {
    let server = Setup::new().data(data).start();
    let owner = server.key("team", "owner");
    (1..=3).for_each(|serial| {
        drop(
            owner
                .write("team/net", state(serial, Some(serial)), None)
                .expect_status(200),
        );
    });
    owner.delete("team/net").expect_status(200);
    owner
        .write("team/other", state(1, None), None)
        .expect_status(200);
    let admin = server.admin();
    assert!(server.stop().success());
    (owner, admin)
}

/// Versions of the same bytes, with which a purge has the most to look at. None where nobody can
/// change the database.
fn add_versions(data: &Path) -> Option<()> {
    let more = format!(
        "CREATE TEMP TABLE more AS WITH RECURSIVE c (n) AS (SELECT 4 UNION ALL SELECT n + 1 FROM c \
            WHERE n < {}) \
         SELECT v.* FROM versions v JOIN states s ON s.id = v.state_id, c WHERE s.building_block = \
         'net' AND v.number = 1; \
         UPDATE more SET number = rowid + 3; INSERT INTO versions SELECT * FROM more; \
         UPDATE states SET last_number = 3 + {MORE} WHERE building_block = 'net';",
        MORE + 3
    );
    sql(&data.join("statekeep.db"), &more)
}

/// Each sync takes a tenth of a second longer.
const SLOW_DISK: [&str; 6] = [
    "-o",
    "/dev/null",
    "-e",
    "trace=fsync,fdatasync",
    "-e",
    "inject=fsync,fdatasync:delay_exit=100000",
];

#[test]
fn a_long_history_is_purged_in_steps_and_others_write_meanwhile() {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let (owner, admin) = deleted_with_three_versions(&data);
    let Some(()) = add_versions(&data) else {
        return;
    };
    let Some(setup) = strace(Setup::new().data(&data), &SLOW_DISK) else {
        return;
    };
    let server = setup.switch("--new-row-key").start();
    let (admin, owner) = (admin.at(&server), owner.at(&server));
    let purger = admin.clone();
    let running = std::thread::spawn(move || purge(&purger, "team/net", &json!("all")));
    let gone = "SELECT count(*) FROM versions WHERE blob_id IS NULL";
    eventually("it has begun", || inside::number(&data, gone) > 0);
    assert!(
        inside::number(&data, gone) < i64::try_from(MORE).expect("a number"),
        "in one transaction"
    );
    owner
        .write("team/other", state(2, None), None)
        .expect_status(200);
    assert!(!running.is_finished(), "a write does not wait for its end");
    let answer = running.join().expect("an answer").expect_status(200).json();
    assert_eq!(
        answer["versions"],
        json!((1..=MORE + 3).collect::<Vec<_>>())
    );
    assert_eq!(
        (inside::number(&data, LEFT_OVER), &answer["erased"]),
        (0, &json!(true))
    );
    let events = admin.events("kind=state.purge");
    assert_eq!(
        (events.len(), &events[0]["detail"]),
        (
            1,
            &json!({"removed": MORE + 3, "first": 1, "last": MORE + 3})
        )
    );
}

#[test]
fn whoever_brings_a_state_back_while_it_is_purged_keeps_what_is_left() {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let slow_disk = [
        "-o",
        "/dev/null",
        "-e",
        "trace=fsync,fdatasync",
        "-e",
        "inject=fsync,fdatasync:delay_exit=30000",
    ];
    let server = Setup::new().data(&data).start();
    let (admin, owner) = (server.admin(), server.key("team", "owner"));
    (1..=250).for_each(|serial| {
        drop(
            owner
                .write("team/net", state(serial, None), None)
                .expect_status(200),
        );
    });
    owner.delete("team/net").expect_status(200);
    assert!(server.stop().success());
    let Some(setup) = strace(Setup::new().data(&data), &slow_disk) else {
        return;
    };
    let server = setup.start();
    let (admin, owner) = (admin.at(&server), owner.at(&server));
    let purger = admin.clone();
    let running = std::thread::spawn(move || purge(&purger, "team/net", &json!("all")));
    eventually("it has begun", || {
        inside::number(&data, "SELECT count(*) FROM versions WHERE blob_id IS NULL") > 0
    });
    let back = owner.send("POST", &format!("{}/restore", state_path("team/net")), "");
    let ended = running.join().expect("an answer");
    if back.status == 200 {
        let problem = ended.expect_problem(409, "not_deleted");
        assert!(
            problem.text().contains("had been removed before"),
            "{}",
            problem.text()
        );
        assert_eq!(
            owner.read("team/net").expect_status(200).text(),
            state(250, None)
        );
    } else {
        // It was too late, and told so.
        back.expect_problem(410, "purged");
        ended.expect_status(200);
    }
    eventually("what went is erased", || {
        inside::number(&data, "SELECT count(*) FROM pending_erasure") == 0
    });
}
