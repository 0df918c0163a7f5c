//! The database file or its WAL is removed or replaced under a running server: nothing is
//! acknowledged any more, the process stays, and what it holds can be saved.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::disk::BindMount;
use crate::harness::{Client, Server, Setup, eventually, tfstate};

use super::L1;

const DATABASE: &str = "statekeep.db";
const WAL: &str = "statekeep.db-wal";

type Leave = fn(&Path);
/// Ways in which a file leaves its name.
const WAYS: [(&str, Leave); 3] = [
    ("removed", |path| {
        std::fs::remove_file(path).expect("a file");
    }),
    ("renamed", |path| {
        std::fs::rename(path, path.with_extension("away")).expect("a file");
    }),
    ("replaced", |path| {
        let other = path.with_extension("other");
        std::fs::copy(path, &other).expect("a copy");
        std::fs::rename(&other, path).expect("a file");
    }),
];

/// A server with some writes, and its writer, who has a token.
fn written(data: &Path) -> (Server, Client) {
    let server = Setup::new().data(data).start();
    let writer = server.token(&server.key("team", "owner"), serde_json::json!({}));
    for serial in 1..=10 {
        writer
            .write("team/net", tfstate(L1, serial), None)
            .expect_status(200);
    }
    (server, writer)
}

fn problems(server: &Server) -> Vec<Value> {
    let ready = server.anonymous().get("/readyz").json();
    ready["problems"].as_array().expect("a list").clone()
}

/// The path under which the log says that a file can be saved.
fn way_in(log: &str, member: &str) -> PathBuf {
    let line = log
        .lines()
        .find(|line| line.contains("LEAVE THIS PROCESS RUNNING"))
        .unwrap_or_else(|| panic!("{log}"));
    let line: Value = serde_json::from_str(line).expect("JSON");
    line[member].as_str().expect("a path").into()
}

/// Does what the log says, and finds everything in what was saved.
fn save(server: &Server, caller: &Client) {
    let log = server.log();
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    std::fs::create_dir(&data).expect("a directory");
    for (member, name) in [("database", DATABASE), ("wal", WAL)] {
        std::fs::copy(way_in(&log, member), data.join(name)).expect("a copy");
    }
    let key = "statekeep.rowkey";
    std::fs::copy(server.data().join(key), data.join(key)).expect("a copy");
    let saved = Setup::new().data(&data).start();
    let caller = caller.at(&saved);
    assert_eq!(caller.versions("team/net").len(), 10);
    assert_eq!(
        caller.read("team/net").expect_status(200).text(),
        tfstate(L1, 10)
    );
}

#[test]
fn nothing_is_acknowledged_into_a_file_that_is_gone_and_what_it_holds_can_be_saved() {
    for file in [DATABASE, WAL] {
        for (way, act) in WAYS {
            let what = format!("{file} was {way}");
            let dir = TempDir::new().expect("a directory");
            let data = dir.path().join("data");
            let (mut server, writer) = written(&data);
            assert!(problems(&server).is_empty());
            act(&data.join(file));
            for serial in 11..=13 {
                let answer = writer.write("team/net", tfstate(L1, serial), None);
                assert_eq!(answer.status, 500, "{what}: {}", answer.text());
            }
            let lock = writer.lock("team/net", "lock-1");
            assert_eq!(lock.status, 500, "{what}: {}", lock.text());
            assert_eq!(problems(&server)[0]["code"], "database_gone", "{what}");
            assert_eq!(
                writer.read("team/net").expect_status(200).text(),
                tfstate(L1, 10),
                "{what}"
            );
            save(&server, &writer);
            server.signal("TERM");
            assert!(!server.wait().success(), "{what}: and the end says so");
        }
    }
}

#[test]
fn a_file_that_is_gone_is_told_before_anybody_writes() {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let (server, _) = written(&data);
    std::fs::remove_file(data.join(DATABASE)).expect("a file");
    let ready = server.anonymous().get("/readyz").json();
    assert_eq!(ready["status"], "degraded", "{ready}");
    assert_eq!(ready["problems"][0]["code"], "database_gone", "{ready}");
    eventually("the log says how to save it", || {
        server.log().contains("LEAVE THIS PROCESS RUNNING")
    });
}

#[test]
fn the_end_of_a_server_whose_wal_was_replaced_leaves_the_other_one_alone() {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let (mut server, _) = written(&data);
    let wal = data.join(WAL);
    std::fs::rename(&wal, data.join("away")).expect("a file");
    std::fs::write(&wal, "not ours").expect("a file");
    server.signal("TERM");
    server.wait();
    assert_eq!(std::fs::read(&wal).expect("still there"), b"not ours");
}

/// Tries to start a server on a directory, and expects that it is refused.
#[track_caller]
fn is_refused(data: &Path) {
    // One that starts is no refusal, and ends after a while.
    let setup = Setup::new().under(&["timeout", "30"]);
    let output = setup.command(data).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("in use by another"), "{said}");
}

#[test]
fn a_second_server_is_refused_though_the_lock_file_is_gone_and_under_any_name() {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let (server, writer) = written(&data);
    let lock = data.join("statekeep.lock");
    let link = dir.path().join("link");
    std::os::unix::fs::symlink(&data, &link).expect("a link");
    std::fs::remove_file(&lock).expect("a lock file");
    is_refused(&data);
    is_refused(&link);
    let other = dir.path().join("other");
    std::fs::create_dir(&other).expect("a directory");
    for name in [DATABASE, WAL] {
        std::fs::hard_link(data.join(name), other.join(name)).expect("a link");
    }
    is_refused(&other);
    let bound = dir.path().join("bound");
    if let Some(_mount) = BindMount::new(&data, &bound) {
        is_refused(&bound);
    }
    writer
        .write("team/net", tfstate(L1, 11), None)
        .expect_status(200);
    assert!(server.stop().success());
    Setup::new().data(&link).start();
}
