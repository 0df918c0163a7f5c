//! `POST /api/login`: both forms, and tokens that are asked for with less.

use serde_json::{Value, json};

use crate::harness::{Answer, Client, Server, Setup, state_path, tfstate};

use super::L1;

fn login(server: &Server, key: &Client, less: &Value) -> Answer {
    let mut body = json!({"clientId": key.key_id, "clientSecret": key.secret()});
    for (name, value) in less.as_object().expect("an object") {
        body[name] = value.clone();
    }
    server.anonymous().post_json("/api/login", &body)
}

fn form(server: &Server, fields: &[(&str, &str)]) -> Answer {
    let encoded: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("{name}={}", value.replace('+', "%2B").replace(' ', "+")))
        .collect();
    let request = server
        .anonymous()
        .request("POST", "/api/login")
        .header("Content-Type", "application/x-www-form-urlencoded");
    Client::ask(request.body(encoded.join("&")))
}

fn token(server: &Server, answer: &Answer) -> Client {
    server.with(answer.json()["access_token"].as_str().expect("a token"))
}

#[test]
fn json_and_form_both_answer_a_token_directly() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    let fields = [
        ("client_id", writer.key_id.as_str()),
        ("client_secret", writer.secret()),
        ("grant_type", "client_credentials"),
    ];
    for (serial, answer) in (1..).zip([login(&server, &writer, &json!({})), form(&server, &fields)])
    {
        let answer = answer.expect_status(200);
        let body = answer.json();
        assert_eq!(
            (&body["token_type"], &body["expires_in"]),
            (&json!("Bearer"), &json!(3600))
        );
        assert_eq!(
            answer.header("cache-control"),
            "no-store",
            "a token is nothing for a cache"
        );
        token(&server, &answer)
            .write("team/net", tfstate(L1, serial), None)
            .expect_status(200);
    }
    let logins = server.admin().events("kind=login");
    assert_eq!(logins.len(), 2);
    assert_eq!(logins[0]["actor"]["id"], writer.key_id);
}

#[test]
fn a_form_may_ask_for_less_too() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    let fields = [
        ("client_id", writer.key_id.as_str()),
        ("client_secret", writer.secret()),
        ("grant_type", "client_credentials"),
        ("workspace", "team"),
        ("buildingBlock", "net"),
        ("permissions", "TFSTATE_LIST TFSTATE_PLAN"),
        ("expires_in", "60"),
    ];
    let answer = form(&server, &fields).expect_status(200);
    assert_eq!(answer.json()["expires_in"], 60);
    let less = token(&server, &answer);
    less.lock_to_plan("team/net", "lock-1").expect_status(200);
    less.write("team/net", tfstate(L1, 1), Some("lock-1"))
        .expect_problem(403, "forbidden");
    less.lock_to_plan("team/two", "lock-1")
        .expect_problem(403, "forbidden");
}

#[test]
fn wrong_credentials_are_401_in_both_forms() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    let other = server.key("team", "writer");
    let wrong = [
        (writer.key_id.as_str(), other.secret()),
        (writer.key_id.as_str(), "nonsense"),
        ("nonsense", writer.secret()),
        ("", ""),
        (other.key_id.as_str(), writer.secret()),
    ];
    for (number, (id, secret)) in wrong.iter().enumerate() {
        let caller = server
            .anonymous()
            .calling_from(&format!("127.0.1.{}", number + 1));
        caller
            .post_json(
                "/api/login",
                &json!({"clientId": id, "clientSecret": secret}),
            )
            .expect_problem(401, "unauthorized");
        form(
            &server,
            &[
                ("client_id", id),
                ("client_secret", secret),
                ("grant_type", "client_credentials"),
            ],
        )
        .expect_problem(401, "unauthorized");
    }
}

#[test]
fn bodies_that_are_no_login_are_400() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    let anonymous = server.anonymous();
    for body in [
        "",
        "{",
        "[]",
        "{}",
        "{\"clientId\": \"x\"}",
        "{\"clientSecret\": \"x\"}",
        "{\"clientId\": 1, \"clientSecret\": 2}",
    ] {
        let request = anonymous
            .request("POST", "/api/login")
            .header("Content-Type", "application/json")
            .body(body);
        Client::ask(request).expect_problem(400, "bad_body");
    }
    let fields = |grant| {
        vec![
            ("client_id", writer.key_id.as_str()),
            ("client_secret", writer.secret()),
            ("grant_type", grant),
        ]
    };
    form(&server, &fields("password")).expect_problem(400, "unsupported_grant_type");
    form(
        &server,
        &[("client_secret", "x"), ("grant_type", "client_credentials")],
    )
    .expect_problem(400, "bad_body");
    for less in [
        json!({"expires_in": 0}),
        json!({"expires_in": 3601}),
        json!({"expires_in": -1}),
        json!({"expires_in": "1h"}),
    ] {
        login(&server, &writer, &less).expect_status(400);
    }
    for less in [
        json!({"permissions": ["NOTHING"]}),
        json!({"permissions": "TFSTATE_LIST"}),
        json!({"workspace": "../x"}),
        json!({"renewable": "yes"}),
    ] {
        login(&server, &writer, &less).expect_status(400);
    }
    login(&server, &writer, &json!({"expires_in": 3600})).expect_status(200);
}

