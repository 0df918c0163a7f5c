//! A lock whose row is damaged: nobody is told whose it is, and a person who may break locks gets
//! out of it by force.

use serde_json::json;

use super::{Copy, World, edit, net};
use crate::answer::Answer;
use crate::harness::{Client, Server, Setup, state_path, tfstate};

/// Damage to the lock of `team/held`: a changed row, a lost row, and a row that moved to another
/// address.
const DAMAGE: [&str; 3] = [
    "UPDATE locks SET body = replace(body, 'lock-1', 'lock-9') WHERE building_block = 'held';",
    "DELETE FROM locks WHERE building_block = 'held';",
    "UPDATE locks SET building_block = 'hele' WHERE building_block = 'held';",
];

fn force_unlock(by: &Client, name: &str) -> Answer {
    by.send("UNLOCK", &state_path(name), "")
}

/// A server on a copy of the world with this damage, and a key that may not break locks.
fn damaged(world: &World, statement: &str) -> (Copy, Server) {
    let copy = Copy::of(world);
    edit(&copy.data, statement);
    let server = Setup::new().data(&copy.data).start();
    (copy, server)
}

#[test]
fn a_damaged_lock_is_removed_by_force_and_told_as_nobodys() {
    let world = World::new();
    for statement in DAMAGE {
        let (_copy, server) = damaged(&world, statement);
        let (by, admin) = (world.at(&server), server.admin());
        let planner = server.key("team", "planner");
        by.writer
            .lock("team/held", "mine")
            .expect_problem(500, "damaged");
        by.writer
            .unlock("team/held", "lock-1")
            .expect_problem(500, "damaged");
        force_unlock(&planner, "team/held").expect_problem(403, "forbidden");
        let answer = force_unlock(&by.writer, "team/held").expect_status(200);
        let answer = answer.json();
        assert!(
            answer["damaged"].is_string() && answer["ID"].is_null(),
            "{answer}"
        );
        let events = admin.events("kind=lock.break&attention=true");
        let event = &events[0];
        assert_eq!(event["detail"]["damaged"], answer["damaged"], "{event}");
        assert!(event["detail"]["holder"].is_null() && event["lock_id"].is_null());
        by.writer.lock("team/held", "mine").expect_status(200);
        by.writer
            .write("team/held", tfstate(super::OTHER, 2), Some("mine"))
            .expect_status(200);
        by.writer.unlock("team/held", "mine").expect_status(200);
        if statement.contains("hele") {
            force_unlock(&by.writer, "team/hele").expect_status(200);
        }
        let verified = admin.post_json("/api/verify", &json!({})).json();
        assert_eq!(verified["found"], 0, "{statement}: {verified}");
    }
}

#[test]
fn the_command_says_that_the_holder_is_unknown_and_removes_the_lock() {
    let world = World::new();
    let (_copy, server) = damaged(&world, DAMAGE[0]);
    let asked = server.cli(&["state", "unlock", "team/held"]);
    let told = String::from_utf8_lossy(&asked.stderr).into_owned();
    assert!(
        !asked.status.success() && told.contains("not known who holds"),
        "{told}"
    );
    let done = server.cli(&["state", "unlock", "team/held", "--yes"]);
    let told = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(
        done.status.success() && told.contains("was damaged"),
        "{told}"
    );
    let by = world.at(&server);
    by.writer.lock("team/held", "mine").expect_status(200);
}

#[test]
fn a_damaged_memory_of_a_broken_lock_is_removed_in_the_same_way() {
    let world = World::new();
    let data = world.data();
    {
        let server = Setup::new().data(&data).start();
        let by = world.at(&server);
        by.writer.lock("team/net", "lock-3").expect_status(200);
        force_unlock(&by.writer, "team/net").expect_status(200);
        assert!(server.stop().success());
    }
    for statement in [
        "UPDATE broken_locks SET lock_id = 'lock-4';",
        "DELETE FROM broken_locks;",
    ] {
        let (_copy, server) = damaged(&world, statement);
        let by = world.at(&server);
        by.writer
            .write("team/net", net(3), None)
            .expect_problem(500, "damaged");
        let answer = force_unlock(&by.writer, "team/net").expect_status(200);
        assert!(answer.json()["damaged"].is_string());
        by.writer.write("team/net", net(3), None).expect_status(200);
    }
}
