//! Which bodies are a state: the 400 row of the protocol table, with its reason, and nothing
//! stored.

use serde_json::json;

use crate::harness::{Client, Server, lock_body, md5, sha256, state_path, tfstate, tfstate_noted};

use super::{L1, counts};

fn state(serial: &str) -> String {
    format!("{{\"version\": 4, \"serial\": {serial}, \"lineage\": \"{L1}\"}}")
}

fn nested(levels: usize) -> String {
    format!(
        "{{\"version\": 4, \"serial\": 1, \"lineage\": \"x\", \"deep\": {}{}}}",
        "[".repeat(levels),
        "]".repeat(levels)
    )
}

/// What a body is, the body, and the code of its refusal.
type Row = (&'static str, String, &'static str);

/// Bodies that are no JSON.
fn not_json() -> Vec<Row> {
    let valid = tfstate(L1, 1);
    vec![
        ("empty", String::new(), "bad_body"),
        ("blank", " \n".to_owned(), "bad_body"),
        ("not JSON", "state".to_owned(), "bad_body"),
        ("cut short", valid[..valid.len() - 1].to_owned(), "bad_body"),
        ("something behind it", format!("{valid}x"), "bad_body"),
        ("twice", format!("{valid}{valid}"), "bad_body"),
        (
            "a comma too many",
            format!("{},}}", &valid[..valid.len() - 1]),
            "bad_body",
        ),
    ]
}

/// JSON that is no state.
fn not_a_state() -> Vec<Row> {
    vec![
        ("an array", "[]".to_owned(), "not_a_state"),
        ("a number", "4".to_owned(), "not_a_state"),
        ("a text", "\"state\"".to_owned(), "not_a_state"),
        ("null", "null".to_owned(), "not_a_state"),
        ("an empty object", "{}".to_owned(), "not_a_state"),
        ("no version", "{\"serial\": 1}".to_owned(), "not_a_state"),
        ("no serial", "{\"version\": 4}".to_owned(), "not_a_state"),
        (
            "a version as text",
            "{\"version\": \"4\", \"serial\": 1}".to_owned(),
            "not_a_state",
        ),
        (
            "a version with a point",
            "{\"version\": 4.5, \"serial\": 1}".to_owned(),
            "not_a_state",
        ),
        (
            "no version but null",
            "{\"version\": null, \"serial\": 1}".to_owned(),
            "not_a_state",
        ),
        (
            "a serial of 2^64",
            state("18446744073709551616"),
            "not_a_state",
        ),
        ("a serial below nothing", state("-1"), "not_a_state"),
        ("a serial as text", state("\"1\""), "not_a_state"),
        ("a serial with a point", state("1.5"), "not_a_state"),
        ("a serial of null", state("null"), "not_a_state"),
        ("a serial as list", state("[1]"), "not_a_state"),
    ]
}

/// What is nested too deep, says something twice, or is something else.
fn odd() -> Vec<Row> {
    vec![
        ("100,000 levels", nested(100_000), "too_deep"),
        ("100,000 levels and no end", "[".repeat(100_000), "too_deep"),
        ("100,000 objects", "{\"a\":".repeat(100_000), "too_deep"),
        (
            "a serial twice",
            "{\"version\": 4, \"serial\": 1, \"serial\": 2}".to_owned(),
            "duplicate_key",
        ),
        (
            "resources twice",
            "{\"version\": 4, \"serial\": 1, \"resources\": [], \"resources\": []}".to_owned(),
            "duplicate_key",
        ),
        (
            "a serial twice, once in disguise",
            "{\"version\": 4, \"serial\": 1, \"s\\u0065rial\": 2}".to_owned(),
            "duplicate_key",
        ),
        (
            "a key that means nothing, twice",
            "{\"version\": 4, \"serial\": 1, \"x\": 1, \"x\": 1}".to_owned(),
            "duplicate_key",
        ),
        ("a lock", lock_body("lock-1"), "looks_like_a_lock"),
    ]
}

#[test]
fn what_is_no_state_is_400_with_its_reason_and_nothing_is_stored() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    let rows = [not_json(), not_a_state(), odd()].concat();
    for (what, body, code) in &rows {
        for method in ["POST", "PUT"] {
            let answer = writer.send(method, &state_path("team/net"), body.clone());
            assert_eq!(answer.status, 400, "{what}: {}", answer.text());
            assert_eq!(answer.json()["code"], *code, "{what}: {}", answer.text());
            answer.expect_problem(400, code);
        }
    }
    writer.read("team/net").expect_problem(404, "no_state");
    assert_eq!(
        server
            .admin()
            .events("kind=state.*")
            .iter()
            .filter(|event| event["kind"] != "state.read")
            .count(),
        0
    );
}

#[test]
fn a_lock_where_a_state_belongs_is_pointed_to_its_own_address() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    let answer = writer
        .send("POST", &state_path("team/net"), lock_body("lock-1"))
        .expect_problem(400, "looks_like_a_lock");
    assert!(
        answer.json()["detail"]
            .as_str()
            .is_some_and(|text| text.contains("/lock")),
        "{}",
        answer.text()
    );
}

