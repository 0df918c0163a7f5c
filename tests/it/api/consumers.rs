//! `GET …/consumers`: who reads a state, on which days, and whether what they read is what it is
//! now.

use serde_json::{Value, json};

use crate::disk::sql;
use crate::harness::{Client, Server, Setup, eventually, state_path};
use crate::inside;

use super::L1;

const NET: &str = "team/net";

fn body(serial: u64, outputs: &str) -> String {
    format!(
        r#"{{"version":4,"terraform_version":"1.11.4","serial":{serial},"lineage":"{L1}",
            "outputs":{outputs},"resources":[]}}"#
    )
}

const FIRST: &str = r#"{"ip":{"value":"10.0.0.1","type":"string"},
    "pin":{"value":"canary-1","type":"string","sensitive":true}}"#;

fn ask(who: &Client, query: &str) -> Value {
    let path = format!("{}/consumers{query}", state_path(NET));
    who.get(&path).expect_status(200).json()
}

/// The rows, each as `[name, version, is_current, whole, outputs]`.
fn rows(who: &Client) -> Value {
    let answer = ask(who, "");
    assert!(!answer.to_string().contains("canary"), "{answer}");
    let rows = answer["consumers"].as_array().expect("a list");
    let mut rows: Vec<Value> = rows
        .iter()
        .map(|row| {
            json!([
                row["key"]["name"],
                row["version"],
                row["is_current"],
                row["whole"],
                row["outputs"]
            ])
        })
        .collect();
    rows.sort_by_key(ToString::to_string);
    Value::Array(rows)
}

#[track_caller]
fn becomes(who: &Client, wanted: &Value) {
    eventually(&format!("the readers are {wanted}"), || {
        rows(who) == *wanted
    });
}

/// Waits until the reads of both keys are there, and the outputs that they brought are looked at.
fn looked_at(server: &Server) {
    eventually("the outputs are looked at", || {
        inside::number(
            server.data(),
            "SELECT count(*) FROM consumers WHERE looked_at = 1",
        ) == 2
    });
}

struct Site {
    server: Server,
    owner: Client,
    outputs: Client,
    auditor: Client,
}

/// A state that its outputs' reader and its owner have read.
fn site() -> Site {
    let server = Server::start();
    let owner = server.key("team", "owner");
    let outputs = server.key("team", "outputs");
    let auditor = server.key("team", "auditor");
    owner.write(NET, body(1, FIRST), None).expect_status(200);
    for _ in 0..2 {
        outputs.get(&state_path(NET)).expect_status(200);
    }
    owner.get(&state_path(NET)).expect_status(200);
    owner
        .get(&format!("{}/outputs", state_path(NET)))
        .expect_status(200);
    Site {
        server,
        owner,
        outputs,
        auditor,
    }
}

#[test]
fn it_says_who_read_what_and_whether_that_is_what_it_is_now() {
    let Site {
        server,
        owner,
        outputs,
        auditor,
    } = site();
    let named = |who: &Client| who.get("/api/whoami").json()["key"]["name"].clone();
    let (its, reader) = (named(&owner), named(&outputs));
    becomes(
        &auditor,
        &json!([[reader, 1, true, 0, 2], [its, 1, true, 1, 1]]),
    );
    looked_at(&server);

    // Written in another way and with another serial, they are the same outputs.
    let same = r#"{ "pin": {"sensitive":true,"type":"string","value":"c\u0061nary-1"},
        "ip": {"type":"string","value":"10.0.0.1"} }"#;
    owner.write(NET, body(2, same), None).expect_status(200);
    becomes(
        &auditor,
        &json!([[reader, 1, true, 0, 2], [its, 1, true, 1, 1]]),
    );
    owner
        .write(NET, body(3, &FIRST.replace("canary-1", "canary-2")), None)
        .expect_status(200);
    becomes(
        &auditor,
        &json!([[reader, 1, false, 0, 2], [its, 1, false, 1, 1]]),
    );
    owner.get(&state_path(NET)).expect_status(200);
    becomes(
        &auditor,
        &json!([[reader, 1, false, 0, 2], [its, 3, true, 2, 1]]),
    );
    // What is read now says nothing new of who has read before.
    owner.write(NET, body(4, FIRST), None).expect_status(200);
    becomes(
        &auditor,
        &json!([[reader, 1, true, 0, 2], [its, 3, false, 2, 1]]),
    );

    let answer = ask(&auditor, "");
    assert_eq!(answer["version"], 4);
    let row = &answer["consumers"][0];
    let day = row["last_read_at"].as_str().expect("a time")[..10].to_owned();
    assert_eq!(row["days"][0]["day"], json!(day), "{row}");
    assert_eq!(row["days_read"], 1);
}

