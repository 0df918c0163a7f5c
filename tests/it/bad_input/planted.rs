//! Links and files that another user has put into a data directory while that was possible: nothing
//! is written through them.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::harness::{Setup, statekeep};

use super::start::refused;

/// What another file holds that a link leads to.
const THEIRS: &str = "not ours to change";

/// An empty data directory that everybody may use, and a file elsewhere.
fn open_directory() -> (TempDir, PathBuf, PathBuf) {
    let dir = TempDir::new().expect("a directory");
    let (data, target) = (dir.path().join("data"), dir.path().join("target"));
    std::fs::create_dir(&data).expect("a directory");
    set_mode(&data, 0o777);
    std::fs::write(&target, THEIRS).expect("a file");
    set_mode(&target, 0o600);
    (dir, data, target)
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("a mode");
}

#[track_caller]
fn expect_refused(data: &Path, name: &str, target: &Path) {
    let output = refused(Setup::new().command(data));
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        message.contains(name) && message.contains("link"),
        "{name}: {message}"
    );
    let list = statekeep(&["state", "list", "--data"])
        .arg(data)
        .output()
        .expect("it runs");
    assert_eq!(list.status.code(), Some(1), "{name}");
    let theirs = std::fs::read_to_string(target).expect("still there");
    assert_eq!(theirs, THEIRS, "{name}");
}

#[test]
fn a_link_in_the_place_of_a_file_of_ours_is_refused() {
    for name in [
        "statekeep.lock",
        "initial-admin-key",
        "statekeep.db",
        "statekeep.db-wal",
        "statekeep.anchor",
        "statekeep.rowkey",
        "statekeep.rowkey.next",
        "statekeep.eventkey",
        "statekeep.sock",
        "statekeep.db.schema-1",
        "statekeep.anything",
    ] {
        let (_dir, data, target) = open_directory();
        symlink(&target, data.join(name)).expect("a link");
        expect_refused(&data, name, &target);
        let (_dir, data, target) = open_directory();
        symlink("nowhere", data.join(name)).expect("a link");
        expect_refused(&data, name, &target);
        assert!(!data.join("nowhere").exists(), "{name}");
    }
}

#[test]
fn a_file_of_ours_with_another_name_is_refused() {
    for name in [
        "statekeep.lock",
        "initial-admin-key",
        "statekeep.anchor",
        "statekeep.rowkey",
    ] {
        let (_dir, data, target) = open_directory();
        std::fs::hard_link(&target, data.join(name)).expect("a hard link");
        expect_refused(&data, name, &target);
    }
}

#[test]
fn the_first_admin_key_goes_into_a_file_of_its_own() {
    let (_dir, data, _) = open_directory();
    let planted = data.join("initial-admin-key");
    std::fs::write(&planted, "").expect("a file");
    set_mode(&planted, 0o666);
    // Another user has it open still, and would read what is written into it.
    let mut open = std::fs::File::open(&planted).expect("open");
    // A key without a database is a trace of one that is lost.
    refused(Setup::new().command(&data));
    let server = Setup::new().data(&data).switch("--accept-loss").start();
    server.admin().get("/api/keys").expect_status(200);
    let mut read = String::new();
    std::io::Read::read_to_string(&mut open, &mut read).expect("readable");
    assert_eq!(read, "");
    let mode = planted.metadata().expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_first_admin_key_that_is_left_is_told() {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let told = |log: &str| log.contains("WARN") && log.contains("still lies in this file");
    let problems = |setup: Setup| {
        let server = setup.start();
        let ready = server.anonymous().get("/readyz").expect_status(200).json();
        assert_eq!(ready["status"], "ready");
        (ready["problems"].clone(), told(&server.stop_and_log()))
    };
    let at_data = || Setup::new().data(&data);
    assert_eq!(
        problems(at_data()),
        (serde_json::json!([]), false),
        "the first start"
    );
    assert_eq!(
        problems(at_data()),
        (serde_json::json!([]), true),
        "the second"
    );
    let file = std::fs::File::options()
        .write(true)
        .open(data.join("initial-admin-key"))
        .expect("there");
    let day_ago = std::time::SystemTime::now() - std::time::Duration::from_hours(25);
    file.set_modified(day_ago).expect("a time");
    let (found, was_told) = problems(at_data());
    assert_eq!(
        (&found[0]["code"], was_told),
        (&serde_json::json!("initial_key_left"), true)
    );
    std::fs::remove_file(data.join("initial-admin-key")).expect("removed");
    let server = at_data().start();
    let ready = server.anonymous().get("/readyz").expect_status(200).json();
    assert_eq!(ready["problems"], serde_json::json!([]));
}

#[test]
fn a_parent_in_which_anybody_may_write_is_told() {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    set_mode(dir.path(), 0o777);
    let log = Setup::new().data(&data).start().stop_and_log();
    assert!(log.contains("anybody can put another directory"), "{log}");
    set_mode(dir.path(), 0o1777);
    let log = Setup::new().data(&data).start().stop_and_log();
    assert!(!log.contains("anybody can put another directory"), "{log}");
}
