//! LOCK: free, held by oneself, held by another, and what is no lock.

use serde_json::json;
use tempfile::TempDir;

use crate::harness::{Client, Server, Setup, lock_body_to, md5, state_path, tfstate};

use super::{L1, expect_locked};

#[test]
fn a_free_state_is_locked_and_the_lock_answered() {
    let server = Server::start();
    let planner = server.key("team", "planner");
    let answer = planner
        .lock_to_plan("team/net", "lock-1")
        .expect_status(200);
    assert_eq!(answer.header("content-type"), "application/json");
    let sent = lock_body_to("OperationTypePlan", "lock-1");
    assert_eq!(
        answer.json(),
        serde_json::from_str::<serde_json::Value>(&sent).expect("JSON")
    );
}

#[test]
fn a_key_that_may_not_write_locks_for_a_plan_and_for_nothing_else() {
    let server = Server::start();
    let (planner, writer) = (server.key("team", "planner"), server.key("team", "writer"));
    let token = server.token(&writer, json!({"permissions": ["TFSTATE_PLAN"]}));
    // What both programs send, what nobody knows yet, and nothing.
    let writing = [
        "OperationTypeApply",
        "OperationTypeRefresh",
        "OperationTypeInvalid",
        "migration destination state",
        "migration source state",
        "import",
        "state-mv",
        "state-rm",
        "state-push",
        "state-replace-provider",
        "taint",
        "untaint",
        "workspace-delete",
        "operationtypeplan",
        "OperationTypePlan ",
        "OperationTypeNext",
        "",
    ];
    let lock = format!("{}/lock", state_path("team/net"));
    for operation in writing {
        for (method, path) in [
            ("LOCK", state_path("team/net")),
            ("LOCK", lock.clone()),
            ("POST", lock.clone()),
            ("PUT", lock.clone()),
        ] {
            for caller in [&planner, &token] {
                let answer = caller
                    .send(method, &path, lock_body_to(operation, "lock-1"))
                    .expect_problem(403, "forbidden");
                assert!(
                    answer.text().contains("TFSTATE_SAVE"),
                    "{operation}: {}",
                    answer.text()
                );
            }
        }
        writer
            .send(
                "LOCK",
                &state_path("team/net"),
                lock_body_to(operation, "lock-1"),
            )
            .expect_status(200);
        planner
            .send(
                "LOCK",
                &state_path("team/net"),
                lock_body_to(operation, "lock-2"),
            )
            .expect_problem(403, "forbidden");
        writer.unlock("team/net", "lock-1").expect_status(200);
    }
    planner
        .send("LOCK", &state_path("team/net"), "{\"ID\":\"lock-1\"}")
        .expect_problem(403, "forbidden");
    planner.get(&lock).expect_problem(404, "no_lock");
    for caller in [&planner, &token] {
        caller.lock_to_plan("team/net", "lock-1").expect_status(200);
        caller.unlock("team/net", "lock-1").expect_status(200);
    }
}

#[test]
fn the_same_key_may_send_its_lock_again() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    let token = server.token(&writer, json!({}));
    for caller in [&writer, &writer, &token, &token.calling_from("127.0.0.2")] {
        caller.lock("team/net", "lock-1").expect_status(200);
    }
    let evidence = writer
        .get(&format!("{}/lock", state_path("team/net")))
        .expect_status(200)
        .json();
    assert_eq!(evidence["refused"]["count"], 0);
}

#[test]
fn another_id_or_another_key_is_423_with_the_holders_lock_exactly_as_it_was_sent() {
    let server = Server::start();
    let (writer, other) = (server.key("team", "writer"), server.key("team", "writer"));
    let sent = "{ \"ID\":\"lock-1\",\n \"Who\" : \"me@\\u0068ome\", \
        \"Created\":\"2026-01-02T03:04:05.678901234Z\", \"Extra\": [1, 2.50, {\"a\": null}] }";
    writer
        .send("LOCK", &state_path("team/net"), sent)
        .expect_status(200);
    for (caller, id) in [
        (&writer, "lock-2"),
        (&other, "lock-1"),
        (&other, "lock-2"),
        (&server.token(&writer, json!({})), "lock-2"),
    ] {
        let answer = expect_locked(caller.lock("team/net", id), sent);
        assert_eq!(answer.header("content-type"), "application/json");
    }
    writer.lock("team/net", "lock-1").expect_status(200);
}

