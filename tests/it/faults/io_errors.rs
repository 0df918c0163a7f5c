//! A disk that fails: no acknowledgement, the process leaves, the next start finds all that was
//! acknowledged.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use serde_json::json;
use tempfile::TempDir;

use crate::disk::strace;
use crate::harness::{Client, Server, Setup, tfstate};

use super::{L1, Writers, check};

/// A server under strace with these options; `None` where there is no strace that works here.
fn under_strace(data: &Path, options: &[&str]) -> Option<Server> {
    Some(strace(Setup::new().data(data), options)?.start())
}

/// A server whose system calls fail from the n-th on, per thread.
fn failing(data: &Path, calls: &str, error: &str, from: u32) -> Option<Server> {
    let inject = format!("inject={calls}:error={error}:when={from}+");
    under_strace(
        data,
        &[
            "-o",
            "/dev/null",
            "-e",
            &format!("trace={calls}"),
            "-e",
            &inject,
        ],
    )
}

/// A data directory with a key in it, made by a server without faults.
fn prepared(dir: &TempDir) -> (PathBuf, Client) {
    let data = dir.path().join("data");
    let server = Setup::new().data(&data).start();
    let writer = server.token(&server.key("team", "owner"), json!({}));
    assert!(server.stop().success());
    (data, writer)
}

/// Writes until the faults begin; then nothing may be acknowledged that is not there after the
/// restart.
fn write_into(calls: &str, error: &str, from: u32) {
    let dir = TempDir::new().expect("a directory");
    let (data, writer) = prepared(&dir);
    let Some(mut server) = failing(&data, calls, error, from) else {
        return;
    };
    let written = Arc::new(Mutex::new(BTreeMap::new()));
    let writers = Writers::start(&writer.at(&server), &written, 3);
    let status = server.wait();
    assert!(
        !status.success(),
        "{error} of {calls}: the server leaves and says that something is wrong"
    );
    let acknowledged = writers.acknowledged();
    writers.join();
    assert!(
        acknowledged > 0,
        "the faults began before the first write, so this shows nothing"
    );
    assert!(
        server.log().to_lowercase().contains("error"),
        "and why: {}",
        server.log()
    );
    let server = Setup::new().data(&data).start();
    check(&writer.at(&server), &written);
    assert_eq!(
        server.anonymous().get("/readyz").expect_status(200).json()["status"],
        "ready"
    );
}

#[test]
fn each_write_and_lock_is_synced_before_it_is_acknowledged() {
    let dir = TempDir::new().expect("a directory");
    let (data, writer) = prepared(&dir);
    let trace = dir.path().join("syncs");
    let options = [
        "-o",
        trace.to_str().expect("UTF-8"),
        "-e",
        "trace=fsync,fdatasync",
    ];
    let Some(server) = under_strace(&data, &options) else {
        return;
    };
    let writer = writer.at(&server);
    // A line is written when its call has returned, so what is counted here has reached the disk.
    let syncs = || {
        std::fs::read_to_string(&trace)
            .expect("the trace")
            .lines()
            .filter(|line| line.ends_with("= 0"))
            .count()
    };
    let synced = |what: &str, act: &dyn Fn()| {
        let before = syncs();
        act();
        assert!(
            syncs() > before,
            "{what} was acknowledged before it was synced"
        );
    };
    for serial in 1..=10 {
        synced("a write", &|| {
            drop(
                writer
                    .write("team/net", tfstate(L1, serial), None)
                    .expect_status(200),
            );
        });
        synced("a lock", &|| {
            drop(writer.lock("team/net", "lock-1").expect_status(200));
        });
        synced("an unlock", &|| {
            drop(writer.unlock("team/net", "lock-1").expect_status(200));
        });
    }
}

#[test]
fn a_failed_fsync_is_never_acknowledged() {
    write_into("fsync,fdatasync", "EIO", 40);
}

#[test]
fn a_failed_write_to_the_database_is_never_acknowledged() {
    write_into("pwrite64", "EIO", 200);
}

#[test]
#[ignore = "middle tier: the faults begin at 40 different calls"]
fn faults_that_begin_anywhere_lose_nothing() {
    for from in (20..220).step_by(5) {
        write_into("fsync,fdatasync", "EIO", from);
        write_into("pwrite64", "EIO", 5 * from);
    }
}
