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
            answer.expect_problem(431, "head_too_large");
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

#[test]
fn what_is_no_request_is_answered_with_a_problem() {
    let server = Server::start();
    let known = head("GET", "/api/whoami", &server.admin(), &[]);
    let many = "X-Filler: x\r\n".repeat(200);
    for (sent, status, code) in [
        ("GARBAGE\r\n\r\n", 400, "bad_head"),
        ("GET /healthz HTTP/1.1\r\nno colon\r\n\r\n", 400, "bad_head"),
        ("GET /healthz HTTP/9.9\r\n\r\n", 400, "bad_head"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "bad_head"),
        (
            "POST /api/login HTTP/1.1\r\nContent-Length: x\r\n\r\n",
            400,
            "bad_head",
        ),
        (
            &format!("GET /healthz HTTP/1.1\r\n{many}\r\n"),
            431,
            "head_too_large",
        ),
    ] {
        for before in [false, true] {
            let mut wire = Wire::to(&server);
            if before {
                wire.send(&known);
                wire.answer().expect("an answer").expect_status(200);
            }
            wire.send(sent);
            let answer = wire.answer().unwrap_or_else(|| panic!("{sent}"));
            let problem = answer.expect_problem(status, code).json();
            assert_ne!(problem["detail"], "", "{sent}");
            wire.closes();
        }
    }
    let mut wire = Wire::to(&server);
    wire.send(&known);
    wire.answer().expect("an answer").expect_status(200);
    // A little more than the limit may be read in one go, and is then taken.
    wire.send(large(&known, 300_000));
    if let Some(answer) = wire.answer() {
        answer.expect_problem(431, "head_too_large");
    }
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
