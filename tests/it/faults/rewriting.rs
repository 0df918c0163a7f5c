//! A purge is erased from the disk in steps. Where that does not work, it is told and tried again,
//! and everything else goes on.

use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::disk::{SmallDisk, noise, spoil_page_of_frames, spoil_page_with};
use crate::harness::{Client, Server, Setup, eventually, state_path, tfstate, tfstate_noted};
use crate::{inside, skip};

use super::L1;

/// More than SQLite keeps in memory of a file.
fn large(serial: u64) -> String {
    tfstate_noted(L1, serial, &noise(serial, 1024 * 1024))
}

fn purge(admin: &Client, name: &str, number: u64) -> Value {
    admin
        .post_json(
            &format!("{}/purge", state_path(name)),
            &json!({ "versions": [number] }),
        )
        .expect_status(200)
        .json()
}

/// Runs a server where nothing can be written but its data directory, as in a container image that
/// holds nothing else.
fn without_a_temporary_directory(data: &Path) -> Option<Setup> {
    std::fs::create_dir_all(data).expect("our directory");
    let script = "mount --make-rprivate / && mount --bind \"$0\" \"$0\" || exit 97
        for dir in / /tmp /var/tmp /usr/tmp /dev/shm \"$TMPDIR\"; do mount -o remount,bind,ro \
        \"$dir\" 2>/dev/null; done
        cd /; unset TMPDIR SQLITE_TMPDIR
        for dir in / /tmp /var/tmp /usr/tmp .; do [ -w \"$dir\" ] && exit 97; done
        [ -w \"$0\" ] || exit 97
        exec \"$@\"";
    let wrapper = [
        "unshare",
        "--mount",
        "sh",
        "-c",
        script,
        data.to_str().expect("UTF-8"),
    ];
    let works = std::process::Command::new(wrapper[0])
        .args(&wrapper[1..])
        .arg("true")
        .status()
        .is_ok_and(|status| status.success());
    if !works {
        skip::missing("no file system can be made read-only for one process");
        return None;
    }
    Some(Setup::new().data(data).under(&wrapper))
}

#[test]
fn where_there_is_no_temporary_directory_a_purge_erases_all_the_same() {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let Some(setup) = without_a_temporary_directory(&data) else {
        return;
    };
    let server = setup.start();
    let (admin, writer) = (server.admin(), server.key("team", "writer"));
    (1..=14).for_each(|serial| {
        drop(
            writer
                .write("team/net", large(serial), None)
                .expect_status(200),
        );
    });
    purge(&admin, "team/net", 3);
    // The answer does not wait for it longer than a few seconds.
    eventually("it is erased", || ready(&server)["erasing"].is_null());
    writer.write("team/net", large(15), None).expect_status(200);
    assert!(server.stop().success());
    let left: Vec<_> = std::fs::read_dir(&data)
        .expect("the directory")
        .map(|file| file.expect("a file").file_name())
        .collect();
    assert!(
        !left
            .iter()
            .any(|name| name.to_string_lossy().contains("etilqs")),
        "{left:?}"
    );
    let server = without_a_temporary_directory(&data)
        .expect("as before")
        .start();
    writer
        .at(&server)
        .write("team/net", large(16), None)
        .expect_status(200);
}

/// Takes room on a disk until only so many MiB are left.
fn leave_only(disk: &SmallDisk, mebibytes: u64) {
    let free = rustix::fs::statvfs(disk.path())
        .map(|stat| stat.f_bavail * stat.f_frsize)
        .expect("a disk");
    let filler = std::fs::File::create(disk.path().join("filler")).expect("a file");
    let zeros = vec![1; usize::try_from(free - mebibytes * 1024 * 1024).expect("a size")];
    std::io::Write::write_all(&mut &filler, &zeros).expect("there is room");
}

/// How the server is: its status, its problems, and how the erasing is.
fn ready(server: &Server) -> Value {
    server.admin().get("/readyz").json()
}

fn has_problem(ready: &Value) -> bool {
    let problems = ready["problems"].as_array().expect("a list");
    problems
        .iter()
        .any(|problem| problem["code"] == "purge_unfinished")
}

/// A database of some 8 MB on a small disk, on which only so much is left; none where there can be
/// no such disk.
fn nearly_full(mebibytes: u64) -> Option<(SmallDisk, Client, Client)> {
    let disk = SmallDisk::new("48m")?;
    let server = on(&disk);
    let (admin, writer) = (server.admin(), server.key("team", "writer"));
    (1..=11).for_each(|serial| {
        drop(
            writer
                .write("team/net", large(serial), None)
                .expect_status(200),
        );
    });
    inside::compacted(&disk.path().join("data"));
    assert!(server.stop().success());
    leave_only(&disk, mebibytes);
    Some((disk, admin, writer))
}

fn on(disk: &SmallDisk) -> Server {
    Setup::new()
        .data(&disk.path().join("data"))
        .flag("--min-free-space", "1MiB")
        .start()
}

#[test]
fn a_purge_needs_no_room_for_a_second_database() {
    const FREE: u64 = 10;
    let Some((disk, admin, writer)) = nearly_full(FREE) else {
        return;
    };
    let size = std::fs::metadata(disk.path().join("data/statekeep.db"));
    assert!(2 * size.expect("the database").len() > FREE * 1024 * 1024);
    let server = on(&disk);
    let (admin, writer) = (admin.at(&server), writer.at(&server));
    let answer = purge(&admin, "team/net", 3);
    assert_eq!(answer["erased"], true, "{answer} {}", server.log());
    assert_eq!(answer["erasing"], Value::Null);
    assert!(writer.read("team/net").expect_status(200).text() == large(11));
    assert_eq!(ready(&server)["status"], "ready");
}

#[test]
fn without_room_nothing_is_tried_and_everything_goes_on_until_there_is_room() {
    let Some((disk, admin, writer)) = nearly_full(5) else {
        return;
    };
    let server = on(&disk);
    let (admin, writer) = (admin.at(&server), writer.at(&server));
    let answer = purge(&admin, "team/net", 3);
    assert_eq!(answer["erased"], false, "{answer} {}", server.log());
    let missing = answer["erasing"]["missing_bytes"].as_u64();
    assert!(missing.is_some_and(|bytes| bytes > 1024 * 1024), "{answer}");
    let path = format!("{}/versions/3", state_path("team/net"));
    writer.get(&path).expect_problem(410, "purged");
    for serial in 1..=20 {
        writer
            .write("team/small", tfstate(L1, serial), None)
            .expect_status(200);
    }
    let said = ready(&server);
    assert_eq!(said["status"], "ready", "{said}");
    assert!(has_problem(&said), "{said}");
    let anybody = server.anonymous().get("/readyz").json();
    assert_eq!(anybody["erasing"]["missing_bytes"], Value::Null, "a figure");
    assert!(server.stop().success());
    let server = on(&disk);
    let writer = writer.at(&server);
    eventually("it is looked at", || has_problem(&ready(&server)));
    writer
        .write("team/small", tfstate(L1, 21), None)
        .expect_status(200);
    std::fs::remove_file(disk.path().join("filler")).expect("our file");
    let left = "SELECT count(*) FROM pending_erasure";
    let data = disk.path().join("data");
    eventually("it is erased by itself", || {
        inside::number(&data, left) == 0
    });
    eventually("it is told", || ready(&server)["erasing"].is_null());
    assert!(!has_problem(&ready(&server)));
    assert!(writer.read("team/net").expect_status(200).text() == large(11));
}

/// Many small states, of which the first has two versions; and an admin and a writer.
fn many_states(data: &Path) -> (Client, Client) {
    const STATES: u64 = 400;
    let server = Setup::new().data(data).start();
    let (admin, writer) = (server.admin(), server.key("team", "writer"));
    let write = |number: u64, serial: u64| {
        let name = format!("team/n{number}");
        let body = tfstate(&marked(number), serial);
        writer.write(&name, body, None).expect_status(200);
    };
    (0..STATES).for_each(|number| write(number, 1));
    write(0, 2);
    inside::compacted(data);
    assert!(server.stop().success());
    (admin, writer)
}

/// No UUID, so that the row has it as this text.
fn marked(number: u64) -> String {
    format!("lineage-{number:08}")
}

#[test]
fn a_damaged_page_of_something_else_does_not_keep_a_purge_from_its_end() {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let (admin, _) = many_states(&data);
    spoil_page_with(&data, &[250, 251].map(marked));
    let server = Setup::new().data(&data).start();
    let answer = purge(&admin.at(&server), "team/n0", 1);
    assert_eq!(
        (&answer["versions"], &answer["erased"]),
        (&json!([1]), &json!(true)),
        "{answer} {}",
        server.log()
    );
}

#[test]
fn a_page_that_cannot_be_read_ends_no_server_that_has_to_erase() {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let (admin, writer) = many_states(&data);
    spoil_page_of_frames(&data);
    let goes_on = |server: &Server| {
        let writer = writer.at(server);
        assert_eq!(
            writer.read("team/n0").expect_status(200).text(),
            tfstate(&marked(0), 2)
        );
        writer
            .write("team/new", tfstate(L1, 1), None)
            .expect_status(200);
        assert_eq!(
            inside::number(&data, "SELECT count(*) FROM pending_erasure"),
            1,
            "it is not forgotten"
        );
    };
    let server = Setup::new().data(&data).start();
    let answer = purge(&admin.at(&server), "team/n0", 1);
    assert_eq!(
        (&answer["versions"], &answer["erased"]),
        (&json!([1]), &json!(false)),
        "{answer}"
    );
    goes_on(&server);
    assert!(server.stop().success());
    let server = Setup::new().data(&data).start();
    eventually("it is tried again", || {
        server.log().contains("cannot be erased")
    });
    goes_on(&server);
}
