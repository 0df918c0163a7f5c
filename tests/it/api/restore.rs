//! `POST …/restore`: a deleted or moved state comes back as it was.

use serde_json::json;

use crate::harness::{Answer, Client, Server, state_path, tfstate};

use super::L1;

fn restore(caller: &Client, name: &str) -> Answer {
    caller.send("POST", &format!("{}/restore", state_path(name)), "")
}

#[test]
fn a_deleted_state_comes_back_as_a_new_version_with_the_same_bytes() {
    let server = Server::start();
    let owner = server.key("team", "owner");
    owner
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    owner
        .write("team/net", tfstate(L1, 2), None)
        .expect_status(200);
    owner.delete("team/net").expect_status(200);
    let version = restore(&server.key("team", "writer"), "team/net")
        .expect_status(200)
        .json();
    assert_eq!(
        (
            &version["number"],
            &version["kind"],
            &version["current"],
            &version["serial"]
        ),
        (&json!(3), &json!("restore"), &json!(true), &json!(2))
    );
    let answer = owner.read("team/net").expect_status(200);
    assert_eq!(
        (answer.text(), answer.header("statekeep-version")),
        (tfstate(L1, 2), "3")
    );
    assert_eq!(server.admin().events("kind=state.restore").len(), 1);
    owner
        .write("team/net", tfstate(L1, 3), None)
        .expect_status(200);
}

#[test]
fn a_live_state_is_left_as_it_is() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    writer
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    let version = restore(&writer, "team/net").expect_status(200).json();
    assert_eq!(version["number"], 1);
    assert_eq!(writer.versions("team/net").len(), 1);
    assert!(server.admin().events("kind=state.restore").is_empty());
}

#[test]
fn what_was_never_written_cannot_come_back() {
    let server = Server::start();
    let owner = server.key("team", "owner");
    restore(&owner, "team/net").expect_problem(404, "no_state");
    owner
        .write("team/net", tfstate(L1, 1), Some("lock-9"))
        .expect_status(409);
    restore(&owner, "team/net").expect_problem(404, "no_state");
}

#[test]
fn while_another_holds_the_lock_it_is_423() {
    let server = Server::start();
    let (owner, other) = (server.key("team", "owner"), server.key("team", "writer"));
    owner
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    owner.delete("team/net").expect_status(200);
    let lock = other.lock("team/net", "lock-1").expect_status(200).text();
    assert_eq!(restore(&owner, "team/net").expect_status(423).text(), lock);
    owner.read("team/net").expect_problem(404, "no_state");
    restore(&other, "team/net").expect_status(423);
    other
        .send(
            "POST",
            &format!("{}/restore?ID=lock-1", state_path("team/net")),
            "",
        )
        .expect_status(200);
    owner.read("team/net").expect_status(200);
}

#[test]
fn a_moved_state_moves_back_with_its_history() {
    let server = Server::start();
    let owner = server.key("team", "owner");
    owner
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    let to = json!({"workspace": "team", "buildingBlock": "there"});
    owner
        .post_json(&format!("{}/move", state_path("team/net")), &to)
        .expect_status(200);
    owner
        .write("team/there", tfstate(L1, 2), None)
        .expect_status(200);
    restore(&server.key("team", "writer"), "team/net").expect_problem(403, "forbidden");
    restore(&owner, "team/net").expect_status(200);
    assert_eq!(
        owner.read("team/net").expect_status(200).text(),
        tfstate(L1, 2)
    );
    assert_eq!(
        owner
            .get(&format!("{}/versions/1", state_path("team/net")))
            .expect_status(200)
            .text(),
        tfstate(L1, 1)
    );
    let there = owner.read("team/there");
    assert!(
        [404, 410].contains(&there.status.as_u16()),
        "{}",
        there.status
    );
}

#[test]
fn restored_or_not_the_bytes_are_those_of_the_last_current_version_and_not_of_a_rejected_one() {
    let server = Server::start();
    let owner = server.key("team", "owner");
    owner
        .write("team/net", tfstate(L1, 5), None)
        .expect_status(200);
    owner
        .write("team/net", tfstate(L1, 4), None)
        .expect_problem(409, "stale_write");
    owner.delete("team/net").expect_status(200);
    restore(&owner, "team/net").expect_status(200);
    assert_eq!(owner.read("team/net").text(), tfstate(L1, 5));
}

#[test]
fn a_state_that_was_deleted_where_it_had_moved_to_comes_back_at_its_old_address() {
    let server = Server::start();
    let (owner, writer) = (server.key("team", "owner"), server.key("team", "writer"));
    owner
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    let to = json!({"workspace": "team", "buildingBlock": "there"});
    owner
        .post_json(&format!("{}/move", state_path("team/net")), &to)
        .expect_status(200);
    owner
        .write("team/there", tfstate(L1, 2), None)
        .expect_status(200);
    owner.delete("team/there").expect_status(200);
    restore(&writer, "team/net").expect_problem(403, "forbidden");
    let lock = writer
        .lock("team/there", "lock-1")
        .expect_status(200)
        .text();
    assert_eq!(restore(&owner, "team/net").expect_status(423).text(), lock);
    owner.read("team/net").expect_problem(410, "moved");
    writer.unlock("team/there", "lock-1").expect_status(200);
    let version = restore(&owner, "team/net").expect_status(200).json();
    assert_eq!(
        (&version["number"], &version["kind"], &version["current"]),
        (&json!(3), &json!("restore"), &json!(true)),
        "{version}"
    );
    assert_eq!(
        owner.read("team/net").expect_status(200).text(),
        tfstate(L1, 2)
    );
    owner.read("team/there").expect_problem(410, "moved");
    let admin = server.admin();
    assert_eq!(
        (
            admin.events("kind=state.restore").len(),
            admin
                .events("kind=state.move&buildingBlock=net&workspace=team")
                .len()
        ),
        (1, 2)
    );
}
