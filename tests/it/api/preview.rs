//! `POST …/rollback` with `dry_run`: all that would happen is told, and none of it happens.

use serde_json::{Value, json};

use crate::harness::{Client, Server, eventually, resource, tfstate_with};

use super::rollback::{current, numbered, path, roll_back, sealed};
use super::{L1, column};

/// A state with these resources, each of which has some instances.
fn with_resources(serial: u64, version: &str, resources: &[Value]) -> String {
    let text = tfstate_with(L1, serial, "note", &json!(resources));
    text.replace("1.11.4", version)
}

/// The resources of version 1 and those of version 2.
fn old_and_new() -> ([Value; 3], [Value; 3]) {
    let old = [
        resource("managed", "aws_x", "kept", 1),
        resource("managed", "aws_x", "old", 2),
        resource("data", "aws_d", "looked_up", 1),
    ];
    let new = [
        resource("managed", "aws_x", "kept", 1),
        resource("managed", "aws_x", "new", 1),
        resource("data", "aws_e", "looked_up", 1),
    ];
    (old, new)
}

/// A server with both versions in `team/net`, and its writer.
fn two_versions() -> (Server, Client) {
    let server = Server::start();
    let writer = server.key("team", "writer");
    let (old, new) = old_and_new();
    writer
        .write("team/net", with_resources(1, "1.9.0", &old), None)
        .expect_status(200);
    writer
        .write("team/net", with_resources(2, "1.11.4", &new), None)
        .expect_status(200);
    (server, writer)
}

/// Why a rollback would be refused.
fn codes(preview: &Value) -> Vec<String> {
    column(preview["refused"].as_array().expect("a list"), "code")
}

#[test]
fn a_preview_tells_all_of_it() {
    let (server, writer) = two_versions();
    let reader = server.key("team", "reader");
    let lock = writer.lock("team/net", "lock-1").expect_status(200).json();

    let preview = roll_back(&reader, "team/net", &json!({"version": 1, "dry_run": true}))
        .expect_status(200)
        .json();
    assert_eq!(
        (&preview["version"]["number"], &preview["current"]["number"]),
        (&json!(1), &json!(2))
    );
    assert_eq!(
        (
            &preview["serial"],
            &preview["verbatim"],
            &preview["unchanged"]
        ),
        (&json!(3), &json!(false), &json!(false))
    );
    assert_eq!(
        preview["forgotten"],
        json!(["aws_x.new[0]"]),
        "resources that are managed, and no others"
    );
    assert_eq!(
        preview["recreated"],
        json!(["aws_x.old[0]", "aws_x.old[1]"])
    );
    assert_eq!(
        (&preview["lineage"], &preview["terraform_version"]),
        (&json!(null), &json!({"from": "1.11.4", "to": "1.9.0"}))
    );
    assert_eq!(
        (&preview["lock"]["lock"], &preview["deleted"]),
        (&lock, &json!(false))
    );
    assert_eq!(codes(&preview), ["forbidden", "locked"], "{preview}");
    let counts = &preview["diff"]["counts"];
    assert_eq!(
        (
            &counts["added"],
            &counts["removed"],
            &preview["compared"],
            &preview["truncated"]
        ),
        (&json!(3), &json!(2), &json!(true), &json!(false))
    );
}

#[test]
fn a_preview_tells_what_would_be_refused_and_writes_nothing() {
    let (server, writer) = two_versions();
    writer.lock("team/net", "lock-1").expect_status(200);
    let own = writer
        .post_json(
            &format!("{}?ID=lock-1", path("team/net")),
            &json!({"version": 1, "dry_run": true}),
        )
        .expect_status(200)
        .json();
    assert_eq!(codes(&own), Vec::<String>::new(), "{own}");
    writer.unlock("team/net", "lock-1").expect_status(200);
    let stale = writer.post_json(
        &format!("{}?ID=lock-1", path("team/net")),
        &json!({"version": 1, "dry_run": true, "expected_current": 1}),
    );
    assert_eq!(
        codes(&stale.expect_status(200).json()),
        ["not_current", "stale_lock_id"]
    );

    assert_eq!(writer.versions("team/net").len(), 2);
    let events: Vec<Value> = server
        .admin()
        .events("workspace=team&kind=state.*")
        .into_iter()
        .filter(|event| event["kind"] != "state.read")
        .collect();
    assert_eq!(
        column(&events, "kind"),
        ["state.write", "state.write"],
        "but for the read, which is gathered"
    );
    eventually("the reads are written down", || {
        server
            .admin()
            .events("kind=state.read&workspace=team")
            .iter()
            .any(|event| event["version"] == 1)
    });
}

#[test]
fn what_a_preview_tells_is_what_comes() {
    let (server, writer) = two_versions();
    let (reader, owner) = (server.key("team", "reader"), server.key("team", "owner"));
    let (old, _) = old_and_new();
    roll_back(&writer, "team/net", &json!({"version": 1})).expect_status(200);
    assert_eq!(
        current(&writer, "team/net"),
        with_resources(3, "1.9.0", &old),
        "what was told is what comes"
    );
    owner.delete("team/net").expect_status(200);
    let preview = roll_back(&reader, "team/net", &json!({"version": 2, "dry_run": true}))
        .expect_status(200)
        .json();
    assert_eq!(
        (&preview["deleted"], &preview["current"]["number"]),
        (&json!(true), &json!(3)),
        "against the version that it was last"
    );
    assert_eq!(preview["recreated"], json!(["aws_x.new[0]"]));
}

