//! `POST …/rollback`: an earlier version's content becomes current again under a serial that was
//! never used.

mod races;
mod refused;

use serde_json::{Value, json};

use crate::disk::noise;
use crate::harness::{
    Answer, Client, Server, Setup, md5, sha256, state_path, tfstate, tfstate_noted,
};
use crate::inside;

use super::L1;

const L2: &str = "22222222-2222-4222-8222-222222222222";

pub(super) fn path(name: &str) -> String {
    format!("{}/rollback", state_path(name))
}

pub(super) fn roll_back(caller: &Client, name: &str, body: &Value) -> Answer {
    caller.post_json(&path(name), body)
}

/// A state with an output that says which version it was.
pub(super) fn numbered(serial: u64) -> String {
    tfstate_noted(L1, serial, &format!("version {serial}"))
}

/// `team/net` with three versions, and its writer.
pub(super) fn three_versions(server: &Server) -> Client {
    let writer = server.key("team", "writer");
    for serial in 1..=3 {
        writer
            .write("team/net", numbered(serial), None)
            .expect_status(200);
    }
    writer
}

/// The bytes that clients get.
#[track_caller]
pub(super) fn current(caller: &Client, name: &str) -> String {
    caller.read(name).expect_status(200).text()
}

#[test]
fn the_content_comes_back_as_a_new_version_with_a_serial_above_all() {
    let server = Server::start();
    let writer = three_versions(&server);
    let answer = roll_back(&writer, "team/net", &json!({"version": 1})).expect_status(200);
    assert_eq!(answer.header("statekeep-version"), "4");
    let version = answer.json();
    let expected = json!({
        "number": 4, "serial": 4, "lineage": L1, "kind": "rollback", "from_version": 1,
        "current": true, "lock": null, "unchanged": false
    });
    for (name, value) in expected.as_object().expect("an object") {
        assert_eq!(version[name], *value, "{name} of {version}");
    }
    let bytes = numbered(1).replace("\"serial\":1", "\"serial\":4");
    assert_eq!(current(&writer, "team/net"), bytes);
    assert_eq!(
        (&version["sha256"], &version["size"]),
        (&json!(sha256(bytes.as_bytes())), &json!(bytes.len()))
    );
    assert_eq!(writer.versions("team/net")[0]["number"], 4);
    assert_eq!(
        writer
            .get(&format!("{}/versions/1", state_path("team/net")))
            .text(),
        numbered(1),
        "the old one stays as it was"
    );
    writer
        .write("team/net", numbered(4), None)
        .expect_problem(409, "stale_write");
    writer.read("team/net").expect_status(200);
    writer
        .write("team/net", numbered(5), None)
        .expect_status(200);
}

#[test]
fn all_but_the_serial_is_byte_for_byte_what_it_was() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    let odd = |serial: &str| {
        format!(
            "\r\n{{\t\"outputs\": {{\"serial\": {{\"value\":1.50,\"type\":\"number\"}}}}, \
                \"x\":\"\\\"serial\\\":3}}\",\n \"seri\\u0061l\" : {serial} \
                ,\"lineage\":\"\\u0061\",\"version\":4}}\n\n"
        )
    };
    writer.write("team/net", odd("17"), None).expect_status(200);
    writer
        .write(
            "team/net",
            r#"{"version":4,"serial":18,"lineage":"a"}"#,
            None,
        )
        .expect_status(200);
    roll_back(&writer, "team/net", &json!({"version": 1})).expect_status(200);
    assert_eq!(current(&writer, "team/net"), odd("19"));
    let deep = |serial: u64| {
        format!(
            r#"{{"version":4,"lineage":"a","x":{}{},"serial":{serial}}}"#,
            "[".repeat(9_000),
            "]".repeat(9_000)
        )
    };
    writer.write("team/net", deep(20), None).expect_status(200);
    writer.write("team/net", deep(21), None).expect_status(200);
    roll_back(&writer, "team/net", &json!({"version": 4})).expect_status(200);
    assert_eq!(current(&writer, "team/net"), deep(22));
}

