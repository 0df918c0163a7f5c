//! The state that is made for a key which may only read outputs.

use serde_json::json;

use crate::harness::{Client, Server, resource, sha256, state_path};

use super::L1;

fn body() -> String {
    json!({
        "version": 4, "terraform_version": "1.11.4", "serial": u64::MAX, "lineage": L1,
        "outputs": {
            "address": {"value": "10.1.2.3", "type": "string"},
            "sizes": {"value": [1, 18_446_744_073_709_551_615_u64], "type": ["list", "number"]},
            "plain": {
                "value": {"a": null}, "type": ["object", {"a": "string"}], "sensitive": false
            },
            "password": {"value": "hunter2-secret", "type": "string", "sensitive": true},
        },
        "resources": [resource("managed", "terraform_data", "hidden-resource", 2)],
        "check_results": [{
            "object_kind": "output", "config_addr": "output.password", "status": "pass"
        }],
    })
    .to_string()
}

#[test]
fn it_has_the_outputs_that_are_not_sensitive_and_nothing_else() {
    let server = Server::start();
    server
        .key("team", "writer")
        .write("team/net", body(), None)
        .expect_status(200);
    let reader = server.key("team", "outputs");
    let answer = reader.read("team/net").expect_status(200);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(
        answer.header("etag"),
        format!("\"{}\"", sha256(&answer.bytes)),
        "an ETag of its own bytes"
    );
    for secret in ["hunter2", "hidden-resource", "password"] {
        assert!(
            !answer.text().contains(secret),
            "{secret} in {}",
            answer.text()
        );
    }
    let state = answer.json();
    assert_eq!(state["version"], 4);
    assert_eq!(state["serial"], u64::MAX);
    assert_eq!(state["lineage"], L1);
    assert_eq!(state["resources"], json!([]));
    let outputs = state["outputs"].as_object().expect("outputs");
    assert_eq!(
        outputs.keys().collect::<Vec<_>>(),
        ["address", "plain", "sizes"]
    );
    assert_eq!(
        outputs["address"],
        json!({"value": "10.1.2.3", "type": "string"})
    );
    assert_eq!(
        outputs["sizes"]["value"],
        json!([1, u64::MAX]),
        "numbers keep every digit"
    );
    assert_eq!(outputs["plain"]["value"], json!({"a": null}));
}

#[test]
fn its_etag_answers_if_none_match_and_head() {
    let server = Server::start();
    server
        .key("team", "writer")
        .write("team/net", body(), None)
        .expect_status(200);
    let reader = server.key("team", "outputs");
    let tag = reader.read("team/net").header("etag").to_owned();
    assert_eq!(
        reader
            .send("HEAD", &state_path("team/net"), "")
            .expect_status(200)
            .header("etag"),
        tag
    );
    let again = reader
        .request("GET", &state_path("team/net"))
        .header("If-None-Match", &tag);
    assert!(Client::ask(again).expect_status(304).bytes.is_empty());
    let whole = format!("\"{}\"", sha256(body().as_bytes()));
    let guess = reader
        .request("GET", &state_path("team/net"))
        .header("If-None-Match", whole);
    Client::ask(guess).expect_status(200);
}

#[test]
fn a_state_that_cannot_be_filtered_is_403() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    let reader = server.key("team", "outputs");
    let encrypted = json!({
        "serial": 1, "lineage": L1, "meta": {"k": "v"}, "encrypted_data": "c2VjcmV0",
        "encryption_version": "v0"
    });
    let old = json!({"version": 3, "serial": 1, "lineage": L1, "modules": []});
    for (name, body) in [("team/sealed", encrypted), ("team/old", old)] {
        writer
            .write(name, body.to_string(), None)
            .expect_status(200);
        reader.read(name).expect_problem(403, "outputs_unavailable");
    }
    reader.read("team/none").expect_problem(404, "no_state");
}
