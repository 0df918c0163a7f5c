//! `/api/verify` and the verification in the background: what is damaged is found, what is not goes
//! on, and nobody waits for it.

use std::path::PathBuf;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::disk::{noise, sql};
use crate::harness::{
    Client, Server, Setup, eventually, lineage, state_path, tfstate, tfstate_noted,
};
use crate::inside;
use crate::scrape::Scrape;
use crate::wire::Wire;

use super::L1;

/// A data directory with `team/net` in eight versions, none of which leans on another, and
/// `team/other` in one, changed behind the server's back.
struct Stage {
    _dir: TempDir,
    data: PathBuf,
}

impl Stage {
    /// None where nobody can change the database.
    fn changed_by(statements: &str) -> Option<Self> {
        let dir = TempDir::new().expect("a directory");
        let data = dir.path().join("data");
        let server = Setup::new().data(&data).start();
        let admin = server.admin();
        for serial in 1..=8 {
            admin
                .write_by_force(
                    "team/net",
                    tfstate_noted(&lineage(serial), serial, &noise(serial, 2_000)),
                )
                .expect_status(200);
        }
        admin
            .write("team/other", tfstate(L1, 1), None)
            .expect_status(200);
        assert!(server.stop().success());
        let turned_off = format!("PRAGMA foreign_keys = OFF; {statements}");
        sql(&data.join("statekeep.db"), &turned_off)?;
        Some(Self { _dir: dir, data })
    }

    fn start(&self) -> Server {
        Setup::new().data(&self.data).start()
    }
}

/// The id of the bytes of a version of `team/net`.
fn bytes_of(number: u64) -> String {
    format!(
        "(SELECT blob_id FROM versions v JOIN states s ON s.id = v.state_id WHERE s.building_block \
            = 'net' AND v.number = {number})"
    )
}

fn verify(caller: &Client, body: &Value) -> Value {
    caller
        .post_json("/api/verify", body)
        .expect_status(200)
        .json()
}

/// Code, building block and version of each finding.
fn found(answer: &Value) -> Vec<(String, String, Option<u64>)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let findings = answer["findings"].as_array().expect("a list");
    assert_eq!(answer["found"], findings.len(), "{answer}");
    findings
        .iter()
        .map(|one| {
            (
                text(&one["code"]),
                text(&one["buildingBlock"]),
                one["version"].as_u64(),
            )
        })
        .collect()
}

fn finding(
    code: &str,
    block: &str,
    version: impl Into<Option<u64>>,
) -> (String, String, Option<u64>) {
    (code.to_owned(), block.to_owned(), version.into())
}

#[test]
fn of_what_was_written_and_not_damaged_nothing_is_found() {
    let server = Server::start();
    let owner = server.key("team", "owner");
    for serial in 1..=3 {
        owner
            .write("team/net", tfstate(L1, serial), None)
            .expect_status(200);
    }
    owner
        .write("team/net", tfstate(L1, 2), None)
        .expect_status(409);
    owner
        .write("team/copy", tfstate(L1, 3), None)
        .expect_status(200);
    owner
        .write("team/gone", tfstate(L1, 1), None)
        .expect_status(200);
    owner.delete("team/gone").expect_status(200);
    owner.lock("team/early", "lock-1").expect_status(200);
    let to = json!({"workspace": "team", "buildingBlock": "there"});
    owner
        .post_json(&format!("{}/move", state_path("team/copy")), &to)
        .expect_status(200);
    let answer = verify(&server.admin(), &json!({}));
    assert_eq!(found(&answer), []);
    assert_eq!(
        (
            &answer["damaged_versions"],
            &answer["states"],
            &answer["truncated"]
        ),
        (&json!(0), &json!([]), &json!(false))
    );
    let checked = &answer["checked"];
    assert_eq!(
        (
            &checked["states"],
            &checked["versions"],
            &checked["decoded"]
        ),
        (&json!(3), &json!(6), &json!(6)),
        "{checked}"
    );
    assert_eq!(
        (&checked["blobs"], &checked["addresses"], &checked["keys"]),
        (&json!(3), &json!(3), &json!(2)),
        "{checked}"
    );
    let bytes: u64 = [1, 2, 3, 2, 3, 1]
        .iter()
        .map(|serial| tfstate(L1, *serial).len() as u64)
        .sum();
    assert_eq!(checked["bytes"], bytes);
    let quick = verify(&server.admin(), &json!({"quick": true}));
    assert_eq!(
        (
            &quick["checked"]["versions"],
            &quick["checked"]["decoded"],
            &quick["found"]
        ),
        (&json!(6), &json!(0), &json!(0))
    );
}