#[test]
fn the_serial_lies_above_rejected_versions_and_stays_within_its_lineage() {
    let server = Server::start();
    let writer = three_versions(&server);
    writer
        .write("team/net", numbered(900), Some("nobody's"))
        .expect_problem(409, "stale_lock_id");
    let first = roll_back(&writer, "team/net", &json!({"version": 2}))
        .expect_status(200)
        .json();
    assert_eq!(
        first["serial"], 901,
        "a rejected one counts: its client goes on from there"
    );
    let other = format!("{}?force=true", state_path("team/net"));
    writer
        .send("POST", &other, tfstate(L2, 5_000))
        .expect_status(200);
    let second = roll_back(&writer, "team/net", &json!({"version": 1}))
        .expect_status(200)
        .json();
    assert_eq!(
        (&second["serial"], &second["lineage"]),
        (&json!(902), &json!(L1)),
        "another lineage does not count"
    );
    let third = roll_back(&writer, "team/net", &json!({"version": 6}))
        .expect_status(200)
        .json();
    assert_eq!(
        (&third["serial"], &third["lineage"]),
        (&json!(5_001), &json!(L2))
    );
}

#[test]
fn serials_are_unsigned_up_to_the_last_one() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    let (half, last) = (i64::MAX.unsigned_abs(), u64::MAX);
    for serial in [1, half, half + 1] {
        writer
            .write("team/net", numbered(serial), None)
            .expect_status(200);
    }
    let version = roll_back(&writer, "team/net", &json!({"version": 1}))
        .expect_status(200)
        .json();
    assert_eq!(
        version["serial"],
        half + 2,
        "and not 2^63 - 1 + 1, which is highest where serials have a sign"
    );
    writer
        .write("team/net", numbered(last - 1), None)
        .expect_status(200);
    let version = roll_back(&writer, "team/net", &json!({"version": 1}))
        .expect_status(200)
        .json();
    assert_eq!(version["serial"], last);
    assert!(current(&writer, "team/net").contains(&format!("\"serial\":{last}")));
    roll_back(&writer, "team/net", &json!({"version": 2})).expect_problem(409, "no_serial_left");
    assert_eq!(writer.versions("team/net").len(), 6, "nothing was written");
}

#[test]
fn to_the_current_version_it_writes_nothing_and_says_so() {
    let server = Server::start();
    let writer = three_versions(&server);
    let answer = roll_back(&writer, "team/net", &json!({"version": 3}))
        .expect_status(200)
        .json();
    assert_eq!(
        (&answer["number"], &answer["unchanged"]),
        (&json!(3), &json!(true))
    );
    roll_back(
        &writer,
        "team/net",
        &json!({"version": 3, "expected_current": 2}),
    )
    .expect_problem(409, "not_current");
    assert_eq!(
        (
            writer.versions("team/net").len(),
            current(&writer, "team/net")
        ),
        (3, numbered(3))
    );
    assert!(server.admin().events("kind=state.rollback").is_empty());
}

#[test]
fn the_event_names_both_numbers_and_both_serials() {
    let server = Server::start();
    let writer = three_versions(&server);
    roll_back(&writer, "team/net", &json!({"version": 1})).expect_status(200);
    let events = server.admin().events("kind=state.rollback");
    assert_eq!(events.len(), 1);
    let event = &events[0];
    assert_eq!(
        (
            &event["version"],
            &event["actor"]["id"],
            &event["attention"]
        ),
        (&json!(4), &json!(writer.key_id), &json!(false))
    );
    let detail = json!({
        "from_version": 1, "from_serial": 1, "replaced_version": 3, "replaced_serial": 3,
        "serial": 4, "serial_regression": false
    });
    assert_eq!(event["detail"], detail);
}

/// A body as OpenTofu sends an encrypted state.
pub(super) fn sealed(serial: u64, data: &str) -> String {
    json!({
        "serial": serial, "lineage": L1, "meta": {}, "encrypted_data": data,
        "encryption_version": "v0"
    })
    .to_string()
}

