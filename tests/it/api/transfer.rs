//! `…/transfer`: a state that leaves for a storage elsewhere: begun, then done or abandoned, each
//! step whole and each again.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Answer, Client, Server, Setup, lock_body, state_path, tfstate};

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

#[test]
fn from_then_on_every_method_of_the_protocol_answers_410_and_says_where_to() {
    let (server, one, _) = gone();
    let owner = server.key("team", "owner");
    let (lock, state, last) = (lock_body("lock-1"), tfstate(L1, 3), tfstate(L1, 2));
    let rows = [
        ("GET", String::new(), ""),
        ("POST", state.clone(), ""),
        ("POST", last, ""),
        ("POST", state.clone(), "?force=true"),
        ("POST", state.clone(), "?ID=some"),
        ("PUT", state, ""),
        ("LOCK", lock.clone(), ""),
        ("UNLOCK", lock.clone(), ""),
        ("UNLOCK", String::new(), ""),
        ("DELETE", String::new(), ""),
        ("GET", String::new(), "/lock"),
        ("POST", lock.clone(), "/lock"),
        ("PUT", lock.clone(), "/lock"),
        ("LOCK", lock.clone(), "/lock"),
        ("UNLOCK", lock.clone(), "/lock"),
        ("DELETE", lock, "/lock"),
        ("GET", String::new(), "/outputs"),
        ("DELETE", String::new(), "/transfer"),
        ("POST", json!({"to": THERE}).to_string(), "/transfer"),
        ("POST", json!({"to": "elsewhere"}).to_string(), "/transfer"),
        (
            "POST",
            json!({"workspace": "team", "buildingBlock": "there"}).to_string(),
            "/move",
        ),
    ];
    for (method, body, below) in rows {
        let problem = owner
            .send(method, &format!("{}{below}", state_path(NET)), body)
            .expect_problem(410, "transferred")
            .json();
        assert_eq!(problem["to"], THERE, "{method} {below}");
        let detail = problem["detail"].as_str().expect("a text");
        assert!(
            [THERE, "sources", "restore", "rollback"]
                .iter()
                .all(|word| detail.contains(word)),
            "{detail}"
        );
    }
    owner.send("HEAD", &state_path(NET), "").expect_status(410);
    owner
        .write(NET, "{}", None)
        .expect_problem(400, "not_a_state");
    server
        .anonymous()
        .read(NET)
        .expect_problem(401, "unauthorized");
    server
        .key("team", "outputs")
        .read(NET)
        .expect_problem(410, "transferred");
    server
        .key("team", "reader")
        .lock(NET, "x")
        .expect_problem(403, "forbidden");
    server
        .key("rival", "owner")
        .read(NET)
        .expect_problem(403, "forbidden");
    assert_eq!(one.versions(NET).len(), 2, "nothing was kept of the writes");
    one.write("team/there", tfstate(L1, 1), None)
        .expect_status(200);
    owner
        .post_json(
            &format!("{}/move", state_path("team/there")),
            &json!({"workspace": "team", "buildingBlock": "net"}),
        )
        .expect_problem(409, "address_taken");
}

#[test]
fn done_it_says_so_again_and_its_history_stays() {
    let (server, one, other) = stage();
    let begun = begin(&one, THERE).expect_status(200).json();
    let done = finish(&one, 2).expect_status(200).json();
    let mut expected = begun;
    expected["done_at"] = done["done_at"].clone();
    assert_eq!(done, expected);
    assert!(humantime::parse_rfc3339(done["done_at"].as_str().expect("a time")).is_ok());
    for who in [&one, &other] {
        assert_eq!(finish(who, 2).expect_status(200).json(), done);
        assert_eq!(who.get(&path("")).expect_status(200).json(), done);
        finish(who, 1).expect_problem(409, "not_current");
    }
    assert_eq!(
        kinds(&server, "transfer.*"),
        ["transfer.begin", "transfer.finish"]
    );
    assert_eq!(kinds(&server, "lock.*"), ["lock.acquire", "lock.release"]);
    assert_eq!(
        server.admin().events("kind=transfer.finish")[0]["detail"]["to"],
        THERE
    );
    let versions = one.versions(NET);
    assert_eq!(
        (versions.len(), &versions[0]["current"]),
        (2, &json!(false))
    );
    for (below, text) in [
        ("/versions/2", tfstate(L1, 2)),
        ("/versions/1", tfstate(L1, 1)),
    ] {
        assert_eq!(
            one.get(&format!("{}{below}", state_path(NET)))
                .expect_status(200)
                .text(),
            text
        );
    }
    for below in ["/versions/2/info", "/versions/2/diff"] {
        one.get(&format!("{}{below}", state_path(NET)))
            .expect_status(200);
    }
    assert_eq!(server.admin().get("/api/status").json()["states"], 0);
}

