//! `export`: folders and tars that hold what there is, are for their owner only, and show when they
//! were cut off.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{
    Client, Server, Setup, sha256, state_path, statekeep, tfstate, tfstate_noted,
};

use super::{L1, Place, some_states, stderr, stub};

/// The files in a folder and those below it, with their bytes.
pub(super) fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    fn look(dir: &Path, prefix: &str, files: &mut BTreeMap<String, Vec<u8>>) {
        for entry in dir
            .read_dir()
            .expect("a folder")
            .map(|entry| entry.expect("readable"))
        {
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            if entry.path().is_dir() {
                look(&entry.path(), &format!("{name}/"), files);
            } else {
                files.insert(name, std::fs::read(entry.path()).expect("readable"));
            }
        }
    }
    let mut found = BTreeMap::new();
    look(dir, "", &mut found);
    found
}

pub(super) fn manifest(dir: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(dir.join("manifest.json")).expect("a manifest"))
        .expect("JSON")
}

fn path(dir: &TempDir, name: &str) -> String {
    dir.path().join(name).to_str().expect("UTF-8").to_owned()
}

#[test]
fn every_version_is_a_file_and_the_manifest_tells_of_each() {
    Place::both(some_states, |place| {
        let dir = TempDir::new().expect("a folder");
        let out = path(&dir, "out");
        place.ok(&["export", &out]);
        let files = files(Path::new(&out));
        let names: Vec<&str> = files.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                "manifest.json",
                "rival/net/1.tfstate",
                "team/net/1.tfstate",
                "team/net/2.tfstate",
                "team/net/3.tfstate",
                "team/two/1.tfstate"
            ]
        );
        for name in names {
            let mode = std::fs::metadata(format!("{out}/{name}"))
                .expect("there")
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
        let manifest = manifest(Path::new(&out));
        assert_eq!(
            (&manifest["format"], &manifest["history"]),
            (&json!("statekeep-export"), &json!(true))
        );
        let versions = manifest["states"][1]["versions"]
            .as_array()
            .expect("versions");
        for (version, serial) in versions.iter().zip(1..) {
            assert_eq!(version["sha256"], sha256(tfstate(L1, serial).as_bytes()));
            assert_eq!(
                files[version["file"].as_str().expect("a file")],
                tfstate(L1, serial).as_bytes()
            );
            assert_eq!(
                (&version["number"], &version["kind"]),
                (&json!(serial), &json!("write"))
            );
        }
        assert_eq!(
            place.json(&["export", &path(&dir, "counted")]),
            json!({"states": 3, "versions": 5, "without_file": 0, "failed": []})
        );
    });
}

#[test]
fn some_states_or_their_current_versions_alone() {
    Place::both(some_states, |place| {
        let dir = TempDir::new().expect("a folder");
        let names = |args: &[&str], name: &str| {
            let out = path(&dir, name);
            place.ok(&[&["export", &out], args].concat());
            files(Path::new(&out)).into_keys().collect::<Vec<_>>()
        };
        assert_eq!(
            names(&["team/two", "rival/net"], "named"),
            ["manifest.json", "rival/net/1.tfstate", "team/two/1.tfstate"]
        );
        assert_eq!(
            names(&["--workspace", "rival"], "one"),
            ["manifest.json", "rival/net/1.tfstate"]
        );
        assert_eq!(
            names(&["--workspace", "team", "--no-history"], "now"),
            ["manifest.json", "team/net/3.tfstate", "team/two/1.tfstate"]
        );
        place.fails(&["export", &path(&dir, "none"), "team/none"], "team/none");
        assert!(!dir.path().join("none").exists());
        place.fails(&["export", &path(&dir, "now")], "not empty");
    });
}

#[test]
fn a_state_that_is_named_twice_is_in_it_once() {
    Place::both(some_states, |place| {
        let dir = TempDir::new().expect("a folder");
        let twice = ["team/net", "team/two", "team/net"];
        for target in [path(&dir, "out"), path(&dir, "out.tar")] {
            place.ok(&[&["export", &target][..], &twice].concat());
            let fresh = path(&dir, "fresh");
            let args = ["import", &target, "--data", &fresh, "--json"];
            let told = statekeep(&args).output().expect("it runs");
            assert_eq!(told.status.code(), Some(0), "{}", stderr(&told));
            let told: Value = serde_json::from_slice(&told.stdout).expect("JSON");
            assert_eq!((&told["states"], &told["versions"]), (&json!(2), &json!(4)));
            std::fs::remove_dir_all(fresh).expect("it was made");
        }
    });
}

