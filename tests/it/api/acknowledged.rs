//! `POST /api/events/{seq}/acknowledge`: a person has looked at an event, and it waits for nobody
//! any more.

use rusqlite::Connection;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Answer, Client, Server, Setup, state_path, tfstate};

use super::L1;

/// The lock on a state is broken by force. The number of the event of that.
fn broken(admin: &Client, name: &str) -> u64 {
    admin.lock(name, "lost").expect_status(200);
    admin
        .send("UNLOCK", &state_path(name), "")
        .expect_status(200);
    admin.events("kind=lock.break")[0]["seq"]
        .as_u64()
        .expect("a number")
}

fn acknowledge(caller: &Client, seq: u64, body: &Value) -> Answer {
    caller.post_json(&format!("/api/events/{seq}/acknowledge"), body)
}

/// The numbers of the events that wait for a person.
fn waiting(caller: &Client) -> Vec<u64> {
    numbers(caller, "attention=true&acknowledged=false")
}

fn numbers(caller: &Client, query: &str) -> Vec<u64> {
    let events = caller.events(query);
    events
        .iter()
        .filter_map(|event| event["seq"].as_u64())
        .collect()
}

#[test]
fn who_looked_at_an_event_when_and_with_which_word_is_shown_and_it_waits_no_more() {
    let server = Server::start();
    let (admin, owner) = (server.admin(), server.key("team", "owner"));
    let (first, second) = (broken(&admin, "team/net"), broken(&admin, "team/net"));
    assert_eq!(waiting(&admin), [second, first]);
    let body = json!({"word": "  the runner died, ticket 4711 "});
    let done = acknowledge(&owner, first, &body).expect_status(200).json();
    let known = &done["acknowledged"];
    assert_eq!(
        (&done["seq"], &known["word"], &known["by"]["id"]),
        (
            &json!(first),
            &json!("the runner died, ticket 4711"),
            &json!(owner.key_id)
        )
    );
    assert!(known["at"].is_string(), "{done}");
    assert_eq!(waiting(&admin), [second]);
    assert_eq!(numbers(&admin, "acknowledged=true"), [first]);
    assert_eq!(
        numbers(&admin, "attention=true"),
        [second, first],
        "both stay in the log"
    );
    let shown = admin.events("acknowledged=true");
    assert_eq!(shown[0], done);
    let others = numbers(&admin, "acknowledged=false&attention=false");
    assert!(!others.contains(&first), "{others:?}");

    let event = &admin.events("kind=event.acknowledge")[0];
    assert_eq!(event["actor"]["id"], json!(owner.key_id), "{event}");
    assert_eq!(
        (
            &event["workspace"],
            &event["buildingBlock"],
            &event["detail"]
        ),
        (
            &json!("team"),
            &json!("net"),
            &json!({"event": first, "kind": "lock.break", "word": "the runner died, ticket 4711"})
        )
    );
}

#[test]
fn the_same_again_changes_nothing_and_another_word_takes_its_place() {
    let server = Server::start();
    let admin = server.admin();
    let seq = broken(&admin, "team/net");
    let first = acknowledge(&admin, seq, &json!({}))
        .expect_status(200)
        .json();
    assert_eq!(first["acknowledged"]["word"], json!(null));
    let again = acknowledge(&admin, seq, &json!({"word": null}))
        .expect_status(200)
        .json();
    assert_eq!(again, first);
    let other = acknowledge(&admin, seq, &json!({"word": "known"}))
        .expect_status(200)
        .json();
    assert_eq!(other["acknowledged"]["word"], "known");
    assert_eq!(admin.events("kind=event.acknowledge").len(), 2);
}

#[test]
fn who_may_not_act_on_the_state_does_not_acknowledge_and_learns_of_no_other_event() {
    let server = Server::start();
    let admin = server.admin();
    let seq = broken(&admin, "team/net");
    let mine = json!({"word": "mine"});
    for (permissions, status, code) in [
        (&["EVENTLOG_LIST"][..], 403, "forbidden"),
        (&["TFSTATE_SAVE"][..], 403, "forbidden"),
    ] {
        acknowledge(&server.key_with("team", permissions), seq, &mine).expect_problem(status, code);
    }
    for elsewhere in ["rival", "team/other"] {
        let key = server.key(elsewhere, "owner");
        acknowledge(&key, seq, &mine).expect_problem(404, "no_event");
    }
    acknowledge(&server.anonymous(), seq, &mine).expect_problem(401, "unauthorized");
    assert_eq!(waiting(&admin), [seq]);
    acknowledge(&server.key("team/net", "owner"), seq, &mine).expect_status(200);
    let next = broken(&admin, "team/net");
    let operator = server.key_with("", &["ADM_OPERATE", "ADM_EVENTLOG_LIST"]);
    acknowledge(&operator, next, &mine).expect_status(200);
    assert_eq!(waiting(&admin), [0; 0]);
}

#[test]
fn what_no_person_has_to_look_at_is_not_acknowledged_and_neither_is_what_there_is_not() {
    let server = Server::start();
    let admin = server.admin();
    admin
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    let plain = admin.events("kind=state.write")[0]["seq"].as_u64();
    let detail = acknowledge(&admin, plain.expect("a number"), &json!({}))
        .expect_problem(400, "bad_request");
    assert!(detail.text().contains("attention"), "{}", detail.text());
    acknowledge(&admin, 9_999, &json!({})).expect_problem(404, "no_event");
    admin
        .post_json("/api/events/last/acknowledge", &json!({}))
        .expect_problem(400, "bad_address");
    let seq = broken(&admin, "team/net");
    for (body, code) in [
        (json!({"word": ""}), "bad_request"),
        (json!({"word": "a\nb"}), "bad_request"),
        (json!({"word": "\u{202e}"}), "bad_request"),
        (json!({"word": "x".repeat(501)}), "bad_request"),
        (json!({"words": "x"}), "bad_body"),
        (json!([]), "bad_body"),
    ] {
        acknowledge(&admin, seq, &body).expect_problem(400, code);
    }
    assert_eq!(waiting(&admin), [seq]);
    acknowledge(&admin, seq, &json!({"word": "é".repeat(500)})).expect_status(200);
}

#[test]
fn it_stands_after_a_restart_and_not_for_what_happens_again_or_was_changed_by_hand() {
    let dir = TempDir::new().expect("a folder");
    let start = || Setup::new().data(dir.path()).start();
    let server = start();
    let admin = server.admin();
    let (first, second, third) = (
        broken(&admin, "team/net"),
        broken(&admin, "team/net"),
        broken(&admin, "team/net"),
    );
    for seq in [first, second, third] {
        acknowledge(&admin, seq, &json!({"word": "seen"})).expect_status(200);
    }
    server.stop();
    let server = start();
    assert_eq!(waiting(&server.admin()), [0; 0]);
    server.stop();
    let edits = format!(
        "UPDATE events SET count = count + 1 WHERE seq = {first}; \
         UPDATE acknowledgements SET word = 'forged' WHERE event = {second};"
    );
    Connection::open(dir.path().join("statekeep.db"))
        .expect("the database")
        .execute_batch(&edits)
        .expect("edits");
    let server = start();
    assert_eq!(waiting(&server.admin()), [second, first]);
}
