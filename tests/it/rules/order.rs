//! The order of judgement: a request that breaks two rules is judged by the one that comes first.
//! Credentials, permission, size, validity, equal to the live current version, moved, lock, stale
//! ID, stale-write guard.

use serde_json::json;

use crate::harness::{Client, Server, Setup, md5, state_path, tfstate, tfstate_noted};

use super::{L1, L2, counts, expect_locked};

fn move_to(caller: &Client, name: &str, block: &str) {
    caller
        .post_json(
            &format!("{}/move", state_path(name)),
            &json!({"workspace": "team", "buildingBlock": block}),
        )
        .expect_status(200);
}

#[test]
fn credentials_and_permission_come_before_size_and_validity() {
    let server = Setup::new().flag("--max-state-size", "1KiB").start();
    let reader = server.key("team", "reader");
    let large = tfstate_noted(L1, 1, &"x".repeat(2000));
    for body in [large.as_str(), "garbage", "", &tfstate(L1, 1)] {
        let path = state_path("team/net");
        server
            .anonymous()
            .send("POST", &path, body.to_owned())
            .expect_problem(401, "unauthorized");
        reader
            .send("POST", &path, body.to_owned())
            .expect_problem(403, "forbidden");
    }
    for body in ["garbage", ""] {
        server
            .anonymous()
            .send("LOCK", &state_path("team/net"), body)
            .expect_problem(401, "unauthorized");
        reader
            .send("LOCK", &state_path("team/net"), body)
            .expect_problem(403, "forbidden");
    }
}

#[test]
fn size_comes_before_validity() {
    let server = Setup::new().flag("--max-state-size", "1KiB").start();
    let writer = server.key("team", "writer");
    writer
        .send("POST", &state_path("team/net"), "[".repeat(2000))
        .expect_problem(413, "state_too_large");
    let request = writer
        .request("POST", &state_path("team/net"))
        .header("Content-MD5", md5(b"other"))
        .body("x".repeat(2000));
    Client::ask(request).expect_problem(413, "state_too_large");
}

#[test]
fn validity_comes_before_all_that_depends_on_the_state() {
    let server = Server::start();
    let (owner, other) = (server.key("team", "owner"), server.key("team", "owner"));
    owner
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    owner
        .write("team/gone", tfstate(L1, 1), None)
        .expect_status(200);
    move_to(&owner, "team/gone", "there");
    owner.lock("team/net", "lock-1").expect_status(200);
    for name in ["team/net", "team/gone", "team/free"] {
        for query in ["", "?ID=lock-9", "?force=true"] {
            let path = format!("{}{query}", state_path(name));
            other
                .send("POST", &path, "{\"version\": 4}")
                .expect_problem(400, "not_a_state");
            let request = other
                .request("POST", &path)
                .header("Content-MD5", md5(b"other"))
                .body(tfstate(L1, 1));
            Client::ask(request).expect_problem(400, "md5_mismatch");
        }
    }
    assert_eq!(counts(&owner, "team/net"), (1, 0));
}

#[test]
fn equal_bytes_are_taken_even_while_another_holds_the_lock() {
    let server = Server::start();
    let (writer, other) = (server.key("team", "writer"), server.key("team", "writer"));
    writer
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    other.lock("team/net", "lock-1").expect_status(200);
    for id in [None, Some("lock-1"), Some("lock-9")] {
        let version = writer
            .write("team/net", tfstate(L1, 1), id)
            .expect_status(200)
            .json();
        assert_eq!(version["number"], 1, "{id:?}");
    }
    assert_eq!(counts(&writer, "team/net"), (1, 0));
    let evidence = writer
        .get(&format!("{}/lock", state_path("team/net")))
        .expect_status(200)
        .json();
    assert_eq!(evidence["refused"]["count"], 0, "nothing was refused");
}

#[test]
fn equal_bytes_are_taken_with_an_id_though_nothing_is_locked() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    writer.lock("team/net", "lock-1").expect_status(200);
    writer
        .write("team/net", tfstate(L1, 1), Some("lock-1"))
        .expect_status(200);
    writer.unlock("team/net", "lock-1").expect_status(200);
    let version = writer
        .write("team/net", tfstate(L1, 1), Some("lock-1"))
        .expect_status(200)
        .json();
    assert_eq!(version["number"], 1);
}