#[test]
fn deleted_and_rejected_versions_are_in_it_and_purged_ones_are_rows() {
    let prepare = |admin: &Client| {
        some_states(admin);
        admin
            .write("team/net", tfstate_noted(L1, 2, "other"), None)
            .expect_problem(409, "stale_write");
        admin
            .post_json(
                &format!("{}/purge", state_path("team/net")),
                &json!({"versions": [2]}),
            )
            .expect_status(200);
        admin.delete("team/two").expect_status(200);
    };
    Place::both(prepare, |place| {
        let dir = TempDir::new().expect("a folder");
        let out = path(&dir, "out");
        place.ok(&["export", &out, "--workspace", "team"]);
        let manifest = manifest(Path::new(&out));
        let row = |number: usize| &manifest["states"][0]["versions"][number - 1];
        assert_eq!(
            (&row(2)["purged"], &row(2)["file"], &row(2)["sha256"]),
            (
                &json!(true),
                &Value::Null,
                &json!(sha256(tfstate(L1, 2).as_bytes()))
            )
        );
        assert_eq!(
            (&row(4)["kind"], &row(4)["file"]),
            (&json!("rejected"), &json!("team/net/4.tfstate"))
        );
        assert!(manifest["states"][1]["deleted_at"].is_string());
        assert!(Path::new(&out).join("team/two/1.tfstate").exists());
        assert!(!Path::new(&out).join("team/net/2.tfstate").exists());
    });
}

#[test]
fn a_tar_on_stdout_holds_the_same_and_the_manifest_last() {
    Place::both(some_states, |place| {
        let dir = TempDir::new().expect("a folder");
        let out = path(&dir, "out");
        place.ok(&["export", &out]);
        let output = place.run(&["export", "-"]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let mut archive = tar::Archive::new(&output.stdout[..]);
        let mut names = Vec::new();
        for entry in archive.entries().expect("a tar") {
            let mut entry = entry.expect("an entry");
            assert_eq!(entry.header().mode().expect("a mode"), 0o600);
            let name = entry.path().expect("a path").to_string_lossy().into_owned();
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut entry, &mut bytes).expect("bytes");
            if name != "manifest.json" {
                assert_eq!(
                    std::fs::read(format!("{out}/{name}")).expect("the same file"),
                    bytes
                );
            }
            names.push(name);
        }
        assert_eq!(
            (names.len(), names.last().map(String::as_str)),
            (6, Some("manifest.json"))
        );
    });
}

#[test]
fn a_damaged_version_is_named_and_left_out_and_the_rest_is_there() {
    let dir = TempDir::new().expect("a folder");
    let data = dir.path().join("data");
    let server = Setup::new().data(&data).start();
    some_states(&server.admin());
    assert!(server.stop().success());
    let database = rusqlite::Connection::open(data.join("statekeep.db")).expect("the database");
    let spoil = "UPDATE blobs SET frame = x'00' WHERE id = (SELECT blob_id FROM versions WHERE \
        number = 1 AND state_id = (SELECT id FROM states WHERE building_block = 'two'))";
    assert_eq!(database.execute(spoil, []).expect("a change"), 1);
    drop(database);
    let out = path(&dir, "out");
    let output = super::run(&data, &["export", &out]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("version 1 of team/two"),
        "{}",
        stderr(&output)
    );
    let files = files(Path::new(&out));
    assert!(
        files.contains_key("team/net/3.tfstate")
            && files.contains_key("manifest.json")
            && !files.contains_key("team/two/1.tfstate")
    );
    assert_eq!(
        manifest(Path::new(&out))["states"][2]["versions"][0]["file"],
        Value::Null
    );
}

