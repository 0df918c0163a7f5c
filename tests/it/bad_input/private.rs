//! Data directories that others than their owner can read or write: put right at a start, or
//! refused.

use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::harness::{Server, Setup, eventually, statekeep, tfstate};

use super::L1;
use super::start::refused;

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        .permissions()
        .mode()
        & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("a mode");
}

/// A data directory that a server was killed on, so that its log and index are there still.
fn left_behind() -> (TempDir, PathBuf) {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let mut server = Setup::new().data(&data).start();
    server
        .admin()
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    server.kill();
    (dir, data)
}

fn files(data: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(data)
        .expect("a directory")
        .map(|entry| entry.expect("an entry").path())
        .collect()
}

/// Checks that nobody but the owner can use anything of it while a server runs there, or after a
/// command.
fn expect_private(data: &Path) {
    assert_eq!(mode(data) & 0o077, 0, "the directory itself");
    let files = files(data);
    assert!(files.len() >= 4, "{files:?}");
    for file in files {
        assert_eq!(
            mode(&file) & 0o077,
            0,
            "{}: {:o}",
            file.display(),
            mode(&file)
        );
    }
}

#[test]
fn what_others_may_use_is_put_right_and_said() {
    for others in [0o044, 0o022, 0o066, 0o004, 0o040] {
        let (_dir, data) = left_behind();
        std::fs::copy(
            data.join("statekeep.db"),
            data.join("statekeep.db.schema-1"),
        )
        .expect("a copy");
        files(&data)
            .iter()
            .filter(|file| file.is_file())
            .for_each(|file| set_mode(file, 0o600 | others));
        set_mode(&data, 0o700 | others | (others >> 2));
        let server = Setup::new().data(&data).start();
        expect_private(&data);
        for name in [
            "statekeep.db",
            "statekeep.db-wal",
            "statekeep.db.schema-1",
            "statekeep.lock",
        ] {
            let is_told = || {
                server
                    .log()
                    .lines()
                    .any(|line| line.contains(&format!("/{name}\"")) && line.contains("WARN"))
            };
            eventually(&format!("the log tells of {name}"), is_told);
        }
    }
}

/// What `litestream restore -o` and `cp` leave, and a directory as systemd makes it.
#[test]
fn a_database_that_a_tool_has_restored_is_private_before_it_is_used() {
    let (_dir, left) = left_behind();
    assert!(Setup::new().data(&left).start().stop().success());
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("restored");
    std::fs::create_dir(&data).expect("a directory");
    set_mode(&data, 0o755);
    for name in ["statekeep.db", "statekeep.rowkey", "initial-admin-key"] {
        std::fs::copy(left.join(name), data.join(name)).expect("a copy");
        set_mode(&data.join(name), 0o644);
    }
    let server = Setup::new().data(&data).start();
    server
        .key("team", "writer")
        .write("team/two", tfstate(L1, 1), None)
        .expect_status(200);
    expect_private(&data);
}

#[test]
fn a_command_without_a_server_sees_to_it_as_well() {
    let (_dir, data) = left_behind();
    set_mode(&data.join("statekeep.db"), 0o644);
    let list = statekeep(&["state", "list"])
        .env("STATEKEEP_DATA", &data)
        .output()
        .expect("it runs");
    assert!(
        list.status.success(),
        "{}",
        String::from_utf8_lossy(&list.stderr)
    );
    assert_eq!(mode(&data.join("statekeep.db")), 0o600);
}

#[test]
fn a_directory_that_is_not_ours_alone_is_left_and_refused_where_others_may_write() {
    for (others, starts) in [
        (0o777, false),
        (0o1777, false),
        (0o775, false),
        (0o755, true),
    ] {
        let dir = TempDir::new().expect("a directory");
        std::fs::write(dir.path().join("somebody-elses.txt"), "x").expect("a file");
        set_mode(dir.path(), others);
        if starts {
            let _server = Setup::new().data(dir.path()).start();
            assert_eq!(mode(&dir.path().join("statekeep.db")), 0o600);
        } else {
            let output = refused(Setup::new().command(dir.path()));
            let message = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(
                message.contains("others may write there") && message.contains("--data"),
                "{message}"
            );
            assert_eq!(files(dir.path()).len(), 1, "nothing is made there");
        }
        assert_eq!(mode(dir.path()), others, "others use it too");
    }
}

#[test]
fn a_file_that_belongs_to_somebody_else_is_refused() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    for name in [
        "statekeep.db",
        "statekeep.db-wal",
        "statekeep.lock",
        "initial-admin-key",
    ] {
        let (_dir, data) = left_behind();
        chown(data.join(name), Some(12_345), None).expect("root may");
        let output = refused(Setup::new().command(&data));
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            message.contains(name) && message.contains("user 12345") && message.contains("chown"),
            "{message}"
        );
        let list = statekeep(&["state", "list"])
            .env("STATEKEEP_DATA", &data)
            .output()
            .expect("it runs");
        assert_eq!(
            list.status.code(),
            Some(1),
            "{}",
            String::from_utf8_lossy(&list.stderr)
        );
        chown(data.join(name), Some(0), None).expect("root may");
        let server = Setup::new().data(&data).start();
        server.admin().read("team/net").expect_status(200);
    }
}

#[test]
fn a_file_that_is_no_database_of_ours_keeps_its_mode() {
    let dir = TempDir::new().expect("a directory");
    let file = dir.path().join("statekeep.db");
    std::fs::write(&file, b"not a database, ".repeat(100)).expect("a file");
    set_mode(&file, 0o644);
    refused(Setup::new().command(dir.path()));
    assert_eq!(mode(&file), 0o644);
}

#[test]
fn what_is_made_is_private_from_the_start() {
    expect_private(Server::start().data());
}
