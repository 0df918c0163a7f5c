//! Events enter the indexes by state and by actor together, 128 places at a time. No list tells the
//! difference, and an event that is kept out of them is found by a verification.

use rusqlite::Connection;

use crate::harness::{Client, Server, eventually};
use crate::inside;

use super::pages;

/// How many times the two states are locked and unlocked in turn: two events each.
const ROUNDS: usize = 75;

/// What the events of a list say, page after page.
fn listed(admin: &Client, query: &str) -> Vec<(u64, String, String)> {
    let path = format!("/api/events?limit=40&{query}");
    let all = pages(admin, &path, "events", "before").concat();
    let told = all.iter().map(|event| {
        let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
        let seq = event["seq"].as_u64().expect("a place");
        (seq, text("buildingBlock"), event["actor"]["id"].to_string())
    });
    told.collect()
}

/// A server whose log has more than one run of events, of two keys and two states.
fn filled() -> (Server, [Client; 2]) {
    let server = Server::start();
    let keys = [server.key("team", "owner"), server.key("team", "owner")];
    for round in 0..ROUNDS {
        let name = ["team/a", "team/b"][round % 2];
        let key = &keys[round % 2];
        key.lock(name, "lock-1").expect_status(200);
        key.unlock(name, "lock-1").expect_status(200);
    }
    (server, keys)
}

#[test]
fn lists_by_state_by_key_and_by_workspace_have_what_the_whole_log_has() {
    let (server, _keys) = filled();
    let admin = server.admin();
    let count = |condition: &str| {
        let sql = format!("SELECT count(*) FROM events WHERE {condition}");
        inside::number(server.data(), &sql)
    };
    assert!(count("fresh IS NULL") >= 127, "some are in the indexes");
    assert!(count("fresh = 1") >= 1, "and some are not");
    let all = listed(&admin, "");
    let actor = |block: &str| {
        let of = all.iter().find(|event| event.1 == block);
        of.expect("one").2.trim_matches('"').to_owned()
    };
    for (block, other) in [("a", "b"), ("b", "a")] {
        let of_state = listed(&admin, &format!("workspace=team&buildingBlock={block}"));
        let expected: Vec<_> = all.iter().filter(|event| event.1 == block).collect();
        assert!(of_state.iter().eq(expected), "{block}: {of_state:?}");
        assert!(of_state.len() >= ROUNDS - 1, "{}", of_state.len());
        let id = actor(block);
        let of_key = listed(&admin, &format!("key={id}"));
        let expected = all.iter().filter(|event| event.2.trim_matches('"') == id);
        assert!(of_key.iter().eq(expected), "{block}: {of_key:?}");
        assert!(of_key.iter().all(|event| event.1 != other), "{of_key:?}");
    }
    let of_workspace = listed(&admin, "workspace=team");
    let expected = all.iter().filter(|event| !event.1.is_empty());
    assert!(of_workspace.iter().eq(expected), "{of_workspace:?}");
}

#[test]
fn an_event_that_is_kept_out_of_its_indexes_is_named() {
    let (server, _keys) = filled();
    let admin = server.admin();
    let named = || {
        let found = admin.send("POST", "/api/verify", "").expect_status(200);
        found.json()["findings"].to_string()
    };
    assert_eq!(named(), "[]");
    let database = Connection::open(server.data().join("statekeep.db")).expect("the database");
    let edit = "UPDATE events SET fresh = 1 WHERE seq = 20";
    eventually("the edit is done", || database.execute(edit, []).is_ok());
    let found = named();
    assert!(
        found.contains("event 20 is not as it was written"),
        "{found}"
    );
}
