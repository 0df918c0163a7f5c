//! Too many failed credentials are 429, never for credentials that are known to be good.

use serde_json::json;

use crate::harness::{Answer, Client, Server, Setup, eventually, state_path};
use crate::samples::forged;
use crate::scrape::Scrape;

/// More tries than anyone could need by mistake.
const TRIES: usize = 1000;

/// Fails until the server has had enough.
#[track_caller]
fn fail(mut attempt: impl FnMut(usize) -> Answer) -> Answer {
    for number in 0..TRIES {
        let answer = attempt(number);
        if answer.status == 429 {
            return answer;
        }
        answer.expect_problem(401, "unauthorized");
    }
    panic!("{TRIES} failed credentials and never a 429");
}

fn rotated(server: &Server, key: &Client) -> Client {
    let answer = server
        .admin()
        .post_json(&format!("/api/keys/{}/rotate", key.key_id), &json!({}))
        .expect_status(200)
        .json();
    server
        .with(answer["secret"].as_str().expect("a secret"))
        .of_key(&key.key_id)
}

#[test]
fn wrong_secrets_of_one_key_are_429_in_the_end_while_the_right_one_goes_on() {
    let server = Server::start();
    let old = server.key("team", "writer");
    let good = rotated(&server, &old);
    let token = server.token(&good, json!({}));
    good.read("team/net").expect_problem(404, "no_state");
    let refused = fail(|_| old.read("team/net")).expect_problem(429, "too_many_failures");
    assert!(
        refused
            .header("retry-after")
            .parse::<u64>()
            .is_ok_and(|seconds| seconds > 0)
    );
    for _ in 0..5 {
        good.read("team/net").expect_problem(404, "no_state");
        token.read("team/net").expect_problem(404, "no_state");
        server.admin().get("/api/keys").expect_status(200);
        old.read("team/net")
            .expect_problem(429, "too_many_failures");
    }
}

#[test]
fn unknown_and_mistyped_secrets_are_429_in_the_end() {
    let server = Server::start();
    let good = server.key("team", "writer");
    good.read("team/net").expect_problem(404, "no_state");
    let bearer = |secret: &str| {
        Client::ask(
            server
                .anonymous()
                .request("GET", &state_path("team/net"))
                .bearer_auth(secret),
        )
    };
    fail(|number| bearer(&format!("skp_nonsense{number}")));
    good.read("team/net").expect_problem(404, "no_state");
    server.anonymous().get("/healthz").expect_status(200);
}

#[test]
fn logins_are_counted_too() {
    let server = Server::start();
    let key = server.key("team", "writer");
    let good = rotated(&server, &key);
    good.read("team/net").expect_problem(404, "no_state");
    let login = |secret: &str| {
        server.anonymous().post_json(
            "/api/login",
            &json!({"clientId": key.key_id, "clientSecret": secret}),
        )
    };
    fail(|_| login(key.secret()));
    login(good.secret()).expect_status(200);
}

#[test]
fn who_fails_at_one_address_shuts_nobody_out_at_another() {
    let server = Setup::new().flag("--trusted-proxy", "127.0.0.0/8").start();
    let fresh = server.key("team", "writer");
    let from = |secret: &str, address: &str| {
        let request = server.anonymous().request("GET", &state_path("team/net"));
        Client::ask(
            request
                .header("X-Forwarded-For", address)
                .bearer_auth(secret),
        )
    };
    fail(|number| from(&format!("skp_nonsense{number}"), "192.0.2.1"));
    from("skp_nonsense", "192.0.2.2").expect_problem(401, "unauthorized");
    from(fresh.secret(), "192.0.2.2").expect_problem(404, "no_state");
}

#[test]
fn requests_without_credentials_are_no_failed_ones() {
    let server = Server::start();
    for _ in 0..300 {
        server
            .anonymous()
            .read("team/net")
            .expect_problem(401, "unauthorized");
    }
    server
        .key("team", "writer")
        .read("team/net")
        .expect_problem(404, "no_state");
}

/// How often argon2 has run.
fn runs(server: &Server) -> u64 {
    Scrape::of(&server.admin()).value("statekeep_argon2_duration_seconds_count")
}

#[test]
fn who_knocks_at_a_key_keeps_its_owner_out_nowhere_and_costs_no_argon2() {
    let dir = tempfile::TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let server = Setup::new().data(&data).start();
    let key = server.key("team", "writer");
    key.write("team/net", "{\"version\":4,\"serial\":1}", None)
        .expect_status(200);
    assert!(server.stop().success());
    // After a start nobody is known to the server, the owner neither.
    let server = Setup::new().data(&data).start();
    let key = key.at(&server);
    let before = runs(&server);
    fail(|number| forged(&key, number).read("team/net"));
    for number in 0..20 {
        let elsewhere = forged(&key, number).calling_from("127.0.0.9");
        elsewhere
            .read("team/net")
            .expect_problem(429, "too_many_failures");
    }
    assert_eq!(runs(&server), before, "a wrong secret costs a run");
    // From the very address of the one who knocks, and from others; a login too.
    key.read("team/net").expect_status(200);
    key.calling_from("127.0.0.9")
        .read("team/net")
        .expect_status(200);
    server
        .token(&key, json!({}))
        .read("team/net")
        .expect_status(200);
    assert_eq!(runs(&server), before + 1, "the owner's one run");
}

#[test]
fn no_credential_that_is_refused_costs_argon2_whatever_the_reason() {
    let server = Server::start();
    let [active, revoked, expired] = ["active", "revoked", "expired"].map(|name| {
        let ends = (name == "expired").then_some(1);
        server.make_key(&json!({
            "name": name, "workspace": "team", "role": "writer", "expires_in": ends
        }))
    });
    let path = format!("/api/keys/{}", revoked.key_id);
    server.admin().send("DELETE", &path, "").expect_status(200);
    eventually("it expires", || {
        let path = format!("/api/keys/{}", expired.key_id);
        server.admin().get(&path).json()["status"] == "expired"
    });
    let unknown = Server::start().key("team", "writer");
    let before = runs(&server);
    for refused in [
        forged(&active, 1),
        forged(&revoked, 1),
        forged(&expired, 1),
        revoked.clone(),
        expired.clone(),
        unknown.at(&server),
    ] {
        refused.read("team/net").expect_problem(401, "unauthorized");
    }
    assert_eq!(runs(&server), before);
    active.read("team/net").expect_problem(404, "no_state");
    assert_eq!(runs(&server), before + 1);
}

#[test]
fn many_requests_at_once_with_a_key_that_is_new_are_all_answered() {
    let server = Server::start();
    let key = server.key("team", "writer");
    let threads: Vec<_> = (0..24)
        .map(|_| {
            let key = key.clone();
            std::thread::spawn(move || key.read("team/net").status.as_u16())
        })
        .collect();
    let statuses: Vec<u16> = threads
        .into_iter()
        .map(|thread| thread.join().expect("a thread"))
        .collect();
    assert_eq!(statuses, [404; 24], "one run of argon2 serves them all");
}
