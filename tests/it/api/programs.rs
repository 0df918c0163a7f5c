//! States as the programs write and read them: what a newer one adds is no change, and what both
//! read is read here as they read it.

use serde_json::{Value, json};

use crate::harness::{Client, Server, eventually, state_path};

use super::L1;

/// A state of format 4 with these members of its one resource, and these objects of its instances.
fn state(serial: u64, resource: &str, instances: &str, outputs: &str) -> String {
    format!(
        r#"{{"version":4,"terraform_version":"1.11.4","serial":{serial},"lineage":"{L1}",
        "outputs":{{{outputs}}},"resources":[{{"mode":"managed","type":"null_resource","name":"x",
        {resource}"instances":[{instances}]}}],"check_results":null}}"#
    )
}

fn counted(caller: &Client, number: u64) -> Value {
    let row = || {
        caller
            .get(&format!(
                "{}/versions/{number}/info",
                state_path("team/net")
            ))
            .expect_status(200)
            .json()
    };
    eventually("it is counted", || !row()["added"].is_null());
    let row = row();
    json!([
        row["resources"],
        row["added"],
        row["changed"],
        row["removed"]
    ])
}

fn diff(caller: &Client, number: u64) -> Value {
    caller
        .get(&format!(
            "{}/versions/{number}/diff",
            state_path("team/net")
        ))
        .expect_status(200)
        .json()
}

#[test]
fn what_a_newer_program_adds_to_each_instance_is_no_change() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    let old = r#"{"schema_version":0,"attributes":{"id":"i"},"sensitive_attributes":[]}"#;
    let new = r#"{"schema_version":0,"attributes":{"id":"i"},"sensitive_attributes":[],
        "identity_schema_version":0,"identity":null,
        "create_before_destroy":false,"deferred":false}"#;
    writer
        .write("team/net", state(1, "", old, ""), None)
        .expect_status(200);
    writer
        .write("team/net", state(2, "", new, ""), None)
        .expect_status(200);
    assert_eq!(counted(&writer, 2), json!([1, 0, 0, 0]));
    assert_eq!(diff(&writer, 2)["diff"]["resources"], json!([]));
}

