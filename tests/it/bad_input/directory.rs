//! Data directories that cannot be served: a file that is not ours, from a newer version,
//! read-only, or a full disk.

use std::path::{Path, PathBuf};
use std::process::Output;

use tempfile::TempDir;

use crate::disk::{ReadOnly, SmallDisk, hash, sql};
use crate::harness::{Client, Server, Setup, tfstate};

use super::L1;
use super::start::refused;

/// What a newer version leaves in the schema's history.
const NEWER: &str = "INSERT INTO refinery_schema_history (version, name, applied_on, checksum) \
    VALUES (9999, 'from_the_future', '2030-01-01T00:00:00Z', '1');";

fn database(data: &Path) -> PathBuf {
    data.join("statekeep.db")
}

/// A data directory that a server has left, with one state in it, and who wrote it.
fn left_behind() -> (TempDir, PathBuf, Client) {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let server = Setup::new().data(&data).start();
    let writer = server.key("team", "writer");
    writer
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    assert!(server.stop().success());
    (dir, data, writer)
}

fn start(data: &Path) -> Output {
    refused(Setup::new().command(data))
}

/// Checks that a start was refused with a message that names the file.
#[track_caller]
fn names_the_file(output: &Output) -> String {
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(message.contains("statekeep.db"), "which file? {message}");
    message
}

#[test]
fn a_file_that_is_not_ours_is_refused_and_left_as_it_is() {
    for (what, content) in [
        ("text", b"not a database, ".repeat(1000)),
        ("zeros", vec![0; 8192]),
        ("something short", b"SQLite format 3".to_vec()),
    ] {
        let dir = TempDir::new().expect("a directory");
        let file = database(dir.path());
        std::fs::write(&file, &content).expect("a file");
        let before = hash(&file);
        names_the_file(&start(dir.path()));
        assert_eq!(hash(&file), before, "{what}");
    }
}

#[test]
fn a_database_of_another_program_is_refused_and_left_as_it_is() {
    let dir = TempDir::new().expect("a directory");
    let file = database(dir.path());
    let Some(()) = sql(
        &file,
        "PRAGMA application_id = 42; CREATE TABLE theirs (a); INSERT INTO theirs VALUES (1);",
    ) else {
        return;
    };
    let before = hash(&file);
    names_the_file(&start(dir.path()));
    assert_eq!(hash(&file), before);
    sql(&file, "PRAGMA application_id = 0;");
    let before = hash(&file);
    names_the_file(&start(dir.path()));
    assert_eq!(
        hash(&file),
        before,
        "nor one that says nothing of itself but has tables"
    );
}

#[test]
fn a_database_of_a_newer_version_is_refused_and_left_as_it_is() {
    let (_dir, data, writer) = left_behind();
    let file = database(&data);
    let Some(()) = sql(&file, NEWER) else { return };
    let before = hash(&file);
    let message = names_the_file(&start(&data));
    assert!(message.contains("newer"), "{message}");
    assert_eq!(hash(&file), before);
    sql(
        &file,
        "DELETE FROM refinery_schema_history WHERE version = 9999;",
    );
    let server = Setup::new().data(&data).start();
    assert_eq!(
        writer
            .at(&server)
            .read("team/net")
            .expect_status(200)
            .text(),
        tfstate(L1, 1),
        "nothing is lost"
    );
}

#[test]
fn what_a_newer_version_that_was_killed_had_not_moved_into_its_database_stays_where_it_is() {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let mut server = Setup::new().data(&data).start();
    let (file, log) = (database(&data), data.join("statekeep.db-wal"));
    let Some(()) = sql(&file, NEWER) else { return };
    server.kill();
    assert!(
        std::fs::metadata(&log).is_ok_and(|log| log.len() > 0),
        "else this test shows nothing"
    );
    let before = (hash(&file), hash(&log));
    let message = names_the_file(&start(&data));
    assert!(message.contains("newer"), "{message}");
    assert_eq!((hash(&file), hash(&log)), before);
}

#[test]
fn our_files_say_that_they_are_ours() {
    let (_dir, data, _) = left_behind();
    let bytes = std::fs::read(database(&data)).expect("the database");
    assert!(bytes.starts_with(b"SQLite format 3\0"));
    assert_ne!(bytes[68..72], [0; 4], "an application_id");
}

#[test]
fn a_read_only_database_is_refused_with_a_clear_message() {
    let (_dir, data, writer) = left_behind();
    let file = database(&data);
    let before = hash(&file);
    {
        let Some(_guard) = ReadOnly::new(&file) else {
            return;
        };
        let message = names_the_file(&start(&data)).to_lowercase();
        assert!(
            ["read-only", "readonly", "written", "permission", "writable"]
                .iter()
                .any(|word| message.contains(word)),
            "{message}"
        );
        assert_eq!(hash(&file), before);
    }
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600))
        .expect("our file");
    let server = Setup::new().data(&data).start();
    assert_eq!(
        writer
            .at(&server)
            .read("team/net")
            .expect_status(200)
            .text(),
        tfstate(L1, 1)
    );
}

#[test]
fn a_first_start_on_a_full_disk_fails_with_a_clear_message() {
    let Some(disk) = SmallDisk::new("64k") else {
        return;
    };
    std::fs::write(disk.path().join("filler"), vec![1; 60 * 1024]).expect("room for this");
    let output = start(&disk.path().join("data"));
    let message = String::from_utf8_lossy(&output.stderr).to_lowercase();
    assert!(
        ["full", "space", "room"]
            .iter()
            .any(|word| message.contains(word)),
        "{message}"
    );
}

#[test]
fn a_data_directory_that_is_a_file_is_refused() {
    let dir = TempDir::new().expect("a directory");
    let file = dir.path().join("data");
    std::fs::write(&file, "mine").expect("a file");
    let output = start(&file);
    assert!(String::from_utf8_lossy(&output.stderr).contains(file.to_str().expect("UTF-8")));
    assert_eq!(std::fs::read_to_string(&file).expect("a file"), "mine");
}

#[test]
fn a_second_server_on_the_same_directory_is_refused_and_the_first_goes_on() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    writer
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    let output = start(server.data());
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        message.contains(server.data().to_str().expect("UTF-8")),
        "which directory? {message}"
    );
    assert!(
        ["already", "in use", "another"]
            .iter()
            .any(|word| message.contains(word)),
        "{message}"
    );
    writer
        .write("team/net", tfstate(L1, 2), None)
        .expect_status(200);
    assert!(
        server.cli(&["state", "list"]).status.success(),
        "its socket is still there"
    );
}
