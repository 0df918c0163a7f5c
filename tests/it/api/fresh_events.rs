//! Events enter the indexes by state and by actor together, 128 places at a time. No list tells the
//! difference, and an event that is kept out of them is found by a verification.

use rusqlite::Connection;

use crate::harness::{Client, Server, eventually};
use crate::inside;

use super::pages;

/// How many times the two states are locked and unlocked in turn: two events each.
const ROUNDS: usize = 75;

/// An event's place, workspace, building block and actor.
type Told = (u64, [String; 3]);

/// What the events of a list say, page after page.
fn listed(admin: &Client, query: &str) -> Vec<Told> {
    let path = format!("/api/events?limit=40&{query}");
    let all = pages(admin, &path, "events", "before").concat();
    let told = all.iter().map(|event| {
        let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
        let seq = event["seq"].as_u64().expect("a place");
        let actor = event["actor"]["id"].as_str().unwrap_or_default().to_owned();
        (seq, [text("workspace"), text("buildingBlock"), actor])
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
    let (server, keys) = filled();
    let admin = server.admin();
    let count = |condition: &str| {
        let sql = format!("SELECT count(*) FROM events WHERE {condition}");
        inside::number(server.data(), &sql)
    };
    assert!(count("fresh IS NULL") >= 127, "some are in the indexes");
    assert!(count("fresh = 1") >= 1, "and some are not");
    let all = listed(&admin, "");
    for (index, wanted, query) in [
        (0, "team", "workspace=team".to_owned()),
        (1, "a", "workspace=team&buildingBlock=a".to_owned()),
        (1, "b", "workspace=team&buildingBlock=b".to_owned()),
        (
            2,
            keys[0].key_id.as_str(),
            format!("key={}", keys[0].key_id),
        ),
        (
            2,
            keys[1].key_id.as_str(),
            format!("key={}", keys[1].key_id),
        ),
    ] {
        let found = listed(&admin, &query);
        let expected = all.iter().filter(|event| event.1[index] == wanted);
        assert!(found.iter().eq(expected), "{query}: {found:?}");
        assert!(found.len() >= ROUNDS - 1, "{query}: {}", found.len());
    }
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
