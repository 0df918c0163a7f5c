//! `serve --check` tells what a start would do, and changes nothing in the data directory.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Output;

use rusqlite::Connection;
use tempfile::TempDir;

use super::fixtures::{COPIES, Fixture};
use super::kills::{FIXTURE, older};
use crate::disk::{SmallDisk, flip, hash, noise};
use crate::harness::{Server, Setup, statekeep, tfstate};

const L1: &str = "11111111-1111-4111-8111-111111111111";

/// Everything in a directory: names, modes, times of change, content.
fn listing(dir: &Path) -> BTreeMap<String, (u32, i64, i64, String)> {
    let entries = dir.read_dir().expect("a directory");
    let entries = entries.map(|entry| entry.expect("readable").path());
    let facts = |path: &Path| {
        let found = path.symlink_metadata().expect("readable");
        let content = if found.is_file() {
            hash(path)
        } else {
            String::new()
        };
        (found.mode(), found.mtime(), found.mtime_nsec(), content)
    };
    let name = |path: &Path| path.file_name().expect("a name").to_string_lossy().into();
    entries.map(|path| (name(&path), facts(&path))).collect()
}

fn check(data: &Path) -> Output {
    let data = data.to_str().expect("UTF-8");
    statekeep(&["serve", "--check", "--data", data])
        .output()
        .expect("it runs")
}

/// Checks a directory that must stay as it is; says what was told.
#[track_caller]
fn told(data: &Path, code: i32) -> String {
    let before = listing(data);
    let output = check(data);
    assert!(listing(data) == before, "the directory has changed");
    let told = String::from_utf8(output.stdout).expect("text");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{told}{said}");
    told
}

#[test]
fn an_upgrade_is_told_and_nothing_is_touched() {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    older(&data);
    let told = told(&data, 0);
    let from = format!("has schema {}: a start upgrades it to", FIXTURE - 1);
    assert!(told.contains(&from), "{told}");
    let before = listing(&data);
    drop(Setup::new().data(&data).start());
    assert!(listing(&data) != before, "a start is seen");
}

#[test]
fn a_directory_of_any_age_can_be_looked_at() {
    for copy in COPIES {
        let dir = TempDir::new().expect("a directory");
        let data = dir.path().join("data");
        Fixture::of(FIXTURE).unpack(copy, &data);
        let told = told(&data, 0);
        assert!(told.contains("has schema 5"), "{told}");
    }
}

#[test]
fn a_running_server_is_named_and_goes_on() {
    let server = Server::start();
    let owner = server.key("team", "owner");
    owner
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    let output = check(server.data());
    let told = String::from_utf8(output.stdout).expect("text");
    assert_eq!(output.status.code(), Some(0), "{told}");
    let process = format!("in use (process {})", server.pid());
    assert!(told.contains(&process), "{told}");
    assert!(told.contains("nothing is upgraded"), "{told}");
    owner
        .write("team/net", tfstate(L1, 2), None)
        .expect_status(200);
    assert!(server.stop().success());
}

#[test]
fn a_missing_directory_stays_missing_and_an_empty_one_empty() {
    let dir = TempDir::new().expect("a directory");
    assert!(told(dir.path(), 0).contains("there is no database yet"));
    let missing = dir.path().join("missing");
    let output = check(&missing);
    assert_eq!(output.status.code(), Some(0));
    assert!(!missing.exists());
}

#[test]
fn a_database_that_a_start_refuses_is_a_problem() {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    assert!(Setup::new().data(&data).start().stop().success());
    let database = Connection::open(data.join("statekeep.db")).expect("the database");
    let newer = "INSERT INTO refinery_schema_history SELECT 99, name, applied_on, checksum FROM \
                 refinery_schema_history WHERE version = 1";
    assert_eq!(database.execute(newer, []), Ok(1));
    drop(database);
    assert!(told(&data, 1).contains("made by a newer statekeep"));
    let other = dir.path().join("other");
    std::fs::create_dir(&other).expect("a directory");
    std::fs::write(other.join("statekeep.db"), "something else").expect("a file");
    assert!(told(&other, 1).contains("not a statekeep database"));
}

#[test]
fn lost_writes_are_a_problem_and_stay_where_they_are() {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let mut server = Setup::new().data(&data).start();
    let owner = server.key("team", "owner");
    for serial in 1..=20 {
        owner
            .write("team/net", tfstate(L1, serial), None)
            .expect_status(200);
    }
    // The anchor is at most a second old.
    std::thread::sleep(std::time::Duration::from_secs(2));
    server.kill();
    assert!(told(&data, 0).contains("nothing is upgraded"));
    let wal = data.join("statekeep.db-wal");
    flip(&wal, std::fs::metadata(&wal).expect("a WAL").len() / 2);
    assert!(told(&data, 1).contains("acknowledged writes are missing"));
}

#[test]
fn a_disk_without_room_for_the_copy_is_a_problem() {
    let Some(disk) = SmallDisk::new("4m") else {
        return;
    };
    let data = disk.path().join("data");
    older(&data);
    assert!(told(&data, 0).contains("bytes are free"));
    let filler = disk.path().join("filler");
    // The disk takes what it can.
    let _ = std::fs::write(&filler, noise(1, 4 * 1024 * 1024));
    assert!(told(&data, 1).contains("no room for the copy"));
}
