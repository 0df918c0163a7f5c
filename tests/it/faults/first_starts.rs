//! A first start that is killed or has no room: the next one begins anew or goes on.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;

use crate::disk::strace;
use crate::harness::{Setup, children, eventually, kill, statekeep};

/// Checks that a start works, whatever an earlier one has left.
#[track_caller]
fn starts(data: &Path) {
    let server = Setup::new().data(data).start();
    server.admin().get("/readyz").expect_status(200);
    assert!(!data.join("statekeep.db.new").exists());
    assert!(server.stop().success());
}

/// Kills so many first starts, at moments from its begin to its end.
fn killed(times: u64) {
    let mut begun = 0;
    for try_ in 0..times {
        let dir = TempDir::new().expect("a directory");
        let data = dir.path().join("data");
        let mut child = Setup::new()
            .command(&data)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary starts");
        std::thread::sleep(Duration::from_micros(90_000 * try_ / times));
        child.kill().expect("our child");
        child.wait().expect("our child");
        begun += u64::from(data.exists());
        if data.join("statekeep.db").exists() {
            let list = statekeep(&["state", "list"])
                .env("STATEKEEP_DATA", &data)
                .output()
                .expect("it runs");
            let said = String::from_utf8_lossy(&list.stderr).into_owned();
            assert!(list.status.success(), "it is whole: {said}");
        }
        starts(&data);
    }
    assert!(begun > times / 6, "else the kills came too early: {begun}");
}

#[test]
fn a_first_start_that_is_killed_at_any_moment_is_made_good_by_the_next() {
    killed(20);
}

#[test]
#[ignore = "middle tier: a kill at each of 120 moments"]
fn a_first_start_that_is_killed_at_each_of_many_moments_is_made_good_by_the_next() {
    killed(120);
}

/// A process has let go of its files when its first thread is a zombie and no other one is left.
fn is_alive(pid: u32) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count);
    threads > 1 || std::fs::read_link(format!("/proc/{pid}/exe")).is_ok()
}

#[test]
fn a_first_start_whose_writes_fail_is_made_good_by_the_next() {
    let mut failed = 0;
    for (calls, error) in [
        ("pwrite64", "ENOSPC"),
        ("pwrite64", "EIO"),
        ("fsync,fdatasync", "EIO"),
        ("openat", "ENOSPC"),
        ("rename,renameat,renameat2", "EIO"),
    ] {
        for nth in 1..8 {
            let dir = TempDir::new().expect("a directory");
            let data = dir.path().join("data");
            // Libraries are opened before.
            let nth = if calls == "openat" { nth * 2 + 10 } else { nth };
            let inject = format!("inject={calls}:error={error}:when={nth}+");
            let trace = format!("trace={calls}");
            let options = ["-o", "/dev/null", "-e", &trace, "-e", &inject];
            let Some(setup) = strace(Setup::new(), &options) else {
                return;
            };
            let mut child = setup
                .command(&data)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("strace starts");
            let end = std::time::Instant::now() + Duration::from_millis(1_500);
            while child.try_wait().expect("ours").is_none() && std::time::Instant::now() < end {
                std::thread::sleep(Duration::from_millis(5));
            }
            failed += u64::from(child.try_wait().expect("ours").is_some());
            let started = children(child.id());
            for pid in &started {
                kill("KILL", *pid);
            }
            let _ = child.kill();
            let _ = child.wait();
            eventually("it is gone", || !started.iter().copied().any(is_alive));
            starts(&data);
        }
    }
    assert!(failed > 10, "else nothing failed: {failed}");
}
