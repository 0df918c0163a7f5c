//! An upgrade that is killed at each of its steps: the database is of the old schema or of the new
//! one, whole, and the next start finishes it. Nothing that was kept is lost on the way.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Stdio;

use rusqlite::Connection;
use tempfile::TempDir;

use super::fixtures::{COPIES, Fixture};
use super::recorded;
use crate::disk::strace;
use crate::harness::{Setup, children, eventually, kill};

/// The schema whose fixture is taken back to the one before.
pub(super) const FIXTURE: i64 = 5;
/// What takes it back.
const BACK: &str = "ALTER TABLE states RENAME COLUMN compacted_up_to TO settled; \
                    DELETE FROM refinery_schema_history WHERE version = 5;";

/// The calls by which an upgrade changes the disk.
const CALLS: [&str; 6] = [
    "pwrite64",
    "fdatasync",
    "fsync",
    "rename",
    "ftruncate",
    "unlink",
];

/// A data directory of the schema before, with its last commits in the WAL alone.
pub(super) fn older(data: &Path) {
    let dir = TempDir::new().expect("a directory");
    Fixture::of(FIXTURE).unpack(COPIES[1], dir.path());
    let database = Connection::open(dir.path().join("statekeep.db")).expect("the database");
    database.execute_batch(BACK).expect("the schema before");
    // Copied while it is open: to close it would move the WAL into the file.
    copy(dir.path(), data);
}

/// Copies the files of a data directory, but for what is made anew.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory");
    for entry in from.read_dir().expect("a directory") {
        let path = entry.expect("readable").path();
        let name = path.file_name().expect("a name");
        if path.is_file() && !name.to_string_lossy().ends_with("-shm") {
            std::fs::copy(&path, to.join(name)).expect("a copy");
        }
    }
}

/// The schema of a database that is whole; it is looked at in a copy of its directory.
#[track_caller]
fn schema_of(data: &Path, name: &str, what: &str) -> i64 {
    let dir = TempDir::new().expect("a directory");
    copy(data, dir.path());
    let database = Connection::open(dir.path().join(name)).expect("the database");
    let found: String = database
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .expect("a check");
    assert_eq!(found, "ok", "{what}");
    let sql = "SELECT max(version) FROM refinery_schema_history";
    database
        .query_row(sql, [], |row| row.get(0))
        .expect("a schema")
}

/// Starts a server that is killed at its n-th call of a kind; whether it was up by then. `None`
/// where there is no strace that works here.
fn is_up_before(data: &Path, call: &str, nth: u32) -> Option<bool> {
    let trace = format!("trace={call}");
    let inject = format!("inject={call}:signal=KILL:when={nth}");
    let options = ["-o", "/dev/null", "-e", &trace, "-e", &inject];
    let setup = strace(Setup::new(), &options)?;
    let mut child = setup
        .command(data)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("strace starts");
    let mut line = String::new();
    let output = child.stdout.take().expect("piped");
    BufReader::new(output).read_line(&mut line).expect("text");
    let servers = children(child.id());
    for pid in &servers {
        kill("KILL", *pid);
    }
    let _ = child.kill();
    let _ = child.wait();
    eventually("the server is gone", || {
        servers.iter().all(|pid| !kill("0", *pid))
    });
    Some(line.starts_with("listening on"))
}

/// Kills an upgrade, looks at what it left, and lets the next start finish it. Says which schema
/// was left, or nothing if the upgrade was through.
fn kill_at(call: &str, nth: u32) -> Option<i64> {
    let what = format!("killed at {call} {nth}");
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    older(&data);
    if is_up_before(&data, call, nth)? {
        return None;
    }
    let left = schema_of(&data, "statekeep.db", &what);
    let aside = format!("statekeep.db.schema-{}", FIXTURE - 1);
    if data.join(&aside).exists() {
        assert_eq!(schema_of(&data, &aside, &what), FIXTURE - 1, "{what}");
    } else {
        assert_eq!(left, FIXTURE - 1, "{what}: changed before it was copied");
    }
    let server = Setup::new().data(&data).start();
    recorded::check(&server, &Fixture::of(FIXTURE).recorded(), &what);
    assert!(server.stop().success(), "{what}");
    let now = schema_of(&data, "statekeep.db", &what);
    assert!(now >= FIXTURE, "{what}: {now}");
    assert!(
        [FIXTURE - 1, now].contains(&left),
        "{what}: half way, at {left}"
    );
    assert_eq!(schema_of(&data, &aside, &what), FIXTURE - 1, "{what}");
    Some(left)
}

#[test]
fn an_upgrade_that_is_killed_is_whole_or_not_begun() {
    for (call, nth) in [
        ("pwrite64", 25),
        ("fdatasync", 1),
        ("fdatasync", 3),
        ("rename", 1),
    ] {
        kill_at(call, nth);
    }
}

#[test]
#[ignore = "middle tier: a kill at each call of an upgrade"]
fn an_upgrade_that_is_killed_at_any_call_is_whole_or_not_begun() {
    if strace(Setup::new(), &[]).is_none() {
        return;
    }
    let mut left = BTreeSet::new();
    for call in CALLS {
        left.extend((1..).map_while(|nth| kill_at(call, nth)));
    }
    assert_eq!(left.len(), 2, "before and after the commit: {left:?}");
}
