//! `POST /api/token/extend` and `DELETE /api/token`.

use serde_json::{Value, json};

use crate::harness::{Client, Server, Setup, eventually, tfstate};

use super::L1;

const EXTEND: &str = "/api/token/extend";

#[test]
fn a_key_lets_its_token_live_on() {
    let server = Server::start();
    let key = server.key("team", "writer");
    let token = server.token(&key, json!({"expires_in": 3}));
    token.read("team/net").expect_status(404);
    let answer = key.post_json(EXTEND, &json!({"token": token.secret(), "expires_in": 300}));
    insta::assert_snapshot!(answer.shown(), @r#"
    200 OK
    {
      "expires_in": 300,
      "token_type": "Bearer"
    }
    "#);
    let witness = server.token(&key, json!({"expires_in": 4}));
    eventually("a token made later with four seconds has ended", || {
        witness.read("team/net").status == 401
    });
    token.read("team/net").expect_status(404);
    assert_eq!(server.admin().events("kind=token.extend").len(), 1);
}

#[test]
fn a_renewable_token_extends_itself() {
    let server = Server::start();
    let key = server.key("team", "writer");
    let token = server.token(&key, json!({"expires_in": 60, "renewable": true}));
    assert_eq!(
        token
            .post_json(EXTEND, &json!({"expires_in": 120}))
            .expect_status(200)
            .json()["expires_in"],
        120
    );
    let none = token.send("POST", EXTEND, "").expect_status(200).json();
    assert_eq!(
        (&none["token_type"], &none["expires_in"]),
        (&json!("Bearer"), &json!(3600)),
        "as long as a new one where nothing is said"
    );
    token
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
}

#[test]
fn a_token_that_is_not_renewable_cannot_extend_itself() {
    let server = Server::start();
    let key = server.key("team", "writer");
    for token in [
        server.token(&key, json!({})),
        server.token(&key, json!({"renewable": false})),
    ] {
        token
            .send("POST", EXTEND, "")
            .expect_problem(403, "forbidden");
        token
            .post_json(EXTEND, &json!({"token": token.secret()}))
            .expect_problem(403, "forbidden");
    }
}

#[test]
fn nobody_extends_the_token_of_another_key() {
    let server = Server::start();
    let (key, other) = (server.key("team", "writer"), server.key("team", "writer"));
    let token = server.token(&key, json!({}));
    other
        .post_json(EXTEND, &json!({"token": token.secret()}))
        .expect_problem(403, "forbidden");
    server
        .admin()
        .post_json(EXTEND, &json!({"token": token.secret()}))
        .expect_problem(403, "forbidden");
    server
        .token(&other, json!({"renewable": true}))
        .post_json(EXTEND, &json!({"token": token.secret()}))
        .expect_problem(403, "forbidden");
    server
        .anonymous()
        .post_json(EXTEND, &json!({"token": token.secret()}))
        .expect_problem(401, "unauthorized");
}

#[test]
fn an_extension_never_outlives_the_key() {
    let server = Server::start();
    let key = server.make_key(
        &json!({"name": "short", "workspace": "team", "role": "reader", "expires_in": 60}),
    );
    let token = server.token(&key, json!({"expires_in": 5, "renewable": true}));
    let left = |answer: Value| answer["expires_in"].as_u64().expect("seconds");
    assert!((6..=60).contains(&left(
        token.send("POST", EXTEND, "").expect_status(200).json()
    )));
    assert!(
        (6..=60).contains(&left(
            key.post_json(EXTEND, &json!({"token": token.secret(), "expires_in": 600}))
                .expect_status(200)
                .json()
        ))
    );
}

#[test]
fn a_renewable_token_extends_itself_up_to_12_hours_from_its_making() {
    let server = Setup::new().flag("--token-lifetime", "12h").start();
    let key = server.key("team", "writer");
    let token = server.token(&key, json!({"expires_in": 60, "renewable": true}));
    std::thread::sleep(std::time::Duration::from_millis(2100));
    let left = token.send("POST", EXTEND, "").expect_status(200).json()["expires_in"]
        .as_u64()
        .expect("seconds");
    assert!(
        (43_100..=43_198).contains(&left),
        "12 hours from its making, not from now: {left}"
    );
    let by_key = key
        .post_json(EXTEND, &json!({"token": token.secret()}))
        .expect_status(200)
        .json();
    assert_eq!(
        by_key["expires_in"], 43_200,
        "the key itself may go on: a long run"
    );
}

#[test]
fn a_token_that_has_ended_is_not_brought_back_by_itself() {
    let server = Server::start();
    let key = server.key("team", "writer");
    let token = server.token(&key, json!({"expires_in": 1, "renewable": true}));
    eventually("it ends", || token.read("team/net").status == 401);
    token
        .send("POST", EXTEND, "")
        .expect_problem(401, "unauthorized");
    let ended = server.token(&key, json!({"renewable": true}));
    ended.send("DELETE", "/api/token", "").expect_status(204);
    let by_key = key.post_json(EXTEND, &json!({"token": ended.secret()}));
    assert!(
        by_key.status.is_client_error(),
        "what was ended stays ended: {}",
        by_key.status
    );
    ended.read("team/net").expect_problem(401, "unauthorized");
}

#[test]
fn bodies_that_make_no_sense_are_400() {
    let server = Server::start();
    let key = server.key("team", "writer");
    let token = server.token(&key, json!({"renewable": true}));
    for body in ["", "{}", "[]", "{\"token\": 7}", "{"] {
        key.send("POST", EXTEND, body)
            .expect_problem(400, "bad_body");
    }
    for seconds in [json!(0), json!(-1), json!("1h")] {
        token
            .post_json(EXTEND, &json!({"expires_in": seconds}))
            .expect_status(400);
    }
}

fn dead(token: &Client) -> bool {
    token.read("team/net").status == 401
}

#[test]
fn a_token_ends_itself_and_its_key_ends_it() {
    let server = Server::start();
    let (key, other) = (server.key("team", "writer"), server.key("team", "writer"));
    let (one, two, three) = (
        server.token(&key, json!({})),
        server.token(&key, json!({})),
        server.token(&key, json!({})),
    );
    assert!(
        one.send("DELETE", "/api/token", "")
            .expect_status(204)
            .bytes
            .is_empty()
    );
    assert!(dead(&one));
    key.send(
        "DELETE",
        "/api/token",
        json!({"token": two.secret()}).to_string(),
    )
    .expect_status(204);
    assert!(dead(&two));
    other
        .send(
            "DELETE",
            "/api/token",
            json!({"token": three.secret()}).to_string(),
        )
        .expect_problem(403, "forbidden");
    three.read("team/net").expect_problem(404, "no_state");
    key.send("DELETE", "/api/token", "")
        .expect_problem(400, "bad_body");
    key.read("team/net").expect_problem(404, "no_state");
    let ends = server.admin().events("kind=token.end");
    assert_eq!(ends.len(), 2);
    assert!(
        !ends
            .iter()
            .any(|event| event.to_string().contains(one.secret()))
    );
}

#[test]
fn a_token_lives_on_over_a_restart_and_an_ended_one_stays_dead() {
    let dir = tempfile::TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let mut server = Setup::new().data(&data).start();
    let key = server.key("team", "writer");
    let (live, ended) = (server.token(&key, json!({})), server.token(&key, json!({})));
    ended.send("DELETE", "/api/token", "").expect_status(204);
    server.kill();
    let server = Setup::new().data(&data).start();
    live.at(&server)
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    assert!(dead(&ended.at(&server)));
}
