//! A token releases a lock of its key only if it may do all that the lock was taken with.

use serde_json::json;

use crate::harness::{Client, Server, lock_body, state_path, tfstate};

const L1: &str = "11111111-1111-4111-8111-111111111111";

fn token(server: &Server, key: &Client, permissions: &[&str]) -> Client {
    server.token(key, json!({ "permissions": permissions }))
}

#[test]
fn a_token_for_plans_does_not_end_the_lock_of_an_apply() {
    let server = Server::start();
    let key = server.key("team", "writer");
    let apply = token(&server, &key, &["TFSTATE_SAVE"]);
    let plan = token(&server, &key, &["TFSTATE_PLAN"]);
    let locked = || apply.lock("team/net", "apply").expect_status(200);
    locked();
    // What a pull request could try: it is told the ID, asks for the same lock, and releases it.
    let told = plan.lock_to_plan("team/net", "mine").expect_status(423);
    let id = told.json()["ID"].as_str().expect("an ID").to_owned();
    plan.lock_to_plan("team/net", &id).expect_status(423);
    for (method, path) in [("UNLOCK", ""), ("UNLOCK", "/lock"), ("DELETE", "/lock")] {
        let path = format!("{}{path}", state_path("team/net"));
        for body in [lock_body(&id), String::new()] {
            plan.send(method, &path, body)
                .expect_problem(403, "forbidden");
        }
    }
    apply
        .write("team/net", tfstate(L1, 1), Some("apply"))
        .expect_status(200);
    apply.unlock("team/net", "apply").expect_status(200);
    let events = server.admin().events("kind=lock.*");
    let kinds: Vec<&str> = events
        .iter()
        .map(|event| event["kind"].as_str().expect("a kind"))
        .collect();
    assert_eq!(kinds, ["lock.release", "lock.acquire"]);
}

#[test]
fn whoever_has_all_that_the_lock_was_taken_with_releases_it() {
    let server = Server::start();
    let key = server.key("team", "writer");
    let apply = token(&server, &key, &["TFSTATE_SAVE"]);
    let plan = token(&server, &key, &["TFSTATE_PLAN"]);
    for (holder, other) in [
        (&apply, &apply),
        (&apply, &key),
        (&plan, &apply),
        (&plan, &plan),
    ] {
        holder.lock_to_plan("team/net", "a").expect_status(200);
        other.unlock("team/net", "a").expect_status(200);
    }
    let events = server.admin().events("kind=lock.break");
    assert!(events.is_empty(), "{events:?}");
}

#[test]
fn a_lesser_token_that_may_break_locks_does_so_by_force() {
    let server = Server::start();
    let key = server.key("team", "owner");
    key.lock("team/net", "apply").expect_status(200);
    let unlock = token(&server, &key, &["TFSTATE_PLAN", "TFSTATE_UNLOCK"]);
    unlock.unlock("team/net", "apply").expect_status(200);
    let broken = &server.admin().events("kind=lock.break")[0];
    assert_eq!(broken["attention"], true, "{broken}");
}

#[test]
fn a_lesser_token_does_not_end_a_transfer_of_its_key() {
    let server = Server::start();
    let key = server.key("team", "owner");
    key.write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    let path = format!("{}/transfer", state_path("team/net"));
    key.post_json(&path, &json!({"to": "s3://bucket/key"}))
        .expect_status(200);
    let lesser = token(&server, &key, &["TFSTATE_SAVE"]);
    lesser
        .send("DELETE", &path, "")
        .expect_problem(403, "forbidden");
    lesser
        .post_json(&format!("{path}/done"), &json!({"version": 1}))
        .expect_problem(403, "forbidden");
    key.send("DELETE", &path, "").expect_status(200);
}
