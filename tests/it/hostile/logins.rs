//! Bodies that are read before there are credentials, and small ones after: what a client announces
//! takes nothing from others.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::{Server, lock_body, state_path};
use crate::wire::{Wire, head};

use super::writer;

/// A login that announces so many bytes, and sends one.
fn half_login(address: &str, server: &Server, length: usize) -> Wire {
    let mut wire = Wire::from(address, server);
    let head = format!(
        "POST /api/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
        Content-Length: {length}\r\n\r\n{{"
    );
    wire.send(head);
    wire
}

#[test]
fn half_logins_take_turns_from_their_own_address_alone() {
    let server = Server::start();
    let writer = writer(&server);
    let mut half: Vec<Wire> = (0..9)
        .map(|_| half_login("127.0.0.2", &server, 100))
        .collect();
    // The others wait for the rest of their bodies.
    let refused = half
        .iter_mut()
        .position(|wire| !wire.is_quiet(Duration::from_millis(100)));
    let answer = half.remove(refused.expect("one is refused")).answer();
    let refused = answer
        .expect("an answer")
        .expect_problem(429, "too_many_logins");
    assert_eq!(refused.header("retry-after"), "2");
    half[0].send(" ".repeat(98) + "}");
    let whole = |wire: &mut Wire| {
        let answer = wire.answer().expect("an answer");
        answer.expect_problem(400, "bad_body");
    };
    whole(&mut half[0]);
    for address in ["127.0.0.2", "127.0.0.3"] {
        let mut next = half_login(address, &server, 2);
        next.send("}");
        whole(&mut next);
    }
    writer.lock("team/net", "lock-1").expect_status(200);
}

#[test]
fn a_login_is_small_and_soon_there() {
    let server = Server::start();
    let since = Instant::now();
    let mut slow = half_login("127.0.0.1", &server, 100);
    for wire in [
        &mut half_login("127.0.0.1", &server, 12 * 1024 + 1),
        &mut Wire::to(&server),
    ] {
        wire.send(
            "POST /api/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3001\r\n",
        );
        wire.send(" ".repeat(12 * 1024 + 1));
        let answer = wire.answer().expect("an answer");
        answer.expect_problem(413, "body_too_large");
    }
    let answer = slow
        .answer()
        .expect("an answer")
        .expect_problem(408, "slow_body");
    assert_eq!(answer.header("connection"), "close");
    assert!(since.elapsed() > Duration::from_secs(4), "it had its time");
    let key = server.key("team", "writer");
    server.token(&key, json!({}));
}

/// As many bodies of 64 KiB as would use up all memory for small ones, if they were there.
#[test]
fn small_bodies_that_are_only_announced_take_no_memory() {
    let server = Server::start();
    let writer = writer(&server);
    let half = |number: usize| {
        let mut wire = Wire::from(&format!("127.0.0.{}", 2 + number % 2), &server);
        let path = state_path(&format!("team/n{number}"));
        // A new lock is smaller, and one that is released may be as large as this.
        wire.send(head("UNLOCK", &path, &writer, &["Content-Length: 65536"]));
        wire.send("{");
        wire
    };
    let mut announced: Vec<Wire> = (0..300).map(half).collect();
    assert!(announced[299].is_quiet(Duration::from_millis(100)));
    writer.lock("team/net", "lock-1").expect_status(200);
    let rest = lock_body("lock-2");
    let rest = format!("{}{}", &rest[1..], " ".repeat(65_536 - rest.len()));
    announced[0].send(rest);
    announced[0].answer().expect("an answer").expect_status(200);
}
