//! Clients that take their time: heads and bodies that do not come on are given up, connections
//! that nobody uses end, and whoever is only slow gets through.

use std::time::{Duration, Instant};

use crate::harness::{Client, PATIENCE, Server, Setup, state_path, tfstate};
use crate::scrape::{eventually_all_is_back, monitor};
use crate::wire::{Wire, chunked, head};

use super::{KIB, L1, sized, small, still_serves, writer};

const TICK: Duration = Duration::from_millis(100);

/// Sends bytes one by one, a tick apart, until the server has hung up; fails when it never does.
#[track_caller]
fn drip(wire: &mut Wire, bytes: &[u8]) {
    let end = Instant::now() + PATIENCE;
    for byte in bytes.iter().cycle() {
        if !wire.send([*byte]) {
            return;
        }
        assert!(Instant::now() < end, "the server never hangs up");
        std::thread::sleep(TICK);
    }
}

/// A server that waits for nothing longer than a second, and somebody who writes.
fn impatient() -> (Server, Client) {
    let server = small()
        .flag("--body-timeout", "1s")
        .flag("--header-timeout", "1s")
        .flag("--idle-timeout", "1s")
        .start();
    let writer = writer(&server);
    (server, writer)
}

#[test]
fn a_head_that_drips_ends_its_connection() {
    let (server, _) = impatient();
    let mut wire = Wire::to(&server);
    wire.send("GET /healthz HTTP/1.1\r\nHost: x\r\n");
    drip(&mut wire, b"X-Filler: x\r\n");
    let mut socket = Wire::to_socket_of(&server);
    socket.send("GET /healthz HTTP/1.1\r\n");
    drip(&mut socket, b"X-Filler: x\r\n");
}

#[test]
fn a_head_that_never_comes_ends_its_connection() {
    let (server, _) = impatient();
    for begin in ["", "G", "GET /healthz HTTP/1.1\r\nHost: x\r\n"] {
        let mut wire = Wire::to(&server);
        wire.send(begin);
        if let Some(answer) = wire.answer() {
            answer.expect_problem(408, "slow_head");
        }
        wire.closes();
    }
}

#[test]
fn a_second_head_that_does_not_come_on_ends_its_connection_too() {
    let (server, writer) = impatient();
    for begin in ["G", "GET /healthz HTTP/1.1\r\nHost: x\r\n"] {
        let mut wire = Wire::to(&server);
        still_serves(&mut wire, &writer);
        wire.send(begin);
        wire.closes();
    }
    let mut wire = Wire::to(&server);
    still_serves(&mut wire, &writer);
    wire.send("GET /healthz HTTP/1.1\r\nHost: x\r\n");
    drip(&mut wire, b"X-Filler: x\r\n");
}

#[test]
fn a_connection_that_nobody_uses_ends_and_one_that_is_used_does_not() {
    let server = Setup::new().flag("--idle-timeout", "2s").start();
    let writer = writer(&server);
    let mut idle = Wire::to(&server);
    still_serves(&mut idle, &writer);
    let mut used = Wire::to(&server);
    let since = Instant::now();
    while since.elapsed() < Duration::from_secs(4) {
        still_serves(&mut used, &writer);
        std::thread::sleep(TICK);
    }
    idle.closes();
}

#[test]
fn a_body_that_pauses_or_trickles_is_408_and_leaves_nothing_behind() {
    let server = small().flag("--body-timeout", "1s").start();
    let (writer, monitor) = (writer(&server), monitor(&server));
    let length = format!("Content-Length: {}", 500 * KIB);
    for (framing, piece) in [
        (length.as_str(), " "),
        ("Transfer-Encoding: chunked", "1\r\n \r\n"),
    ] {
        // Nothing at all, or a byte twice a second: none of its pauses is too long.
        for pieces in [0, 40] {
            let mut wire = Wire::to(&server);
            wire.send(head("POST", &state_path("team/net"), &writer, &[framing]));
            let _ = (0..pieces)
                .take_while(|_| wire.send(piece) && wire.is_quiet(TICK * 5))
                .count();
            let answer = wire
                .answer()
                .expect("an answer")
                .expect_problem(408, "slow_body");
            assert_eq!(
                answer.header("connection"),
                "close",
                "{framing}, {pieces} pieces"
            );
        }
    }
    eventually_all_is_back(&monitor, "after slow bodies");
    writer.read("team/net").expect_problem(404, "no_state");
    writer
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
}

