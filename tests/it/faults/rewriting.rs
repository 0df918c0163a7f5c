//! A purge writes the database file anew. Where that does not work, it is told and tried again, and
//! everything else goes on.

use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::disk::{SmallDisk, noise, spoil_page_with};
use crate::harness::{Client, Server, Setup, eventually, state_path, tfstate, tfstate_noted};
use crate::{inside, skip};

use super::L1;

/// More than SQLite keeps in memory of a file that it writes anew.
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
    assert_eq!(
        purge(&admin, "team/net", 3)["erased"],
        true,
        "{}",
        server.log()
    );
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

#[test]
fn without_room_for_it_everything_goes_on_and_room_makes_it_work() {
    // Room for the half of it, which is only found out on the way; and not even for that.
    for mebibytes in [11, 5] {
        let Some(disk) = SmallDisk::new("48m") else {
            return;
        };
        let data = disk.path().join("data");
        let start = || {
            Setup::new()
                .data(&data)
                .flag("--min-free-space", "1MiB")
                .start()
        };
        let server = start();
        let (admin, writer) = (server.admin(), server.key("team", "writer"));
        (1..=11).for_each(|serial| {
            drop(
                writer
                    .write("team/net", large(serial), None)
                    .expect_status(200),
            );
        });
        inside::compacted(&data);
        assert!(server.stop().success());
        leave_only(&disk, mebibytes);
        let server = start();
        let (admin, writer) = (admin.at(&server), writer.at(&server));
        assert_eq!(
            purge(&admin, "team/net", 3)["erased"],
            false,
            "{mebibytes}: {}",
            server.log()
        );
        writer
            .get(&format!("{}/versions/3", state_path("team/net")))
            .expect_problem(410, "purged");
        writer
            .write("team/small", tfstate(L1, 1), None)
            .expect_status(200);
        assert!(server.stop().success());
        // A start tries again at once.
        let server = start();
        let (admin, writer) = (admin.at(&server), writer.at(&server));
        eventually("it is tried", || server.log().contains("cannot be erased"));
        writer
            .write("team/small", tfstate(L1, 2), None)
            .expect_status(200);
        std::fs::remove_file(disk.path().join("filler")).expect("our file");
        assert_eq!(
            purge(&admin, "team/net", 3)["erased"],
            true,
            "{mebibytes}: {}",
            server.log()
        );
        assert!(writer.read("team/net").expect_status(200).text() == large(11));
    }
}

#[test]
fn a_page_that_cannot_be_read_ends_no_server_that_has_to_erase() {
    const STATES: u64 = 400;
    // No UUID, so that the row has it as this text.
    let marked = |number: u64| format!("lineage-{number:08}");
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let server = Setup::new().data(&data).start();
    let (admin, writer) = (server.admin(), server.key("team", "writer"));
    (0..STATES).for_each(|number| {
        drop(
            writer
                .write(
                    &format!("team/n{number}"),
                    tfstate(&marked(number), 1),
                    None,
                )
                .expect_status(200),
        );
    });
    writer
        .write("team/n0", tfstate(&marked(0), 2), None)
        .expect_status(200);
    inside::compacted(&data);
    assert!(server.stop().success());
    spoil_page_with(&data, &[250, 251].map(marked));
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