#[test]
fn a_damaged_version_is_found_with_what_can_still_be_read() {
    let cut = format!(
        "UPDATE blobs SET frame = substr(frame, 1, length(frame) / 2), stored = length(frame) / 2 \
            WHERE id = {};",
        bytes_of(7)
    );
    let Some(stage) = Stage::changed_by(&cut) else {
        return;
    };
    let server = stage.start();
    let answer = verify(&server.admin(), &json!({}));
    assert_eq!(found(&answer), [finding("damaged", "net", 7)]);
    let expected = json!([{"workspace": "team", "buildingBlock": "net", "damaged": [[7, 7]], "readable": [[1, 6], [8, 8]]}]);
    assert_eq!(
        (&answer["states"], &answer["damaged_versions"]),
        (&expected, &json!(1))
    );
    assert_eq!(
        found(&verify(&server.admin(), &json!({"quick": true}))),
        [],
        "nothing is decoded"
    );
    let of_net = json!({"workspace": "team", "buildingBlock": "net"});
    assert_eq!(
        found(&verify(&server.admin(), &of_net)),
        [finding("damaged", "net", 7)]
    );
    assert_eq!(verify(&server.admin(), &of_net)["checked"]["states"], 1);
    assert_eq!(
        found(&verify(&server.admin(), &json!({"workspace": "team"}))),
        [finding("damaged", "net", 7)]
    );
    assert_eq!(
        found(&verify(
            &server.admin(),
            &json!({"workspace": "team", "buildingBlock": "other"})
        )),
        []
    );
    let events = server.admin().events("kind=version.damaged");
    assert_eq!(
        events.len(),
        1,
        "once, however often it is found: {events:?}"
    );
    assert_eq!(
        (
            &events[0]["buildingBlock"],
            &events[0]["version"],
            &events[0]["attention"],
            &events[0]["actor"]["id"]
        ),
        (&json!("net"), &json!(7), &json!(true), &json!("server"))
    );
}

