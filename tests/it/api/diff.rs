//! `GET …/versions/{N}/diff`: what changed from one version to another.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::disk::{damage, noise};
use crate::harness::{
    Answer, Client, Server, Setup, eventually, sha256, state_path, tfstate, tfstate_noted,
};

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
    let resource = |(name, attributes): &(&str, Value)| json!({"mode": "managed", "type": "aws_x", "name": name, "provider": "p", "instances": [{"schema_version": 0, "attributes": attributes}]});
    let resources: Vec<Value> = instances.iter().map(resource).collect();
    let outputs = json!({"size": {"value": serial, "type": "number"}, "db_password": {"value": format!("canary-{serial}"), "type": "string"}});
    json!({"version": 4, "terraform_version": "1.11.4", "serial": serial, "lineage": L1, "outputs": outputs, "resources": resources})
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
        json!([{"action": "changed", "path": "db_password", "hidden": true}, {"action": "changed", "path": "size", "before": 1, "after": 2}])
    );
    let head = |action: &str, name: &str, id: &str| {
        json!({"action": action, "address": format!("aws_x.{name}"), "module": null, "mode": "managed", "type": "aws_x", "name": name,
            "index_key": null, "deposed": null, "id": id, "attributes": [], "meta": []})
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

#[test]
fn an_encrypted_state_is_said_to_be_so_and_nothing_is_guessed() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    let sealed = |serial: u64, data: &str| {
        json!({"serial": serial, "lineage": L1, "meta": {"k": "v"}, "encrypted_data": data, "encryption_version": "v0"}).to_string()
    };
    let (one, two) = (tfstate(L1, 1), sealed(2, "c2VjcmV0"));
    for body in [&one, &two, &sealed(3, "b3RoZXI=")] {
        writer.write("team/net", body, None).expect_status(200);
    }
    for below in ["2/diff", "3/diff", "2/diff?from=3", "1/diff?from=2"] {
        let answer = diff(&writer, below);
        assert_eq!(
            (&answer["encrypted"], &answer["diff"]),
            (&json!(true), &Value::Null),
            "{below}"
        );
        assert_eq!(answer["not_compared"]["code"], "encrypted");
    }
    let answer = diff(&writer, "2/diff");
    for (version, body, serial) in [(&answer["from"], &one, 1), (&answer["to"], &two, 2)] {
        assert_eq!(
            (&version["sha256"], &version["size"], &version["serial"]),
            (
                &json!(sha256(body.as_bytes())),
                &json!(body.len()),
                &json!(serial)
            )
        );
    }
}

#[test]
fn what_is_no_state_of_format_3_or_4_is_not_compared() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    let odd = [
        (json!({"version": 5, "serial": 1, "lineage": L1}), "format"),
        (
            json!({"version": 4, "serial": 2, "lineage": L1, "resources": [7]}),
            "unexpected",
        ),
        (
            json!({"version": 4, "serial": 3, "lineage": L1, "resources": [{"mode": "managed", "type": "t", "name": "n", "instances": vec![json!({}); 20_000]}]}),
            "crowded",
        ),
    ];
    for (number, (body, code)) in odd.iter().enumerate() {
        writer
            .write("team/net", body.to_string(), None)
            .expect_status(200);
        let answer = diff(&writer, &format!("{0}/diff?from={0}", number + 1));
        assert_eq!(
            (
                &answer["not_compared"]["code"],
                &answer["diff"],
                &answer["encrypted"]
            ),
            (&json!(code), &Value::Null, &json!(false))
        );
        assert!(
            answer["not_compared"]["detail"]
                .as_str()
                .is_some_and(|detail| detail.len() > 10)
        );
        assert_eq!(answer["to"]["number"], number + 1);
    }
    let old = json!({"version": 3, "serial": 4, "lineage": L1, "modules": [{"path": ["root"], "resources": {"aws_x.y.0": {"type": "aws_x",
        "primary": {"id": "1", "attributes": {"id": "1"}}}}}]});
    writer
        .write("team/net", old.to_string(), None)
        .expect_status(200);
    writer
        .write("team/net", tfstate(L1, 5), None)
        .expect_status(200);
    let answer = diff(&writer, "5/diff");
    assert_eq!(
        (
            &answer["diff"]["resources"][0]["action"],
            &answer["diff"]["resources"][0]["address"]
        ),
        (&json!("removed"), &json!("aws_x.y[0]"))
    );
}

