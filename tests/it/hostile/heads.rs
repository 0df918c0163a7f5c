//! Heads of requests: small until credentials were good, and two answers to who asks are none.

use crate::harness::{Server, state_path};
use crate::wire::{Wire, head};

use super::writer;

/// A request whose line and headers have so many bytes.
fn large(head: &str, size: usize) -> String {
    let filler = "x".repeat(size - head.len() - "X-Filler: \r\n".len());
    head.replacen("\r\n\r\n", &format!("\r\nX-Filler: {filler}\r\n\r\n"), 1)
}

#[test]
fn heads_are_small_until_credentials_were_good() {
    let server = Server::start();
    let writer = writer(&server);
    let known = head("GET", &state_path("team/net"), &writer, &[]);
    let unknown = head("GET", &state_path("team/net"), &server.with("skp_x"), &[]);
    let mut wire = Wire::to(&server);
    wire.send(large(&unknown, 16 * 1024));
    wire.answer().expect("an answer").expect_status(401);
    for size in [16 * 1024 + 1, 40_000, 120_000] {
        let mut wire = Wire::to(&server);
        wire.send(&unknown);
        wire.answer().expect("an answer").expect_status(401);
        wire.send(large(&known, size));
        if let Some(answer) = wire.answer() {
            answer.expect_status(431);
        }
        wire.closes();
    }
    let mut wire = Wire::to(&server);
    wire.send(&known);
    wire.answer()
        .expect("an answer")
        .expect_problem(404, "no_state");
    wire.send(large(&known, 120_000));
    wire.answer()
        .expect("an answer")
        .expect_problem(404, "no_state");
}

/// Many small requests in one piece are no large head.
#[test]
fn requests_in_one_piece_may_be_larger_together() {
    let server = Server::start();
    let mut wire = Wire::to(&server);
    let one =
        "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Filler: ".to_owned() + &"x".repeat(900) + "\r\n\r\n";
    wire.send(one.repeat(100));
    for _ in 0..100 {
        wire.answer().expect("an answer").expect_status(200);
    }
}

#[test]
fn of_two_credentials_none_count() {
    let server = Server::start();
    let writer = writer(&server);
    let one = head("GET", &state_path("team/net"), &writer, &[]);
    for second in ["Authorization: Bearer x", "authorization: Basic eDp5"] {
        let mut wire = Wire::to(&server);
        wire.send(one.replacen("\r\n\r\n", &format!("\r\n{second}\r\n\r\n"), 1));
        let answer = wire.answer().expect("an answer");
        answer.expect_problem(400, "bad_request");
    }
}
