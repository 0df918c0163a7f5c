//! Pairs of versions that are not compared, or not as a whole: encrypted, of another format, too
//! large, nested too deep, purged or damaged.

use serde_json::{Value, json};
use tempfile::TempDir;

use super::super::L1;
use super::{diff, path, three_versions};
use crate::disk::{damage, noise};
use crate::harness::{
    Answer, Server, Setup, eventually, sha256, state_path, tfstate, tfstate_noted,
};

#[test]
fn an_encrypted_state_is_said_to_be_so_and_nothing_is_guessed() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    let sealed = |serial: u64, data: &str| {
        json!({
            "serial": serial, "lineage": L1, "meta": {"k": "v"}, "encrypted_data": data,
            "encryption_version": "v0"
        })
        .to_string()
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
            json!({
                "version": 4, "serial": 3, "lineage": L1,
                "resources": [{
                    "mode": "managed", "type": "t", "name": "n",
                    "instances": vec![json!({}); 20_000]
                }]
            }),
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
    let resource = json!({"type": "aws_x", "primary": {"id": "1", "attributes": {"id": "1"}}});
    let root = json!({"path": ["root"], "resources": {"aws_x.y.0": resource}});
    let old = json!({"version": 3, "serial": 4, "lineage": L1, "modules": [root]});
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
    const RESOURCES: usize = 6_000;
    let server = Server::start();
    let writer = server.key("team", "writer");
    let body = |serial: u64, note: &str| {
        let resource = |n: usize| {
            format!(
                r#"{{"mode":"managed","type":"aws_x","name":"n{n}","provider":"p","instances":[
                    {{"schema_version":0,"attributes":{{"id":"i-{n}","note":"{note}{}"}}}}]}}"#,
                "x".repeat(800)
            )
        };
        let resources: Vec<String> = (0..RESOURCES).map(resource).collect();
        format!(
            r#"{{"version":4,"terraform_version":"1.11.4","serial":{serial},"lineage":"{L1}",
                "outputs":{{}},"resources":[{}]}}"#,
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
            r#"{{"version":4,"serial":{serial},"lineage":"{L1}","resources":[
                {{"mode":"managed","type":"t","name":"n","instances":[
                {{"attributes":{{"id":"i","v":{nested}}}}}]}}]}}"#
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
    // What the server does by itself takes memory for a moment.
    eventually("smaller ones are, with all the memory there is", || {
        diff(&writer, "4/diff")["diff"]["outputs"][0]["too_long"] == true
    });
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
    let sealed = json!({
        "serial": 4, "lineage": L1, "meta": {"k": "v"}, "encrypted_data": "c2VjcmV0",
        "encryption_version": "v0"
    });
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
