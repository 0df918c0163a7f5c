//! What the page makes of answers: numbers keep the digits that they have, and pages are as small
//! as the server has them.

use serde_json::json;

use super::story::{STATE, view};
use super::visitor::Visitor;
use crate::harness::{Client, Server, Setup, lineage, tfstate};

/// The first integer that a number of JavaScript cannot hold, and the largest serial.
const FIRST: &str = "9007199254740993";
const LARGEST: &str = "18446744073709551615";
const FRACTION: &str = "0.1000000000000000055";

/// A state with numbers of many digits in its serial, an output and an attribute.
fn precise(serial: &str, account: &str) -> String {
    format!(
        r#"{{"version": 4, "terraform_version": "1.11.4", "serial": {serial}, "lineage": "precise",
        "outputs": {{"account": {{"value": {account}, "type": "number"}},
                    "share": {{"value": [{FRACTION}, 1], "type": ["list", "number"]}}}},
        "resources": [{{"mode": "managed", "type": "cloud_machine", "name": "one",
            "provider": "provider[\"registry.example/acme/cloud\"]",
            "instances": [{{"schema_version": 0, "sensitive_attributes": [],
                "attributes": {{"id": "vm", "account": {account}}}}}]}}], "check_results": null}}"#
    )
}

fn write(key: &Client, state: String) {
    key.write(STATE, state, None).expect_status(200);
}

#[test]
fn numbers_keep_all_of_their_digits() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    write(&writer, precise(FIRST, FIRST));
    write(&writer, precise(LARGEST, LARGEST));
    let Some(visitor) = Visitor::signed_in(&server, &server.admin()) else {
        return;
    };
    visitor.open(&view(""));
    visitor.sees(&format!("2, serial {LARGEST}"));
    visitor.click("button", "More about version 1");
    visitor.sees(FIRST);
    visitor.open(&view("/compare/2"));
    visitor.sees(&format!("{FIRST} →"));
    visitor.sees(LARGEST);
    visitor.open(&view("/outputs"));
    visitor.sees(LARGEST);
    visitor.sees(&format!("[{FRACTION},1]"));
    visitor.open(&view("/resources/2/cloud_machine.one"));
    visitor.sees(LARGEST);
    visitor.sees(FIRST);
    visitor.open(&view("/rollback/1"));
    visitor.sees("version 1");
    visitor.was_quiet();
}

#[test]
#[ignore = "middle tier: pages of the usual size are tried"]
fn a_server_with_small_pages_shows_all_the_same() {
    let server = Setup::new().flag("--max-page", "2").start();
    let writer = server.key("team", "writer");
    for number in 0..5 {
        let name = format!("team/state-{number}");
        let state = tfstate(&lineage(number), 1);
        writer.write(&name, state, None).expect_status(200);
        server.admin().lock(&name, "held").expect_status(200);
    }
    for serial in 1..4 {
        write(&writer, precise(&serial.to_string(), "1"));
    }
    let Some(visitor) = Visitor::signed_in(&server, &server.admin()) else {
        return;
    };
    visitor.open("/#/");
    visitor.sees("All locked states");
    visitor.open("/#/states");
    visitor.sees("6 of 6 states");
    visitor.open("/#/keys");
    visitor.sees("2 keys");
    visitor.open("/#/inventory");
    visitor.sees("6 states counted.");
    visitor.open("/#/find?q=vm");
    visitor.sees("1 found in 1 state");
    visitor.open("/#/events");
    visitor.click("button", "Older events");
    visitor.open(&view(""));
    visitor.is_soon_offered("link", "Changes of version 2");
    assert!(!visitor.is_offered("link", "Changes of version 1"));
    visitor.click("button", "Older versions");
    visitor.is_soon_offered("link", "Changes of version 1");
    visitor.open(&view("/resources"));
    visitor.sees("cloud_machine.one");
    // No page was asked for that the server refuses: a refusal would be on the console.
    visitor.was_quiet();
    let told = server.admin().get("/api/whoami").expect_status(200).json();
    assert_eq!(told["max_page"], json!(2));
}
