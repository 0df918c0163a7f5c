//! Imports of states that have left for elsewhere, and what comes after them.

use serde_json::{Value, json};
use tempfile::TempDir;

use super::super::export::manifest;
use super::super::{L1, some_states, stderr};
use super::{a_full_history, essence, put, str};
use crate::harness::{Client, Server, state_path, tfstate};

/// `team/net` leaves for somewhere else.
fn leave(who: &Client) {
    let path = format!("{}/transfer", state_path("team/net"));
    let version = who
        .post_json(&path, &json!({"to": "s3://there"}))
        .expect_status(200)
        .json()["version"]
        .clone();
    who.post_json(&format!("{path}/done"), &json!({ "version": version }))
        .expect_status(200);
}

#[test]
fn a_state_that_has_left_arrives_as_one_that_has_left() {
    let (from, dir) = (Server::start(), TempDir::new().expect("a folder"));
    a_full_history(&from.admin());
    leave(&from.admin());
    let out = dir.path().join("out");
    assert_eq!(from.cli(&["export", str(&out)]).status.code(), Some(0));
    let state = &manifest(&out)["states"][1];
    assert_eq!(
        (&state["buildingBlock"], &state["transferred_to"]),
        (&json!("net"), &json!("s3://there"))
    );
    assert!(
        state["deleted_at"].is_string() && manifest(&out)["states"][0]["transferred_to"].is_null()
    );
    let to = Server::start();
    let new = to.admin();
    assert!(
        String::from_utf8_lossy(&to.cli(&["import", str(&out), "--dry-run"]).stdout)
            .contains("new, transferred")
    );
    let output = to.cli(&["import", str(&out)]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(
        new.read("team/net")
            .expect_problem(410, "transferred")
            .json()["to"],
        "s3://there"
    );
    new.read("team/two").expect_problem(404, "no_state");
    let mut expected = essence(&from.admin(), "team/net");
    expected.retain(|version| version[0] != 2);
    assert_eq!(essence(&new, "team/net"), expected);
    // Cut off before it had left, it leaves the next time; and once it has, nothing more is done.
    let other = Server::start();
    let whole = manifest(&out);
    let mut part = whole.clone();
    part["states"][1]["transferred_to"] = Value::Null;
    part["states"][1]["deleted_at"] = Value::Null;
    std::fs::write(out.join("manifest.json"), part.to_string()).expect("a manifest");
    assert_eq!(other.cli(&["import", str(&out)]).status.code(), Some(0));
    other.admin().read("team/net").expect_status(200);
    std::fs::write(out.join("manifest.json"), whole.to_string()).expect("a manifest");
    assert_eq!(
        other.cli(&["import", str(&out), "--append"]).status.code(),
        Some(0)
    );
    other.admin().read("team/net").expect_status(200);
    for (what, told) in [
        (
            "there already, transferred",
            "1 state was there already, and left only now, as in the export",
        ),
        ("there already", "there already, deleted"),
    ] {
        let look = other.cli(&["import", str(&out), "--dry-run"]).stdout;
        let look = String::from_utf8_lossy(&look);
        assert!(
            look.lines()
                .any(|line| line.starts_with("team/net") && line.trim_end().ends_with(what)),
            "{look}"
        );
        let again = other.cli(&["import", str(&out)]);
        assert_eq!(again.status.code(), Some(0), "{}", stderr(&again));
        let lines = stderr(&again);
        assert!(lines.contains(told), "{told}: {lines}");
        other
            .admin()
            .read("team/net")
            .expect_problem(410, "transferred");
    }
    assert_eq!(other.admin().events("kind=transfer.finish").len(), 1);
}

#[test]
fn a_state_that_has_left_comes_back_by_what_is_added() {
    let (server, dir) = (Server::start(), TempDir::new().expect("a folder"));
    some_states(&server.admin());
    let admin = server.admin();
    let add = |serial: u64, more: &[&str]| {
        put(dir.path(), "x.tfstate", &tfstate(L1, serial));
        let file = dir.path().join("x.tfstate");
        let args = [
            "import",
            str(&file),
            "--workspace",
            "team",
            "--building-block",
            "net",
        ];
        server.cli(&[&args, more].concat()).status.code()
    };
    for serial in [3, 9] {
        leave(&admin);
        add(serial, &[]);
        admin.read("team/net").expect_problem(410, "transferred");
        assert_eq!(add(serial, &["--append", "--dry-run"]), Some(0));
        admin.read("team/net").expect_problem(410, "transferred");
        assert_eq!(add(serial, &["--append"]), Some(0));
        assert_eq!(
            admin.read("team/net").expect_status(200).text(),
            tfstate(L1, serial)
        );
    }
    leave(&admin);
    assert_eq!(
        add(1, &["--append"]),
        Some(1),
        "an older one is not what left"
    );
    admin.read("team/net").expect_problem(410, "transferred");
}

#[test]
fn a_rollback_after_an_import_lies_above_the_serials_that_did_not_come_along() {
    let (from, to, dir) = (
        Server::start(),
        Server::start(),
        TempDir::new().expect("a folder"),
    );
    let (old, new) = (from.admin(), to.admin());
    some_states(&old);
    old.lock("team/net", "l").expect_status(200);
    old.write("team/net", tfstate(L1, 99), None)
        .expect_status(423);
    old.unlock("team/net", "l").expect_status(200);
    old.post_json(
        &format!("{}/purge", state_path("team/net")),
        &json!({"versions": [4]}),
    )
    .expect_status(200);
    let out = dir.path().join("out");
    assert_eq!(from.cli(&["export", str(&out)]).status.code(), Some(0));
    assert_eq!(to.cli(&["import", str(&out)]).status.code(), Some(0));
    assert_eq!(new.versions("team/net").len(), 3);
    let back = new
        .post_json(
            &format!("{}/rollback", state_path("team/net")),
            &json!({"version": 1}),
        )
        .expect_status(200)
        .json();
    assert_eq!(back["serial"], 100);
}
