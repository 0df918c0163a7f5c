//! DELETE of a state: it goes, its history stays, and an unlock that went astray deletes nothing.

use serde_json::json;

use crate::harness::{Client, Server, lock_body, md5, state_path, tfstate};

use super::{L1, counts, expect_locked, version};

#[test]
fn a_deleted_state_is_gone_but_its_history_stays() {
    let server = Server::start();
    let owner = server.key("team", "owner");
    owner
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    owner
        .write("team/net", tfstate(L1, 2), None)
        .expect_status(200);
    assert_eq!(
        owner.delete("team/net").expect_status(200).json(),
        json!({"deleted": true, "version": 2})
    );
    owner.read("team/net").expect_problem(404, "no_state");
    assert_eq!(counts(&owner, "team/net"), (2, 0));
    assert!(
        owner
            .versions("team/net")
            .iter()
            .all(|version| version["current"] == false)
    );
    assert_eq!(
        version(&owner, "team/net", 1).expect_status(200).text(),
        tfstate(L1, 1)
    );
    assert_eq!(server.admin().events("kind=state.delete").len(), 1);
}

#[test]
fn deleting_again_is_200_and_never_written_is_404() {
    let server = Server::start();
    let owner = server.key("team", "owner");
    owner.delete("team/none").expect_problem(404, "no_state");
    owner
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    for _ in 0..3 {
        owner.delete("team/net").expect_status(200);
    }
    assert_eq!(
        server.admin().events("kind=state.delete").len(),
        1,
        "it was deleted once"
    );
}

#[test]
fn a_locked_state_is_deleted_only_with_ones_own_id() {
    let server = Server::start();
    let (owner, other) = (server.key("team", "owner"), server.key("team", "owner"));
    owner
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    let lock = owner.lock("team/net", "lock-1").expect_status(200).text();
    let path = state_path("team/net");
    expect_locked(other.delete("team/net"), &lock);
    expect_locked(
        other.send("DELETE", &format!("{path}?ID=lock-1"), ""),
        &lock,
    );
    expect_locked(
        owner.send("DELETE", &format!("{path}?ID=lock-2"), ""),
        &lock,
    );
    expect_locked(owner.delete("team/net"), &lock);
    assert_eq!(
        owner.read("team/net").expect_status(200).text(),
        tfstate(L1, 1)
    );
    owner
        .send("DELETE", &format!("{path}?ID=lock-1"), "")
        .expect_status(200);
    owner.read("team/net").expect_problem(404, "no_state");
    owner.unlock("team/net", "lock-1").expect_status(200);
}

#[test]
fn a_lock_as_its_body_deletes_nothing_and_is_pointed_to_the_locks_address() {
    let server = Server::start();
    let owner = server.key("team", "owner");
    owner
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    for locked in [false, true] {
        if locked {
            owner.lock("team/net", "lock-1").expect_status(200);
        }
        for query in ["", "?ID=lock-1"] {
            let answer = owner.send(
                "DELETE",
                &format!("{}{query}", state_path("team/net")),
                lock_body("lock-1"),
            );
            let answer = answer.expect_problem(400, "looks_like_a_lock");
            assert!(
                answer.json()["detail"]
                    .as_str()
                    .is_some_and(|text| text.contains("/lock")),
                "{}",
                answer.text()
            );
        }
        assert_eq!(
            owner.read("team/net").expect_status(200).text(),
            tfstate(L1, 1)
        );
    }
    owner
        .get(&format!("{}/lock", state_path("team/net")))
        .expect_status(200);
}

#[test]
fn the_checksum_of_an_empty_unlock_deletes_nothing_either() {
    let server = Server::start();
    let owner = server.key("team", "owner");
    owner
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    let path = state_path("team/net");
    let unlock = || {
        Client::ask(
            owner
                .request("DELETE", &path)
                .header("Content-MD5", md5(b"")),
        )
    };
    unlock().expect_problem(400, "looks_like_a_lock");
    owner.lock("team/net", "lock-1").expect_status(200);
    unlock().expect_problem(400, "looks_like_a_lock");
    assert_eq!(
        owner.read("team/net").expect_status(200).text(),
        tfstate(L1, 1)
    );
    owner.get(&format!("{path}/lock")).expect_status(200);
}

#[test]
fn any_other_body_is_400_too() {
    let server = Server::start();
    let owner = server.key("team", "owner");
    owner
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    for body in ["{}", "x", &tfstate(L1, 1), "[1]"] {
        owner
            .send("DELETE", &state_path("team/net"), body.to_owned())
            .expect_status(400);
    }
    owner.read("team/net").expect_status(200);
}

#[test]
fn a_deleted_state_can_be_written_anew_without_a_lock() {
    let server = Server::start();
    let owner = server.key("team", "owner");
    owner
        .write("team/net", tfstate(L1, 7), None)
        .expect_status(200);
    owner.delete("team/net").expect_status(200);
    let version = owner
        .write("team/net", tfstate(super::L2, 1), None)
        .expect_status(200)
        .json();
    assert_eq!(
        (&version["number"], &version["current"]),
        (&json!(2), &json!(true))
    );
}
