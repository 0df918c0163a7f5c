//! `GET …/outputs`: the outputs of the current version.

use serde_json::{Value, json};

use crate::harness::{Client, Server, eventually, state_path, tfstate};

use super::L1;

fn path() -> String {
    format!("{}/outputs", state_path("team/net"))
}

#[track_caller]
fn outputs(caller: &Client, query: &str) -> Value {
    caller
        .get(&format!("{}{query}", path()))
        .expect_status(200)
        .json()
}

fn body() -> String {
    json!({
        "version": 4, "terraform_version": "1.11.4", "serial": u64::MAX, "lineage": L1,
        "outputs": {
            "address": {"value": "10.1.2.3", "type": "string"},
            "sizes": {"value": [1, u64::MAX], "type": ["list", "number"]},
            "db": {
                "value": {"user": "u", "password": "canary-inside"},
                "type": ["object", {"user": "string", "password": "string"}]
            },
            "api_token": {"value": "canary-named", "type": "string"},
            "marked": {"value": "canary-marked", "type": "string", "sensitive": true},
        },
        "resources": [{
            "mode": "managed", "type": "t", "name": "n",
            "instances": [{"attributes": {"id": "canary-resource"}}]
        }],
    })
    .to_string()
}

fn with_outputs() -> (Server, Client) {
    let server = Server::start();
    let writer = server.key("team", "writer");
    writer.write("team/net", body(), None).expect_status(200);
    (server, writer)
}

#[test]
fn they_are_the_outputs_and_nothing_else_with_secrets_hidden() {
    let (server, writer) = with_outputs();
    for caller in [
        &writer,
        &server.key("team", "reader"),
        &server.key("team", "outputs"),
        &server.key("team", "planner"),
    ] {
        let answer = outputs(caller, "");
        assert!(!answer.to_string().contains("canary"), "{answer}");
        assert_eq!(
            (&answer["version"], &answer["serial"], &answer["lineage"]),
            (&json!(1), &json!(u64::MAX), &json!(L1))
        );
        assert_eq!(
            (&answer["encrypted"], &answer["not_shown"]),
            (&json!(false), &Value::Null)
        );
        let open = |value: Value, kind: Value| {
            json!({
                "value": value, "type": kind, "sensitive": false, "hidden": false,
                "hidden_inside": false, "too_deep": false
            })
        };
        let found = &answer["outputs"];
        assert_eq!(found["address"], open(json!("10.1.2.3"), json!("string")));
        assert_eq!(
            found["sizes"],
            open(json!([1, u64::MAX]), json!(["list", "number"])),
            "numbers keep every digit"
        );
        assert_eq!(
            (&found["db"]["value"], &found["db"]["hidden_inside"]),
            (&json!({"user": "u", "password": "(hidden)"}), &json!(true))
        );
        for (name, sensitive) in [("api_token", false), ("marked", true)] {
            assert_eq!(
                found[name],
                json!({
                    "type": "string", "sensitive": sensitive, "hidden": true,
                    "hidden_inside": false, "too_deep": false
                }),
                "{name}"
            );
        }
    }
}

#[test]
fn secrets_are_shown_to_those_who_may_read_the_state_and_who_ask_and_that_is_an_event() {
    let (server, writer) = with_outputs();
    for role in ["outputs", "planner"] {
        server
            .key("team", role)
            .get(&format!("{}?sensitive=true", path()))
            .expect_problem(403, "forbidden");
    }
    assert!(server.admin().events("kind=state.reveal").is_empty());
    let clear = outputs(&writer, "?sensitive=true");
    assert_eq!(clear["outputs"]["marked"]["value"], "canary-marked");
    assert_eq!(
        (
            &clear["outputs"]["marked"]["sensitive"],
            &clear["outputs"]["marked"]["hidden"]
        ),
        (&json!(true), &json!(false))
    );
    assert_eq!(clear["outputs"]["db"]["value"]["password"], "canary-inside");
    assert!(!clear.to_string().contains("canary-resource"));
    let events = server.admin().events("kind=state.reveal");
    assert_eq!(
        (events.len(), &events[0]["detail"], &events[0]["version"]),
        (1, &json!({"what": "outputs"}), &json!(1))
    );
    assert_eq!(events[0]["attention"], false);
    writer
        .get(&format!("{}?sensitive=x", path()))
        .expect_problem(400, "bad_query");
}

