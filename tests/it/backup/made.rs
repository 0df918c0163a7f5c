//! Backups that are made: beside writers, to a file, a folder and a pipe, and by whom.

use std::os::unix::ffi::OsStrExt as _;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde_json::Value;
use tempfile::TempDir;

use super::archives::{manifest, parts};
use super::{L1, back_up, fails, history, large, names, restored, stage, succeeds, text};
use crate::harness::{Server, eventually, sha256, state_path, statekeep, tfstate};
use crate::skip;
use crate::wire::Wire;

#[test]
fn a_backup_beside_writers_holds_all_that_was_answered_before_it_as_it_was() {
    let server = Server::start();
    let folder = TempDir::new().expect("a directory");
    let file = folder.path().join("b.tar.zst");
    let (stop, answered) = (AtomicBool::new(false), [0, 0].map(AtomicU64::new));
    let write = |name: &str, answered: &AtomicU64| {
        let writer = server.key("team", "writer");
        writer.lock(name, "w").expect_status(200);
        for serial in 1.. {
            let state = large(serial, 20_000);
            writer.write(name, state, Some("w")).expect_status(200);
            answered.store(serial, Ordering::SeqCst);
            if stop.load(Ordering::SeqCst) {
                return;
            }
        }
    };
    let names = ["team/one", "team/two"];
    let before = std::thread::scope(|scope| {
        for (name, answered) in names.iter().zip(&answered) {
            scope.spawn(|| write(name, answered));
        }
        let each = || answered.each_ref().map(|one| one.load(Ordering::SeqCst));
        eventually("each has written", || each().iter().all(|one| *one > 20));
        let before = each();
        back_up(&server, &file);
        let after = each();
        eventually("writers go on", || each() > after);
        stop.store(true, Ordering::SeqCst);
        before
    });
    let copy = restored(&file, &folder.path().join("data"));
    for (name, before) in names.iter().zip(before) {
        let (all, kept) = (
            history(&server.admin(), name),
            history(&server.admin().at(&copy), name),
        );
        let count = kept.len() as u64;
        assert!(count >= before, "{name} has {count} of {before} versions");
        assert!(kept.len() <= all.len());
        assert!(kept == all[..kept.len()], "{name} is another");
    }
}

#[test]
fn a_backup_opens_with_tar_and_holds_what_its_manifest_says() {
    let (server, folder) = stage();
    let file = folder.path().join("b.tar.zst");
    back_up(&server, &file);
    assert_eq!(crate::disk::mode(&file), 0o600);
    let parts = parts(&file);
    let names: Vec<&str> = parts.iter().map(|part| part.name.as_str()).collect();
    assert_eq!(names[..2], ["manifest.json", "statekeep.db"]);
    let manifest = manifest(&parts);
    assert_eq!(manifest["format"], 1);
    assert_eq!(manifest["program"], env!("CARGO_PKG_VERSION"));
    let status = server.admin().get("/api/status").json();
    for same in ["states", "versions", "locks", "keys", "instance"] {
        assert_eq!(manifest[same], status[same], "{same}");
    }
    assert_eq!(manifest["schema"], status["schema_version"]);
    assert_eq!(
        manifest["sealed"],
        serde_json::json!({"content": false, "key": null})
    );
    assert_eq!(manifest["database"]["sha256"], sha256(&parts[1].bytes));
    assert!(
        manifest["last_commit"]["number"].as_u64() > Some(10),
        "{manifest}"
    );
    assert_eq!(
        manifest["last_commit"]["head"].as_str().map(str::len),
        Some(64)
    );
    let newest = server.admin().versions("team/db")[0]["created_at"].clone();
    assert_eq!(manifest["newest_version_at"], newest);
    let (Some(tar), Some(_)) = (
        skip::program("tar", "STATEKEEP_TAR"),
        skip::program("zstd", "STATEKEEP_ZSTD"),
    ) else {
        return;
    };
    let mut unpack = Command::new(tar);
    unpack.args(["--zstd", "-xf", text(&file)]);
    succeeds(unpack.current_dir(folder.path()).output().expect("it runs"));
    let database = std::fs::read(folder.path().join("statekeep.db")).expect("a file");
    assert_eq!(manifest["database"]["sha256"], sha256(&database));
}

#[test]
fn neither_a_backup_nor_an_export_goes_into_the_data_that_it_is_of() {
    let (server, folder) = stage();
    let data = server.data();
    let inside = [data.to_owned(), data.join("b.tar")];
    for target in inside {
        for command in ["backup", "export"] {
            let said = fails(server.cli(&[command, text(&target)]), 2);
            assert!(said.contains("lies in the data directory"), "{said}");
        }
    }
    assert!(!data.join("b").exists() && !data.join("b.tar").exists());
    let beside = folder.path().join("b.tar.zst");
    succeeds(server.cli(&["backup", text(&beside)]));
}