#[test]
fn an_encrypted_state_comes_back_as_it_was_or_not_at_all() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    for (serial, data) in [(1, "first"), (2, "second")] {
        writer
            .write("team/net", sealed(serial, data), None)
            .expect_status(200);
    }
    roll_back(&writer, "team/net", &json!({"version": 1})).expect_problem(409, "encrypted");
    assert_eq!(current(&writer, "team/net"), sealed(2, "second"));
    let version = roll_back(
        &writer,
        "team/net",
        &json!({"version": 1, "allow_serial_regression": true}),
    )
    .expect_status(200)
    .json();
    assert_eq!(
        (
            &version["number"],
            &version["serial"],
            &version["encrypted"]
        ),
        (&json!(3), &json!(1), &json!(true))
    );
    assert_eq!(current(&writer, "team/net"), sealed(1, "first"));
    let event = &server.admin().events("kind=state.rollback")[0];
    assert_eq!(
        (&event["attention"], &event["detail"]["serial_regression"]),
        (&json!(true), &json!(true)),
        "a trap that somebody has agreed to"
    );
}

#[test]
fn the_flag_for_encrypted_states_does_not_change_what_becomes_of_plain_ones() {
    let server = Server::start();
    let writer = three_versions(&server);
    let version = roll_back(
        &writer,
        "team/net",
        &json!({"version": 1, "allow_serial_regression": true}),
    )
    .expect_status(200)
    .json();
    assert_eq!(version["serial"], 4);
}

#[test]
fn the_bytes_are_whole_after_a_restart_and_by_their_own_checksum() {
    let dir = tempfile::TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let server = Setup::new().data(&data).start();
    let writer = three_versions(&server);
    roll_back(&writer, "team/net", &json!({"version": 2})).expect_status(200);
    let bytes = current(&writer, "team/net");
    assert!(server.stop().success());
    let server = Setup::new().data(&data).start();
    let answer = writer.at(&server).read("team/net").expect_status(200);
    assert_eq!(
        (answer.text(), answer.header("etag")),
        (
            bytes.clone(),
            format!("\"{}\"", sha256(bytes.as_bytes())).as_str()
        )
    );
    assert_eq!(md5(answer.bytes.as_slice()), md5(bytes.as_bytes()));
}

#[test]
fn what_is_kept_as_a_difference_comes_back_on_its_own() {
    let server = Setup::new().flag("--cache-size", "0").start();
    let writer = server.key("team", "writer");
    let text = |serial: u64| {
        (0..20)
            .map(|part| noise(part * 100 + serial.saturating_sub(part) / 20, 1_000))
            .collect::<String>()
    };
    let plain = |serial: u64| tfstate_noted(L1, serial, &text(serial));
    for serial in 1..=10 {
        writer
            .write("team/plain", plain(serial), None)
            .expect_status(200);
        writer
            .write("team/sealed", sealed(serial, &text(serial)), None)
            .expect_status(200);
    }
    inside::compacted(server.data());
    let differences = inside::number(
        server.data(),
        "SELECT count(*) FROM blobs WHERE base IS NOT NULL",
    );
    assert!(differences >= 8, "{differences}");
    roll_back(&writer, "team/plain", &json!({"version": 4})).expect_status(200);
    roll_back(
        &writer,
        "team/sealed",
        &json!({"version": 4, "allow_serial_regression": true}),
    )
    .expect_status(200);
    let whole = "SELECT count(*) FROM versions v JOIN states s ON s.id = v.state_id AND s.current \
        = v.number \
                 JOIN blobs b ON b.id = v.blob_id WHERE b.base IS NULL";
    for compacted in [false, true] {
        if compacted {
            inside::compacted(server.data());
        }
        assert_eq!(
            inside::number(server.data(), whole),
            2,
            "one step from what clients ask for"
        );
        assert!(
            current(&writer, "team/plain") == plain(4).replacen("\"serial\":4", "\"serial\":11", 1)
        );
        assert!(current(&writer, "team/sealed") == sealed(4, &text(4)));
        for serial in 1..=10_u64 {
            let version = |name: &str| {
                writer
                    .get(&format!("{}/versions/{serial}", state_path(name)))
                    .expect_status(200)
                    .text()
            };
            assert!(
                version("team/plain") == plain(serial)
                    && version("team/sealed") == sealed(serial, &text(serial)),
                "{serial}"
            );
        }
    }
}
