//! The chain of events: each change of an event, each missing one, a tail that was cut off and
//! another log are found, and what is removed by the rules is not taken for that.

mod edits;
mod lines;
mod noted;
mod removed;
mod signed;

use std::path::Path;
use std::process::Output;

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::harness::{Client, Server, state_path, statekeep, tfstate, tfstate_noted};

const LINEAGE: &str = "00000001-1111-4111-8111-111111111111";

/// A connection that changes the database behind the server's back.
fn behind(data: &Path) -> Connection {
    let connection = Connection::open(data.join("statekeep.db")).expect("the database");
    let patience = std::time::Duration::from_secs(5);
    connection.busy_timeout(patience).expect("a connection");
    let fast = connection.pragma_update(None, "synchronous", "OFF");
    fast.expect("a setting");
    connection
}

/// What the server finds of its events.
#[track_caller]
fn faults(admin: &Client, head: Option<&str>) -> Vec<String> {
    let body = json!({"events": true, "head": head});
    let answer = admin.post_json("/api/verify", &body).expect_status(200);
    let answer = answer.json();
    let findings = answer["findings"].as_array().expect("a list").clone();
    assert_eq!(answer["found"], findings.len(), "{answer}");
    let detail = |finding: &Value| {
        assert_eq!(finding["code"], "event_chain", "{finding}");
        finding["detail"].as_str().expect("a text").to_owned()
    };
    findings.iter().map(detail).collect()
}

/// The same of a data directory without a server.
fn verify(data: &Path, args: &[&str]) -> Output {
    let data = data.to_str().expect("UTF-8");
    let command = ["verify", "--events", "--data", data];
    let mut command = statekeep(&command);
    command.args(args).output().expect("it runs")
}

/// The last event and its hash.
fn head(caller: &Client) -> Value {
    caller.get("/api/events/head").expect_status(200).json()
}

/// A head as it is noted.
fn noted(head: &Value) -> String {
    let hash = head["hash"].as_str().expect("a hash");
    format!("{}:{hash}", head["number"])
}

/// Acts of each kind of row: those that stay as they are, those that are counted by the minute, and
/// those that go on in parts.
fn acts(server: &Server) {
    let owner = server.key("team", "owner");
    for serial in 1..=3 {
        let state = tfstate_noted(LINEAGE, serial, &format!("note {serial}"));
        owner.write("team/net", state, None).expect_status(200);
        owner.read("team/net").expect_status(200);
    }
    owner.lock("team/net", "lock-1").expect_status(200);
    owner.unlock("team/net", "lock-1").expect_status(200);
    let purge = format!("{}/purge", state_path("team/net"));
    server
        .admin()
        .post_json(&purge, &json!({"versions": [1]}))
        .expect_status(200);
    owner
        .write("team/other", tfstate(LINEAGE, 1), None)
        .expect_status(200);
}

/// Waits until buffered events are written, and says how many there are.
fn settled(server: &Server) -> u64 {
    // Each of the three reads: the first may be written down while the others are not yet done.
    let reads = "SELECT coalesce(sum(count), 0) FROM events WHERE kind = 'state.read'";
    crate::harness::eventually("the reads are written down", || {
        crate::inside::number(server.data(), reads) >= 3
    });
    head(&server.admin())["number"].as_u64().expect("a number")
}