#[test]
fn a_token_is_asked_for_with_less_and_never_with_more() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    let block = server.key("team/net", "owner");
    let anywhere = server.key("", "writer");
    let rows = [
        (&writer, json!({"permissions": ["TFSTATE_LIST"]}), 200),
        (
            &writer,
            json!({"permissions": ["TFSTATE_SAVE"], "workspace": "team", "buildingBlock": "net"}),
            200,
        ),
        (&writer, json!({"workspace": "team"}), 200),
        (&writer, json!({"permissions": ["TFSTATE_DELETE"]}), 403),
        (
            &writer,
            json!({"permissions": ["TFSTATE_LIST", "EVENTLOG_LIST"]}),
            403,
        ),
        (&writer, json!({"workspace": "rival"}), 403),
        (
            &block,
            json!({"buildingBlock": "net", "workspace": "team"}),
            200,
        ),
        (
            &block,
            json!({"buildingBlock": "other", "workspace": "team"}),
            403,
        ),
        (
            &block,
            json!({"workspace": "rival", "buildingBlock": "net"}),
            403,
        ),
        (
            &anywhere,
            json!({"workspace": "team", "permissions": ["TFSTATE_SAVE"]}),
            200,
        ),
        (
            &anywhere,
            json!({"workspace": "team", "permissions": ["TFSTATE_DELETE"]}),
            403,
        ),
        (
            &anywhere,
            json!({"permissions": ["ADM_TFSTATE_DELETE"]}),
            403,
        ),
    ];
    for (key, less, status) in rows {
        let answer = login(&server, key, &less);
        assert_eq!(answer.status, status, "{less}: {}", answer.text());
    }
}

#[test]
fn what_a_token_was_asked_for_is_all_that_it_can() {
    let server = Server::start();
    let anywhere = server.key("", "owner");
    anywhere
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    anywhere
        .write("rival/net", tfstate(L1, 1), None)
        .expect_status(200);
    let less = token(
        &server,
        &login(
            &server,
            &anywhere,
            &json!({"workspace": "team", "buildingBlock": "net", "permissions": ["TFSTATE_LIST"]}),
        )
        .expect_status(200),
    );
    less.read("team/net").expect_status(200);
    less.write("team/net", tfstate(L1, 2), None)
        .expect_problem(403, "forbidden");
    less.delete("team/net").expect_problem(403, "forbidden");
    less.read("team/two").expect_problem(403, "forbidden");
    less.read("rival/net").expect_problem(403, "forbidden");
    less.get(&format!("{}/versions", state_path("team/net")))
        .expect_status(200);
    let list = less.get("/api/terraform/state").expect_status(200).json();
    assert_eq!(list["states"].as_array().map(Vec::len), Some(1));
}

#[test]
fn a_token_never_outlives_its_key_nor_the_servers_lifetime() {
    let server = Setup::new().flag("--token-lifetime", "2m").start();
    let short = server.make_key(
        &json!({"name": "short", "workspace": "team", "role": "reader", "expires_in": 60}),
    );
    for less in [json!({}), json!({"expires_in": 100})] {
        let body = login(&server, &short, &less).expect_status(200).json();
        assert!(
            body["expires_in"]
                .as_u64()
                .is_some_and(|seconds| (1..=60).contains(&seconds)),
            "{body}"
        );
    }
    let long = server.key("team", "reader");
    assert_eq!(
        login(&server, &long, &json!({})).expect_status(200).json()["expires_in"],
        120
    );
    login(&server, &long, &json!({"expires_in": 121})).expect_status(400);
}

#[test]
fn a_token_makes_no_tokens() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    let first = server.token(&writer, json!({}));
    let body = json!({"clientId": writer.key_id, "clientSecret": first.secret()});
    let status = server
        .anonymous()
        .post_json("/api/login", &body)
        .status
        .as_u16();
    assert!([401, 403].contains(&status), "{status}");
}

#[test]
#[ignore = "middle tier: 10,000 logins"]
fn a_key_has_at_most_10_000_live_tokens() {
    let server = Server::start();
    let (writer, other) = (server.key("team", "writer"), server.key("team", "writer"));
    for _ in 0..10_000 {
        login(&server, &writer, &json!({})).expect_status(200);
    }
    let refused = login(&server, &writer, &json!({})).expect_problem(429, "too_many_tokens");
    assert!(refused.header("retry-after").parse::<u64>().is_ok());
    login(&server, &other, &json!({})).expect_status(200);
    writer
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
}