#[test]
fn the_current_version_by_its_number_counts_and_what_brings_no_outputs_does_not() {
    let Site {
        server: _server,
        owner,
        auditor,
        outputs,
    } = site();
    let named = |who: &Client| who.get("/api/whoami").json()["key"]["name"].clone();
    let (its, reader) = (named(&owner), named(&outputs));
    let read = |path: &str| {
        let path = format!("{}/{path}", state_path(NET));
        owner.get(&path).expect_status(200)
    };
    owner.write(NET, body(2, FIRST), None).expect_status(200);
    read("versions/2");
    becomes(
        &auditor,
        &json!([[reader, 1, true, 0, 2], [its, 2, true, 2, 1]]),
    );
    for path in [
        "versions/1",
        "versions/2/info",
        "versions/2/resources",
        "versions/2/diff?from=1",
    ] {
        read(path);
    }
    // What is counted later is counted behind these.
    owner.write(NET, body(3, FIRST), None).expect_status(200);
    read("versions/2");
    read("versions/3");
    becomes(
        &auditor,
        &json!([[reader, 1, true, 0, 2], [its, 3, true, 3, 1]]),
    );
}

#[test]
fn outputs_that_cannot_be_known_are_said_not_to_be() {
    let Site {
        server,
        owner,
        auditor,
        ..
    } = site();
    looked_at(&server);
    let sealed = json!({
        "serial": 2, "lineage": L1,
        "encrypted_data": "canary", "meta": {}, "encryption_version": "v0"
    });
    owner
        .write(NET, sealed.to_string(), None)
        .expect_status(200);
    let is_current = |answer: &Value| {
        let rows = answer["consumers"].as_array().expect("a list");
        rows.iter().map(|row| row["is_current"].clone()).collect()
    };
    let told: Vec<Value> = is_current(&ask(&auditor, ""));
    assert_eq!(told, [Value::Null, Value::Null]);
    owner
        .send("DELETE", &state_path(NET), "")
        .expect_status(200);
    let answer = ask(&auditor, "");
    assert_eq!(answer["version"], Value::Null);
    assert_eq!(is_current(&answer).len(), 2, "who read it is still known");
}

#[test]
fn who_may_see_events_may_see_it_and_nobody_else() {
    let Site {
        server, outputs, ..
    } = site();
    let path = format!("{}/consumers", state_path(NET));
    for who in [
        outputs,
        server.key("team", "reader"),
        server.key("rival", "owner"),
    ] {
        who.get(&path).expect_problem(403, "forbidden");
    }
    let admin = server.admin();
    admin.get(&path).expect_status(200);
    admin
        .get(&format!("{}/consumers", state_path("team/none")))
        .expect_problem(404, "no_state");
}

#[test]
fn it_is_paged() {
    let Site {
        server, auditor, ..
    } = site();
    for _ in 0..3 {
        let reader = server.key("team", "reader");
        reader.get(&state_path(NET)).expect_status(200);
    }
    eventually("all are there", || {
        rows(&auditor).as_array().map(Vec::len) == Some(5)
    });
    let path = format!("{}/consumers?limit=2", state_path(NET));
    let pages = super::pages(&auditor, &path, "consumers", "after");
    let ids: Vec<&Value> = pages
        .iter()
        .flatten()
        .map(|row| &row["key"]["id"])
        .collect();
    let all = ask(&auditor, "");
    let expected: Vec<&Value> = all["consumers"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|row| &row["key"]["id"])
        .collect();
    assert_eq!(ids, expected);
    assert!(pages.iter().all(|page| page.len() <= 2));
}

#[test]
fn a_short_secret_cannot_be_guessed_from_the_database() {
    let Site { server, .. } = site();
    looked_at(&server);
    let marks = inside::number(
        server.data(),
        "SELECT count(DISTINCT mark) FROM consumers WHERE length(mark) = 16",
    );
    assert_eq!(marks, 1);
    // The same outputs under another key have another mark, and so has another state.
    let other = site();
    other
        .owner
        .write("team/other", body(1, FIRST), None)
        .expect_status(200);
    other
        .owner
        .get(&state_path("team/other"))
        .expect_status(200);
    eventually("they have marks", || {
        inside::number(
            other.server.data(),
            "SELECT count(*) FROM consumers WHERE mark IS NOT NULL",
        ) == 3
    });
    let hex = |server: &Server| {
        let sql = "SELECT group_concat(DISTINCT hex(mark)) FROM consumers";
        let hex: String = inside::open(server.data())
            .query_row(sql, [], |row| row.get(0))
            .expect("a text");
        hex
    };
    let (one, two) = (hex(&server), hex(&other.server));
    assert_eq!(two.split(',').count(), 2, "{two}");
    assert!(
        two.split(',').all(|mark| !one.contains(mark)),
        "{one} {two}"
    );
}

