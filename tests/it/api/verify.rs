//! `/api/verify` and the verification in the background: what is damaged is found, what is not goes
//! on, and nobody waits for it.

mod background;
mod rows;

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

/// A data directory with `team/net` in eight versions, none of which has a delta base, and
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
    let expected = json!([{
        "workspace": "team", "buildingBlock": "net", "damaged": [[7, 7]],
        "readable": [[1, 6], [8, 8]]
    }]);
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
