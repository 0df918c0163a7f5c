//! A transfer that is done: what the state then answers, and what has to be true before it can be.

use serde_json::{Value, json};
use tempfile::TempDir;

use super::super::L1;
use super::{NET, THERE, abandon, begin, finish, gone, held, kinds, path, stage, two_versions};
use crate::harness::{Setup, lock_body, state_path, tfstate};

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
    assert_eq!(one.versions(NET).len(), 2, "nothing was kept of the writes");
}

#[test]
fn from_then_on_who_may_not_is_refused_as_before_and_the_address_stays_taken() {
    let (server, one, _) = gone();
    let owner = server.key("team", "owner");
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
