//! Too many failed credentials are 429, never for credentials that are known to be good.

use serde_json::json;

use crate::harness::{Answer, Client, Server, Setup, state_path};

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
