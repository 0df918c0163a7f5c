//! How long what a trust has let in lives: no longer than the ID token, the trust, and the key set.

use serde_json::{Value, json};

use super::issuer::{Issuer, now};
use super::{L1, exchange, make, refused};
use crate::harness::{Client, Server, eventually, tfstate};

fn path(trust: &Value) -> String {
    format!("/api/trusts/{}", trust["id"].as_str().expect("an id"))
}

fn exchanged(server: &Server, id_token: &str) -> Client {
    let answer = exchange(&server.anonymous(), id_token, &json!({})).expect_status(200);
    server.with(answer.json()["access_token"].as_str().expect("a token"))
}

#[test]
fn a_trust_that_is_removed_ends_all_that_it_let_in_at_once() {
    let server = Server::start();
    let issuer = Issuer::new();
    let trust = make(&server, &issuer.trust("gitlab"));
    let id_token = issuer.token(&json!({}));
    let token = exchanged(&server, &id_token);
    token
        .write("infra/web", tfstate(L1, 1), None)
        .expect_status(200);
    server
        .admin()
        .send("DELETE", &path(&trust), "")
        .expect_status(200);

    token
        .write("infra/web", tfstate(L1, 2), None)
        .expect_problem(401, "unauthorized");
    server
        .with(&id_token)
        .read("infra/web")
        .expect_problem(401, "unauthorized");
    let event = refused(&server, "revoked");
    assert_eq!(event["kind"], "credentials.refused");
    server
        .admin()
        .get(&path(&trust))
        .expect_problem(404, "no_trust");
    server
        .admin()
        .send("DELETE", &path(&trust), "")
        .expect_problem(404, "no_trust");
    let kinds = server.admin().events("kind=trust.*");
    assert_eq!(
        (&kinds[0]["kind"], &kinds[1]["kind"]),
        (&json!("trust.remove"), &json!("trust.create"))
    );

    // Another one of the same name and in the same issuer does not bring them back.
    make(&server, &issuer.trust("gitlab"));
    token.read("infra/web").expect_problem(401, "unauthorized");
}

#[test]
fn tokens_end_with_the_id_token_and_with_the_trust() {
    let server = Server::start();
    let issuer = Issuer::new();
    let mut brief = issuer.trust("brief");
    brief["expires_in"] = json!(8);
    make(&server, &brief);
    let id_token = issuer.token(&json!({}));
    let token = exchanged(&server, &id_token);
    let direct = server.with(&id_token);
    direct.get("/api/whoami").expect_status(200);
    eventually("the trust has ended", || {
        token.get("/api/whoami").status == 401
    });
    direct
        .get("/api/whoami")
        .expect_problem(401, "unauthorized");
    refused(&server, "id_token_trust_ended");

    let mut other = issuer.trust("lasting");
    other["audience"] = json!("other");
    make(&server, &other);
    let id_token = issuer.token(&json!({"aud": "other", "exp": now() + 8}));
    let token = exchanged(&server, &id_token);
    token.get("/api/whoami").expect_status(200);
    eventually("the ID token has ended", || {
        token.get("/api/whoami").status == 401
    });
    server
        .with(&id_token)
        .get("/api/whoami")
        .expect_problem(401, "unauthorized");
}

#[test]
fn no_token_of_a_trust_lives_on_or_makes_others() {
    let server = Server::start();
    let issuer = Issuer::new();
    let mut all = issuer.trust("all");
    (all["workspace"], all["role"]) = (Value::Null, json!("admin"));
    make(&server, &all);
    let id_token = issuer.token(&json!({}));
    let (token, direct) = (exchanged(&server, &id_token), server.with(&id_token));
    for caller in [&token, &direct] {
        for (path, body) in [
            ("/api/keys", json!({"name": "x", "role": "reader"})),
            ("/api/trusts", issuer.trust("x")),
        ] {
            let answer = caller.post_json(path, &body);
            answer.expect_problem(403, "forbidden");
        }
    }
    let extended = token.post_json("/api/token/extend", &json!({}));
    extended.expect_problem(403, "forbidden");
    token.send("DELETE", "/api/token", "").expect_status(204);
    token.get("/api/whoami").expect_problem(401, "unauthorized");
    direct.get("/api/whoami").expect_status(200);
}

