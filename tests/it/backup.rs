//! Backups through the front door: made beside writers, killed, without room, damaged, restored and
//! compared with what the server says.

mod archives;
mod killed;
mod made;
mod refused;
mod restored;
mod room;
mod scheduled;

use std::path::Path;
use std::process::Output;

use serde_json::Value;
use tempfile::TempDir;

use crate::disk::noise;
use crate::harness::{Client, Server, Setup, state_path, statekeep, tfstate_noted};

const L1: &str = "11111111-1111-4111-8111-111111111111";

/// Runs a command that has to succeed, and gives what it printed.
#[track_caller]
fn succeeds(output: Output) -> String {
    assert!(
        output.status.success(),
        "{}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Runs a command that has to fail with an exit code, and gives what it said.
#[track_caller]
fn fails(output: Output, code: i32) -> String {
    let Output { status, stderr, .. } = output;
    let said = String::from_utf8_lossy(&stderr).into_owned();
    assert_eq!(status.code(), Some(code), "{said}");
    said
}

fn text(path: &Path) -> &str {
    path.to_str().expect("test paths are UTF-8")
}

/// A backup of a server into a file.
#[track_caller]
fn back_up(server: &Server, file: &Path) {
    succeeds(server.cli(&["backup", text(file)]));
}

fn restore(file: &Path, data: &Path, more: &[&str]) -> Output {
    let args = [&["restore", text(file), "--data", text(data)], more].concat();
    statekeep(&args).output().expect("the binary runs")
}

/// A server on what comes out of a backup.
#[track_caller]
fn restored(file: &Path, data: &Path) -> Server {
    succeeds(restore(file, data, &[]));
    Setup::new().data(data).start()
}

/// A state that takes some room.
fn large(serial: u64, length: usize) -> String {
    tfstate_noted(L1, serial, &noise(serial, length))
}

/// What a server says of a state: its versions, and the bytes of each.
fn history(client: &Client, name: &str) -> Vec<(Value, Vec<u8>)> {
    let mut rows = client.versions(name);
    rows.reverse();
    let bytes = |row: &Value| {
        let path = format!("{}/versions/{}", state_path(name), row["number"]);
        client.get(&path).expect_status(200).bytes
    };
    rows.into_iter()
        .map(|row| {
            let bytes = bytes(&row);
            (row["sha256"].clone(), bytes)
        })
        .collect()
}

/// The names in a folder, those of hidden files too.
fn names(folder: &Path) -> Vec<String> {
    let entries = folder.read_dir().expect("a readable directory");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("readable").file_name())
        .map(|name| name.into_string().expect("UTF-8"))
        .collect();
    names.sort();
    names
}

/// A server with a few states, and a folder for backups.
fn stage() -> (Server, TempDir) {
    let server = Server::start();
    let admin = server.admin();
    for serial in 1..=3 {
        // Equal bytes would be stored once.
        for (name, serial) in [("team/net", serial), ("team/db", serial + 100)] {
            admin.lock(name, "stage").expect_status(200);
            let state = large(serial, 10_000);
            admin.write(name, state, Some("stage")).expect_status(200);
            admin.unlock(name, "stage").expect_status(200);
        }
    }
    (server, TempDir::new().expect("a directory"))
}
