//! kill -9 at any moment: every acknowledged write is there after the restart.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;

use crate::harness::{Setup, eventually, tfstate};
use crate::proof::length::length;

use super::{L1, Writers, check};

fn cycles(count: u64) {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let written = Arc::new(Mutex::new(BTreeMap::new()));
    let mut server = Setup::new().data(&data).start();
    let writer = server.token(&server.key("team", "owner"), json!({}));
    for cycle in 0..count {
        let caller = writer.at(&server);
        let writers = Writers::start(&caller, &written, 4);
        let before = writers.acknowledged();
        eventually("writes are acknowledged", || {
            writers.acknowledged() > before
        });
        // Another moment in each cycle: from at once to some tens of commits later.
        std::thread::sleep(Duration::from_micros(cycle * 7_919 % 60_000));
        server.kill();
        writers.join();
        server = Setup::new().data(&data).start();
        check(&writer.at(&server), &written);
    }
    assert!(server.stop().success());
}

#[test]
fn no_acknowledged_write_is_lost_when_the_server_is_killed() {
    cycles(length("CRASHES_SHORT", 12));
}

#[test]
#[ignore = "middle tier: 200 crashes"]
fn no_acknowledged_write_is_lost_in_hundreds_of_crashes() {
    cycles(length("CRASHES", 200));
}

#[test]
fn locks_that_were_acknowledged_hold_after_a_crash_and_released_ones_are_free() {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let mut server = Setup::new().data(&data).start();
    let writer = server.token(&server.key("team", "owner"), json!({}));
    for cycle in 0..8 {
        let caller = writer.at(&server);
        let (held, free) = (format!("team/held{cycle}"), format!("team/free{cycle}"));
        caller.lock(&held, "lock-1").expect_status(200);
        caller.lock(&free, "lock-1").expect_status(200);
        caller
            .write(&free, tfstate(L1, 1), Some("lock-1"))
            .expect_status(200);
        caller.unlock(&free, "lock-1").expect_status(200);
        server.kill();
        server = Setup::new().data(&data).start();
        let caller = writer.at(&server);
        caller.lock(&held, "lock-2").expect_status(423);
        caller.lock(&free, "lock-2").expect_status(200);
        assert_eq!(caller.read(&free).expect_status(200).text(), tfstate(L1, 1));
    }
}

#[test]
fn a_deletion_a_move_and_a_revocation_that_were_acknowledged_stay_after_a_crash() {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let mut server = Setup::new().data(&data).start();
    let owner = server.key("team", "owner");
    let revoked = server.key("team", "owner");
    for name in ["team/a", "team/b"] {
        owner.write(name, tfstate(L1, 1), None).expect_status(200);
    }
    owner.delete("team/a").expect_status(200);
    let to = json!({"workspace": "team", "buildingBlock": "c"});
    owner
        .post_json(
            &format!("{}/move", crate::harness::state_path("team/b")),
            &to,
        )
        .expect_status(200);
    server
        .admin()
        .send("DELETE", &format!("/api/keys/{}", revoked.key_id), "")
        .expect_status(200);
    server.kill();
    let server = Setup::new().data(&data).start();
    let owner = owner.at(&server);
    owner.read("team/a").expect_problem(404, "no_state");
    owner.read("team/b").expect_problem(410, "moved");
    owner.read("team/c").expect_status(200);
    revoked
        .at(&server)
        .read("team/c")
        .expect_problem(401, "unauthorized");
    let kinds: Vec<String> = server
        .admin()
        .events("")
        .iter()
        .map(|event| event["kind"].to_string())
        .collect();
    for kind in ["state.delete", "state.move", "key.revoke"] {
        assert!(
            kinds.contains(&format!("\"{kind}\"")),
            "an act and its event are one: {kinds:?}"
        );
    }
}
