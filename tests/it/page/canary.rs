//! Markup in every kind of value that strangers write: it is shown as the text that it is.

use serde_json::json;

use super::story::{STATE, view};
use super::visitor::Visitor;
use crate::harness::{Server, state_path};

/// Would set `window.ran` wherever it became markup.
const MARKUP: &str = "<img src=x onerror=window.ran=1><script>window.ran=1</script>";

/// Whether any of it has become an element, or has run.
const BECAME_MARKUP: &str = "return window.ran !== undefined \
    || document.querySelector('img[src=x], #app script') !== null;";

/// A state with markup in its program, resources, attributes and outputs.
fn state(serial: u64, note: &str) -> String {
    let note = format!("{note} {MARKUP}");
    json!({
        "version": 4, "terraform_version": MARKUP, "serial": serial, "lineage": MARKUP,
        "outputs": {MARKUP: {"value": note, "type": "string"}},
        "resources": [{
            "mode": "managed", "type": "cloud_machine", "name": MARKUP, "provider": MARKUP,
            "instances": [{
                "index_key": MARKUP, "schema_version": 0, "sensitive_attributes": [],
                "attributes": {"id": MARKUP, "note": note, MARKUP: note}
            }]
        }, {
            "mode": "managed", "type": "cloud_machine", "name": "plain", "provider": MARKUP,
            "instances": [{
                "schema_version": 0, "sensitive_attributes": [],
                "dependencies": [format!("cloud_machine.{MARKUP}")],
                "attributes": {"id": "plain"}
            }]
        }],
        "check_results": null
    })
    .to_string()
}

#[test]
fn markup_is_text_everywhere() {
    let server = Server::start();
    let key = server.make_key(&json!({"name": MARKUP, "workspace": "team", "role": "owner"}));
    let lock = json!({
        "ID": MARKUP, "Operation": MARKUP, "Info": MARKUP, "Who": MARKUP, "Version": MARKUP,
        "Created": "2026-01-02T03:04:05Z", "Path": MARKUP, MARKUP: MARKUP
    })
    .to_string();
    key.write(STATE, state(1, "first"), None).expect_status(200);
    key.write(STATE, state(2, "second"), None)
        .expect_status(200);
    key.send("LOCK", &state_path(STATE), lock)
        .expect_status(200);
    let hold = format!("{}/versions/1/hold", state_path(STATE));
    let reason = json!({ "reason": MARKUP });
    server.admin().post_json(&hold, &reason).expect_status(200);
    let freeze = format!("{}/freeze", state_path(STATE));
    server
        .admin()
        .post_json(&freeze, &reason)
        .expect_status(200);
    key.read(STATE).expect_status(200);
    let hook = json!({"url": format!("https://receiver.example/{MARKUP}"), "on": ["all"]});
    server
        .admin()
        .post_json("/api/hooks", &hook)
        .expect_status(201);
    let Some(visitor) = Visitor::signed_in(&server, &server.admin()) else {
        return;
    };
    for part in [
        "",
        "/resources",
        "/outputs",
        "/consumers",
        "/compare/2/1",
        "/rollback/1",
        "/use",
    ] {
        visitor.open("/#/states");
        visitor.open(&view(part));
        if part != "/use" {
            visitor.sees(MARKUP);
        }
        assert_eq!(visitor.run(BECAME_MARKUP), false, "{part}");
        visitor.was_quiet();
    }
    visitor.open(&view("/resources/2/cloud_machine.plain"));
    visitor.sees("Depends on 1");
    assert_eq!(visitor.run(BECAME_MARKUP), false, "the picture");
    visitor.click("link", "cloud_machine.<img");
    visitor.sees("Needed by 1");
    visitor.sees("2 changes.");
    assert_eq!(visitor.run(BECAME_MARKUP), false, "the history");
    visitor.was_quiet();
    for path in [
        "/#/",
        "/#/states",
        "/#/find?q=cloud_machine",
        "/#/inventory",
        "/#/keys",
        "/#/hooks",
        "/#/events",
    ] {
        visitor.open(path);
        visitor.is_soon_offered("heading", "");
        assert_eq!(visitor.run(BECAME_MARKUP), false, "{path}");
        visitor.was_quiet();
    }
}
