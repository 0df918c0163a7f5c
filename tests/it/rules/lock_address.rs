//! `…/lock`: the same acts for proxies and clients that know no LOCK method, and the lock with its
//! evidence.

use serde_json::{Value, json};

use crate::harness::{Client, Server, lock_body, lock_body_to, state_path, tfstate};

use super::{L1, expect_holder, expect_locked};

fn path() -> String {
    format!("{}/lock", state_path("team/net"))
}

fn evidence(caller: &Client) -> Value {
    caller.get(&path()).expect_status(200).json()
}

#[test]
fn post_put_and_lock_lock_while_delete_and_unlock_unlock() {
    let server = Server::start();
    let (writer, other) = (server.key("team", "writer"), server.key("team", "writer"));
    for method in ["POST", "PUT", "LOCK"] {
        for end in ["DELETE", "UNLOCK"] {
            writer.get(&path()).expect_problem(404, "no_lock");
            let lock = writer
                .send(method, &path(), lock_body("lock-1"))
                .expect_status(200)
                .text();
            writer
                .send(method, &path(), lock_body("lock-1"))
                .expect_status(200);
            for again in ["POST", "PUT", "LOCK"] {
                expect_locked(other.send(again, &path(), lock_body("lock-2")), &lock);
            }
            expect_locked(other.lock("team/net", "lock-2"), &lock);
            expect_holder(other.send(end, &path(), lock_body("lock-2")), 409, &lock);
            let released = writer
                .send(end, &path(), lock_body("lock-1"))
                .expect_status(200);
            assert_eq!(released.text(), lock);
            assert_eq!(
                writer
                    .send(end, &path(), lock_body("lock-1"))
                    .expect_status(200)
                    .json(),
                json!({})
            );
        }
    }
}

#[test]
fn both_addresses_are_one_lock() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    writer
        .send("POST", &path(), lock_body("lock-1"))
        .expect_status(200);
    writer
        .write("team/net", tfstate(L1, 1), Some("lock-1"))
        .expect_status(200);
    writer
        .write("team/net", tfstate(L1, 2), None)
        .expect_status(423);
    writer.unlock("team/net", "lock-1").expect_status(200);
    writer.lock("team/net", "lock-2").expect_status(200);
    writer
        .send("DELETE", &path(), lock_body("lock-2"))
        .expect_status(200);
    writer
        .write("team/net", tfstate(L1, 3), None)
        .expect_status(200);
}

#[test]
fn an_unlock_without_a_body_breaks_and_an_id_in_the_address_stands_for_one() {
    let server = Server::start();
    let (holder, breaker) = (server.key("team", "planner"), server.key("team", "writer"));
    for method in ["DELETE", "UNLOCK"] {
        holder
            .send("POST", &path(), lock_body_to("OperationTypePlan", "lock-1"))
            .expect_status(200);
        server
            .key("team", "planner")
            .send(method, &path(), "")
            .expect_problem(403, "forbidden");
        breaker
            .send(method, &format!("{}?ID=lock-2", path()), "")
            .expect_status(409);
        breaker.send(method, &path(), "").expect_status(200);
        holder
            .send("POST", &path(), lock_body_to("OperationTypePlan", "lock-1"))
            .expect_status(200);
        holder
            .send(method, &format!("{}?ID=lock-1", path()), "")
            .expect_status(200);
        holder.get(&path()).expect_problem(404, "no_lock");
    }
}

#[test]
fn it_never_touches_the_state() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    writer
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    writer
        .send("POST", &path(), tfstate(L1, 2))
        .expect_problem(400, "not_a_lock");
    writer
        .send("PUT", &path(), lock_body("lock-1"))
        .expect_status(200);
    writer
        .send("DELETE", &path(), lock_body("lock-1"))
        .expect_status(200);
    writer.send("DELETE", &path(), "").expect_status(200);
    assert_eq!(
        writer.read("team/net").expect_status(200).text(),
        tfstate(L1, 1)
    );
}

#[test]
fn the_evidence_says_who_holds_it_since_when_and_from_where() {
    let server = Server::start();
    let holder = server.key("team", "writer");
    holder
        .calling_from("127.0.0.7")
        .lock("team/net", "lock-1")
        .expect_status(200);
    let seen = evidence(&server.key("team", "reader"));
    let sent: Value = serde_json::from_str(&lock_body("lock-1")).expect("JSON");
    assert_eq!(seen["lock"], sent, "as the holder sent it");
    assert_eq!(
        seen["key"],
        json!({"id": holder.key_id, "name": "writer of team"})
    );
    assert_eq!(seen["address"], "127.0.0.7");
    let at =
        humantime::parse_rfc3339(seen["locked_at"].as_str().expect("a time")).expect("RFC 3339");
    assert!(at.elapsed().is_ok_and(|age| age.as_secs() < 60));
    assert_eq!(seen["last_write"], json!(null));
    assert_eq!(seen["refused"], json!({"count": 0, "latest": null}));
}

#[test]
fn the_evidence_tells_of_the_last_write_under_the_lock() {
    let server = Server::start();
    let holder = server.key("team", "writer");
    holder
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    holder.lock("team/net", "lock-1").expect_status(200);
    assert_eq!(
        evidence(&holder)["last_write"],
        json!(null),
        "the write before was not under it"
    );
    for number in 2..4 {
        holder
            .write("team/net", tfstate(L1, number), Some("lock-1"))
            .expect_status(200);
        assert_eq!(evidence(&holder)["last_write"]["version"], number);
    }
    assert!(
        humantime::parse_rfc3339(
            evidence(&holder)["last_write"]["at"]
                .as_str()
                .expect("a time")
        )
        .is_ok()
    );
    holder.unlock("team/net", "lock-1").expect_status(200);
    holder.lock("team/net", "lock-2").expect_status(200);
    assert_eq!(evidence(&holder)["last_write"], json!(null));
}

#[test]
fn the_evidence_counts_whom_the_lock_has_turned_away() {
    let server = Server::start();
    let (holder, other) = (server.key("team", "writer"), server.key("team", "writer"));
    holder.lock("team/net", "lock-1").expect_status(200);
    holder.lock("team/net", "lock-1").expect_status(200);
    other.lock("team/net", "lock-2").expect_status(423);
    other
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(423);
    holder
        .calling_from("127.0.0.8")
        .lock("team/net", "lock-3")
        .expect_status(423);
    let refused = &evidence(&holder)["refused"];
    assert_eq!(refused["count"], 3);
    let latest = &refused["latest"];
    assert_eq!(
        latest["key"],
        json!({"id": holder.key_id, "name": "writer of team"})
    );
    assert_eq!(
        (&latest["address"], &latest["lock_id"], &latest["who"]),
        (
            &json!("127.0.0.8"),
            &json!("lock-3"),
            &json!("someone@somewhere")
        )
    );
    assert!(humantime::parse_rfc3339(latest["at"].as_str().expect("a time")).is_ok());
    holder.unlock("team/net", "lock-1").expect_status(200);
    other.lock("team/net", "lock-2").expect_status(200);
    assert_eq!(
        evidence(&other)["refused"]["count"],
        0,
        "each lock counts for itself"
    );
}

#[test]
fn other_methods_are_405_with_what_is_allowed() {
    let server = Server::start();
    let answer = server
        .admin()
        .send("PATCH", &path(), "")
        .expect_problem(405, "method_not_allowed");
    for method in ["GET", "POST", "PUT", "DELETE", "LOCK", "UNLOCK"] {
        assert!(
            answer
                .header("allow")
                .split(", ")
                .any(|allowed| allowed == method),
            "{method} in {}",
            answer.header("allow")
        );
    }
}
