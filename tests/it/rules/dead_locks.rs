//! A lock whose holder can write no more goes to the next one who locks, and a person is told.

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{L1, counts, expect_locked};
use crate::harness::{Client, Server, Setup, eventually, lock_body, state_path, tfstate};

const NET: &str = "team/net";

/// What is shown of the lock.
fn shown(who: &Client) -> Value {
    let lock = format!("{}/lock", state_path(NET));
    who.get(&lock).expect_status(200).json()
}

fn deaths(server: &Server) -> Vec<Value> {
    server.admin().events("kind=lock.died")
}

fn end(token: &Client) {
    token.send("DELETE", "/api/token", "").expect_status(204);
}

/// A state at serial 5 that a token of `key` has locked as `old`.
struct Held {
    server: Server,
    key: Client,
    token: Client,
    other: Client,
}

fn held_by(less: Value) -> Held {
    let server = Server::start();
    let (key, other) = (server.key("team", "writer"), server.key("team", "writer"));
    key.write(NET, tfstate(L1, 5), None).expect_status(200);
    let token = server.token(&key, less);
    token.lock(NET, "old").expect_status(200);
    Held {
        server,
        key,
        token,
        other,
    }
}

#[test]
fn a_token_that_was_ended_loses_its_lock_to_the_next_and_a_person_is_told() {
    let Held {
        server,
        key,
        token,
        other,
    } = held_by(json!({}));
    expect_locked(other.lock(NET, "new"), &lock_body("old"));
    assert_eq!(shown(&other)["died"], json!(null), "it lives");
    end(&token);
    let died = shown(&other)["died"].clone();
    assert_eq!(died["why"], "ended", "{died}");
    let since = died["since"].as_str().expect("a time");
    assert!(humantime::parse_rfc3339(since).is_ok(), "{died}");
    let list = other.get("/api/terraform/state?locked=true").json();
    assert_eq!(list["states"][0]["lock"]["died"], died, "{list}");
    let status = server.admin().get("/api/status").json();
    assert_eq!(
        (&status["locks"], &status["dead_locks"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(deaths(&server), Vec::<Value>::new(), "nobody has come yet");
    // It keeps away writes until another locks.
    other.write(NET, tfstate(L1, 6), None).expect_status(423);

    let answer = other.lock(NET, "new").expect_status(200);
    assert_eq!(answer.text(), lock_body("new"));
    assert_eq!(shown(&other)["died"], json!(null));
    let [event]: [Value; 1] = deaths(&server).try_into().expect("one event");
    for (member, said) in [
        ("attention", json!(true)),
        ("acknowledged", json!(null)),
        ("workspace", json!("team")),
        ("buildingBlock", json!("net")),
        ("lock_id", json!("old")),
    ] {
        assert_eq!(event[member], said, "{member}: {event}");
    }
    assert_eq!(event["actor"]["id"], json!(other.key_id));
    let detail = &event["detail"];
    assert_eq!(detail["holder"]["id"], json!(key.key_id), "{event}");
    assert_eq!(detail["died"], died, "{event}");
    let newcomer = (&detail["newcomer"]["id"], &detail["newcomer"]["operation"]);
    assert_eq!(newcomer, (&json!("new"), &json!("OperationTypeApply")));
    // The old lock is nobody's any more.
    key.unlock(NET, "old").expect_status(409);
    other
        .write(NET, tfstate(L1, 6), Some("new"))
        .expect_status(200);
    other.unlock(NET, "new").expect_status(200);
}

#[test]
fn the_command_line_and_the_metrics_say_which_locks_are_dead() {
    let Held { server, token, .. } = held_by(json!({}));
    let said = |args: &[&str]| {
        let done = server.cli(args);
        assert!(done.status.success(), "{args:?}: {done:?}");
        String::from_utf8(done.stdout).expect("text")
    };
    let all = || {
        [
            said(&["state", "show", NET]),
            said(&["state", "list"]),
            said(&["status"]),
            server.admin().get("/metrics").expect_status(200).text(),
        ]
    };
    let words = [
        "its token was ended at ",
        ", dead",
        ", 1 dead",
        "statekeep_locks_died 1",
    ];
    for (text, words) in all().iter().zip(words) {
        assert!(!text.contains(words), "{words}: {text}");
    }
    end(&token);
    for (text, words) in all().iter().zip(words) {
        assert!(text.contains(words), "{words}: {text}");
    }
}

#[test]
fn a_token_that_lapsed_loses_its_lock_also_after_its_row_is_gone() {
    let Held {
        server,
        key,
        token,
        other,
    } = held_by(json!({"expires_in": 1}));
    eventually("the token has lapsed", || token.read(NET).status == 401);
    let died = shown(&other)["died"].clone();
    assert_eq!(died["why"], "expired", "{died}");
    // Whenever one is made, rows of tokens that have lapsed go.
    server.token(&key, json!({}));
    assert_eq!(shown(&other)["died"], died);
    other.lock(NET, "new").expect_status(200);
    assert_eq!(deaths(&server)[0]["detail"]["died"], died);
}

#[test]
fn a_token_that_was_extended_keeps_its_lock() {
    let Held {
        server,
        key,
        token,
        other,
    } = held_by(json!({"expires_in": 2}));
    let extend = json!({"token": token.secret(), "expires_in": 300});
    key.post_json("/api/token/extend", &extend)
        .expect_status(200);
    let witness = server.token(&key, json!({"expires_in": 3}));
    eventually("a later end has passed", || witness.read(NET).status == 401);
    expect_locked(other.lock(NET, "new"), &lock_body("old"));
    assert_eq!(shown(&other)["died"], json!(null));
    token
        .write(NET, tfstate(L1, 6), Some("old"))
        .expect_status(200);
}

#[test]
fn a_revoked_key_loses_the_locks_of_its_tokens_and_its_own() {
    let server = Server::start();
    let other = server.key("team", "writer");
    for with_token in [true, false] {
        let key = server.key("team", "writer");
        let holder = if with_token {
            server.token(&key, json!({}))
        } else {
            key.clone()
        };
        holder.lock(NET, "old").expect_status(200);
        let path = format!("/api/keys/{}", key.key_id);
        server.admin().send("DELETE", &path, "").expect_status(200);
        assert_eq!(shown(&other)["died"]["why"], "revoked");
        other.lock(NET, "new").expect_status(200);
        other.unlock(NET, "new").expect_status(200);
    }
    assert_eq!(deaths(&server).len(), 2);
}

#[test]
fn a_rotation_ends_the_locks_of_tokens_and_not_the_key_s_own() {
    let server = Server::start();
    let (key, other) = (server.key("team", "writer"), server.key("team", "writer"));
    let rotate = || {
        let path = format!("/api/keys/{}/rotate", key.key_id);
        let answer = server
            .admin()
            .post_json(&path, &json!({}))
            .expect_status(200)
            .json();
        server.with(answer["secret"].as_str().expect("a secret"))
    };
    key.lock(NET, "old").expect_status(200);
    let key = rotate().of_key(&key.key_id);
    expect_locked(other.lock(NET, "new"), &lock_body("old"));
    key.unlock(NET, "old").expect_status(200);
    server
        .token(&key, json!({}))
        .lock(NET, "old")
        .expect_status(200);
    rotate();
    assert_eq!(shown(&other)["died"]["why"], "rotated");
    other.lock(NET, "new").expect_status(200);
}

#[test]
fn the_lock_belongs_to_what_can_still_write() {
    let Held {
        server,
        key,
        token,
        other,
    } = held_by(json!({"expires_in": 60}));
    // A fresh token of the key goes on with the run, and the first one ends.
    let fresh = server.token(&key, json!({}));
    fresh
        .write(NET, tfstate(L1, 6), Some("old"))
        .expect_status(200);
    end(&token);
    expect_locked(other.lock(NET, "new"), &lock_body("old"));
    // The same ID again, as a client whose answer was lost sends it.
    let third = server.token(&key, json!({}));
    end(&fresh);
    third.lock(NET, "old").expect_status(200);
    expect_locked(other.lock(NET, "new"), &lock_body("old"));
    end(&third);
    other.lock(NET, "new").expect_status(200);
    assert_eq!(deaths(&server).len(), 1);
}

#[test]
fn a_planner_gets_a_dead_lock_only_with_the_mark() {
    let Held { server, token, .. } = held_by(json!({}));
    let planner = server.key("team", "planner");
    planner.lock_to_plan(NET, "plan").expect_status(423);
    end(&token);
    planner.lock(NET, "apply").expect_problem(403, "forbidden");
    assert_eq!(deaths(&server).len(), 0);
    planner.lock_to_plan(NET, "plan").expect_status(200);
    assert_eq!(deaths(&server)[0]["attention"], true);
    planner.unlock(NET, "plan").expect_status(200);
    assert_eq!(deaths(&server).len(), 1);
}

#[test]
fn a_freeze_keeps_a_dead_lock_where_it_is() {
    let Held {
        server,
        token,
        other,
        ..
    } = held_by(json!({}));
    let freeze = json!({"reason": "audit"});
    let path = format!("{}/freeze", state_path(NET));
    server.admin().post_json(&path, &freeze).expect_status(200);
    end(&token);
    let refused = other.lock(NET, "new").expect_status(423).text();
    assert!(refused.contains("audit"), "{refused}");
    assert_eq!(shown(&other)["lock"]["ID"], "old");
    assert_eq!(deaths(&server).len(), 0);
}

#[test]
fn what_the_dead_holder_brings_is_stored_unless_another_has_written() {
    for another_wrote in [false, true] {
        let Held {
            server,
            key,
            token,
            other,
        } = held_by(json!({}));
        end(&token);
        let write = |serial| key.write(NET, tfstate(L1, serial), Some("old"));
        for id in ["first", "second"] {
            other.lock(NET, id).expect_status(200);
            write(6).expect_status(423);
            if another_wrote {
                let state = tfstate(L1, 7);
                other.write(NET, state, Some(id)).expect_status(200);
            }
            other.unlock(NET, id).expect_status(200);
        }
        if another_wrote {
            write(8).expect_problem(409, "stale_lock_id");
        } else {
            write(6).expect_status(200);
            assert_eq!(counts(&key, NET).0, 3, "one was kept as rejected");
        }
        assert_eq!(deaths(&server).len(), 1);
    }
}

#[test]
fn its_own_key_may_still_release_a_dead_lock() {
    let Held {
        server, key, token, ..
    } = held_by(json!({}));
    end(&token);
    key.unlock(NET, "old").expect_status(200);
    key.unlock(NET, "old").expect_status(200);
    let kinds = server.admin().events("kind=lock.*");
    assert_eq!(kinds[0]["kind"], "lock.release", "{kinds:?}");
}

#[test]
fn a_transfer_keeps_its_lock_when_the_token_that_began_it_ends() {
    let server = Server::start();
    let (key, other) = (server.key("team", "writer"), server.key("team", "writer"));
    key.write(NET, tfstate(L1, 5), None).expect_status(200);
    let token = server.token(&key, json!({}));
    let path = format!("{}/transfer", state_path(NET));
    token
        .post_json(&path, &json!({"to": "s3://bucket/key"}))
        .expect_status(200);
    end(&token);
    other.lock(NET, "new").expect_status(423);
    assert_eq!(shown(&other)["died"], json!(null));
}

#[test]
fn a_restart_forgets_neither_the_lock_nor_that_it_is_dead() {
    let folder = TempDir::new().expect("a folder");
    let data = folder.path().join("data");
    let server = Setup::new().data(&data).start();
    let (key, other) = (server.key("team", "writer"), server.key("team", "writer"));
    let token = server.token(&key, json!({}));
    token.lock(NET, "old").expect_status(200);
    end(&token);
    let died = shown(&other)["died"].clone();
    server.stop();
    let server = Setup::new().data(&data).start();
    let other = other.at(&server);
    assert_eq!(shown(&other)["died"], died);
    other.lock(NET, "new").expect_status(200);
}
