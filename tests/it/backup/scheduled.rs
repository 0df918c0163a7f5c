//! Backups that the server makes by itself: when, how many stay, their drills, and what it says of
//! all that.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use super::{L1, names, restored, text};
use crate::disk::{flip, strace};
use crate::harness::{Server, Setup, eventually, state_path, tfstate};
use crate::scrape::{Scrape, monitor};

fn server(data: &Path, backups: &Path, every: &str, keep: &str) -> Server {
    Setup::new()
        .data(data)
        .flag("--backup-dir", text(backups))
        .flag("--backup-every", every)
        .flag("--backup-keep", keep)
        .start()
}

fn backup(server: &Server) -> Value {
    server.admin().get("/api/status").expect_status(200).json()["backup"].clone()
}

fn problems(server: &Server) -> Vec<String> {
    let ready = server.anonymous().get("/readyz").expect_status(200).json();
    let problems = ready["problems"].as_array().expect("a list").iter();
    let code = |problem: &Value| problem["code"].as_str().unwrap_or_default().to_owned();
    problems.map(code).collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let found = names(folder).into_iter();
    found
        .filter(|name| name.ends_with(".tar.zst") && !name.starts_with('.'))
        .map(|name| folder.join(name))
        .collect()
}

#[test]
fn the_server_makes_them_tries_them_and_keeps_the_newest() {
    let place = TempDir::new().expect("a directory");
    let (data, folder) = (place.path().join("data"), place.path().join("backups"));
    let server = server(&data, &folder, "1s", "2");
    let admin = server.admin();
    admin
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    eventually("a drill was made", || {
        backup(&server)["drill"]["versions"] == 1
    });
    let first = files(&folder).first().cloned().expect("a backup");
    eventually("the first one goes", || !first.exists());
    assert!(files(&folder).len() <= 3);
    let kept = |all: &[Value]| all.len() > 2;
    eventually("each is an event", || {
        kept(&admin.events("kind=backup.make"))
    });
    assert_eq!(admin.events("kind=backup.make")[0]["actor"]["id"], "server");
    assert_eq!(backup(&server)["failure"], Value::Null);
    let monitor = monitor(&server);
    let scrape = Scrape::of(&monitor);
    assert!(scrape.value("statekeep_backup_timestamp_seconds") > 1_700_000_000);
    assert!(scrape.value("statekeep_backup_bytes") > 1_000);
    // The next backup may be there already, and its drill under way.
    eventually("the newest one has had its drill", || {
        let scrape = Scrape::of(&monitor);
        let newest = scrape.value("statekeep_backup_timestamp_seconds");
        scrape.value("statekeep_backup_drill_timestamp_seconds") >= newest
    });
    drop(server);
    let newest = files(&folder).pop().expect("a backup");
    let copy = restored(&newest, &place.path().join("restored"));
    let answer = admin.at(&copy).read("team/net").expect_status(200);
    assert_eq!(answer.text(), tfstate(L1, 1));
}

#[test]
fn a_clock_that_was_ahead_costs_the_server_no_backup() {
    let place = TempDir::new().expect("a directory");
    let (data, folder) = (place.path().join("data"), place.path().join("backups"));
    let server = server(&data, &folder, "1h", "1");
    eventually("the first one is tried", || {
        !backup(&server)["drill"].is_null()
    });
    let instance = server.admin().get("/api/status").json()["instance"].clone();
    let instance = instance.as_str().expect("an id");
    let ahead = format!("statekeep-{instance}-29990101T000000.000Z.tar.zst");
    std::fs::write(folder.join(&ahead), "").expect("a file");
    let first = files(&folder).first().cloned().expect("a backup");
    server.signal("USR1");
    eventually("the first one goes", || !first.exists());
    let made = || server.admin().events("kind=backup.make").len() == 2;
    eventually("the second one is told", made);
    assert_eq!(files(&folder).len(), 2, "{:?}", files(&folder));
    assert!(folder.join(&ahead).exists());
}

#[test]
fn a_restart_puts_none_off_and_a_signal_makes_one_now() {
    let place = TempDir::new().expect("a directory");
    let (data, folder) = (place.path().join("data"), place.path().join("backups"));
    let first = server(&data, &folder, "1h", "9");
    first.signal("USR1");
    eventually("one is made", || backup(&first)["drill"]["versions"] == 0);
    assert_eq!(files(&folder).len(), 1);
    let made = backup(&first)["last"].clone();
    assert!(made["size"].as_u64() > Some(1_000), "{made}");
    first.stop();
    let second = server(&data, &folder, "1h", "9");
    eventually("it is found again", || backup(&second)["last"] == made);
    assert!(
        backup(&second)["drill"]["at"].is_string(),
        "so is its drill"
    );
    assert_eq!(problems(&second), [""; 0]);
    second.signal("USR1");
    eventually("another is made", || {
        files(&folder).len() == 2 && backup(&second)["last"] != made
    });
    let admin = second.admin();
    for serial in [1, 2] {
        admin
            .write_by_force("team/net", tfstate(L1, serial))
            .expect_status(200);
    }
    let purge = format!("{}/purge", state_path("team/net"));
    let purged = admin.post_json(&purge, &serde_json::json!({"versions": [1]}));
    let hold = purged.expect_status(200).json()["may_still_hold"].clone();
    assert_eq!(hold.as_array().map(Vec::len), Some(2), "{hold}");
    eventually("with its drill", || backup(&second)["running"] == false);
    assert!(
        names(&folder).iter().all(|name| !name.starts_with('.')),
        "{:?}",
        names(&folder)
    );
}