#[test]
fn a_file_that_is_there_is_replaced_by_force_only() {
    let (server, folder) = stage();
    let file = folder.path().join("b.tar.zst");
    std::fs::write(&file, "before").expect("a file");
    let said = fails(server.cli(&["backup", text(&file)]), 2);
    assert!(said.contains("--force"), "{said}");
    assert_eq!(std::fs::read(&file).expect("a file"), b"before");
    succeeds(server.cli(&["backup", text(&file), "--force"]));
    assert!(parts(&file).len() >= 2);
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&file, &link).expect("a link");
    for odd in [text(&link), "/dev/null"] {
        fails(server.cli(&["backup", odd, "--force"]), 2);
    }
    assert_eq!(names(folder.path()), ["b.tar.zst", "link"]);
}

/// The command under strace, in which these calls of the system fail.
fn failing(calls: &[&str], args: &[&str]) -> Option<Output> {
    let strace = skip::program("strace", "STATEKEEP_STRACE")?;
    let command = statekeep(args);
    let mut traced = Command::new(strace);
    traced.args(["-f", "-qq", "-o", "/dev/null"]);
    for call in calls {
        traced.args(["-e", &format!("inject={call}")]);
    }
    traced.arg(command.get_program()).args(command.get_args());
    Some(traced.output().expect("it runs"))
}

/// NFS knows no rename that replaces nothing, and other file systems no hard links or no locks.
#[test]
fn a_file_system_that_can_do_little_gets_its_backup_too() {
    let (server, folder) = stage();
    let (file, key) = (folder.path().join("b.tar.zst"), folder.path().join("key"));
    std::fs::write(&key, server.admin().secret()).expect("a file");
    let far = ["--url", server.url(), "--key-file", text(&key)];
    let (rename, link) = ("renameat2:error=EINVAL", "link,linkat:error=EPERM");
    for calls in [
        &[rename][..],
        &[rename, link],
        &[rename, link, "flock:error=ENOLCK"],
    ] {
        let args = [&["backup", text(&file)], &far[..]].concat();
        let Some(made) = failing(calls, &args) else {
            return;
        };
        succeeds(made);
        assert!(parts(&file).len() >= 2, "{calls:?}");
        let before = std::fs::read(&file).expect("a file");
        fails(statekeep(&args).output().expect("it runs"), 2);
        assert_eq!(std::fs::read(&file).expect("a file"), before);
        assert_eq!(names(folder.path()), ["b.tar.zst", "key"], "{calls:?}");
        std::fs::remove_file(&file).expect("it was made");
    }
}

#[test]
fn a_path_that_is_no_text_is_told_as_far_as_it_is_one() {
    let (server, folder) = stage();
    let odd = folder.path().join(std::ffi::OsStr::from_bytes(b"b\xff"));
    std::fs::create_dir(&odd).expect("a folder");
    let mut command = statekeep(&["backup", "--json", "--keep", "1", "--data"]);
    command.arg(server.data()).arg(&odd);
    for _ in 0..2 {
        let told = succeeds(command.output().expect("the binary runs"));
        let told: Value = serde_json::from_str(&told).expect("JSON");
        let file = told["file"].as_str().expect("a text");
        assert!(file.contains("/b\u{fffd}/statekeep-"), "{told}");
    }
    assert_eq!(names(&odd).len(), 1);
}

#[test]
fn a_folder_keeps_the_newest_of_this_server_and_all_of_others() {
    let (server, folder) = stage();
    let (other, keep) = (Server::start(), ["--keep", "2"]);
    let of = |server: &Server| {
        let instance = server.admin().get("/api/status").json()["instance"].clone();
        let instance = instance.as_str().expect("an id").to_owned();
        let all = names(folder.path()).into_iter();
        all.filter(|name| name.contains(&instance))
            .collect::<Vec<_>>()
    };
    std::fs::write(folder.path().join("notes"), "").expect("a file");
    succeeds(other.cli(&["backup", text(folder.path())]));
    let first = of(&other);
    for _ in 0..4 {
        succeeds(server.cli(&["backup", text(folder.path()), keep[0], keep[1]]));
    }
    assert_eq!(of(&server).len(), 2);
    let told = server.cli(&[
        "backup",
        text(folder.path()),
        keep[0],
        keep[1],
        "--format",
        "json",
    ]);
    let told: Value = serde_json::from_str(&succeeds(told)).expect("JSON");
    assert_eq!(
        told["removed"].as_array().expect("a list").len(),
        1,
        "{told}"
    );
    assert_eq!(
        of(&server).last(),
        told["file"].as_str().map(file_name).as_ref()
    );
    assert_eq!(of(&other), first);
    assert_eq!(names(folder.path()).len(), 4);
    fails(
        server.cli(&["backup", text(&folder.path().join("x")), "--keep", "2"]),
        2,
    );
}

