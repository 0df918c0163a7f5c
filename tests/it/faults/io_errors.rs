//! A disk that fails: no acknowledgement, the process leaves, the next start finds all that was acknowledged.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::{Arc, Mutex};

use serde_json::json;
use tempfile::TempDir;

use crate::harness::{Client, Server, Setup};
use crate::skip;

use super::{Writers, check};

/// A server whose system calls fail from the n-th on, per thread; `None` where there is no strace that works here.
fn failing(data: &std::path::Path, calls: &str, error: &str, from: u32) -> Option<Server> {
    let strace = skip::program("strace", "STATEKEEP_STRACE")?;
    if !Command::new(&strace).args(["-f", "-qq", "-o", "/dev/null", "true"]).status().is_ok_and(|status| status.success()) {
        skip::missing("strace may not trace here");
        return None;
    }
    let trace = format!("trace={calls}");
    let inject = format!("inject={calls}:error={error}:when={from}+");
    let strace = strace.to_str().expect("UTF-8").to_owned();
    Some(Setup::new().data(data).under(&[&strace, "-f", "-qq", "-o", "/dev/null", "-e", &trace, "-e", &inject]).start())
}

/// A data directory with a key in it, made by a server without faults.
fn prepared(dir: &TempDir) -> (std::path::PathBuf, Client) {
    let data = dir.path().join("data");
    let server = Setup::new().data(&data).start();
    let writer = server.token(&server.key("team", "owner"), json!({}));
    assert!(server.stop().success());
    (data, writer)
}

/// Writes until the faults begin; then nothing may be acknowledged that is not there after the restart.
fn write_into(calls: &str, error: &str, from: u32) {
    let dir = TempDir::new().expect("a directory");
    let (data, writer) = prepared(&dir);
    let Some(mut server) = failing(&data, calls, error, from) else { return };
    let written = Arc::new(Mutex::new(BTreeMap::new()));
    let writers = Writers::start(&writer.at(&server), &written, 3);
    let status = server.wait();
    assert!(!status.success(), "{error} of {calls}: the server leaves and says that something is wrong");
    let acknowledged = writers.acknowledged();
    writers.join();
    assert!(acknowledged > 0, "the faults began before the first write, so this shows nothing");
    assert!(server.log().to_lowercase().contains("error"), "and why: {}", server.log());
    let server = Setup::new().data(&data).start();
    check(&writer.at(&server), &written);
    assert_eq!(server.anonymous().get("/readyz").expect_status(200).json()["status"], "ready");
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