#[test]
fn each_row_that_does_not_fit_is_found() {
    let net = "(SELECT id FROM states WHERE building_block = 'net')";
    let all = |statements: &[&str]| statements.concat();
    let version = |number: u64| format!("WHERE state_id = {net} AND number = {number}");
    let cases = [
        (format!("DELETE FROM blobs WHERE id = {};", bytes_of(3)), vec![finding("damaged", "net", 3)], "not there"),
        (format!("UPDATE versions SET sha256 = zeroblob(32) {};", version(3)), vec![finding("damaged", "net", 3)], "SHA-256"),
        (format!("UPDATE blobs SET stored = 1 WHERE id = {};", bytes_of(3)), vec![finding("bad_row", "net", 3)], "length"),
        (format!("UPDATE versions SET kind = 'odd' {};", version(3)), vec![finding("damaged", "net", 3)], "kind"),
        (format!("UPDATE versions SET from_version = 9 {};", version(3)), vec![finding("bad_row", "net", 3)], "not before it"),
        (format!("UPDATE blobs SET base = {0} WHERE id = {0};", bytes_of(3)), vec![finding("bad_row", "net", 3)], "themselves"),
        (format!("UPDATE states SET current = 9, last_number = 9 WHERE id = {net};"), vec![finding("dangling", "net", None)], "9"),
        (format!("UPDATE states SET last_number = 7 WHERE id = {net};"), vec![finding("bad_row", "net", None)], "8"),
        (
            all(&["UPDATE versions SET kind = 'rejected', rejection = 'locked' ", &version(8), ";"]),
            vec![finding("bad_row", "net", None)],
            "rejected",
        ),
        (format!("UPDATE states SET workspace = 'not a name' WHERE id = {net};"), vec![finding("bad_row", "net", None)], "name"),
        (
            "INSERT INTO blobs (id, digest, format, size, stored, frame) VALUES (999, \
                zeroblob(32), 1, 1, 1, zeroblob(1));".to_owned(),
            vec![finding("orphan", "", None)],
            "999",
        ),
        ("INSERT INTO moves VALUES ('team', 'left', 999, 0);".to_owned(), vec![finding("dangling", "", None)], "moves"),
        (format!("INSERT INTO moves VALUES ('team', 'net', {net}, 0);"), vec![finding("bad_row", "net", None)], "lives there"),
        (
            "INSERT INTO tokens VALUES (zeroblob(32), 'nobody', NULL, NULL, '', 0, 99999999999999, 0);".to_owned(),
            vec![finding("dangling", "", None)],
            "tokens",
        ),
        (
            "INSERT INTO locks VALUES ('team', 'x', 'no lock', 'k', 'k', 'a', 0, 0, NULL, NULL, \
                NULL, NULL, NULL, NULL);".to_owned(),
            vec![finding("bad_row", "x", None)],
            "lock",
        ),
        ("INSERT INTO stale_writers VALUES ('a b', 'x', 'k', 'a', 0);".to_owned(), vec![finding("bad_row", "x", None)], "stale_writers"),
        ("UPDATE keys SET permissions = \
            'EVERYTHING';".to_owned(), vec![finding("bad_row", "", None)], "key"),
    ];
    for (statements, expected, word) in cases {
        let Some(stage) = Stage::changed_by(&statements) else {
            return;
        };
        let server = stage.start();
        let mut operator = Wire::to_socket_of(&server);
        operator.send("POST /api/verify HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
        let answer = operator
            .answer()
            .expect("an answer")
            .expect_status(200)
            .json();
        assert_eq!(found(&answer), expected, "{statements}: {answer}");
        assert!(
            answer["findings"][0]["detail"]
                .as_str()
                .is_some_and(|detail| detail.contains(word)),
            "{word}: {answer}"
        );
    }
}

#[test]
fn a_chain_of_bases_is_at_most_eight_steps_long() {
    let chained = |last: u64| {
        let lean = |number| {
            format!(
                "UPDATE blobs SET base = {} WHERE id = {};",
                bytes_of(number - 1),
                bytes_of(number)
            )
        };
        (2..=last).map(lean).collect::<Vec<_>>().concat()
    };
    let more = "INSERT INTO blobs (id, digest, format, size, stored, frame, base) VALUES (999, \
        zeroblob(32), 1, 1, 1, zeroblob(1), NULL);";
    let lost = format!(
        "{} UPDATE blobs SET base = 12345 WHERE id = {};",
        chained(8),
        bytes_of(1)
    );
    let Some(stage) = Stage::changed_by(&lost) else {
        return;
    };
    let quick = json!({"quick": true});
    let broken = verify(&stage.start().admin(), &quick);
    assert_eq!(
        found(&broken),
        (1..=8)
            .map(|number| finding("dangling", "net", number))
            .collect::<Vec<_>>()
    );
    let Some(stage) = Stage::changed_by(&chained(8)) else {
        return;
    };
    assert_eq!(
        found(&verify(&stage.start().admin(), &quick)),
        [],
        "seven steps"
    );
    let nine = format!(
        "{} {more} UPDATE blobs SET base = 999 WHERE id = {};",
        chained(8),
        bytes_of(1)
    );
    let Some(stage) = Stage::changed_by(&nine) else {
        return;
    };
    assert_eq!(
        found(&verify(&stage.start().admin(), &quick)),
        [],
        "eight steps"
    );
    let ten = format!(
        "{nine} INSERT INTO blobs (id, digest, format, size, stored, frame) VALUES (1000, x'01', \
            1, 1, 1, zeroblob(1)); \
                       UPDATE blobs SET base = 1000 WHERE id = 999;"
    );
    let Some(stage) = Stage::changed_by(&ten) else {
        return;
    };
    assert_eq!(
        found(&verify(&stage.start().admin(), &quick)),
        [finding("bad_row", "net", 8)],
        "nine"
    );
}

#[test]
fn what_makes_no_sense_is_refused() {
    let server = Server::start();
    let admin = server.admin();
    admin
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    for body in [
        json!({"buildingBlock": "net"}),
        json!({"workspace": "a b"}),
        json!({"workspace": "team", "buildingBlock": "a/b"}),
    ] {
        admin
            .post_json("/api/verify", &body)
            .expect_problem(400, "bad_request");
    }
    admin
        .post_json("/api/verify", &json!({"fast": true}))
        .expect_problem(400, "bad_body");
    admin
        .post_json(
            "/api/verify",
            &json!({"workspace": "team", "buildingBlock": "none"}),
        )
        .expect_problem(404, "no_state");
    let to = json!({"workspace": "team", "buildingBlock": "there"});
    admin
        .post_json(&format!("{}/move", state_path("team/net")), &to)
        .expect_status(200);
    admin
        .post_json(
            "/api/verify",
            &json!({"workspace": "team", "buildingBlock": "net"}),
        )
        .expect_problem(410, "moved");
    admin.send("POST", "/api/verify", "").expect_status(200);
}

/// Enough to be busy with for a moment.
fn busy(admin: &Client, versions: u64) {
    for serial in 1..=versions {
        admin
            .write(
                "team/net",
                tfstate_noted(L1, serial, &noise(serial, 400_000)),
                None,
            )
            .expect_status(200);
    }
}

#[test]
fn one_runs_at_a_time() {
    let server = Server::start();
    let admin = server.admin();
    busy(&admin, 10);
    eventually("of four at the same time some are refused", || {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let admin = admin.clone();
                std::thread::spawn(move || admin.post_json("/api/verify", &json!({})))
            })
            .collect();
        let answers: Vec<_> = threads
            .into_iter()
            .map(|thread| thread.join().expect("an answer"))
            .collect();
        let (done, refused): (Vec<_>, Vec<_>) =
            answers.into_iter().partition(|answer| answer.status == 200);
        assert!(
            !done.is_empty()
                && done
                    .iter()
                    .all(|answer| answer.json()["checked"]["decoded"] == 10)
        );
        let some = !refused.is_empty();
        for answer in refused {
            answer.expect_problem(409, "verify_runs");
        }
        some
    });
    assert!(admin.get("/api/verify").json()["running"].is_null());
}