#[test]
fn a_key_for_outputs_alone_can_read_nothing_else() {
    let (server, _writer) = with_outputs();
    let reader = server.key("team", "outputs");
    outputs(&reader, "");
    for below in [
        "/versions",
        "/versions/1",
        "/versions/1/info",
        "/versions/1/diff",
        "/versions/1/diff?sensitive=true",
        "/lock",
    ] {
        reader
            .get(&format!("{}{below}", state_path("team/net")))
            .expect_problem(403, "forbidden");
    }
    for path in [
        "/api/terraform/state",
        "/api/events",
        "/api/status",
        "/api/keys",
    ] {
        reader.get(path).expect_problem(403, "forbidden");
    }
    eventually("the read is written down", || {
        !server
            .admin()
            .events(&format!("kind=state.read&key={}", reader.key_id))
            .is_empty()
    });
}

#[test]
fn of_a_state_that_cannot_be_looked_into_there_are_none() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    let reader = server.key("team", "outputs");
    let sealed = json!({
        "serial": 1, "lineage": L1, "meta": {"k": "v"}, "encrypted_data": "c2VjcmV0",
        "encryption_version": "v0"
    });
    let odd = json!({"version": 5, "serial": 2, "lineage": L1, "outputs": {"a": {"value": 1}}});
    for (body, encrypted, code) in [(sealed, true, "encrypted"), (odd, false, "format")] {
        writer
            .write("team/net", body.to_string(), None)
            .expect_status(200);
        let answer = outputs(&writer, "");
        assert_eq!(
            (
                &answer["outputs"],
                &answer["encrypted"],
                &answer["not_shown"]["code"]
            ),
            (&Value::Null, &json!(encrypted), &json!(code))
        );
        reader
            .get(&path())
            .expect_problem(403, "outputs_unavailable");
    }
    let old = json!({
        "version": 3, "serial": 3, "lineage": L1,
        "modules": [{
            "path": ["root"], "outputs": {"a": {"value": "x", "type": "string", "sensitive": false}}
        }]
    });
    writer
        .write("team/net", old.to_string(), None)
        .expect_status(200);
    assert_eq!(outputs(&reader, "")["outputs"]["a"]["value"], "x");
}

#[test]
fn of_a_state_that_is_not_there_it_is_404() {
    let server = Server::start();
    let owner = server.key("team", "owner");
    owner.get(&path()).expect_problem(404, "no_state");
    owner
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    assert_eq!(outputs(&owner, "")["outputs"], json!({}));
    owner.delete("team/net").expect_status(200);
    owner.get(&path()).expect_problem(404, "no_state");
}

/// How long the server has had a processor, in ticks of the system's clock: a busy machine does not
/// count.
fn processor_ticks(server: &Server) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", server.pid()));
    let stat = stat.expect("it runs");
    // The name of the program, in brackets, may have any character.
    let figures = stat.rsplit(')').next().expect("figures");
    let figure = |at: usize| figures.split_whitespace().nth(at).expect("a figure");
    let ticks = |at: usize| figure(at).parse::<u64>().expect("a number");
    ticks(11) + ticks(12)
}

/// Each text is looked into for secrets.
#[test]
fn work_grows_with_the_length_of_a_text_and_not_with_its_square() {
    work_grows_with_texts_of(&["a:", "[", "eyJ"]);
}

#[test]
#[ignore = "middle tier: the same with more texts"]
fn work_grows_with_the_length_of_any_text_and_not_with_its_square() {
    work_grows_with_texts_of(&["=", "://", "\"", "{\"a\":", " -x", "é:", "name: "]);
}

fn work_grows_with_texts_of(pieces: &[&str]) {
    const SHORT: usize = 15_000;
    const LONGER: usize = 8;
    /// Ticks that other work of the server may take.
    const NOISE: u64 = 30;
    let server = Server::start();
    let writer = server.key("team", "writer");
    let mut serial = 0;
    let mut work = |piece: &str, length: usize| {
        serial += 1;
        let text = piece.repeat(length / piece.len());
        let state = json!({
            "version": 4, "serial": serial, "lineage": L1, "resources": [],
            "outputs": { "x": { "value": text, "type": "string" } },
        });
        writer
            .write("team/net", state.to_string(), None)
            .expect_status(200);
        let begun = processor_ticks(&server);
        outputs(&writer, "");
        processor_ticks(&server) - begun
    };
    for piece in pieces {
        let short = work(piece, SHORT);
        let long = work(piece, SHORT * LONGER);
        assert!(
            long <= short * LONGER as u64 * 2 + NOISE,
            "{piece}: {short} ticks, and {long} for a text of {LONGER} times the length"
        );
    }
}
