//! The clock goes back: what has ended stays ended, until a person says that the clock is right.

use rusqlite::Connection;
use serde_json::json;
use tempfile::TempDir;

use crate::harness::{Setup, tfstate};

use super::L1;

/// The latest time that the database knows lies so many milliseconds ahead of the clock.
const AHEAD: i64 = 2 * 3_600_000;

#[test]
fn what_has_ended_stays_ended_when_the_clock_goes_back() {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let server = Setup::new().data(&data).start();
    let owner = server.key("team", "owner");
    owner
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    let token = server.token(&owner, json!({"expires_in": 3600}));
    let short = server.make_key(&json!({
        "name": "for an hour", "workspace": "team", "role": "reader", "expires_in": 3600
    }));
    let old = server.key("team", "planner");
    let path = format!("/api/keys/{}/rotate", old.key_id);
    let rotated = server
        .admin()
        .post_json(&path, &json!({"grace": 3600}))
        .expect_status(200)
        .json();
    let rotated = server.with(rotated["secret"].as_str().expect("a secret"));
    let ending = [&token, &short, &old];
    for caller in ending {
        caller.read("team/net").expect_status(200);
    }
    assert!(server.stop().success());
    let database = Connection::open(data.join("statekeep.db")).expect("the database");
    let later = "UPDATE moments SET at = at + ?1 WHERE name IN ('trusted', 'latest')";
    assert_eq!(database.execute(later, [AHEAD]), Ok(2));
    drop(database);
    let server = Setup::new().data(&data).start();
    let admin = server.admin();
    for caller in ending {
        caller.at(&server).read("team/net").expect_status(401);
    }
    for caller in [&owner, &rotated] {
        caller.at(&server).read("team/net").expect_status(200);
    }
    let shown = admin.get(&format!("/api/keys/{}", short.key_id)).json();
    assert_eq!(shown["status"], "expired", "{shown}");
    let fresh = server.token(&owner.at(&server), json!({"expires_in": 60}));
    fresh.read("team/net").expect_status(200);
    admin.post_json("/api/clock", &json!({})).expect_status(200);
    // The token made room for the fresh one.
    for caller in [&short, &old] {
        caller.at(&server).read("team/net").expect_status(200);
    }
}