#[test]
fn an_old_backup_is_overdue_and_a_failing_one_is_told_to_a_person() {
    let place = TempDir::new().expect("a directory");
    let (data, folder) = (place.path().join("data"), place.path().join("backups"));
    let first = server(&data, &folder, "1h", "9");
    first.signal("USR1");
    eventually("one is made", || backup(&first)["drill"].is_object());
    first.stop();
    // It gets the name of one from long ago, and the folder becomes one where nothing can be made.
    let newest = files(&folder).pop().expect("a backup");
    let name = newest.file_name().expect("a name").to_str().expect("UTF-8");
    let old = format!("{}-20200101T000000.000Z.tar.zst", &name[..name.len() - 29]);
    std::fs::rename(&newest, folder.join(old)).expect("it moves");
    let blocked = folder.join(format!(".statekeep-backup-{}", &name[10..46]));
    std::fs::write(&blocked, "no folder").expect("a file");
    let second = server(&data, &folder, "1h", "9");
    // Some seconds later it tries by itself, which fails.
    eventually("it is overdue", || {
        problems(&second).contains(&"backup_overdue".to_owned())
    });
    second.signal("USR1");
    eventually("it fails", || {
        problems(&second) == ["backup_overdue", "backup_failed"]
    });
    let told = backup(&second);
    assert!(
        told["failure"]["detail"]
            .as_str()
            .is_some_and(|why| why.len() > 10),
        "{told}"
    );
    // The event comes a moment behind, and once for the same failure.
    let failures = || second.admin().events("kind=backup.fail");
    eventually("it is an event", || !failures().is_empty());
    let events = failures();
    assert_eq!(
        (events.len(), &events[0]["attention"]),
        (1, &Value::from(true))
    );
    assert_eq!(second.anonymous().get("/readyz").json()["status"], "ready");
    std::fs::remove_file(&blocked).expect("our file");
    second.signal("USR1");
    eventually("all is well again", || problems(&second).is_empty());
}

#[test]
fn a_drill_finds_a_bit_that_rotted_in_the_newest_backup() {
    let place = TempDir::new().expect("a directory");
    let (data, folder) = (place.path().join("data"), place.path().join("backups"));
    let first = server(&data, &folder, "1h", "9");
    first.signal("USR1");
    eventually("one is made", || backup(&first)["drill"].is_object());
    first.stop();
    // A newer one, which no drill has seen.
    let newest = files(&folder).pop().expect("a backup");
    let name = newest.file_name().expect("a name").to_str().expect("UTF-8");
    let now = humantime::format_rfc3339_millis(std::time::SystemTime::now()).to_string();
    let now = now.replace(['-', ':'], "");
    let newer = format!("{}-{now}.tar.zst", &name[..name.len() - 29]);
    let newer = folder.join(newer);
    std::fs::rename(&newest, &newer).expect("it moves");
    flip(&newer, std::fs::metadata(&newer).expect("a file").len() / 2);
    let second = server(&data, &folder, "1h", "9");
    // Only a drill of this server's own run says how many versions it has verified.
    eventually("the drill has ended", || {
        !problems(&second).is_empty() || backup(&second)["drill"]["versions"].is_number()
    });
    assert_eq!(problems(&second), ["drill_failed"]);
    // The event is written behind the problem.
    let admin = second.admin();
    eventually("it is an event", || {
        let events = admin.events("kind=backup.fail");
        let newest = events.first();
        newest.is_some_and(|event| event["detail"]["what"] == "drill")
    });
    std::fs::remove_file(&newer).expect("our file");
    second.signal("USR1");
    eventually("a good one is made", || problems(&second).is_empty());
}

/// The folder may be of another machine. While it does not answer, nothing else waits for it, and
/// that there is no backup is not claimed.
#[test]
fn a_folder_that_answers_late_holds_up_nothing_else() {
    let place = TempDir::new().expect("a directory");
    let (data, folder) = (place.path().join("data"), place.path().join("backups"));
    std::fs::create_dir(&folder).expect("a directory");
    let calls = ["-e", "inject=getdents64:delay_enter=60000000"];
    let options = [&["-o", "/dev/null", "-P", text(&folder)], &calls[..]].concat();
    let Some(setup) = strace(Setup::new(), &options) else {
        return;
    };
    let server = setup
        .data(&data)
        .flag("--backup-dir", text(&folder))
        .start();
    let admin = server.admin();
    admin
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    admin.read("team/net").expect_status(200);
    eventually("the read is written down", || {
        !admin.events("kind=state.read").is_empty()
    });
    let known = backup(&server);
    assert_eq!(known["folder_read"], false, "it does not answer yet");
    assert_eq!(known["last"], Value::Null);
    let told = server.cli(&["status"]);
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(told.contains("the folder is being read"), "{told}");
}

#[test]
fn a_folder_that_is_none_is_told_by_its_own_name() {
    let place = TempDir::new().expect("a directory");
    let (data, file) = (place.path().join("data"), place.path().join("backups"));
    std::fs::write(&file, "no folder").expect("a file");
    let server = server(&data, &file, "1h", "9");
    server.signal("USR1");
    eventually("it fails", || backup(&server)["failure"].is_object());
    let told = backup(&server)["failure"]["detail"].to_string();
    assert!(
        told.contains(&format!("--backup-dir, {}", text(&file))),
        "{told}"
    );
    assert!(!told.contains("data directory"), "{told}");
}
