//! `…/transfer`: a state that leaves for a storage elsewhere: begun, then done or abandoned, each
//! step whole and each again.

mod done;

use serde_json::{Value, json};

use crate::harness::{Answer, Client, Server, state_path, tfstate};

use super::L1;

pub(super) const NET: &str = "team/net";
pub(super) const THERE: &str = "s3://bucket/net.tfstate";

pub(super) fn path(below: &str) -> String {
    format!("{}/transfer{below}", state_path(NET))
}

pub(super) fn begin(who: &Client, to: &str) -> Answer {
    who.post_json(&path(""), &json!({ "to": to }))
}

pub(super) fn finish(who: &Client, version: u64) -> Answer {
    who.post_json(&path("/done"), &json!({ "version": version }))
}

pub(super) fn abandon(who: &Client) -> Answer {
    who.send("DELETE", &path(""), "")
}

fn held(who: &Client) -> Value {
    who.get(&format!("{}/lock", state_path(NET)))
        .expect_status(200)
        .json()
}

/// A server, a writer and another one, and `team/net` with two versions.
pub(super) fn stage() -> (Server, Client, Client) {
    let server = Server::start();
    let (one, other) = (server.key("team", "writer"), server.key("team", "writer"));
    two_versions(&one);
    (server, one, other)
}

fn two_versions(who: &Client) {
    who.write(NET, tfstate(L1, 1), None).expect_status(200);
    who.write(NET, tfstate(L1, 2), None).expect_status(200);
}

/// The same with the state gone.
pub(super) fn gone() -> (Server, Client, Client) {
    let (server, one, other) = stage();
    leave(&one);
    (server, one, other)
}

pub(super) fn leave(who: &Client) {
    begin(who, THERE).expect_status(200);
    finish(who, 2).expect_status(200);
}

pub(super) fn kinds(server: &Server, family: &str) -> Vec<String> {
    let events = server
        .admin()
        .events(&format!("kind={family}&workspace=team&buildingBlock=net"));
    events
        .iter()
        .rev()
        .map(|event| event["kind"].as_str().expect("a kind").to_owned())
        .collect()
}

#[test]
fn it_begins_with_what_is_noted_and_a_lock_for_the_callers_key() {
    let (server, one, _) = stage();
    let begun = begin(&one, THERE).expect_status(200).json();
    assert_eq!(
        (&begun["workspace"], &begun["buildingBlock"], &begun["to"]),
        (&json!("team"), &json!("net"), &json!(THERE))
    );
    assert_eq!(
        (&begun["version"], &begun["done_at"]),
        (&json!(2), &Value::Null)
    );
    assert_eq!(
        begun["begun_by"],
        json!({"id": one.key_id, "name": "writer of team"})
    );
    assert!(humantime::parse_rfc3339(begun["begun_at"].as_str().expect("a time")).is_ok());
    let held = held(&one);
    let lock = &held["lock"];
    assert_eq!(
        (&lock["ID"], &lock["Operation"], &held["key"]["id"]),
        (&begun["lock"], &json!("transfer"), &json!(one.key_id))
    );
    assert!(
        lock["Info"]
            .as_str()
            .is_some_and(|info| info.contains(THERE)),
        "{lock}"
    );
    for member in ["Who", "Version", "Created", "Path"] {
        assert!(lock[member].is_string(), "clients read {member}: {lock}");
    }
    assert_eq!(
        uuid::Uuid::parse_str(begun["lock"].as_str().expect("an ID"))
            .expect("a UUID")
            .get_version_num(),
        4
    );
    assert_eq!(one.get(&path("")).expect_status(200).json(), begun);
    one.read(NET).expect_status(200);
    let events = server.admin().events("kind=transfer.begin");
    assert_eq!(
        (
            events.len(),
            &events[0]["detail"]["to"],
            &events[0]["version"]
        ),
        (1, &json!(THERE), &json!(2))
    );
    assert_eq!(events[0]["lock_id"], begun["lock"]);
}

