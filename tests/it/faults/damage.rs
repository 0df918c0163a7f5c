//! Bytes that rot on the disk: never served, always told, and the neighbours go on.

use tempfile::TempDir;

use crate::disk::{damage, noise};
use crate::harness::{Answer, Client, Server, Setup, state_path, tfstate, tfstate_noted};

use super::L1;

fn is_damaged(answer: Answer) {
    let answer = answer.expect_problem(500, "damaged");
    for header in ["etag", "statekeep-version", "last-modified"] {
        assert_eq!(answer.header(header), "", "nothing that a cache could keep");
    }
}

#[test]
fn a_damaged_version_is_500_and_never_wrong_bytes_while_others_go_on() {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let server = Setup::new().data(&data).start();
    let writer = server.key("team", "writer");
    writer.write("team/small", tfstate(L1, 1), None).expect_status(200);
    let large = tfstate_noted(L1, 1, &noise(1, 4 * 1024 * 1024));
    writer.write("team/large", &large, None).expect_status(200);
    writer.write("team/late", tfstate(L1, 1), None).expect_status(200);
    assert!(server.stop().success());
    damage(&data);
    let server = Setup::new().data(&data).start();
    let writer: Client = writer.at(&server);
    for _ in 0..3 {
        is_damaged(writer.read("team/large"));
        is_damaged(writer.get(&format!("{}/versions/1", state_path("team/large"))));
    }
    is_damaged(server.key("team", "outputs").read("team/large"));
    writer.send("HEAD", &state_path("team/large"), "");
    for name in ["team/small", "team/late"] {
        assert_eq!(writer.read(name).expect_status(200).text(), tfstate(L1, 1), "{name}");
    }
    assert_eq!(writer.versions("team/large")[0]["size"], large.len(), "its row is still there");
    assert!(server.log().contains("team") && server.log().to_lowercase().contains("damaged"), "and the log says which: {}", server.log());
}

/// A server whose only state, of 4 MiB, is damaged, with its writer and the bytes that it had.
fn damaged(dir: &TempDir) -> (Server, Client, String) {
    let data = dir.path().join("data");
    let server = Setup::new().data(&data).start();
    let writer = server.key("team", "writer");
    let large = tfstate_noted(L1, 1, &noise(1, 4 * 1024 * 1024));
    writer.write("team/large", &large, None).expect_status(200);
    assert!(server.stop().success());
    damage(&data);
    let server = Setup::new().data(&data).start();
    let writer = writer.at(&server);
    is_damaged(writer.read("team/large"));
    (server, writer, large)
}

#[test]
fn a_new_version_does_not_lean_on_a_damaged_one() {
    let dir = TempDir::new().expect("a directory");
    let (_server, writer, _) = damaged(&dir);
    let next = tfstate_noted(L1, 2, &noise(1, 4 * 1024 * 1024));
    writer.write("team/large", &next, None).expect_status(200);
    assert!(writer.read("team/large").expect_status(200).text() == next);
}

#[test]
fn a_write_of_the_very_bytes_that_are_damaged_is_acknowledged_only_when_they_can_be_read_again() {
    let dir = TempDir::new().expect("a directory");
    let (_server, writer, large) = damaged(&dir);
    writer.write("team/large", &large, None).expect_status(200);
    assert!(writer.read("team/large").expect_status(200).text() == large, "whoever sends a state again to mend it, mends it");
    writer.write("team/copy", &large, None).expect_status(200);
    assert!(writer.read("team/copy").expect_status(200).text() == large);
}

#[test]
fn bytes_that_are_kept_for_another_state_are_not_taken_for_good_when_they_are_damaged() {
    let dir = TempDir::new().expect("a directory");
    let (_server, writer, large) = damaged(&dir);
    writer.write("team/copy", &large, None).expect_status(200);
    assert!(writer.read("team/copy").expect_status(200).text() == large, "what was acknowledged can be read");
}

#[test]
fn bytes_that_come_back_after_other_ones_are_not_taken_for_kept_when_they_are_damaged() {
    let dir = TempDir::new().expect("a directory");
    let (_server, writer, large) = damaged(&dir);
    writer.lock("team/large", "lock-1").expect_status(200);
    writer.write("team/large", tfstate(L1, 2), Some("lock-1")).expect_status(200);
    writer.write("team/large", &large, Some("lock-1")).expect_status(200);
    assert!(writer.read("team/large").expect_status(200).text() == large, "what was acknowledged can be read");
}
