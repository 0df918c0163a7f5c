//! What one workspace keeps is seen in no other: not by sizes, and not when a state moves across.

use serde_json::json;

use crate::disk::noise;
use crate::harness::{Client, Server, sha256, state_path, tfstate_noted};
use crate::inside;
use crate::scrape::{Scrape, monitor};

use super::L1;

/// How many blobs versions of several workspaces need, as their own or as the base of a delta.
pub const SHARED: &str = "WITH RECURSIVE needed (workspace, id) AS (SELECT s.workspace, v.blob_id \
    FROM versions v JOIN states s ON s.id = v.state_id WHERE v.blob_id IS NOT NULL UNION SELECT \
    n.workspace, b.base FROM needed n JOIN blobs b ON b.id = n.id WHERE b.base IS NOT NULL) \
    SELECT count(*) FROM (SELECT id FROM needed GROUP BY id HAVING count(*) > 1)";

/// A state that compresses badly, of which each serial changes a little.
fn body(serial: u64) -> String {
    let parts = (0..10).map(|part| noise(part * 100 + serial.saturating_sub(part) / 10, 300));
    tfstate_noted(L1, serial, &parts.collect::<Vec<_>>().join(" "))
}

fn write(who: &Client, name: &str, serials: impl IntoIterator<Item = u64>) {
    for serial in serials {
        who.write(name, body(serial), None).expect_status(200);
    }
}

/// The size that the list of states tells of one.
fn history_size(who: &Client, workspace: &str) -> u64 {
    let path = format!("/api/terraform/state?workspace={workspace}");
    let page = who.get(&path).expect_status(200).json();
    page["states"][0]["history_size"].as_u64().expect("a size")
}

/// What a writer of a workspace sees who tries a guess: something, the guess, and two more.
fn guessed(server: &Server, workspace: &str) -> u64 {
    let writer = server.key(workspace, "writer");
    write(&writer, &format!("{workspace}/guess"), 1..=4);
    inside::compacted(server.data());
    history_size(&writer, workspace)
}

/// Serial 2 is the guess: the same series of bytes is written before anybody has it, and after.
#[track_caller]
fn tells_nothing(other_keeps_it: impl Fn(&Client)) {
    let server = Server::start();
    let before = guessed(&server, "before");
    let other = server.key("other", "owner");
    other_keeps_it(&other);
    inside::compacted(server.data());
    assert_eq!(guessed(&server, "after"), before);
    assert_eq!(inside::number(server.data(), SHARED), 0);
}

#[test]
fn a_right_guess_of_another_workspaces_bytes_looks_like_a_wrong_one() {
    tells_nothing(|other| write(other, "other/net", [2]));
}

#[test]
fn nor_does_a_guess_of_bytes_in_its_history_or_in_a_deleted_state() {
    tells_nothing(|other| {
        write(other, "other/net", 2..=5);
        write(other, "other/gone", [2]);
        other.delete("other/gone").expect_status(200);
    });
}

fn moved(who: &Client, name: &str, to: &str) {
    let (workspace, block) = to.split_once('/').expect("a name");
    let to = json!({"workspace": workspace, "buildingBlock": block});
    who.post_json(&format!("{}/move", state_path(name)), &to)
        .expect_status(200);
}

#[track_caller]
fn has_all(who: &Client, name: &str, serials: impl IntoIterator<Item = u64>) {
    for (number, serial) in (1..).zip(serials) {
        let path = format!("{}/versions/{number}", state_path(name));
        let bytes = who.get(&path).expect_status(200).text();
        assert!(bytes == body(serial), "version {number} of {name}");
    }
}

#[track_caller]
fn is_sound(server: &Server) {
    assert_eq!(inside::number(server.data(), SHARED), 0);
    let verified = server.cli(&["verify"]);
    let told = String::from_utf8_lossy(&verified.stdout);
    assert!(verified.status.success(), "{told}");
}

#[test]
fn a_state_that_moves_to_another_workspace_takes_copies() {
    let server = Server::start();
    let (admin, ours) = (server.admin(), server.key("ours", "owner"));
    write(&ours, "ours/stays", 1..=6);
    write(&ours, "ours/goes", 1..=7);
    inside::compacted(server.data());
    moved(&admin, "ours/goes", "theirs/came");
    is_sound(&server);
    let purge = format!("{}/purge", state_path("ours/stays"));
    let purged = admin.post_json(&purge, &json!({"versions": [1, 2, 3, 4, 5]}));
    assert_eq!(
        purged.expect_status(200).json()["versions"],
        json!([1, 2, 3, 4, 5])
    );
    let theirs = server.key("theirs", "reader");
    has_all(&theirs, "theirs/came", 1..=7);
    // What is left here is not touched by what becomes of the copies there.
    let prune = json!({"policy": {"keep_last": 1}, "workspace": "theirs"});
    admin.post_json("/api/prune", &prune).expect_status(200);
    assert_eq!(theirs.count_versions("theirs/came"), 1);
    let read = ours.read("ours/stays").expect_status(200).text();
    assert_eq!(sha256(read.as_bytes()), sha256(body(6).as_bytes()));
    is_sound(&server);
}

#[test]
fn a_state_that_is_brought_back_from_another_workspace_takes_copies_too() {
    let server = Server::start();
    let (admin, ours) = (server.admin(), server.key("ours", "owner"));
    for name in ["ours/one", "ours/two"] {
        write(&ours, name, 1..=3);
        let there = name.replace("ours", "theirs");
        moved(&admin, name, &there);
        write(&admin, &format!("theirs/copy-of-{}", &name[5..]), 1..=4);
        inside::compacted(server.data());
    }
    let restore = format!("{}/restore", state_path("ours/one"));
    admin.send("POST", &restore, "").expect_status(200);
    is_sound(&server);
    let rollback = format!("{}/rollback", state_path("ours/two"));
    admin
        .post_json(&rollback, &json!({"version": 2}))
        .expect_status(200);
    is_sound(&server);
    for name in ["ours/one", "ours/two"] {
        has_all(&ours, name, 1..=3);
        has_all(&admin, &format!("theirs/copy-of-{}", &name[5..]), 1..=4);
    }
}

/// What another workspace has read last is not at hand for this one.
#[test]
fn a_read_is_not_answered_from_what_another_workspace_read() {
    let server = Server::start();
    let (ours, theirs) = (server.key("ours", "owner"), server.key("theirs", "owner"));
    write(&ours, "ours/one", [1]);
    write(&theirs, "theirs/one", [1]);
    let monitor = monitor(&server);
    let misses = || Scrape::of(&monitor).sum("statekeep_cache_reads_total", &[("result", "miss")]);
    let before = misses();
    ours.read("ours/one").expect_status(200);
    theirs.read("theirs/one").expect_status(200);
    assert_eq!(misses(), before + 2);
    theirs.read("theirs/one").expect_status(200);
    assert_eq!(misses(), before + 2, "but its own is");
}
