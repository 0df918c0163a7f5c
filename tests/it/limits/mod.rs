//! Every limit that a client can run into, from outside: what happens at it and beyond it, that the
//! memory comes back, and that everybody else goes on. And what stands beside the limits: caches
//! that are never stale, metrics, and connections that are used in every odd way.

mod aside;
mod budget;
mod compared;
mod connections;
mod credentials;
mod crowds;
mod decoded_cache;
mod gone;
mod growth;
mod idle;
mod metrics;
mod metrics_listen;
mod nonsense;
mod pipelines;
mod places;
mod queue;
mod readers;
mod shares;
mod sizes;
mod timeouts;
mod written;

use serde_json::json;

use crate::harness::{Answer, Client, Server, Setup, state_path, tfstate_noted};
use crate::wire::{Wire, head};

const L1: &str = "11111111-1111-4111-8111-111111111111";

const KIB: usize = 1024;
const MIB: usize = 1024 * 1024;

/// A server with room for four bodies of 1 MiB, its largest, and nothing kept for readers: when
/// nothing happens, nothing is reserved.
fn small() -> Setup {
    Setup::new()
        .flag("--max-state-size", "1MiB")
        .flag("--max-in-flight", "8MiB")
        .flag("--cache-size", "0")
}

/// Somebody who writes in `team`, by a token: no request of theirs costs argon2.
fn writer(server: &Server) -> Client {
    server.token(&server.key("team", "owner"), json!({}))
}

/// A valid state of exactly this many bytes.
fn sized(serial: u64, size: usize) -> String {
    let short = tfstate_noted(L1, serial, "");
    tfstate_noted(L1, serial, &"x".repeat(size - short.len()))
}

/// Begins to send a state: the head alone, which announces so many bytes.
fn announce(server: &Server, caller: &Client, name: &str, length: usize) -> Wire {
    let mut wire = Wire::to(server);
    wire.send(head(
        "POST",
        &state_path(name),
        caller,
        &[&format!("Content-Length: {length}")],
    ));
    wire
}

/// Sends all of a state of this size but its last byte.
fn send_nearly_all(wire: &mut Wire, serial: u64, size: usize) {
    let body = sized(serial, size);
    wire.send(&body[..size - 1]);
}

/// The operator begins to send so many states of 1 MiB, all of each but the last byte: they hold so
/// many MiB, for the operator has no share to stay within.
fn held_by_the_operator(server: &Server, count: usize) -> Vec<Wire> {
    let begin = |number: usize| {
        let path = state_path(&format!("team/slow{number}"));
        let mut wire = Wire::to_socket_of(server);
        wire.send(format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {MIB}\r\n\r\n"
        ));
        wire
    };
    let mut wires: Vec<Wire> = (0..count).map(begin).collect();
    for wire in &mut wires {
        send_nearly_all(wire, 1, MIB);
    }
    wires
}

/// Checks that a connection can be used after a refusal, or has ended where the refusal said so.
#[track_caller]
fn goes_on(wire: &mut Wire, caller: &Client, refusal: &Answer) {
    if refusal.header("connection") == "close" {
        wire.closes();
        return;
    }
    still_serves(wire, caller);
}

/// Checks that the next request on a connection gets its own answer.
#[track_caller]
fn still_serves(wire: &mut Wire, caller: &Client) {
    wire.send(head("GET", "/healthz", caller, &[]));
    let answer = wire
        .answer()
        .expect("the connection is still good")
        .expect_status(200);
    assert_eq!(answer.json()["status"], "ok", "{}", answer.text());
}

/// Checks that a client is told when to come again.
#[track_caller]
fn says_when_to_retry(answer: &Answer) {
    let wait = answer.header("retry-after");
    assert!(
        wait.parse::<u32>()
            .is_ok_and(|seconds| (1..=60).contains(&seconds)),
        "Retry-After: {wait:?}"
    );
}
