//! Requests under way: one key has a part of them, and all others go on.

use crate::harness::{Client, Server, Setup, eventually, state_path, tfstate};
use crate::wire::{Wire, head};

use super::{L1, says_when_to_retry};

/// Begins a request whose body does not come. One address has places for sixteen connections.
fn begin(server: &Server, caller: &Client, number: usize) -> Wire {
    let mut wire = Wire::from(&format!("127.0.0.{}", 2 + number / 10), server);
    let path = state_path("team/net");
    wire.send(head("POST", &path, caller, &["Content-Length: 1000"]));
    wire.send("{");
    wire
}

#[test]
fn a_key_with_many_requests_under_way_is_told_to_wait_and_others_go_on() {
    let server = Setup::new().flag("--max-connections", "64").start();
    let (greedy, other) = (server.key("team", "writer"), server.key("team", "writer"));
    let answer = || greedy.write("team/other", tfstate(L1, 1), None);
    // A look at them takes a place for a moment too, so one more may have been refused.
    let mut slow: Vec<Wire> = Vec::new();
    eventually("its sixteen places are taken", || {
        slow.push(begin(&server, &greedy, slow.len()));
        slow.len() >= 16 && answer().status == 429
    });
    says_when_to_retry(&answer().expect_problem(429, "too_many_requests"));
    other
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    other.lock("team/net", "lock-1").expect_status(200);
    other.read("team/net").expect_status(200);
    slow.clear();
    eventually("its places are free again", || answer().status == 200);
}
