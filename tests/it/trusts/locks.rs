//! Locks that ID tokens take themselves, without an exchange: whose they are, and when they die.

use serde_json::{Value, json};

use super::issuer::{Issuer, now};
use super::{L1, make};
use crate::harness::{Client, Server, eventually, state_path, tfstate};

const WEB: &str = "infra/web";

/// What is shown of the lock.
fn shown(who: &Client) -> Value {
    let lock = format!("{}/lock", state_path(WEB));
    who.get(&lock).expect_status(200).json()
}

/// The events of locks that died.
fn deaths(server: &Server) -> Vec<Value> {
    server.admin().events("kind=lock.died")
}

#[test]
fn a_lock_of_an_id_token_dies_with_its_trust() {
    let (server, issuer) = (Server::start(), Issuer::new());
    let trust = make(&server, &issuer.trust("gitlab"));
    let (job, other) = (
        server.with(&issuer.token(&json!({}))),
        server.key("infra", "writer"),
    );
    job.lock(WEB, "old").expect_status(200);
    job.write(WEB, tfstate(L1, 1), Some("old"))
        .expect_status(200);
    other.lock(WEB, "new").expect_status(423);
    assert_eq!(shown(&other)["died"], json!(null));
    let path = format!("/api/trusts/{}", trust["id"].as_str().expect("an id"));
    server.admin().send("DELETE", &path, "").expect_status(200);

    let died = shown(&other)["died"].clone();
    assert_eq!(died["why"], "ended", "{died}");
    assert_eq!(deaths(&server), Vec::<Value>::new(), "nobody has come yet");
    other.lock(WEB, "new").expect_status(200);
    assert_eq!(shown(&other)["died"], json!(null));
    let [event]: [Value; 1] = deaths(&server).try_into().expect("one event");
    let detail = &event["detail"];
    assert_eq!(
        (
            &event["attention"],
            &detail["died"],
            &detail["holder"]["id"]
        ),
        (&json!(true), &died, &trust["id"]),
        "{event}"
    );
}

#[test]
fn a_lock_of_an_id_token_dies_with_it_unless_another_of_the_trust_goes_on() {
    let (server, issuer) = (Server::start(), Issuer::new());
    make(&server, &issuer.trust("gitlab"));
    let ends = now() + 8;
    let brief = server.with(&issuer.token(&json!({"exp": ends})));
    let fresh = server.with(&issuer.token(&json!({"jti": "j-2"})));
    let other = server.key("infra", "writer");
    brief.lock(WEB, "old").expect_status(200);
    brief.lock("infra/db", "kept").expect_status(200);
    fresh
        .write("infra/db", tfstate(L1, 1), Some("kept"))
        .expect_status(200);
    eventually("the ID token has ended", || brief.read(WEB).status == 401);

    let died = shown(&other)["died"].clone();
    assert_eq!(died["why"], "expired", "{died}");
    let since = died["since"].as_str().expect("a time");
    let since = humantime::parse_rfc3339(since).expect("a time");
    let since = since.duration_since(std::time::UNIX_EPOCH);
    assert_eq!(since.expect("a time").as_secs(), ends);
    other.lock("infra/db", "new").expect_status(423);
    other.lock(WEB, "new").expect_status(200);
    assert_eq!(deaths(&server).len(), 1);
    fresh.unlock("infra/db", "kept").expect_status(200);
}