#[test]
fn what_is_no_lock_is_400_and_locks_nothing() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    let long = json!({"ID": "x".repeat(257)}).to_string();
    let rows = [
        ("empty", ""),
        ("not JSON", "lock-1"),
        ("cut short", "{\"ID\": \"lock-1\""),
        ("an array", "[]"),
        ("a text", "\"lock-1\""),
        ("null", "null"),
        ("no ID", "{}"),
        ("no ID but more", "{\"Who\": \"me\"}"),
        ("an empty ID", "{\"ID\": \"\"}"),
        ("an ID that is a number", "{\"ID\": 7}"),
        ("an ID of null", "{\"ID\": null}"),
        ("an ID of 257 characters", &long),
        ("Who is no text", "{\"ID\": \"a\", \"Who\": 7}"),
        ("Operation is no text", "{\"ID\": \"a\", \"Operation\": {}}"),
        (
            "Created is no time",
            "{\"ID\": \"a\", \"Created\": \"yesterday\"}",
        ),
        ("a state", &tfstate(L1, 1)),
    ];
    for (what, body) in rows {
        for (method, path) in [
            ("LOCK", state_path("team/net")),
            ("PUT", format!("{}/lock", state_path("team/net"))),
        ] {
            let answer = writer.send(method, &path, body.to_owned());
            assert_eq!(answer.status, 400, "{what}: {}", answer.text());
            answer.expect_problem(400, "not_a_lock");
        }
    }
    writer
        .get(&format!("{}/lock", state_path("team/net")))
        .expect_problem(404, "no_lock");
}

#[test]
fn locks_of_every_shape_that_clients_send_are_taken() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    let bodies = [
        "{\"ID\":\"a\"}".to_owned(),
        json!({"ID": "ä".repeat(256)}).to_string(),
        json!({
            "ID": "a", "Operation": "", "Info": "", "Who": "", "Version": "",
            "Created": "0001-01-01T00:00:00Z", "Path": ""
        })
        .to_string(),
        json!({"ID": "a", "Created": "2026-01-02T03:04:05.678901234+05:30"}).to_string(),
        json!({"ID": "a", "Who": "\u{1}\u{1F600}"}).to_string(),
    ];
    for (index, body) in bodies.iter().enumerate() {
        let path = state_path(&format!("team/n{index}"));
        let request = writer
            .request("LOCK", &path)
            .header("Content-MD5", md5(body.as_bytes()))
            .body(body.clone());
        Client::ask(request).expect_status(200);
        writer
            .lock(&format!("team/n{index}"), "other")
            .expect_status(423);
        writer
            .send("UNLOCK", &path, body.clone())
            .expect_status(200);
        writer
            .get(&format!("{path}/lock"))
            .expect_problem(404, "no_lock");
    }
}

#[test]
fn a_lock_needs_no_state_and_makes_none() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    writer.lock("team/net", "lock-1").expect_status(200);
    writer.read("team/net").expect_problem(404, "no_state");
    writer
        .write("team/net", tfstate(L1, 1), Some("lock-1"))
        .expect_status(200);
    writer.unlock("team/net", "lock-1").expect_status(200);
}

#[test]
fn a_lock_holds_one_state_only() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    writer.lock("team/net", "lock-1").expect_status(200);
    writer.lock("team/two", "lock-2").expect_status(200);
    writer
        .write("team/two", tfstate(L1, 1), Some("lock-1"))
        .expect_status(423);
    writer
        .write("team/three", tfstate(L1, 1), None)
        .expect_status(200);
}

#[test]
fn of_many_who_lock_at_once_one_gets_it() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    let threads: Vec<_> = (0..8)
        .map(|index| {
            let caller = writer.clone();
            std::thread::spawn(move || {
                (0..5)
                    .map(|round| {
                        caller
                            .lock(&format!("team/n{round}"), &format!("lock-{index}"))
                            .status
                            .as_u16()
                    })
                    .collect::<Vec<_>>()
            })
        })
        .collect();
    let all: Vec<Vec<u16>> = threads
        .into_iter()
        .map(|thread| thread.join().expect("a thread"))
        .collect();
    for round in 0..5 {
        let winners = all.iter().filter(|statuses| statuses[round] == 200).count();
        assert_eq!(winners, 1, "{all:?}");
        assert!(
            all.iter()
                .all(|statuses| [200, 423].contains(&statuses[round])),
            "{all:?}"
        );
    }
}

#[test]
fn locks_outlive_a_restart() {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let mut server = Setup::new().data(&data).start();
    let (writer, other) = (server.key("team", "writer"), server.key("team", "planner"));
    let lock = writer.lock("team/net", "lock-1").expect_status(200).text();
    server.kill();
    let server = Setup::new().data(&data).start();
    let (writer, other) = (writer.at(&server), other.at(&server));
    expect_locked(other.lock_to_plan("team/net", "lock-2"), &lock);
    writer.lock("team/net", "lock-1").expect_status(200);
    writer
        .write("team/net", tfstate(L1, 1), Some("lock-1"))
        .expect_status(200);
    writer.unlock("team/net", "lock-1").expect_status(200);
    other.lock_to_plan("team/net", "lock-2").expect_status(200);
}