#[test]
fn it_fills_no_cache_and_counts_as_no_read() {
    let server = Setup::new().flag("--cache-size", "32MiB").start();
    let admin = server.admin();
    busy(&admin, 5);
    inside::compacted(server.data());
    let before = Scrape::of(&admin);
    assert_eq!(verify(&admin, &json!({}))["checked"]["decoded"], 5);
    let after = Scrape::of(&admin);
    for name in [
        "statekeep_cache_bytes",
        "statekeep_cache_reads_total",
        "statekeep_in_flight_bytes",
    ] {
        assert_eq!(after.sum(name, &[]), before.sum(name, &[]), "{name}");
    }
    assert!(after.value("statekeep_verified_versions_total") >= 5);
    assert_eq!(admin.events("kind=state.read"), Vec::<Value>::new());
}

#[test]
fn one_whose_caller_goes_away_ends_and_the_next_can_begin() {
    let server = Server::start();
    let admin = server.admin();
    busy(&admin, 20);
    let mut wire = Wire::to_socket_of(&server);
    wire.send("POST /api/verify HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
    eventually("it runs", || {
        !admin.get("/api/verify").json()["running"].is_null()
    });
    drop(wire);
    eventually("its turn is given back", || {
        admin.post_json("/api/verify", &json!({})).status == 200
    });
}

#[test]
fn the_background_finds_damage_and_says_so_and_the_server_stays_ready() {
    let odd = format!(
        "UPDATE blobs SET frame = zeroblob(10), stored = 10 WHERE id = {}; INSERT INTO moves \
            VALUES ('team', 'left', 999, 0);",
        bytes_of(2)
    );
    let Some(stage) = Stage::changed_by(&odd) else {
        return;
    };
    let server = Setup::new()
        .data(&stage.data)
        .flag("--scrub-every", "1s")
        .start();
    let admin = server.admin();
    eventually("a pass is through", || {
        !admin.get("/api/status").json()["scrub"]["last"].is_null()
    });
    let status = admin.get("/api/status").expect_status(200).json();
    let last = &status["scrub"]["last"];
    assert_eq!(
        (&last["versions"], &last["damaged_versions"], &last["found"]),
        (&json!(9), &json!(1), &json!(2)),
        "{status}"
    );
    assert_eq!(
        (
            &status["scrub"]["damaged_versions"],
            &status["scrub"]["every"]
        ),
        (&json!(1), &json!(1)),
        "{status}"
    );
    let ready = server.anonymous().get("/readyz").expect_status(200);
    assert_eq!(ready.json()["status"], "ready");
    assert!(
        humantime::parse_rfc3339(ready.json()["verified_at"].as_str().expect("a time")).is_ok()
    );
    let codes: Vec<Value> = ready.json()["problems"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|problem| problem["code"].clone())
        .collect();
    assert_eq!(
        codes,
        ["damaged_versions", "verify_findings"],
        "{}",
        ready.text()
    );
    assert!(
        !ready.text().contains("team") && !status.to_string().contains("team"),
        "and names no states"
    );
    assert_eq!(admin.events("kind=version.damaged").len(), 1);
    assert_eq!(
        found(&admin.get("/api/verify").expect_status(200).json()["last"]).len(),
        2
    );
    let scrape = Scrape::of(&admin);
    assert_eq!(
        (
            scrape.value("statekeep_damaged_versions"),
            scrape.value("statekeep_damaged_reads_total")
        ),
        (1, 0)
    );
    assert!(scrape.value("statekeep_verified_timestamp_seconds") > 1_700_000_000);
    eventually("the log tells of it", || {
        server.log().contains("a verification has found something")
    });
}

#[test]
fn what_the_background_knows_outlives_a_restart() {
    let odd = format!(
        "UPDATE blobs SET frame = zeroblob(10), stored = 10 WHERE id = {};",
        bytes_of(2)
    );
    let Some(stage) = Stage::changed_by(&odd) else {
        return;
    };
    let server = Setup::new()
        .data(&stage.data)
        .flag("--scrub-every", "1s")
        .start();
    eventually("a pass is through", || {
        !server.admin().get("/api/status").json()["scrub"]["last"].is_null()
    });
    let admin = server.admin();
    assert!(server.stop().success());
    let server = Setup::new()
        .data(&stage.data)
        .flag("--scrub-every", "1d")
        .start();
    let admin: Client = admin.at(&server);
    eventually("the last pass is remembered", || {
        !admin.get("/api/status").json()["scrub"]["last"].is_null()
    });
    let status = admin.get("/api/status").json();
    assert_eq!(
        (
            &status["scrub"]["last"]["found"],
            &status["scrub"]["damaged_versions"]
        ),
        (&json!(1), &json!(1)),
        "{status}"
    );
    assert!(
        status["scrub"]["started_at"].is_null(),
        "the next pass is due in a day: {status}"
    );
    admin
        .get(&format!("{}/versions/2", state_path("team/net")))
        .expect_problem(500, "damaged");
    assert_eq!(
        admin.events("kind=version.damaged").len(),
        1,
        "it was told before"
    );
}

#[test]
fn a_pass_that_was_interrupted_goes_on_where_it_was() {
    let came_to_7 = "INSERT INTO scrub (id, started_at, state_id, number, so_far) SELECT 1, 1000, \
        id, 7, \
        '{\"checked\":{\"states\":5,\"versions\":100,\"decoded\":100,\"bytes\":1,\"blobs\":0,\"addresses\":0,\"keys\":0},\"found\":0,\
          \"damaged_versions\":0,\"findings\":[],\"states\":[],\"truncated\":false}' FROM states \
          WHERE building_block = 'net';";
    let Some(stage) = Stage::changed_by(came_to_7) else {
        return;
    };
    let server = Setup::new()
        .data(&stage.data)
        .flag("--scrub-every", "1s")
        .start();
    let last = || server.admin().get("/api/status").json()["scrub"]["last"].clone();
    eventually("the rest of it is through", || !last().is_null());
    eventually(
        "version 8 of one state and version 1 of the other were looked at",
        || server.log().contains("\"versions\":102"),
    );
    eventually("the next one is whole", || last()["versions"] == 9);
}

#[test]
fn the_background_can_be_turned_off() {
    let server = Setup::new().flag("--scrub-every", "0s").start();
    let status = server.admin().get("/api/status").expect_status(200).json();
    assert_eq!(
        (&status["scrub"]["every"], &status["scrub"]["last"]),
        (&json!(null), &json!(null))
    );
    assert_eq!(
        server.anonymous().get("/readyz").json()["verified_at"],
        json!(null)
    );
}
