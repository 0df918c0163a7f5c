//! Webhooks: what is delivered, signed, tried again and given up; where nothing is sent; and who
//! sees what.

mod commands;
mod delivered;
mod document;
mod failing;
mod private;
pub(crate) mod receiver;
mod restored;

use serde_json::{Value, json};

use crate::harness::{Server, eventually, tfstate};

const L1: &str = "11111111-1111-4111-8111-111111111111";

/// Makes a hook, and gives it with its secret.
fn make(server: &Server, wanted: &Value) -> (Value, String) {
    let made = server.admin().post_json("/api/hooks", wanted);
    let made = made.expect_status(201).json();
    let secret = made["secret"].as_str().expect("a secret").to_owned();
    (made["hook"].clone(), secret)
}

fn path(hook: &Value) -> String {
    format!("/api/hooks/{}", hook["id"].as_str().expect("an id"))
}

fn shown(server: &Server, hook: &Value) -> Value {
    server.admin().get(&path(hook)).expect_status(200).json()
}

/// The log of deliveries, newest first.
fn deliveries(server: &Server, hook: &Value) -> Vec<Value> {
    let answer = server.admin().get(&format!("{}/deliveries", path(hook)));
    let answer = answer.expect_status(200).json();
    answer["deliveries"].as_array().expect("rows").clone()
}

/// Waits until the newest delivery has an outcome, and gives it.
fn newest(server: &Server, hook: &Value, outcome: &str) -> Value {
    let mut found = Value::Null;
    eventually("the delivery has its outcome", || {
        found = deliveries(server, hook)
            .first()
            .cloned()
            .unwrap_or_default();
        found["outcome"] == outcome
    });
    found
}

/// Writes versions of a state: each is one event `state.write`.
fn write(server: &Server, serials: std::ops::RangeInclusive<u64>) {
    for serial in serials {
        let written = server.admin().write("team/net", tfstate(L1, serial), None);
        written.expect_status(200);
    }
}

/// The places of the events `state.write`, oldest first.
fn written(server: &Server) -> Vec<u64> {
    let events = server.admin().events("kind=state.write");
    let mut places: Vec<u64> = events
        .iter()
        .filter_map(|event| event["seq"].as_u64())
        .collect();
    places.sort_unstable();
    places
}

fn body(words: &[&str]) -> Value {
    json!({"url": "https://receiver.example/", "on": words})
}