#[test]
fn a_fresh_id_token_lets_a_token_of_its_trust_live_on_and_no_longer_than_itself() {
    let server = Server::start();
    let issuer = Issuer::new();
    make(&server, &issuer.trust("gitlab"));
    let mut other = issuer.trust("other");
    other["audience"] = json!("other");
    make(&server, &other);
    let token = exchanged(&server, &issuer.token(&json!({"exp": now() + 60})));
    let extend = |claims: &Value| {
        let fresh = server.with(&issuer.token(claims));
        fresh.post_json("/api/token/extend", &json!({"token": token.secret()}))
    };
    let answer = extend(&json!({"exp": now() + 600})).expect_status(200);
    let lives = answer.json()["expires_in"].as_u64().expect("seconds");
    assert!((500..=600).contains(&lives), "{lives}");
    extend(&json!({"aud": "other"})).expect_problem(403, "forbidden");
    extend(&json!({"namespace_path": "another"})).expect_problem(403, "forbidden");
    let answer = extend(&json!({"exp": now() + 30})).expect_status(200);
    let left = answer.json()["expires_in"].as_u64().expect("seconds");
    assert!(left > 30, "asking for less takes nothing away: {left}");
    let fresh = server.with(&issuer.token(&json!({})));
    let named = json!({"token": token.secret()}).to_string();
    fresh.send("DELETE", "/api/token", named).expect_status(204);
    token.get("/api/whoami").expect_problem(401, "unauthorized");
}

#[test]
fn a_trust_that_takes_each_token_once_remembers_it_over_a_restart() {
    let dir = tempfile::TempDir::new().expect("a temporary directory");
    let data = dir.path().join("data");
    let server = crate::harness::Setup::new().data(&data).start();
    let issuer = Issuer::new();
    let mut once = issuer.trust("once");
    once["once"] = json!(true);
    let trust = make(&server, &once);
    assert_eq!(trust["once"], true);
    let (first, second) = (
        issuer.token(&json!({})),
        issuer.token(&json!({"jti": "j-2"})),
    );
    exchanged(&server, &first);
    exchange(&server.anonymous(), &first, &json!({})).expect_problem(401, "unauthorized");
    let event = refused(&server, "id_token_spent");
    assert_eq!(event["actor"]["id"], trust["id"]);
    server
        .with(&second)
        .get("/api/whoami")
        .expect_problem(401, "unauthorized");
    refused(&server, "id_token_exchange_only");
    let unnamed = issuer.token(&json!({"jti": null}));
    exchange(&server.anonymous(), &unnamed, &json!({})).expect_problem(401, "unauthorized");
    refused(&server, "id_token_no_jti");

    drop(server);
    let server = crate::harness::Setup::new().data(&data).start();
    exchange(&server.anonymous(), &first, &json!({})).expect_problem(401, "unauthorized");
    exchanged(&server, &second);
}

#[test]
fn a_key_that_ends_with_its_children_takes_its_trusts_along() {
    let server = Server::start();
    let issuer = Issuer::new();
    let maker = server.key("", "admin");
    let trust = maker
        .post_json("/api/trusts", &issuer.trust("of maker"))
        .expect_status(201)
        .json();
    let mut other = issuer.trust("of admin");
    other["audience"] = json!("other");
    make(&server, &other);
    let token = exchanged(&server, &issuer.token(&json!({})));
    let key = format!("/api/keys/{}?children=true", maker.key_id);
    let answer = server
        .admin()
        .send("DELETE", &key, "")
        .expect_status(200)
        .json();
    assert_eq!(
        answer["trusts"],
        json!([{"id": trust["id"], "name": "of maker"}])
    );
    token.get("/api/whoami").expect_problem(401, "unauthorized");
    let left = server.admin().get("/api/trusts").expect_status(200).json();
    let names: Vec<&Value> = left["trusts"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|row| &row["name"])
        .collect();
    assert_eq!(names, ["of admin"]);
}
