//! Bodies that nobody reads: they are not asked for, little of them is taken, and no request behind
//! them is done.

use std::time::{Duration, Instant};

use crate::harness::{Client, Server, Setup, eventually, state_path, tfstate};
use crate::scrape::{Scrape, eventually_in_flight, monitor};
use crate::wire::{Wire, chunked, head};

use super::{L1, writer};

const KIB: usize = 1024;

#[test]
fn who_has_no_good_credentials_is_not_asked_for_a_body() {
    let server = Server::start();
    let writer = writer(&server);
    let path = state_path("team/net");
    let body = tfstate(L1, 1);
    let length = format!("Content-Length: {}", body.len());
    let expecting = ["Expect: 100-continue", length.as_str()];
    let mut wire = Wire::to(&server);
    wire.send(head("POST", &path, &server.with("skp_x"), &expecting));
    let first = wire.next_line();
    assert!(first.starts_with("HTTP/1.1 401"), "{first}");

    let mut wire = Wire::to(&server);
    for serial in 1..=3 {
        wire.send(head("POST", &path, &writer, &expecting));
        let first = wire.next_line();
        assert_eq!(first, "HTTP/1.1 100 Continue", "{serial}");
        assert_eq!(wire.next_line(), "");
        wire.send(tfstate(L1, serial));
        wire.answer().expect("an answer").expect_status(200);
    }
    // A body that would not be taken is not asked for.
    let too_large = ["Expect: 100-continue", "Content-Length: 999999999999"];
    wire.send(head("POST", &path, &writer, &too_large));
    let first = wire.next_line();
    assert!(first.starts_with("HTTP/1.1 413"), "{first}");
}

/// Sends for a while, and says how much was taken.
fn pours(wire: &mut Wire, piece: &[u8]) -> usize {
    wire.gives_up_after(Duration::from_millis(500));
    let end = Instant::now() + Duration::from_secs(20);
    let mut sent = 0;
    while Instant::now() < end && wire.send(piece) {
        sent += piece.len();
    }
    sent
}

/// What the system keeps between the two, in bytes, is not taken by the server.
const IN_BETWEEN: usize = 16 * 1024 * KIB;

#[test]
fn little_of_an_unread_body_is_taken() {
    let server = Server::start();
    let path = state_path("team/net");
    let stranger = server.with("skp_x");
    let piece = chunked(vec![b' '; 64 * KIB], 64 * KIB);
    let piece = &piece[..piece.len() - 5];
    let plain = vec![b' '; 64 * KIB];
    for (framing, piece) in [
        ("Transfer-Encoding: chunked", piece),
        ("Content-Length: 9999999999", plain.as_slice()),
    ] {
        let mut wire = Wire::to(&server);
        wire.send(head("POST", &path, &stranger, &[framing]));
        let answer = wire.answer().expect("an answer").expect_status(401);
        assert_eq!(answer.header("connection"), "close", "{framing}");
        let sent = pours(&mut wire, piece);
        assert!(sent < IN_BETWEEN, "{framing}: {sent} bytes");
        wire.closes();
    }
}

/// How many connections are open, that of the question included.
fn open_connections(monitor: &Client) -> u64 {
    Scrape::of(monitor).value("statekeep_connections_open")
}

/// Neither a client that says nothing more, nor one that sends on, nor one that reads nothing keeps
/// its connection for as long as an idle one may.
#[test]
fn a_refusal_amid_a_body_ends_its_connection_soon() {
    let server = Setup::new()
        .flag("--max-state-size", "1MiB")
        .flag("--max-in-flight", "2MiB")
        .flag("--cache-size", "0")
        .start();
    let (greedy, monitor) = (writer(&server), monitor(&server));
    let begin = |number: usize, framing: &str, body: &[u8]| {
        let mut wire = Wire::to(&server);
        let path = state_path(&format!("team/n{number}"));
        wire.send(head("POST", &path, &greedy, &[framing]));
        wire.send(body);
        wire
    };
    let length = format!("Content-Length: {}", 1024 * KIB);
    let holds = begin(0, &length, &vec![b' '; 1023 * KIB]);
    eventually_in_flight(&monitor, 1024 * KIB as u64, "all that its key may have");
    let before = open_connections(&monitor);
    let chunk = chunked(vec![b' '; 100 * KIB], 100 * KIB);
    let chunk = &chunk[..chunk.len() - 5];
    let since = Instant::now();
    let mut wires: Vec<Wire> = (1..=6)
        .map(|number| begin(number, "Transfer-Encoding: chunked", chunk))
        .collect();
    for wire in &mut wires[..4] {
        let answer = wire.answer().expect("an answer");
        let answer = answer.expect_problem(503, "over_memory_budget");
        assert_eq!(answer.header("connection"), "close");
    }
    // The first two say nothing more, the next two send on, the last two read nothing.
    eventually("all of them end", || {
        wires[2..4].iter_mut().for_each(|wire| {
            wire.send(b"1\r\n \r\n");
        });
        open_connections(&monitor) <= before
    });
    let took = since.elapsed();
    assert!(
        took < Duration::from_mins(1),
        "an idle one has 115 s: {took:?}"
    );
    drop((holds, wires));
}

/// A client that was told that its connection ends may try again. So a request behind that answer
/// must not be done as well.
#[test]
fn no_request_behind_an_unread_body_is_done() {
    let server = Server::start();
    let (writer, reader) = (writer(&server), server.key("team", "reader"));
    let path = state_path("team/net");
    let body = tfstate(L1, 1);
    let length = format!("Content-Length: {}", body.len());
    for framing in [length.as_str(), "Transfer-Encoding: chunked"] {
        let sent = match framing {
            "Transfer-Encoding: chunked" => chunked(&body, 100),
            _ => body.clone().into_bytes(),
        };
        let mut wire = Wire::to(&server);
        wire.send(head("POST", &path, &reader, &[framing]));
        let answer = wire.answer().expect("an answer").expect_status(403);
        assert_eq!(answer.header("connection"), "close");
        wire.send(&sent);
        wire.send(head("POST", &path, &writer, &[&length]) + &body);
        wire.closes();
    }
    writer.read("team/net").expect_problem(404, "no_state");
}