#[test]
fn after_a_slow_body_the_connection_ends() {
    let (server, writer) = impatient();
    for framing in ["Content-Length: 1000", "Transfer-Encoding: chunked"] {
        let mut wire = Wire::to(&server);
        wire.send(head("POST", &state_path("team/net"), &writer, &[framing]));
        wire.answer()
            .expect("an answer")
            .expect_problem(408, "slow_body");
        wire.closes();
    }
}

#[test]
fn a_body_that_is_slow_but_steady_is_stored() {
    let (server, writer) = impatient();
    let body = sized(1, 120 * KIB);
    let send = |name: &'static str, framing: String, bytes: Vec<u8>| {
        let mut wire = Wire::to(&server);
        wire.send(head("POST", &state_path(name), &writer, &[&framing]));
        std::thread::spawn(move || {
            // 40 KiB a second, for longer than any of the time-outs.
            for piece in bytes.chunks(4 * KIB) {
                wire.send(piece);
                std::thread::sleep(TICK);
            }
            wire.answer().expect("an answer")
        })
    };
    let announced = send(
        "team/announced",
        format!("Content-Length: {}", body.len()),
        body.clone().into_bytes(),
    );
    let in_chunks = send(
        "team/chunks",
        "Transfer-Encoding: chunked".to_owned(),
        chunked(&body, 999),
    );
    for (thread, name) in [(announced, "team/announced"), (in_chunks, "team/chunks")] {
        thread.join().expect("a writer").expect_status(200);
        assert!(writer.read(name).text() == body, "{name}");
    }
}

/// The parts of requests that are refused while their bodies in chunks are still coming, or not
/// coming any more.
fn refused_in_chunks(writer: &Client) -> [(&'static str, String); 3] {
    let too_large = chunked(" ".repeat(65 * KIB), 1000);
    let unfinished = String::from_utf8(too_large[..too_large.len() - 5].to_vec()).expect("ASCII");
    [
        (
            "nobody's",
            "POST /api/keys HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: \
            chunked\r\n\r\n5\r\nabcde\r\n"
                .to_owned(),
        ),
        (
            "not allowed",
            head("POST", "/api/keys", writer, &["Transfer-Encoding: chunked"]) + "5\r\nabcde\r\n",
        ),
        (
            "too large",
            head(
                "LOCK",
                &state_path("team/net"),
                writer,
                &["Transfer-Encoding: chunked"],
            ) + &unfinished,
        ),
    ]
}

#[test]
fn a_body_that_was_refused_and_does_not_come_on_holds_no_connection() {
    let (server, writer) = impatient();
    for (what, begin) in refused_in_chunks(&writer) {
        let mut wire = Wire::to(&server);
        wire.send(begin);
        let status = wire.answer().expect("an answer").status;
        assert!(status.is_client_error(), "{what}: {status}");
        wire.closes();
    }
}

#[test]
fn a_body_that_was_refused_is_not_read_for_ever() {
    let (server, writer) = impatient();
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x1_0000));
    for (what, begin) in refused_in_chunks(&writer) {
        let mut wire = Wire::to(&server);
        wire.send(begin);
        wire.answer().expect("an answer");
        let end = Instant::now() + PATIENCE;
        while wire.send(&chunk) {
            assert!(
                Instant::now() < end,
                "{what}: a body that is refused is read on and on"
            );
        }
    }
}