#[test]
fn equal_bytes_are_taken_from_a_key_that_the_guard_refuses() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    writer
        .write("team/net", tfstate(L1, 5), None)
        .expect_status(200);
    writer
        .write("team/net", tfstate(L2, 9), None)
        .expect_problem(409, "stale_write");
    writer
        .write("team/net", tfstate(L1, 6), None)
        .expect_problem(409, "stale_write");
    writer
        .write("team/net", tfstate(L1, 5), None)
        .expect_status(200);
    assert_eq!(counts(&writer, "team/net"), (3, 2));
}

#[test]
fn equal_bytes_are_taken_where_no_unlocked_write_is() {
    let server = Setup::new().flag("--unlocked-writes", "refuse").start();
    let writer = server.key("team", "writer");
    writer.lock("team/net", "lock-1").expect_status(200);
    writer
        .write("team/net", tfstate(L1, 1), Some("lock-1"))
        .expect_status(200);
    writer.unlock("team/net", "lock-1").expect_status(200);
    writer
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
}

#[test]
fn moved_comes_before_lock_id_and_guard() {
    let server = Server::start();
    let owner = server.key("team", "owner");
    owner
        .write("team/net", tfstate(L1, 5), None)
        .expect_status(200);
    move_to(&owner, "team/net", "there");
    for (body, query) in [
        (tfstate(L1, 5), ""),
        (tfstate(L1, 4), ""),
        (tfstate(L1, 6), "?ID=lock-1"),
        (tfstate(L2, 1), "?force=true"),
    ] {
        let answer = owner
            .send("POST", &format!("{}{query}", state_path("team/net")), body)
            .expect_problem(410, "moved");
        assert_eq!(answer.header("statekeep-rejected-version"), "");
    }
    assert_eq!(
        counts(&owner, "team/there"),
        (1, 0),
        "what was sent to the old address is not in the history of the new one"
    );
}

#[test]
fn the_lock_comes_before_stale_id_and_guard() {
    let server = Server::start();
    let (writer, other) = (server.key("team", "writer"), server.key("team", "writer"));
    writer
        .write("team/net", tfstate(L1, 5), None)
        .expect_status(200);
    let lock = writer.lock("team/net", "lock-1").expect_status(200).text();
    for (body, query) in [
        (tfstate(L1, 4), ""),
        (tfstate(L2, 9), ""),
        (tfstate(L1, 6), "?ID=lock-9"),
        (tfstate(L1, 7), "?ID=lock-1"),
        (tfstate(L1, 8), "?force=true"),
    ] {
        let answer = other.send("POST", &format!("{}{query}", state_path("team/net")), body);
        expect_locked(answer, &lock);
    }
    let refused: Vec<String> = other
        .versions("team/net")
        .iter()
        .filter_map(|v| v["rejected"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(refused, ["locked"; 5]);
}

#[test]
fn a_stale_id_comes_before_the_guard() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    writer
        .write("team/net", tfstate(L1, 5), None)
        .expect_status(200);
    for (body, query) in [
        (tfstate(L1, 4), "?ID=lock-1"),
        (tfstate(L2, 9), "?ID=lock-1"),
        (tfstate(L1, 6), "?ID=lock-1"),
    ] {
        writer
            .send("POST", &format!("{}{query}", state_path("team/net")), body)
            .expect_problem(409, "stale_lock_id");
    }
    writer
        .write("team/net", tfstate(L1, 7), None)
        .expect_status(200);
}

#[test]
fn a_stale_id_is_named_before_unlocked_writes_are_refused() {
    let server = Setup::new().flag("--unlocked-writes", "refuse").start();
    let writer = server.key("team", "writer");
    writer
        .write("team/net", tfstate(L1, 1), Some("lock-1"))
        .expect_problem(409, "stale_lock_id");
    writer
        .write("team/net", tfstate(L1, 1), None)
        .expect_problem(409, "unlocked_writes_refused");
}