#[test]
fn old_days_go_and_a_purge_of_the_state_takes_all_of_it() {
    let dir = tempfile::TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let server = Setup::new().data(&data).start();
    let owner = server.key("team", "owner");
    owner.write(NET, body(1, FIRST), None).expect_status(200);
    owner.get(&state_path(NET)).expect_status(200);
    let count = |server: &Server| inside::number(server.data(), "SELECT count(*) FROM consumers");
    eventually("it is counted", || count(&server) == 1);
    assert!(server.stop().success());
    let old = "INSERT INTO consumers SELECT state_id, reader, day - n.d, reader_name, first_at, \
        last_at, whole, outputs, version, looked_at, mark, NULL FROM consumers, (SELECT 1 AS d \
        UNION SELECT 29 UNION SELECT 31 UNION SELECT 500) n;";
    if sql(&data.join("statekeep.db"), old).is_none() {
        return;
    }
    let server = Setup::new()
        .data(&data)
        .flag("--event-retention", "30d")
        .start();
    eventually("the old ones go", || count(&server) == 3);
    let owner = owner.at(&server);
    owner
        .send("DELETE", &state_path(NET), "")
        .expect_status(200);
    server
        .admin()
        .post_json(
            &format!("{}/purge", state_path(NET)),
            &json!({ "versions": "all" }),
        )
        .expect_status(200);
    assert_eq!(count(&server), 0);
}

#[test]
fn a_day_has_a_bounded_number_of_readers_and_the_rest_is_counted_together() {
    let dir = tempfile::TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let server = Setup::new().data(&data).start();
    let owner = server.key("team", "owner");
    owner.write(NET, body(1, FIRST), None).expect_status(200);
    owner.get(&state_path(NET)).expect_status(200);
    eventually("it is counted", || {
        inside::number(server.data(), "SELECT count(*) FROM consumers") == 1
    });
    assert!(server.stop().success());
    // The rows of 99 others. They do not fit their hashes, so the list names them as damaged.
    let more = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 99) \
        INSERT INTO consumers SELECT state_id, 'made-' || i, day, 'x', first_at, last_at, 1, 0, 1, \
        1, NULL, NULL FROM consumers, n;";
    if sql(&data.join("statekeep.db"), more).is_none() {
        return;
    }
    let server = Setup::new().data(&data).start();
    for _ in 0..2 {
        let reader = server.key("team", "reader");
        reader.get(&state_path(NET)).expect_status(200);
    }
    let owner = owner.at(&server);
    owner.get(&state_path(NET)).expect_status(200);
    let rest = || {
        let answer = ask(&owner, "");
        let rows = answer["consumers"].as_array().expect("a list").clone();
        rows.into_iter().find(|row| row["key"].is_null())
    };
    eventually("both are one row", || {
        rest().is_some_and(|row| row["whole"] == 2 && row["is_current"] == true)
    });
}

#[test]
fn a_new_row_key_makes_no_outputs_look_changed() {
    let dir = tempfile::TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let server = Setup::new().data(&data).start();
    let owner = server.key("team", "owner");
    owner.write(NET, body(1, FIRST), None).expect_status(200);
    owner.get(&state_path(NET)).expect_status(200);
    let is_marked = |server: &Server| {
        let sql = "SELECT count(*) FROM consumers WHERE mark IS NOT NULL";
        inside::number(server.data(), sql) == 1
    };
    eventually("the outputs are looked at", || is_marked(&server));
    owner.write(NET, body(2, FIRST), None).expect_status(200);
    assert!(server.stop().success());
    let server = Setup::new().data(&data).switch("--new-row-key").start();
    let owner = owner.at(&server);
    eventually("the outputs are looked at again", || is_marked(&server));
    assert_eq!(ask(&owner, "")["consumers"][0]["is_current"], true);
}

#[test]
fn a_purge_of_a_version_takes_what_is_known_of_its_outputs() {
    let Site {
        server,
        owner,
        auditor,
        ..
    } = site();
    looked_at(&server);
    let other = body(3, &FIRST.replace("canary-1", "canary-2"));
    owner.write(NET, other, None).expect_status(200);
    server
        .admin()
        .post_json(
            &format!("{}/purge", state_path(NET)),
            &json!({ "versions": [1] }),
        )
        .expect_status(200);
    let marks = "SELECT count(*) FROM consumers WHERE mark IS NOT NULL";
    assert_eq!(inside::number(server.data(), marks), 0);
    let rows = ask(&auditor, "")["consumers"].clone();
    assert_eq!(rows[0]["is_current"], Value::Null, "{rows}");
    assert_eq!(rows[0]["version"], 1, "who read it is still known");
}