#[test]
fn a_preview_shows_no_secret() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    let of = |serial: u64, secret: &str| {
        let instance = json!({
            "schema_version": 0, "attributes": {"id": "1", "password": secret},
            "sensitive_attributes": []
        });
        let database = json!({
            "mode": "managed", "type": "db", "name": "main", "provider": "p",
            "instances": [instance]
        });
        tfstate_with(L1, serial, "note", &json!([database]))
    };
    writer
        .write("team/net", of(1, "canary-one"), None)
        .expect_status(200);
    writer
        .write("team/net", of(2, "canary-two"), None)
        .expect_status(200);
    let text = roll_back(&writer, "team/net", &json!({"version": 1, "dry_run": true}))
        .expect_status(200)
        .text();
    assert!(
        text.contains("\"hidden\":true") && text.contains("db.main") && !text.contains("canary"),
        "{text}"
    );
}

#[test]
fn a_preview_of_what_cannot_be_compared_says_so_and_still_tells_the_rest() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    writer
        .write("team/net", sealed(1, "first"), None)
        .expect_status(200);
    writer
        .write("team/net", numbered(2), None)
        .expect_status(200);
    let preview = roll_back(&writer, "team/net", &json!({"version": 1, "dry_run": true}))
        .expect_status(200)
        .json();
    assert_eq!(
        (&preview["compared"], &preview["diff"], &preview["serial"]),
        (&json!(false), &json!(null), &json!(1))
    );
    assert!(preview["not_compared"]["code"] == "encrypted", "{preview}");
    assert_eq!(
        column(preview["refused"].as_array().expect("a list"), "code"),
        ["encrypted"]
    );
    writer
        .write(
            "team/odd",
            r#"{"version":4,"serial":1,"lineage":"a","resources":7}"#,
            None,
        )
        .expect_status(200);
    let deep = format!(
        r#"{{"version":4,"serial":2,"lineage":"a","resources":[
            {{"mode":"managed","type":"t","name":"n","instances":[
            {{"attributes":{{"x":{}{}}}}}]}}]}}"#,
        "[".repeat(9_000),
        "]".repeat(9_000)
    );
    writer.write("team/odd", deep, None).expect_status(200);
    writer
        .write(
            "team/odd",
            r#"{"version":4,"serial":3,"lineage":"a"}"#,
            None,
        )
        .expect_status(200);
    for number in [1, 2, 3] {
        roll_back(
            &writer,
            "team/odd",
            &json!({"version": number, "dry_run": true}),
        )
        .expect_status(200)
        .json();
    }
    writer
        .write("team/first", numbered(7), Some("gone"))
        .expect_problem(409, "stale_lock_id");
    let preview = roll_back(
        &writer,
        "team/first",
        &json!({"version": 1, "dry_run": true}),
    )
    .expect_status(200)
    .json();
    assert_eq!(
        (
            &preview["current"],
            &preview["compared"],
            &preview["serial"]
        ),
        (&json!(null), &json!(false), &json!(8))
    );
}

#[test]
fn a_preview_names_the_freeze_that_would_be_in_the_way() {
    let (server, writer) = two_versions();
    let owner = server.key("team", "owner");
    let freeze = format!("{}/freeze", crate::harness::state_path("team/net"));
    writer.lock("team/net", "before").expect_status(200);
    owner
        .post_json(&freeze, &json!({ "reason": "audit of \u{2116} 7" }))
        .expect_status(200);
    let ask = |id: &str, dry_run: bool| {
        let path = format!("{}{id}", path("team/net"));
        writer.post_json(&path, &json!({ "version": 1, "dry_run": dry_run }))
    };
    // The run that held its lock before goes on to its end.
    let own = ask("?ID=before", true).expect_status(200).json();
    assert_eq!(codes(&own), Vec::<String>::new(), "{own}");
    let both = ask("", true).expect_status(200).json();
    assert_eq!(codes(&both), ["locked", "locked"], "{both}");
    writer.unlock("team/net", "before").expect_status(200);
    let frozen = ask("", true).expect_status(200).json();
    assert_eq!(codes(&frozen), ["locked"], "{frozen}");
    let detail = frozen["refused"][0]["detail"].as_str().expect("a text");
    assert!(
        detail.contains("team/net is frozen by owner of team until it is lifted")
            && detail.contains("audit of")
            && detail.contains("statekeep state unfreeze team/net"),
        "{detail}"
    );
    ask("", false).expect_status(423);
    owner.send("DELETE", &freeze, "").expect_status(200);
    let free = ask("", true).expect_status(200).json();
    assert_eq!(codes(&free), Vec::<String>::new(), "{free}");
}