#[test]
fn an_invalid_body_leaves_a_state_as_it_is_and_is_not_kept() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    writer
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    for body in ["", "[]", "{\"version\": 4}"] {
        let answer = writer
            .send("POST", &state_path("team/net"), body)
            .expect_status(400);
        assert_eq!(answer.header("statekeep-rejected-version"), "");
    }
    assert_eq!(counts(&writer, "team/net"), (1, 0));
    assert_eq!(writer.read("team/net").text(), tfstate(L1, 1));
}

#[test]
fn unusual_states_are_fine_and_come_back_as_they_were() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    let rows = [
        ("the highest serial", state("18446744073709551615")),
        ("serial 0", state("0")),
        (
            "another format",
            json!({
                "version": 3, "serial": 1, "lineage": L1, "modules": []
            })
            .to_string(),
        ),
        (
            "a format of the future",
            json!({"version": 5, "serial": 1, "lineage": L1}).to_string(),
        ),
        ("no lineage", json!({"version": 4, "serial": 1}).to_string()),
        ("100 levels", nested(100)),
        (
            "a key twice, but not at the top",
            "{\"version\": 4, \"serial\": 1, \"x\": {\"a\": 1, \
            \"a\": 2}}"
                .to_owned(),
        ),
        (
            "encrypted",
            json!({
                "serial": 1, "lineage": L1, "meta": {}, "encrypted_data": "c2VjcmV0",
                "encryption_version": "v0"
            })
            .to_string(),
        ),
        (
            "numbers that no float holds",
            "{\"version\": 4, \"serial\": 9007199254740993, \"n\": \
                123456789012345678901234567890.5e-3}"
                .to_owned(),
        ),
        (
            "texts with every escape",
            "{\"version\": 4, \"serial\": 1, \"t\": \
                \"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000\\ud83d\\ude00\"}"
                .to_owned(),
        ),
        (
            "members of a lock beside those of a state",
            json!({
                "version": 4, "serial": 1, "ID": "x", "Who": "y"
            })
            .to_string(),
        ),
    ];
    for (index, (what, body)) in rows.iter().enumerate() {
        let name = format!("team/n{index}");
        let answer = writer.write(&name, body, None);
        assert_eq!(answer.status, 200, "{what}: {}", answer.text());
        assert_eq!(
            &writer.read(&name).expect_status(200).text(),
            body,
            "{what}"
        );
    }
}

#[test]
fn serials_keep_every_digit_in_the_history() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    for serial in [
        9_007_199_254_740_993,
        i64::MAX.unsigned_abs(),
        i64::MAX.unsigned_abs() + 1,
        u64::MAX,
    ] {
        let version = writer
            .write("team/net", tfstate(L1, serial), None)
            .expect_status(200)
            .json();
        assert_eq!(version["serial"].as_u64(), Some(serial));
    }
    writer
        .write("team/net", tfstate_noted(L1, u64::MAX, "x"), None)
        .expect_problem(409, "stale_write");
    writer
        .write("team/net", tfstate(L1, 5), None)
        .expect_problem(409, "stale_write");
    assert_eq!(
        writer.versions("team/net")[2]["serial"].as_u64(),
        Some(u64::MAX),
        "two rejected ones are above it"
    );
}

#[test]
fn an_encrypted_state_is_known_as_one() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    let body = json!({
        "serial": 3, "lineage": L1, "meta": {}, "encrypted_data": "c2VjcmV0",
        "encryption_version": "v0"
    });
    let version = writer
        .write("team/net", body.to_string(), None)
        .expect_status(200)
        .json();
    assert_eq!(
        (
            &version["encrypted"],
            &version["resources"],
            &version["serial"]
        ),
        (&json!(true), &json!(null), &json!(3))
    );
    let stale = json!({
        "serial": 3, "lineage": L1, "meta": {"x": 1}, "encrypted_data": "b3RoZXI=",
        "encryption_version": "v0"
    });
    writer
        .write("team/net", stale.to_string(), None)
        .expect_problem(409, "stale_write");
}

#[test]
fn a_content_md5_that_does_not_fit_is_400() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    let send = |name: &str, body: &str, sum: &str| {
        Client::ask(
            writer
                .request("POST", &state_path(name))
                .header("Content-MD5", sum)
                .body(body.to_owned()),
        )
    };
    // The larger ones are hashed by one core while another checks and compresses them.
    for (name, body) in [
        ("team/small", tfstate(L1, 1)),
        ("team/large", tfstate_noted(L1, 1, &"x".repeat(300_000))),
    ] {
        let cut = &body[..body.len() - 1];
        for sum in [
            &md5(b"something else"),
            &md5(b""),
            "d41d8cd98f00b204e9800998ecf8427e",
            "AAAA",
            "?",
        ] {
            send(name, &body, sum).expect_problem(400, "md5_mismatch");
            send(name, cut, sum).expect_problem(400, "md5_mismatch");
        }
        send(name, cut, &md5(cut.as_bytes())).expect_problem(400, "bad_body");
        writer.read(name).expect_problem(404, "no_state");
        let version = send(name, &body, &md5(body.as_bytes()))
            .expect_status(200)
            .json();
        assert_eq!(version["sha256"], sha256(body.as_bytes()));
        assert_eq!(writer.read(name).expect_status(200).text(), body);
    }
}
