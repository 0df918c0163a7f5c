//! Backups and restores that are killed at many moments: there is a good one afterwards, or none,
//! and the next one removes what was left.

use std::path::Path;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::{back_up, fails, history, large, names, restore, restored, stage, succeeds, text};
use crate::harness::{Server, Setup, statekeep};

/// So many versions are in a backup.
const VERSIONS: u64 = 12;

/// A server with enough that a backup takes a while.
fn heavy() -> Server {
    let server = Server::start();
    for serial in 1..=VERSIONS {
        let state = large(serial, 1_000_000);
        server
            .admin()
            .write_by_force("team/large", state)
            .expect_status(200);
    }
    server
}

/// Runs a command and kills it after a time; says whether it had ended by then.
fn killed_after(args: &[&str], time: Duration) -> bool {
    let mut child = statekeep(args)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("the binary starts");
    let end = Instant::now() + time;
    while Instant::now() < end {
        if child.try_wait().expect("it is ours").is_some() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().expect("it is ours");
    child.wait().expect("it is ours");
    false
}

/// How long a command takes.
fn time_of(args: &[&str]) -> Duration {
    let started = Instant::now();
    succeeds(statekeep(args).output().expect("the binary runs"));
    started.elapsed()
}

/// Kills a command after a part of the time that it takes.
///
/// `took` becomes shorter each time that the command had ended before: the machine is faster than
/// it was.
fn killed_at(turn: u32, turns: u32, took: &mut Duration, mut begin: impl FnMut(Duration) -> bool) {
    while begin(*took * turn / turns) {
        *took = *took * 3 / 4;
    }
}

fn is_good_or_none(file: &Path) -> bool {
    if !file.exists() {
        return true;
    }
    let place = TempDir::new().expect("a directory");
    restore(file, &place.path().join("none"), &["--dry-run"])
        .status
        .success()
}

fn backups_killed(times: u32) {
    let (server, folder) = (heavy(), TempDir::new().expect("a directory"));
    let data = text(server.data()).to_owned();
    let whole = folder.path().join("whole");
    let mut took = time_of(&["backup", text(&whole), "--data", &data]);
    let file = folder.path().join("b.tar.zst");
    for turn in 0..times {
        let args = ["backup", text(&file), "--data", &data, "--force"];
        killed_at(turn, times, &mut took, |time| killed_after(&args, time));
        assert!(is_good_or_none(&file), "turn {turn}");
        server.admin().read("team/large").expect_status(200);
    }
    crate::harness::eventually("the last one ends", || {
        let args = ["backup", text(&file), "--data", &data, "--force"];
        statekeep(&args).output().expect("it runs").status.success()
    });
    assert_eq!(names(folder.path()), ["b.tar.zst", "whole"]);
    assert!(
        !names(server.data())
            .iter()
            .any(|name| name.contains("backup"))
    );
    let copy = restored(&file, &folder.path().join("data"));
    assert_eq!(
        history(&server.admin().at(&copy), "team/large"),
        history(&server.admin(), "team/large")
    );
}

#[test]
fn a_backup_that_is_killed_is_a_good_one_or_none() {
    backups_killed(3);
}

#[test]
#[ignore = "fifty kills take minutes"]
fn a_backup_that_is_killed_fifty_times_is_a_good_one_or_none() {
    backups_killed(50);
}

#[test]
fn a_server_that_is_killed_while_it_makes_one_leaves_nothing_that_stays() {
    let (mut server, folder) = (heavy(), TempDir::new().expect("a directory"));
    let data = TempDir::new().expect("a directory");
    let place = data.path().join("data");
    server.kill();
    std::fs::rename(server.data(), &place).expect("it moves");
    let server = Setup::new().data(&place).start();
    let whole = folder.path().join("whole");
    let took = time_of(&["backup", text(&whole), "--data", text(&place)]);
    let mut server = Some(server);
    for turn in [2, 4] {
        let running = server.take().expect("one runs");
        let mut backup = statekeep(&[
            "backup",
            text(&folder.path().join("b")),
            "--data",
            text(&place),
        ])
        .stderr(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("the binary starts");
        std::thread::sleep(took * turn / 6);
        drop(running);
        backup.wait().expect("it is ours");
        assert!(is_good_or_none(&folder.path().join("b")));
        let _ = std::fs::remove_file(folder.path().join("b"));
        server = Some(Setup::new().data(&place).start());
    }
    let server = server.expect("one runs");
    back_up(&server, &folder.path().join("b"));
    assert_eq!(names(folder.path()), ["b", "whole"]);
    assert!(
        !names(&place).iter().any(|name| name.contains("backup")),
        "{:?}",
        names(&place)
    );
}

#[test]
fn a_restore_that_is_killed_has_restored_nothing_or_all_and_can_be_run_again() {
    let (server, folder) = (heavy(), TempDir::new().expect("a directory"));
    let file = folder.path().join("b");
    back_up(&server, &file);
    let first = folder.path().join("first");
    let mut took = time_of(&["restore", text(&file), "--data", text(&first)]);
    let mut killed = 0;
    for turn in 0..5 {
        let data = folder.path().join(format!("data-{turn}"));
        let args = ["restore", text(&file), "--data", text(&data)];
        killed_at(turn, 5, &mut took, |time| {
            let _ = std::fs::remove_dir_all(&data);
            let was_through = killed_after(&args, time);
            assert!(data.join("statekeep.db").exists() || !was_through);
            was_through
        });
        if !data.join("statekeep.db").exists() {
            killed += 1;
            succeeds(restore(&file, &data, &[]));
        }
        let copy = Setup::new().data(&data).start();
        let admin = server.admin().at(&copy);
        assert_eq!(admin.count_versions("team/large"), VERSIONS, "turn {turn}");
        assert!(!names(&data).iter().any(|name| name.contains("restore")));
    }
    assert!(killed > 0, "only {killed} were killed early");
}

/// What a restore leaves in a directory when it is cut off: before its files are moved, and before
/// the database gets its name.
fn cut_off(data: &Path, source: &Path, is_late: bool) {
    std::fs::create_dir(data).expect("a folder");
    let (folder, last) = (
        data.join(".statekeep-restore"),
        data.join(".statekeep-restore.db"),
    );
    if is_late {
        for (from, to) in [
            ("statekeep.rowkey", data.join("statekeep.rowkey")),
            ("statekeep.db", last),
        ] {
            std::fs::copy(source.join(from), to).expect("a copy");
        }
    } else {
        std::fs::create_dir(&folder).expect("a folder");
        std::fs::copy(source.join("statekeep.db"), folder.join("statekeep.db")).expect("a copy");
    }
}

#[test]
fn a_directory_with_a_restore_that_was_cut_off_is_no_first_start() {
    let (server, folder) = stage();
    let file = folder.path().join("b");
    back_up(&server, &file);
    for is_late in [false, true] {
        let data = folder.path().join(format!("data-{is_late}"));
        cut_off(&data, server.data(), is_late);
        let was: Vec<String> = names(&data);
        for args in [
            &["serve", "--listen", "127.0.0.1:0", "--data", text(&data)][..],
            &[
                "serve",
                "--accept-loss",
                "--listen",
                "127.0.0.1:0",
                "--data",
                text(&data),
            ],
            &["key", "list", "--data", text(&data)],
            &["serve", "--check", "--data", text(&data)],
        ] {
            let output = crate::harness::statekeep(args).output().expect("it runs");
            let told = String::from_utf8_lossy(&output.stdout).into_owned();
            let told = told + &fails(output, 1);
            assert!(told.contains("a restore into"), "{args:?}: {told}");
            assert!(told.contains("statekeep restore FILE"), "{args:?}: {told}");
        }
        let mut now = names(&data);
        now.retain(|name| name != "statekeep.lock");
        assert_eq!(now, was, "nothing is changed");
        let copy = restored(&file, &data);
        assert_eq!(
            history(&server.admin().at(&copy), "team/net"),
            history(&server.admin(), "team/net")
        );
    }
}