#[test]
fn two_large_states_whose_every_resource_changed_are_compared_and_the_answer_is_cut() {
    const RESOURCES: usize = 20_000;
    let server = Server::start();
    let writer = server.key("team", "writer");
    let body = |serial: u64, note: &str| {
        let resource = |n: usize| {
            format!(
                r#"{{"mode":"managed","type":"aws_x","name":"n{n}","provider":"p","instances":[{{"schema_version":0,"attributes":{{"id":"i-{n}","note":"{note}{}"}}}}]}}"#,
                "x".repeat(800)
            )
        };
        let resources: Vec<String> = (0..RESOURCES).map(resource).collect();
        format!(
            r#"{{"version":4,"terraform_version":"1.11.4","serial":{serial},"lineage":"{L1}","outputs":{{}},"resources":[{}]}}"#,
            resources.join(",")
        )
    };
    for (serial, note) in [(1, "a"), (2, "b")] {
        writer
            .write("team/net", body(serial, note), None)
            .expect_status(200);
    }
    let answer = writer.get(&path("team/net", "2/diff")).expect_status(200);
    assert!(
        answer.bytes.len() <= 5 * 1024 * 1024,
        "{} bytes",
        answer.bytes.len()
    );
    let found = &answer.json()["diff"];
    assert_eq!(
        (&found["counts"]["changed"], &found["truncated"]),
        (&json!(RESOURCES), &json!(true))
    );
    assert!(
        found["resources"]
            .as_array()
            .is_some_and(|listed| (100..RESOURCES).contains(&listed.len()))
    );
}

#[test]
fn a_state_that_is_nested_deep_is_compared_and_the_answer_is_not_as_deep() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    let body = |serial: u64, core: u64| {
        let nested = format!("{}{core}{}", r#"{"a":["#.repeat(4_000), "]}".repeat(4_000));
        format!(
            r#"{{"version":4,"serial":{serial},"lineage":"{L1}","resources":[{{"mode":"managed","type":"t","name":"n","instances":[{{"attributes":{{"id":"i","v":{nested}}}}}]}}]}}"#
        )
    };
    writer
        .write("team/net", body(1, 1), None)
        .expect_status(200);
    writer
        .write("team/net", body(2, 2), None)
        .expect_status(200);
    // A client that reads JSON no deeper than serde does by default can read it.
    let answer = diff(&writer, "2/diff");
    let attributes = &answer["diff"]["resources"][0]["attributes"];
    assert_eq!(
        (
            &attributes[0]["too_long"],
            attributes.as_array().map(Vec::len)
        ),
        (&json!(true), Some(1)),
        "{attributes}"
    );
    assert!(
        attributes[0]["path"]
            .as_str()
            .is_some_and(|path| path.starts_with("v.a[0].a[0]"))
    );
    assert_eq!(diff(&writer, "1/diff")["diff"]["counts"]["added"], 1);
}

#[test]
fn two_states_that_are_too_large_for_the_memory_there_is_are_not_compared() {
    let server = Setup::new()
        .flag("--max-state-size", "1MiB")
        .flag("--max-in-flight", "4MiB")
        .flag("--cache-size", "0")
        .start();
    let writer = server.key("team", "writer");
    for serial in 1..=2 {
        writer
            .write(
                "team/net",
                tfstate_noted(L1, serial, &noise(serial, 600_000)),
                None,
            )
            .expect_status(200);
    }
    let answer = diff(&writer, "2/diff");
    assert_eq!(
        (&answer["not_compared"]["code"], &answer["diff"]),
        (&json!("too_large"), &Value::Null)
    );
    assert_eq!(answer["to"]["number"], 2);
    for serial in 3..=4 {
        writer
            .write(
                "team/net",
                tfstate_noted(L1, serial, &noise(serial, 300_000)),
                None,
            )
            .expect_status(200);
    }
    assert_eq!(
        diff(&writer, "4/diff")["diff"]["outputs"][0]["too_long"],
        true,
        "smaller ones are, with all the memory there is"
    );
}

#[test]
fn a_version_whose_content_was_purged_is_410() {
    let (server, writer) = three_versions();
    let answer = server.admin().post_json(
        &format!("{}/purge", state_path("team/net")),
        &json!({"versions": [1]}),
    );
    answer.expect_status(200);
    for below in ["1/diff", "2/diff", "3/diff?from=1"] {
        writer
            .get(&path("team/net", below))
            .expect_problem(410, "purged");
    }
    assert_eq!(
        diff(&writer, "3/diff")["from"]["number"],
        2,
        "other versions go on"
    );
    let sealed = json!({"serial": 4, "lineage": L1, "meta": {"k": "v"}, "encrypted_data": "c2VjcmV0", "encryption_version": "v0"});
    writer
        .write("team/net", sealed.to_string(), None)
        .expect_status(200);
    writer
        .get(&path("team/net", "4/diff?from=1"))
        .expect_problem(410, "purged");
}

#[test]
fn a_damaged_version_is_500_and_nothing_of_it_is_told() {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let server = Setup::new().data(&data).start();
    let writer = server.key("team", "writer");
    writer
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    writer
        .write(
            "team/net",
            tfstate_noted(L1, 2, &noise(1, 4 * 1024 * 1024)),
            None,
        )
        .expect_status(200);
    writer
        .write("team/net", tfstate(L1, 3), None)
        .expect_status(200);
    assert!(server.stop().success());
    damage(&data);
    let server = Setup::new().data(&data).start();
    let writer = writer.at(&server);
    for below in ["2/diff", "3/diff", "1/diff?from=2"] {
        let _: Answer = writer
            .get(&path("team/net", below))
            .expect_problem(500, "damaged");
    }
    assert_eq!(
        diff(&writer, "3/diff?from=1")["diff"]["counts"]["changed"],
        0,
        "other versions go on"
    );
}