#[test]
fn begun_again_it_is_the_same_with_the_same_lock() {
    let (server, one, _) = stage();
    let begun = begin(&one, THERE).expect_status(200).json();
    assert_eq!(begin(&one, THERE).expect_status(200).json(), begun);
    assert_eq!(
        kinds(&server, "transfer.*"),
        ["transfer.begin"],
        "nothing was done"
    );
    // The holder's own writes go on under it, and the answer follows them.
    one.write(NET, tfstate(L1, 3), begun["lock"].as_str())
        .expect_status(200);
    assert_eq!(begin(&one, THERE).expect_status(200).json()["version"], 3);
}

#[test]
fn while_another_lock_is_held_it_is_423_and_nothing_is_noted() {
    let (server, one, other) = stage();
    for holder in [&one, &other] {
        let lock = holder.lock(NET, "lock-1").expect_status(200).text();
        assert_eq!(begin(&one, THERE).expect_status(423).text(), lock);
        one.get(&path("")).expect_problem(404, "no_transfer");
        assert_eq!(held(&one)["refused"]["count"], 1);
        holder.unlock(NET, "lock-1").expect_status(200);
    }
    begin(&one, THERE).expect_status(200);
    begin(&other, THERE).expect_status(423);
    other.write(NET, tfstate(L1, 3), None).expect_status(423);
    assert_eq!(kinds(&server, "transfer.*"), ["transfer.begin"]);
}

#[test]
fn another_target_is_refused_while_one_is_open() {
    let (_server, one, other) = stage();
    begin(&one, THERE).expect_status(200);
    for who in [&one, &other] {
        let problem = begin(who, "gcs://other")
            .expect_problem(409, "transfer_begun")
            .json();
        assert_eq!(problem["to"], THERE);
        let detail = problem["detail"].as_str().expect("a text");
        assert!(
            detail.contains(THERE) && detail.contains("statekeep transfer --abandon"),
            "{detail}"
        );
    }
    abandon(&one).expect_status(200);
    begin(&one, "gcs://other").expect_status(200);
}

#[test]
fn a_lock_that_was_broken_is_taken_again_under_the_same_id_by_whoever_asks() {
    let (server, one, other) = stage();
    let begun = begin(&one, THERE).expect_status(200).json();
    let id = begun["lock"].as_str().expect("an ID").to_owned();
    other
        .send("UNLOCK", &state_path(NET), "")
        .expect_status(200);
    // Another's lock in between keeps everybody out.
    other.lock(NET, "lock-1").expect_status(200);
    begin(&one, THERE).expect_status(423);
    begin(&other, THERE).expect_status(423);
    other.unlock(NET, "lock-1").expect_status(200);
    begin(&one, "elsewhere").expect_problem(409, "transfer_begun");
    let again = begin(&other, THERE).expect_status(200).json();
    assert_eq!(
        (&again["lock"], &again["begun_at"]),
        (&json!(id), &begun["begun_at"])
    );
    assert_eq!(again["begun_by"]["id"], other.key_id.as_str());
    assert_eq!(
        (&held(&one)["lock"]["ID"], &held(&one)["key"]["id"]),
        (&json!(id), &json!(other.key_id))
    );
    begin(&one, THERE).expect_status(423);
    finish(&one, 2).expect_status(423);
    one.unlock(NET, &id).expect_status(200);
    let again = begin(&one, THERE).expect_status(200).json();
    assert_eq!(
        (&again["lock"], &again["begun_by"]["id"]),
        (&json!(id), &json!(one.key_id))
    );
    let events = server.admin().events("kind=transfer.begin");
    let again: Vec<&Value> = events
        .iter()
        .rev()
        .map(|event| &event["detail"]["again"])
        .collect();
    assert_eq!(again, [false, true, true]);
}