#[test]
fn lists_tell_it_from_a_deleted_state() {
    let (server, one, _) = gone();
    one.write("team/there", tfstate(L1, 1), None)
        .expect_status(200);
    server
        .key("team", "owner")
        .write("team/zz", tfstate(L1, 1), None)
        .expect_status(200);
    server
        .key("team", "owner")
        .delete("team/zz")
        .expect_status(200);
    let rows = one
        .get("/api/terraform/state?deleted=true")
        .expect_status(200)
        .json();
    let rows = rows["states"].as_array().expect("a list");
    let to: Vec<&Value> = rows.iter().map(|row| &row["transferred_to"]).collect();
    assert_eq!(to, [&json!(THERE), &Value::Null, &Value::Null]);
    assert_eq!(
        (
            &rows[0]["buildingBlock"],
            &rows[0]["current"],
            &rows[0]["lock"]
        ),
        (&json!("net"), &Value::Null, &Value::Null)
    );
    assert_eq!(rows[0]["deleted_at"], one.get(&path("")).json()["done_at"]);
    let live = one.get("/api/terraform/state").json();
    assert_eq!(
        (
            live["states"].as_array().map(Vec::len),
            &live["states"][0]["transferred_to"]
        ),
        (Some(1), &Value::Null)
    );
}

#[test]
fn it_is_not_done_unless_it_was_begun_with_the_version_that_is_current() {
    let (_server, one, other) = stage();
    finish(&one, 2).expect_problem(409, "transfer_not_begun");
    begin(&one, THERE).expect_status(200);
    for version in [0, 1, 3] {
        let problem = finish(&one, version)
            .expect_problem(409, "not_current")
            .json();
        assert_eq!(problem["current"], 2);
    }
    finish(&other, 2).expect_status(423);
    // Its lock is broken, and somebody writes: what has arrived there is not what is here.
    other
        .send("UNLOCK", &state_path(NET), "")
        .expect_status(200);
    other.write(NET, tfstate(L1, 3), None).expect_status(200);
    finish(&one, 2).expect_problem(409, "not_current");
    let lock = other.lock(NET, "lock-1").expect_status(200).text();
    assert_eq!(finish(&one, 3).expect_status(423).text(), lock);
    assert_eq!(
        finish(&other, 3).expect_status(423).text(),
        lock,
        "one's own lock is not that of the transfer"
    );
    other.unlock(NET, "lock-1").expect_status(200);
    one.read(NET).expect_status(200);
    finish(&other, 3).expect_status(200);
    one.read(NET).expect_problem(410, "transferred");
}

#[test]
fn a_restart_changes_nothing_of_it() {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let mut server = Setup::new().data(&data).start();
    let one = server.key("team", "writer");
    two_versions(&one);
    let begun = begin(&one, THERE).expect_status(200).json();
    server.kill();
    let mut server = Setup::new().data(&data).start();
    let one = one.at(&server);
    assert_eq!(begin(&one, THERE).expect_status(200).json(), begun);
    assert_eq!(held(&one)["lock"]["ID"], begun["lock"]);
    let done = finish(&one, 2).expect_status(200).json();
    server.kill();
    let server = Setup::new().data(&data).start();
    let one = one.at(&server);
    assert_eq!(
        one.read(NET).expect_problem(410, "transferred").json()["to"],
        THERE
    );
    assert_eq!(finish(&one, 2).expect_status(200).json(), done);
    let found = server
        .admin()
        .post_json("/api/verify", &json!({}))
        .expect_status(200)
        .json();
    assert_eq!(found["found"], 0, "{found}");
}

#[test]
fn deleted_or_moved_in_between_it_stays_open_and_can_be_gone_on_with_or_abandoned() {
    let (server, one, _) = stage();
    let owner = server.key("team", "owner");
    let begun = begin(&one, THERE).expect_status(200).json();
    owner.delete(NET).expect_status(423);
    owner
        .send("UNLOCK", &state_path(NET), "")
        .expect_status(200);
    owner.delete(NET).expect_status(200);
    owner.read(NET).expect_problem(404, "no_state");
    assert_eq!(
        one.get(&path("")).expect_status(200).json()["lock"],
        begun["lock"]
    );
    begin(&one, THERE).expect_problem(404, "no_state");
    finish(&one, 2).expect_problem(404, "no_state");
    one.send("POST", &format!("{}/restore", state_path(NET)), "")
        .expect_status(200);
    let again = begin(&one, THERE).expect_status(200).json();
    assert_eq!(
        (&again["version"], &again["lock"]),
        (&json!(3), &begun["lock"]),
        "the same transfer"
    );
    one.send("UNLOCK", &state_path(NET), "").expect_status(200);
    owner
        .post_json(
            &format!("{}/move", state_path(NET)),
            &json!({"workspace": "team", "buildingBlock": "there"}),
        )
        .expect_status(200);
    for answer in [
        begin(&one, THERE),
        finish(&one, 3),
        one.get(&path("")),
        abandon(&one),
    ] {
        answer.expect_problem(410, "moved");
    }
    let there = format!("{}/transfer", state_path("team/there"));
    assert_eq!(one.get(&there).expect_status(200).json()["to"], THERE);
    one.send("DELETE", &there, "").expect_status(200);
    one.send("DELETE", &there, "")
        .expect_problem(404, "no_transfer");
}
