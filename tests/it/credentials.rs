//! Credentials: every form in which they are accepted, and the moment from which they are not any
//! more.

mod children;
mod failures;
mod giving;
mod lesser_tokens;
mod second_look;

use base64::Engine as _;
use serde_json::json;

use crate::harness::{Answer, Client, Server, eventually, state_path, tfstate};
use crate::wire::Wire;

const L1: &str = "11111111-1111-4111-8111-111111111111";

fn basic(user: &str, password: &str) -> String {
    format!(
        "Basic {}",
        base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"))
    )
}

fn with_header(server: &Server, value: &str) -> Answer {
    Client::ask(
        server
            .anonymous()
            .request("GET", &state_path("team/net"))
            .header("Authorization", value),
    )
}

#[test]
fn secrets_and_tokens_are_accepted_in_every_listed_form() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    writer
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    let token = server.token(&writer, json!({}));
    let rows = [
        format!("Bearer {}", writer.secret()),
        format!("Bearer {}", token.secret()),
        format!("bearer {}", token.secret()),
        basic("x", writer.secret()),
        basic("x", token.secret()),
        basic("", writer.secret()),
        basic("anyone at all", token.secret()),
        basic("us\u{e9}r", token.secret()),
        basic(&writer.key_id, writer.secret()),
        basic(&writer.key_id, token.secret()),
        basic(&writer.key_id.to_uppercase(), writer.secret()),
        basic("x", writer.secret()).replacen("Basic", "basic", 1),
        basic("x", writer.secret()).replacen("Basic", "BASIC", 1),
    ];
    for value in rows {
        assert_eq!(
            with_header(&server, &value).expect_status(200).text(),
            tfstate(L1, 1),
            "{value}"
        );
    }
}

#[test]
fn anything_else_is_401() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    let token = server.token(&writer, json!({}));
    let encode = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    let rows = [
        String::new(),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        "Basic".to_owned(),
        "Basic ???".to_owned(),
        format!("Basic {}", encode("no colon")),
        format!("Basic {}", encode("x:")),
        format!("Basic {}", encode(writer.secret())),
        basic(writer.secret(), ""),
        basic(writer.secret(), "x"),
        format!("Digest {}", writer.secret()),
        writer.secret().to_owned(),
        format!("Bearer {}", writer.key_id),
        format!("Bearer {} ", &writer.secret()[..writer.secret().len() - 1]),
        format!("Bearer {}x", token.secret()),
        format!("Bearer {}", token.secret().to_uppercase()),
        basic(&writer.key_id, &writer.secret()[1..]),
    ];
    for (number, value) in rows.iter().enumerate() {
        // Each from an address of its own, for too many from one are 429.
        let caller = server
            .anonymous()
            .calling_from(&format!("127.0.1.{}", number + 1));
        let answer = Client::ask(
            caller
                .request("GET", &state_path("team/net"))
                .header("Authorization", value),
        );
        assert_eq!(answer.status, 401, "{value}");
        answer.expect_problem(401, "unauthorized");
    }
    let mut wire = Wire::to(&server);
    wire.send(format!(
        "GET {} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \u{e9}\r\nConnection: close\r\n\r\n",
        state_path("team/net")
    ));
    let status = wire.answer().expect("an answer").status.as_u16();
    assert!([400, 401].contains(&status), "{status}");
    with_header(&server, &format!("Bearer {}", writer.secret())).expect_problem(404, "no_state");
}

#[test]
fn a_mistyped_secret_is_told_from_a_wrong_one() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    let foreign = Server::start().admin().secret().to_owned();
    let at = writer.secret().len() - 12;
    let mut mistyped = writer.secret().to_owned();
    mistyped.replace_range(
        at..=at,
        if mistyped[at..].starts_with('a') {
            "b"
        } else {
            "a"
        },
    );
    let detail = |secret: &str| {
        let answer =
            with_header(&server, &format!("Bearer {secret}")).expect_problem(401, "unauthorized");
        answer.json()["detail"]
            .as_str()
            .expect("a detail")
            .to_owned()
    };
    assert_ne!(detail(&mistyped), detail(&foreign));
}

#[test]
fn a_key_works_until_it_expires() {
    let server = Server::start();
    let key = server.make_key(
        &json!({"name": "short", "workspace": "team", "role": "writer", "expires_in": 3}),
    );
    key.write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    let token = server.token(&key, json!({}));
    token.read("team/net").expect_status(200);
    eventually("the key expires", || key.read("team/net").status == 401);
    token.read("team/net").expect_problem(401, "unauthorized");
    let login = json!({"clientId": key.key_id, "clientSecret": key.secret()});
    server
        .anonymous()
        .post_json("/api/login", &login)
        .expect_problem(401, "unauthorized");
}

