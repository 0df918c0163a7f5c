//! `GET …/versions/{N}/diff`: what changed from one version to another.

mod not_compared;

use serde_json::{Value, json};

use crate::harness::{Client, Server, eventually, state_path};

use super::L1;

fn path(name: &str, below: &str) -> String {
    format!("{}/versions/{below}", state_path(name))
}

#[track_caller]
fn diff(caller: &Client, below: &str) -> Value {
    caller
        .get(&path("team/net", below))
        .expect_status(200)
        .json()
}

/// A state of format 4 with these instances of `aws_x`, each a name and attributes.
fn state(serial: u64, instances: &[(&str, Value)]) -> String {
    let resource = |(name, attributes): &(&str, Value)| {
        json!({
            "mode": "managed", "type": "aws_x", "name": name, "provider": "p",
            "instances": [{"schema_version": 0, "attributes": attributes}]
        })
    };
    let resources: Vec<Value> = instances.iter().map(resource).collect();
    let outputs = json!({
        "size": {"value": serial, "type": "number"},
        "db_password": {"value": format!("canary-{serial}"), "type": "string"}
    });
    json!({
        "version": 4, "terraform_version": "1.11.4", "serial": serial, "lineage": L1,
        "outputs": outputs, "resources": resources
    })
    .to_string()
}

/// A server with three versions of `team/net`: one changed, one moved, one gone, one new.
fn three_versions() -> (Server, Client) {
    let server = Server::start();
    let writer = server.key("team", "writer");
    let one = state(
        1,
        &[
            ("kept", json!({"id": "k", "size": 1, "token": "canary"})),
            ("old", json!({"id": "m"})),
            ("gone", json!({"id": "g"})),
        ],
    );
    let two = state(
        2,
        &[
            ("kept", json!({"id": "k", "size": 2, "token": "canary-2"})),
            ("new", json!({"id": "m"})),
            ("more", json!({"id": "+"})),
        ],
    );
    for body in [&one, &two, &two.replace("\"serial\":2", "\"serial\":3")] {
        writer.write("team/net", body, None).expect_status(200);
    }
    (server, writer)
}

#[test]
fn tells_what_changed_by_address_and_path_and_hides_secrets() {
    let (server, writer) = three_versions();
    let answer = diff(&server.key("team", "reader"), "2/diff");
    assert_eq!(
        (
            &answer["from"]["number"],
            &answer["to"]["number"],
            &answer["encrypted"]
        ),
        (&json!(1), &json!(2), &json!(false))
    );
    assert_eq!(
        answer["to"]["sha256"],
        writer.versions("team/net")[1]["sha256"]
    );
    assert_eq!(answer["not_compared"], Value::Null);
    let found = &answer["diff"];
    assert_eq!(
        found["counts"],
        json!({"added": 1, "changed": 2, "removed": 1, "moved": 1})
    );
    assert_eq!(
        (&found["truncated"], &found["terraform_version"]),
        (&json!(false), &Value::Null)
    );
    assert_eq!(
        found["outputs"],
        json!([
            {"action": "changed", "path": "db_password", "hidden": true},
            {"action": "changed", "path": "size", "before": 1, "after": 2}
        ])
    );
    let head = |action: &str, name: &str, id: &str| {
        json!({
            "action": action, "address": format!("aws_x.{name}"), "module": null,
            "mode": "managed", "type": "aws_x", "name": name, "index_key": null,
            "deposed": null, "id": id, "attributes": [], "meta": []
        })
    };
    let mut kept = head("changed", "kept", "k");
    kept["attributes"] =
        json!([{"path": "size", "before": 1, "after": 2}, {"path": "token", "hidden": true}]);
    let mut moved = head("moved", "new", "m");
    moved["previous_address"] = json!("aws_x.old");
    assert_eq!(
        found["resources"],
        json!([
            head("removed", "gone", "g"),
            kept,
            head("added", "more", "+"),
            moved
        ])
    );
    assert!(!answer.to_string().contains("canary"), "{answer}");
}