#[test]
fn an_export_that_is_cut_off_has_no_manifest() {
    let dir = TempDir::new().expect("a folder");
    let mut server = Server::start();
    some_states(&server.admin());
    let key = dir.path().join("key");
    std::fs::write(&key, server.admin().secret()).expect("a file");
    let out = path(&dir, "out");
    // The states can be listed, and nothing more is answered.
    let list = server
        .admin()
        .get("/api/terraform/state?deleted=true")
        .expect_status(200)
        .text();
    server.kill();
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{list}",
        list.len()
    );
    let url = stub(move |head| {
        if head.starts_with("GET /api/terraform/state?") {
            answer.clone()
        } else {
            String::new()
        }
    });
    for target in [&out, &path(&dir, "out.tar")] {
        // The second time it meets what is left of the first.
        for words in ["incomplete", "cut off or still runs"] {
            let export = statekeep(&["export", target, "--url", &url, "--key-file"])
                .arg(&key)
                .output()
                .expect("it runs");
            assert_eq!(export.status.code(), Some(1));
            assert!(stderr(&export).contains(words), "{}", stderr(&export));
        }
    }
    assert!(!Path::new(&out).join("manifest.json").exists());
    assert!(!dir.path().join("out.tar").exists());
    let import = statekeep(&["import", &out, "--url", &url, "--key-file"])
        .arg(&key)
        .output()
        .expect("it runs");
    assert_eq!(import.status.code(), Some(1));
    assert!(
        stderr(&import).contains("incomplete"),
        "{}",
        stderr(&import)
    );
}

/// A server whose list has two versions, of which one is pruned before it is read.
#[test]
fn a_version_that_is_pruned_meanwhile_is_a_row_without_a_file() {
    let rows = |number: u64| {
        json!({
            "number": number, "size": 5, "sha256": sha256(b"hello"), "serial": number,
            "lineage": "l", "created_at": "2026-01-02T03:04:05Z", "kind": "write",
            "rejected": null, "intermediate": false, "held": null, "purged": false,
            "current": number == 3
        })
    };
    let problem = |code: &str| json!({"code": code, "detail": "gone"}).to_string();
    let url = stub(move |head| {
        let path = head.split(' ').nth(1).unwrap_or_default();
        let state = json!({"workspace": "team", "buildingBlock": "net", "current": rows(3)});
        let versions = [rows(3), rows(2), rows(1)];
        let (status, body) = match path {
            _ if path.starts_with("/api/terraform/state?") => (
                "200 OK",
                json!({"states": [state], "next": null}).to_string(),
            ),
            _ if path.contains("/versions?") => (
                "200 OK",
                json!({"versions": versions, "next": null}).to_string(),
            ),
            _ if path.ends_with("/versions/1") => ("404 Not Found", problem("no_version")),
            _ if path.ends_with("/versions/2") => ("410 Gone", problem("purged")),
            _ => ("200 OK", "hello".to_owned()),
        };
        format!(
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
    });
    let dir = TempDir::new().expect("a folder");
    std::fs::write(dir.path().join("key"), "skp_x").expect("a key");
    let (out, key) = (path(&dir, "out"), path(&dir, "key"));
    let output = statekeep(&["export", &out, "--url", &url, "--key-file", &key])
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("exported 1 state with 1 version, and 2 rows without content"),
        "{}",
        stderr(&output)
    );
    let manifest = manifest(Path::new(&out));
    let files: Vec<&Value> = manifest["states"][0]["versions"]
        .as_array()
        .expect("rows")
        .iter()
        .map(|row| &row["file"])
        .collect();
    assert_eq!(
        files,
        [&Value::Null, &Value::Null, &json!("team/net/3.tfstate")]
    );
}

#[test]
fn a_tar_file_is_for_its_owner_and_takes_the_place_of_nothing() {
    Place::both(some_states, |place| {
        let dir = TempDir::new().expect("a folder");
        let out = path(&dir, "out.tar");
        place.ok(&["export", &out]);
        let mode = std::fs::metadata(&out)
            .expect("a file")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        let bytes = std::fs::read(&out).expect("readable");
        let again = place.run(&["export", &out]);
        assert_eq!(again.status.code(), Some(1));
        assert!(
            stderr(&again).contains("there already"),
            "{}",
            stderr(&again)
        );
        assert!(std::fs::read(&out).expect("readable") == bytes);
        assert_eq!(files(dir.path()).len(), 1, "nothing is left beside it");
        let compressed = place.run(&["export", &path(&dir, "out.tar.gz")]);
        assert_eq!(compressed.status.code(), Some(2));
        assert!(
            stderr(&compressed).contains("| zstd"),
            "{}",
            stderr(&compressed)
        );
    });
}