#[test]
fn the_members_of_an_instance_that_opentofu_alone_writes_are_compared() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    let of = |region: &str, more: &str| {
        format!(
            r#"{{"index_key":"k","schema_version":0,"attributes":{{"id":"i"}},
                "provider":"provider[\"null\"].by_region[\"{region}\"]"{more}}}"#
        )
    };
    writer
        .write("team/net", state(1, "", &of("eu", ""), ""), None)
        .expect_status(200);
    writer
        .write(
            "team/net",
            state(2, "", &of("us", r#","skip_destroy":true"#), ""),
            None,
        )
        .expect_status(200);
    assert_eq!(counted(&writer, 2), json!([1, 0, 1, 0]));
    let meta = diff(&writer, 2)["diff"]["resources"][0]["meta"].clone();
    let provider = |region: &str| format!("provider[\"null\"].by_region[\"{region}\"]");
    assert_eq!(
        meta,
        json!([
            {"path": "provider", "before": provider("eu"), "after": provider("us")},
            {"path": "skip_destroy", "after": true},
        ])
    );
}

#[test]
fn what_is_deposed_is_no_instance_of_its_own() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    let now = r#"{"attributes":{"id":"i"}}"#;
    let old = |key: &str| format!(r#"{{"attributes":{{"id":"i"}},"deposed":"{key}"}}"#);
    writer
        .write(
            "team/net",
            state(
                1,
                "",
                &[now, &old("0a1b2c3d"), &old("0a1b2c3e")].join(","),
                "",
            ),
            None,
        )
        .expect_status(200);
    writer
        .write("team/net", state(2, "", now, ""), None)
        .expect_status(200);
    assert_eq!(counted(&writer, 1), json!([1, 1, 0, 0]));
    assert_eq!(counted(&writer, 2), json!([1, 0, 1, 0]));
    let found = diff(&writer, 2);
    assert_eq!(
        found["diff"]["resources"][0]["meta"],
        json!([{"path": "deposed", "before": ["0a1b2c3d", "0a1b2c3e"]}]),
        "{found}"
    );
    let body = json!({"version": 1, "dry_run": true});
    let preview = writer
        .post_json(&format!("{}/rollback", state_path("team/net")), &body)
        .expect_status(200)
        .json();
    let recreated = [
        "null_resource.x (deposed object 0a1b2c3d)",
        "null_resource.x (deposed object 0a1b2c3e)",
    ];
    assert!(
        preview.to_string().contains(&json!(recreated).to_string()),
        "{preview}"
    );
}

#[test]
fn null_and_members_that_stand_twice_or_in_another_letter_case_are_read_as_both_programs_read_them()
{
    let server = Server::start();
    let (writer, outputs) = (server.key("team", "writer"), server.key("team", "outputs"));
    let twice = r#"{"dependencies":["b"],"dependencies":["a"],"schema_version":0,
        "attributes":{"id":"j"},"Attributes":{"id":"i"}}"#;
    let open = r#""o":{"value":"v","type":"string","sensitive":null},
        "s":{"value":"canary","type":"string","Sensitive":true}"#;
    writer
        .write(
            "team/net",
            state(
                1,
                "",
                r#"{"dependencies":["a"],"attributes":{"id":"i"}}"#,
                open,
            ),
            None,
        )
        .expect_status(200);
    writer
        .write("team/net", state(2, "", twice, open), None)
        .expect_status(200);
    assert_eq!(counted(&writer, 2), json!([1, 0, 0, 0]));
    let listed = outputs
        .get(&format!("{}/outputs", state_path("team/net")))
        .expect_status(200)
        .json();
    assert_eq!(
        (&listed["not_shown"], &listed["outputs"]["o"]["value"]),
        (&Value::Null, &json!("v")),
        "{listed}"
    );
    assert!(!listed.to_string().contains("canary"), "{listed}");
    let made = outputs.read("team/net").expect_status(200);
    assert_eq!(
        made.json()["outputs"],
        json!({"o": {"value": "v", "type": "string"}})
    );
    writer
        .write(
            "team/net",
            format!(r#"{{"version":4,"serial":3,"Serial":4,"lineage":"{L1}"}}"#),
            None,
        )
        .expect_problem(400, "duplicate_key");
}

#[test]
fn states_of_all_old_formats_are_looked_into() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    let of = |format: u8, outputs: &str| {
        format!(
            r#"{{"version":{format},"serial":{format},"lineage":"{L1}","modules":[
            {{"path":["root"],"outputs":{{{outputs}}},"resources":{{
            "aws_x.y":{{"type":"aws_x","primary":{{"id":"i","attributes":{{"id":"i"}}}},
            "deposed":[{{"id":"h","attributes":{{"id":"h"}}}}]}},
            "aws_x.z":{{"type":"aws_x"}}}}}}]}}"#
        )
    };
    let typed = r#""o":{"sensitive":false,"type":"string","value":"v"}"#;
    for (number, body) in [
        (1, of(1, r#""o":"v""#)),
        (2, of(2, typed)),
        (3, of(3, typed)),
    ] {
        writer.write("team/net", &body, None).expect_status(200);
        let listed = writer
            .get(&format!("{}/outputs", state_path("team/net")))
            .expect_status(200)
            .json();
        assert_eq!(listed["outputs"]["o"]["value"], "v", "{listed}");
        assert_eq!(
            counted(&writer, number),
            json!([1, u64::from(number == 1), 0, 0]),
            "format {number}"
        );
    }
}

#[test]
fn characters_that_do_not_print_are_written_as_terraform_writes_them() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    let keyed =
        "{\"index_key\":\"a\u{200b}\\u001b[2J${x}\u{a0}\u{e0001}é\",\"attributes\":{\"id\":\"i\"}}";
    writer
        .write("team/net", state(1, "", keyed, ""), None)
        .expect_status(200);
    let address = r#"null_resource.x["a\u200b\u001b[2J$${x}\u00a0\U000e0001é"]"#;
    assert_eq!(diff(&writer, 1)["diff"]["resources"][0]["address"], address);
    let printed = server.cli(&["state", "diff", "team/net"]);
    let printed = String::from_utf8(printed.stdout).expect("UTF-8");
    assert!(
        printed.contains(&format!("# {address} was added")),
        "{printed}"
    );
}