#[test]
fn from_is_the_version_before_unless_it_is_given() {
    let (server, writer) = three_versions();
    let counts = |below: &str| diff(&writer, below)["diff"]["counts"].clone();
    let first = diff(&writer, "1/diff");
    assert_eq!(
        (&first["from"], &first["diff"]["counts"]["added"]),
        (&Value::Null, &json!(3))
    );
    assert_eq!(
        counts("3/diff"),
        json!({"added": 0, "changed": 0, "removed": 0, "moved": 0})
    );
    assert_eq!(diff(&writer, "3/diff")["diff"]["resources"], json!([]));
    assert_eq!(
        counts("3/diff?from=1"),
        json!({"added": 1, "changed": 2, "removed": 1, "moved": 1})
    );
    let back = diff(&writer, "1/diff?from=3");
    assert_eq!(
        (&back["from"]["number"], &back["to"]["number"]),
        (&json!(3), &json!(1)),
        "from a newer one, reversed"
    );
    assert_eq!(back["diff"]["resources"][0]["action"], "added");
    assert_eq!(
        diff(&writer, "2/diff?from=2")["diff"]["resources"],
        json!([])
    );
    writer
        .write("team/net", state(1, &[]), None)
        .expect_status(409);
    writer.read("team/net").expect_status(200);
    let rejected = diff(&writer, "4/diff");
    assert_eq!(
        (&rejected["from"]["number"], &rejected["to"]["kind"]),
        (&json!(3), &json!("rejected"))
    );
    writer
        .write("team/net", state(9, &[]), None)
        .expect_status(200);
    assert_eq!(
        diff(&writer, "5/diff")["from"]["number"],
        3,
        "a rejected version was never current"
    );
    server.admin().delete("team/net").expect_status(200);
    assert_eq!(
        diff(&writer, "5/diff")["from"]["number"],
        3,
        "also of a deleted state"
    );
}

#[test]
fn what_is_not_there_is_404_and_what_makes_no_sense_400() {
    let (_server, writer) = three_versions();
    for below in [
        "4/diff",
        "0/diff",
        "1/diff?from=4",
        "1/diff?from=0",
        "9/diff?from=1",
    ] {
        writer
            .get(&path("team/net", below))
            .expect_problem(404, "no_version");
    }
    for below in [
        "1/diff?from=x",
        "1/diff?from=",
        "1/diff?from=-1",
        "1/diff?sensitive=maybe",
    ] {
        writer
            .get(&path("team/net", below))
            .expect_problem(400, "bad_query");
    }
    writer
        .get(&path("team/net", "x/diff"))
        .expect_problem(400, "bad_address");
    writer
        .get(&path("team/none", "1/diff"))
        .expect_problem(404, "no_state");
    writer
        .send("POST", &path("team/net", "1/diff"), "")
        .expect_problem(405, "method_not_allowed");
}

#[test]
fn a_comparison_is_a_read_and_showing_secrets_an_event_of_its_own() {
    let (server, writer) = three_versions();
    let reader = server.key("team", "reader");
    diff(&reader, "2/diff");
    assert!(server.admin().events("kind=state.reveal").is_empty());
    let clear = diff(&reader, "2/diff?sensitive=true");
    assert!(clear.to_string().contains("canary-2"), "{clear}");
    let events = server.admin().events("kind=state.reveal");
    assert_eq!(events.len(), 1, "written down before the answer");
    let event = &events[0];
    assert_eq!(
        (
            &event["version"],
            &event["actor"]["id"],
            &event["attention"]
        ),
        (&json!(2), &json!(reader.key_id), &json!(false))
    );
    assert_eq!(
        (&event["detail"], event["workspace"].as_str()),
        (&json!({"what": "diff", "from": 1}), Some("team"))
    );
    eventually("both reads are written down", || {
        let rows = server
            .admin()
            .events(&format!("kind=state.read&key={}", reader.key_id));
        rows.iter()
            .filter_map(|row| row["count"].as_u64())
            .sum::<u64>()
            == 2
    });
    writer
        .get(&path("team/net", "9/diff?sensitive=true"))
        .expect_problem(404, "no_version");
    assert_eq!(
        server.admin().events("kind=state.reveal").len(),
        1,
        "nothing was shown"
    );
}
