//! Backups without room: an error that says so, nothing left of them, and writers who go on.

use tempfile::TempDir;

use super::{L1, fails, large, names, text};
use crate::disk::SmallDisk;
use crate::harness::{Server, Setup, tfstate};

#[test]
fn a_full_target_is_said_and_left_empty() {
    let Some(disk) = SmallDisk::new("2m") else {
        return;
    };
    let server = Server::start();
    for serial in 1..=4 {
        let state = large(serial, 1_000_000);
        server
            .admin()
            .write_by_force("team/large", state)
            .expect_status(200);
    }
    for target in [disk.path().join("b"), disk.path().to_owned()] {
        let said = fails(server.cli(&["backup", text(&target)]), 1);
        assert!(
            said.contains("No space left") && said.contains("no backup was made"),
            "{said}"
        );
        assert_eq!(names(disk.path()), [""; 0]);
    }
}

fn free(place: &std::path::Path) -> u64 {
    let disk = rustix::fs::statvfs(place).expect("a disk");
    disk.f_bavail * disk.f_frsize
}

#[test]
fn a_server_without_room_for_one_says_so_and_writers_go_on() {
    let Some(disk) = SmallDisk::new("32m") else {
        return;
    };
    let data = disk.path().join("data");
    let server = Setup::new()
        .data(&data)
        .flag("--min-free-space", "2MiB")
        .start();
    let admin = server.admin();
    for serial in 1..=7 {
        let state = large(serial, 1_000_000);
        admin.write_by_force("team/large", state).expect_status(200);
    }
    let folder = TempDir::new().expect("a directory");
    let file = folder.path().join("b");
    let filler = disk.path().join("filler");
    // Enough for one copy of the database and what has to stay free, and not for two.
    let size = std::fs::metadata(data.join("statekeep.db"))
        .expect("a file")
        .len();
    let leave = size + size / 4 + (2 << 20);
    let taken = usize::try_from(free(disk.path()) - leave).expect("it fits");
    std::fs::write(&filler, vec![7; taken]).expect("room");
    let refused = admin
        .get("/api/backup")
        .expect_problem(507, "no_room_for_backup");
    assert!(refused.text().contains("the size of the database twice"));
    let said = fails(server.cli(&["backup", text(&file)]), 1);
    assert!(said.contains("no_room_for_backup"), "{said}");
    assert_eq!(names(folder.path()), [""; 0]);
    assert!(!names(&data).iter().any(|name| name.contains("backup")));
    admin
        .write_by_force("team/net", tfstate(L1, 1))
        .expect_status(200);
    assert_eq!(admin.get("/readyz").json()["status"], "ready");
    std::fs::remove_file(&filler).expect("our file");
    disk.grow("128m");
    admin.get("/api/backup").expect_status(200);
}