/// A clock was years ahead for a while. What is made since it is right is not the oldest.
#[test]
fn backups_of_a_clock_that_was_ahead_take_no_place() {
    let (server, folder) = stage();
    let instance = server.admin().get("/api/status").json()["instance"].clone();
    let instance = instance.as_str().expect("an id");
    let ahead = [1, 2].map(|day| format!("statekeep-{instance}-2999010{day}T000000.000Z.tar.zst"));
    for name in &ahead {
        std::fs::write(folder.path().join(name), "").expect("a file");
    }
    let args = ["backup", text(folder.path()), "--keep", "1", "--json"];
    let made = || {
        let told = succeeds(server.cli(&args));
        let told: Value = serde_json::from_str(&told).expect("JSON");
        file_name(told["file"].as_str().expect("a path"))
    };
    let (first, second) = (made(), made());
    assert_ne!(first, second);
    let [one, two] = ahead;
    assert_eq!(names(folder.path()), [second, one, two]);
}

fn file_name(path: &str) -> String {
    path.rsplit('/').next().unwrap_or_default().to_owned()
}

#[test]
fn a_pipe_gets_the_same_and_one_that_breaks_is_a_failure() {
    let (server, folder) = stage();
    let piped = server.cli(&["backup", "-"]);
    assert!(piped.stderr.is_empty());
    let file = folder.path().join("b.tar.zst");
    std::fs::write(&file, succeeds_with_bytes(piped)).expect("a file");
    let copy = restored(&file, &folder.path().join("data"));
    assert_eq!(copy.admin().get("/healthz").status, 200);
    assert_eq!(
        history(&server.admin(), "team/net"),
        history(&server.admin().at(&copy), "team/net")
    );
    for serial in 10..14 {
        let state = large(serial, 1_000_000);
        server
            .admin()
            .write_by_force("team/large", state)
            .expect_status(200);
    }
    let mut broken = statekeep(&["backup", "-", "--data", text(server.data())])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    drop(broken.stdout.take());
    let said = fails(broken.wait_with_output().expect("it ends"), 1);
    assert!(said.contains("no backup"), "{said}");
}

fn succeeds_with_bytes(output: std::process::Output) -> Vec<u8> {
    assert!(output.status.success());
    output.stdout
}

#[test]
fn a_backup_is_taken_without_a_server_and_over_a_network() {
    let (server, folder) = stage();
    let (far, key) = (folder.path().join("far"), folder.path().join("key"));
    std::fs::write(&key, server.admin().secret()).expect("a file");
    let url = [
        "backup",
        text(&far),
        "--url",
        server.url(),
        "--key-file",
        text(&key),
    ];
    succeeds(statekeep(&url).output().expect("the binary runs"));
    let data = server.data().to_owned();
    let before = history(&server.admin(), "team/net");
    let kept = TempDir::new().expect("a directory");
    std::fs::rename(&data, kept.path().join("data")).expect("it moves");
    let data = kept.path().join("data");
    drop(server);
    let near = folder.path().join("near");
    let args = ["backup", text(&near), "--data", text(&data)];
    succeeds(statekeep(&args).output().expect("the binary runs"));
    assert!(!names(&data).iter().any(|name| name.contains("backup")));
    for file in [near, far] {
        let place = TempDir::new().expect("a directory");
        let copy = restored(&file, &place.path().join("data"));
        let secret = std::fs::read_to_string(&key).expect("a file");
        assert_eq!(history(&copy.with(&secret), "team/net"), before);
    }
}

#[test]
fn one_at_a_time_is_made_and_a_client_that_goes_away_leaves_nothing() {
    let server = Server::start();
    let admin = server.admin();
    for serial in 1..12 {
        admin
            .write_by_force("team/large", large(serial, 1_000_000))
            .expect_status(200);
    }
    let mut slow = Wire::to(&server);
    slow.send(format!(
        "GET /api/backup HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n",
        admin.secret()
    ));
    assert!(slow.sip(100), "the answer begins");
    admin.get("/api/backup").expect_problem(409, "backup_runs");
    admin
        .write_by_force("team/net", tfstate(L1, 1))
        .expect_status(200);
    drop(slow);
    eventually("its turn ends", || admin.get("/api/backup").status == 200);
    assert!(
        !names(server.data())
            .iter()
            .any(|name| name.contains("backup"))
    );
}

#[test]
fn that_everything_was_taken_is_an_event_and_a_key_needs_the_permission() {
    let (server, _folder) = stage();
    let taker = server.key_with("", &["ADM_BACKUP"]);
    let asked = taker
        .request("HEAD", "/api/backup")
        .send()
        .expect("an answer");
    assert_eq!(asked.status(), 200);
    assert_eq!(
        asked.headers().get("content-length"),
        None,
        "nobody knows how long it will be"
    );
    let answer = taker.get("/api/backup").expect_status(200);
    assert_eq!(answer.header("content-type"), "application/zstd");
    let events = server.admin().events("kind=backup.make");
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(events[0]["actor"]["id"], taker.key_id);
    assert_eq!(events[0]["detail"]["size"], answer.bytes.len());
    let monitor = server.key("", "monitor");
    for method in ["GET", "HEAD"] {
        let refused = monitor
            .request(method, "/api/backup")
            .send()
            .expect("an answer");
        assert_eq!(refused.status(), 403, "{method}");
    }
    taker.get(&state_path("team/net")).expect_status(403);
}
