//! How it is asked for: folders that may be written to, files of a running server, exit codes, and
//! that nothing but the folder is ever changed.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::disk::{hash, mode};
use crate::harness::{Server, lineage, statekeep, tfstate_noted};

use super::{SAMPLE, Salvaged, Written};

fn run(args: &[&str]) -> (i32, String) {
    let output = statekeep(&[&["salvage"], args].concat()).output();
    let output = output.expect("the binary runs");
    let said = [output.stdout, output.stderr].concat();
    let code = output.status.code().expect("an exit code");
    (code, String::from_utf8_lossy(&said).into_owned())
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// The files of a directory with their hashes.
fn hashes(dir: &Path) -> BTreeMap<String, String> {
    let entries = dir.read_dir().expect("a directory");
    let files = entries.map(|entry| entry.expect("readable"));
    files
        .filter(|entry| entry.path().is_file())
        .map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            (name, hash(&entry.path()))
        })
        .collect()
}

#[test]
fn the_damaged_directory_stays_as_it_is_and_the_folder_is_its_owners() {
    let damaged = SAMPLE.copy_of("killed");
    let before = hashes(&damaged.data());
    let out = damaged.dir.path().join("out");
    assert_eq!(run(&[text(&damaged.data()), text(&out)]).0, 0);
    assert_eq!(
        hashes(&damaged.data()),
        before,
        "no file is new, or another one"
    );
    for (path, expected) in [
        ("", 0o700),
        ("team", 0o700),
        ("team/net", 0o700),
        ("team/net/1.tfstate", 0o600),
        ("manifest.json", 0o600),
        ("salvage.json", 0o600),
    ] {
        assert_eq!(mode(&out.join(path)), expected, "{path}");
    }
    let (code, said) = run(&[text(&damaged.data()), text(&out)]);
    assert!(code == 1 && said.contains("not empty"), "{said}");
    let within = damaged.data().join("out");
    let (code, said) = run(&[text(&damaged.data()), text(&within)]);
    assert!(
        code == 2 && said.contains("in the damaged directory"),
        "{said}"
    );
    assert!(!within.exists());
}

#[test]
fn what_was_found_is_told_as_json_too() {
    let damaged = SAMPLE.copy_of("stopped");
    let out = damaged.dir.path().join("out");
    let data = damaged.data();
    let args = [text(&data), text(&out), "--format", "json"];
    let (code, said) = run(&args);
    let told: Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!(code, 0);
    let states = told["states"].as_array().expect("states");
    let net = states.iter().find(|state| state["folder"] == "team/net");
    let net = net.expect("the state");
    assert_eq!(net["found"].as_array().expect("numbers").len(), 19);
    assert_eq!((&net["current"], &net["note"]), (&18.into(), &Value::Null));
    let gone = states.iter().find(|state| state["folder"] == "0/1");
    assert_eq!(gone.expect("the state")["note"], "deleted");
    assert_eq!(told["missing"], Value::Array(Vec::new()));
    let file = std::fs::read(out.join("salvage.json")).expect("the report");
    let file: Value = serde_json::from_slice(&file).expect("JSON");
    assert_eq!(file, told);
}

#[test]
fn where_there_is_nothing_it_says_so_and_leaves_nothing() {
    let dir = TempDir::new().expect("a directory");
    let out = dir.path().join("out");
    let (code, said) = run(&[text(dir.path()), text(&out)]);
    assert!(
        code == 1 && said.contains("neither a statekeep.db nor"),
        "{said}"
    );
    std::fs::write(dir.path().join("noise"), vec![7; 50_000]).expect("our file");
    let noise = dir.path().join("noise");
    let (code, said) = run(&[text(&noise), text(&out)]);
    assert!(code == 1 && said.contains("nothing was found"), "{said}");
    assert!(!out.exists());
    assert_eq!(run(&[text(&noise)]).0, 2, "no folder to write to");
    let both = [text(&noise), text(&out), "--pid", "1"];
    assert_eq!(run(&both).0, 2, "a file and a process");
}