#[test]
fn a_token_works_until_it_expires() {
    let server = Server::start();
    let key = server.key("team", "writer");
    let token = server.token(&key, json!({"expires_in": 1}));
    eventually("the token expires", || token.read("team/net").status == 401);
    key.read("team/net").expect_problem(404, "no_state");
}

#[test]
fn a_revoked_key_fails_from_that_moment_on_with_its_tokens() {
    let server = Server::start();
    let key = server.key("team", "writer");
    let other = server.key("team", "writer");
    let token = server.token(&key, json!({}));
    for caller in [&key, &token] {
        caller.read("team/net").expect_problem(404, "no_state");
    }
    server
        .admin()
        .send("DELETE", &format!("/api/keys/{}", key.key_id), "")
        .expect_status(200);
    for caller in [&key, &token] {
        caller.read("team/net").expect_problem(401, "unauthorized");
        caller
            .write("team/net", tfstate(L1, 1), None)
            .expect_problem(401, "unauthorized");
    }
    let login = json!({"clientId": key.key_id, "clientSecret": key.secret()});
    server
        .anonymous()
        .post_json("/api/login", &login)
        .expect_problem(401, "unauthorized");
    other.read("team/net").expect_problem(404, "no_state");
}

fn rotate(server: &Server, key: &Client, grace: u64) -> Client {
    let path = format!("/api/keys/{}/rotate", key.key_id);
    let answer = server
        .admin()
        .post_json(&path, &json!({"grace": grace}))
        .expect_status(200)
        .json();
    server
        .with(answer["secret"].as_str().expect("a secret"))
        .of_key(&key.key_id)
}

#[test]
fn a_rotated_secret_fails_from_that_moment_on() {
    let server = Server::start();
    let old = server.key("team", "writer");
    old.lock("team/net", "lock-1").expect_status(200);
    let new = rotate(&server, &old, 0);
    old.read("team/net").expect_problem(401, "unauthorized");
    new.write("team/net", tfstate(L1, 1), Some("lock-1"))
        .expect_status(200);
    new.unlock("team/net", "lock-1").expect_status(200);
}

#[test]
fn with_grace_the_old_secret_lives_on_for_running_applies_and_then_fails() {
    let server = Server::start();
    let old = server.key("team", "writer");
    let new = rotate(&server, &old, 600);
    for caller in [&old, &new] {
        caller.read("team/net").expect_problem(404, "no_state");
    }
    let newest = rotate(&server, &new, 1);
    old.read("team/net").expect_problem(401, "unauthorized");
    newest.read("team/net").expect_problem(404, "no_state");
    eventually("the grace ends", || new.read("team/net").status == 401);
    newest.read("team/net").expect_problem(404, "no_state");
}

#[test]
fn a_key_that_was_revoked_while_its_grace_runs_is_dead_in_both_secrets() {
    let server = Server::start();
    let old = server.key("team", "writer");
    let new = rotate(&server, &old, 600);
    old.read("team/net").expect_problem(404, "no_state");
    server
        .admin()
        .send("DELETE", &format!("/api/keys/{}", old.key_id), "")
        .expect_status(200);
    for caller in [&old, &new] {
        caller.read("team/net").expect_problem(401, "unauthorized");
    }
}

#[test]
fn revoking_on_the_command_line_counts_at_once_for_the_running_server() {
    let server = Server::start();
    let key = server.key("team", "writer");
    key.read("team/net").expect_problem(404, "no_state");
    assert!(
        server
            .cli(&["key", "revoke", &key.key_id, "--yes"])
            .status
            .success()
    );
    key.read("team/net").expect_problem(401, "unauthorized");
}

#[test]
fn the_socket_makes_its_caller_the_operator_unless_credentials_are_sent() {
    let server = Server::start();
    let reader = server.key("team", "reader");
    let ask = |headers: &str| {
        let mut wire = Wire::to_socket_of(&server);
        wire.send(format!(
            "GET /api/keys HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n"
        ));
        wire.answer().expect("an answer")
    };
    ask("").expect_status(200);
    ask(&format!(
        "Authorization: Bearer {}\r\n",
        server.admin().secret()
    ))
    .expect_status(200);
    ask(&format!("Authorization: Bearer {}\r\n", reader.secret())).expect_problem(403, "forbidden");
    ask("Authorization: Bearer nonsense\r\n").expect_problem(401, "unauthorized");
    server
        .anonymous()
        .get("/api/keys")
        .expect_problem(401, "unauthorized");
    let mut wire = Wire::to_socket_of(&server);
    let state = tfstate(L1, 1);
    wire.send(format!(
        "POST {} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{state}",
        state_path("team/net"),
        state.len()
    ));
    assert_eq!(
        wire.answer().expect("an answer").expect_status(200).json()["created_by"],
        json!({"id": "operator", "name": "operator"})
    );
    assert_eq!(
        server.admin().events("kind=state.write")[0]["actor"],
        json!({"id": "operator", "name": "operator"})
    );
}