#[test]
fn what_is_not_live_cannot_leave() {
    let server = Server::start();
    let owner = server.key("team", "owner");
    begin(&owner, THERE).expect_problem(404, "no_state");
    finish(&owner, 1).expect_problem(404, "no_state");
    owner
        .write(NET, tfstate(L1, 1), Some("stale"))
        .expect_status(409);
    begin(&owner, THERE).expect_problem(404, "no_state");
    owner.write(NET, tfstate(L1, 1), None).expect_status(200);
    owner.delete(NET).expect_status(200);
    begin(&owner, THERE).expect_problem(404, "no_state");
    for answer in [owner.get(&path("")), abandon(&owner)] {
        answer.expect_problem(404, "no_transfer");
    }
    owner.lock(NET, "first").expect_status(200);
}

#[test]
fn a_target_that_makes_no_sense_is_400() {
    let (_server, one, _) = stage();
    let long = "x".repeat(1_025);
    for to in ["", " ", "a\nb", "a\u{7f}", "a\u{85}", &long] {
        begin(&one, to).expect_problem(400, "bad_request");
    }
    for body in [
        "",
        "[]",
        "{}",
        r#"{"to": 7}"#,
        r#"{"to": "x", "more": 1}"#,
        r#"{"to": "x""#,
    ] {
        one.send("POST", &path(""), body)
            .expect_problem(400, "bad_body");
        one.send("POST", &path("/done"), body)
            .expect_problem(400, "bad_body");
    }
    one.get(&path("")).expect_problem(404, "no_transfer");
    let odd = "ü".repeat(1_022) + " \"";
    assert_eq!(
        begin(&one, &odd).expect_status(200).json()["to"],
        odd.as_str()
    );
    assert!(
        held(&one)["lock"]["Info"]
            .as_str()
            .is_some_and(|info| info.ends_with(&odd))
    );
}

#[test]
fn abandoned_it_is_as_if_nothing_had_been() {
    let (server, one, other) = stage();
    let begun = begin(&one, THERE).expect_status(200).json();
    assert_eq!(abandon(&one).expect_status(200).json(), begun);
    abandon(&one).expect_problem(404, "no_transfer");
    one.get(&path("")).expect_problem(404, "no_transfer");
    finish(&one, 2).expect_problem(409, "transfer_not_begun");
    other.write(NET, tfstate(L1, 3), None).expect_status(200);
    assert_eq!(
        kinds(&server, "transfer.*"),
        ["transfer.begin", "transfer.abandon"]
    );
    assert_eq!(kinds(&server, "lock.*"), ["lock.acquire", "lock.release"]);
    assert_ne!(
        begin(&one, THERE).expect_status(200).json()["lock"],
        begun["lock"],
        "another one"
    );
}

#[test]
fn abandoning_under_another_keys_lock_takes_the_permission_to_break_it() {
    let (server, one, other) = stage();
    let saver = server.key_with("team", &["TFSTATE_SAVE"]);
    begin(&one, THERE).expect_status(200);
    abandon(&saver).expect_problem(403, "forbidden");
    assert_eq!(
        held(&one)["key"]["id"],
        one.key_id.as_str(),
        "nothing was done"
    );
    one.get(&path("")).expect_status(200);
    abandon(&other).expect_status(200);
    let events = server.admin().events("kind=lock.break");
    assert_eq!((events.len(), &events[0]["attention"]), (1, &json!(true)));
    assert_eq!(
        server.admin().events("kind=transfer.abandon")[0]["detail"],
        json!({"to": THERE, "forced": true})
    );
    // Where the lock is gone already nothing has to be broken, and a lock that has come since is
    // left as it is.
    begin(&one, THERE).expect_status(200);
    one.send("UNLOCK", &state_path(NET), "").expect_status(200);
    other.lock(NET, "theirs").expect_status(200);
    abandon(&saver).expect_status(200);
    assert_eq!(held(&one)["lock"]["ID"], "theirs");
}