#[test]
fn files_that_were_removed_under_a_server_are_read_from_its_process() {
    let server = Server::start();
    let admin = server.admin();
    let mut written = Written::new();
    for serial in 1..6 {
        let body = tfstate_noted(&lineage(1), serial, "kept");
        admin.write("team/net", &body, None).expect_status(200);
        written.insert(("team/net".to_owned(), serial), body.into_bytes());
    }
    for name in ["statekeep.db", "statekeep.db-wal"] {
        std::fs::remove_file(server.data().join(name)).expect("the file");
    }
    let dir = TempDir::new().expect("a directory");
    let out = dir.path().join("out");
    let pid = server.pid().to_string();
    let output = statekeep(&["salvage", "--pid", &pid, text(&out)]).output();
    let found = Salvaged::read(&out, &output.expect("the binary runs"));
    assert!(found.code == 0 && found.named == written, "{}", found.said);
    let mut other = std::process::Command::new("sleep");
    let mut other = other.arg("60").spawn().expect("a process");
    let pid = other.id().to_string();
    let (code, said) = run(&["--pid", &pid, text(&dir.path().join("other"))]);
    other.kill().expect("our process");
    other.wait().expect("our process");
    assert!(
        code == 1 && said.contains("has no statekeep.db open"),
        "{said}"
    );
}

#[test]
fn beside_a_running_server_it_locks_nothing() {
    let server = Server::start();
    let admin = server.admin();
    let dir = TempDir::new().expect("a directory");
    for serial in 1..4 {
        let body = tfstate_noted(&lineage(1), serial, "served");
        admin.write("team/net", &body, None).expect_status(200);
        let out = dir.path().join(serial.to_string());
        assert_eq!(run(&[text(server.data()), text(&out)]).0, 0);
        assert!(out.join(format!("team/net/{serial}.tfstate")).exists());
    }
    assert_eq!(server.cli(&["verify"]).status.code(), Some(0));
}

#[test]
fn copies_from_before_an_upgrade_and_logs_that_were_given_up_are_named_and_can_be_salvaged() {
    let damaged = SAMPLE.copy_of("killed");
    let (data, dir) = (damaged.data(), damaged.dir.path());
    let copy = data.join("statekeep.db.schema-5");
    std::fs::copy(data.join("statekeep.db"), &copy).expect("a copy");
    std::fs::write(data.join("statekeep.db.schema-6.partial"), "x").expect("a file");
    let log = data.join("statekeep.db.lost-wal-1767323045678");
    std::fs::copy(data.join("statekeep.db-wal"), &log).expect("a copy");
    let named = |said: &str| {
        for file in [&copy, &log] {
            assert!(
                said.contains(&format!("statekeep salvage {} ", text(file))),
                "{said}"
            );
        }
        assert!(!said.contains("partial"), "{said}");
    };
    let (code, said) = run(&[text(&data), text(&dir.join("out"))]);
    assert_eq!(code, 0);
    named(&said);
    let report = std::fs::read(dir.join("out/salvage.json")).expect("the report");
    let report: Value = serde_json::from_slice(&report).expect("JSON");
    assert_eq!(
        report["not_read"],
        serde_json::json!([text(&log), text(&copy)])
    );

    std::fs::write(data.join("statekeep.db"), [0; 8_192]).expect("a file");
    std::fs::remove_file(data.join("statekeep.db-wal")).expect("it was there");
    let (code, said) = run(&[text(&data), text(&dir.join("none"))]);
    assert!(code == 1 && !dir.join("none").exists(), "{said}");
    named(&said);
    std::fs::remove_file(data.join("statekeep.db")).expect("it was there");
    let (code, said) = run(&[text(&data), text(&dir.join("none"))]);
    assert!(
        code == 1 && said.contains("neither a statekeep.db nor"),
        "{said}"
    );
    named(&said);

    let found = Salvaged::of(&copy, &dir.join("of-copy"));
    assert_eq!(found.code, 0, "{}", found.said);
    assert!(
        found.named == SAMPLE.first,
        "all that was in the file: {}",
        found.said
    );
    let found = Salvaged::of(&log, &dir.join("of-log"));
    SAMPLE.nothing_is_wrong(&found);
    let count = found.named.len() + found.unnamed.len();
    assert!(count > 3, "{}", found.said);
}
