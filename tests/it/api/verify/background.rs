//! The verification in the background: it finds damage, says so, and goes on where it was.

use serde_json::{Value, json};

use super::{Stage, bytes_of, found};
use crate::harness::{Client, Setup, eventually, state_path};
use crate::scrape::Scrape;

#[test]
fn the_background_finds_damage_and_says_so_and_the_server_stays_ready() {
    let odd = format!(
        "UPDATE blobs SET frame = zeroblob(10), stored = 10 WHERE id = {}; INSERT INTO \
            stale_writers VALUES ('a b', 'x', 'k', 'a', 0);",
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
        '{\"checked\":{\"states\":5,\"versions\":100,\"decoded\":100,\"bytes\":1,\
          \"blobs\":0,\"addresses\":0,\"keys\":0},\"found\":0,\
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
