//! Connections that are used for more than one request, in every way that HTTP allows: each request
//! gets its own answer, in its turn, whole.

use crate::harness::{
    Client, Server, Setup, lock_body, sha256, state_path, tfstate, tfstate_noted,
};
use crate::scrape::{Scrape, monitor};
use crate::wire::{Wire, chunked, head};

use super::{KIB, L1, MIB, goes_on, sized, still_serves, writer};

fn get(caller: &Client, name: &str) -> String {
    head("GET", &state_path(name), caller, &[])
}

fn with_body(method: &str, path: &str, caller: &Client, body: &str) -> String {
    head(
        method,
        path,
        caller,
        &[&format!("Content-Length: {}", body.len())],
    ) + body
}

#[test]
fn many_requests_in_one_piece_are_answered_in_their_order() {
    let server = Server::start();
    let writer = writer(&server);
    let body = |number: usize| tfstate_noted(L1, 1, &format!("state {number}").repeat(number));
    for number in 0..40 {
        writer
            .write(&format!("team/n{number}"), body(number), None)
            .expect_status(200);
    }
    for _ in 0..3 {
        let mut wire = Wire::to(&server);
        wire.send(
            (0..40)
                .map(|number| get(&writer, &format!("team/n{number}")))
                .collect::<String>(),
        );
        for number in 0..40 {
            assert_eq!(
                wire.answer().expect("an answer").expect_status(200).text(),
                body(number),
                "{number}"
            );
        }
        still_serves(&mut wire, &writer);
    }
}

#[test]
fn reads_and_writes_in_one_piece_see_each_other_in_their_order() {
    let server = Server::start();
    let writer = writer(&server);
    let path = state_path("team/net");
    let under_lock = format!("{path}?ID=lock-1");
    let mut wire = Wire::to(&server);
    let mut requests =
        get(&writer, "team/net") + &with_body("LOCK", &path, &writer, &lock_body("lock-1"));
    for serial in 1..=5 {
        requests += &with_body("POST", &under_lock, &writer, &tfstate(L1, serial));
        requests += &get(&writer, "team/net");
    }
    requests += &with_body("UNLOCK", &path, &writer, &lock_body("lock-1"));
    requests += &get(&writer, "team/net");
    wire.send(requests);
    let mut next = || wire.answer().expect("an answer");
    next().expect_problem(404, "no_state");
    assert_eq!(next().expect_status(200).text(), lock_body("lock-1"));
    for serial in 1..=5 {
        assert_eq!(next().expect_status(200).json()["number"], serial);
        assert_eq!(next().expect_status(200).text(), tfstate(L1, serial));
    }
    assert_eq!(next().expect_status(200).text(), lock_body("lock-1"));
    assert_eq!(next().expect_status(200).text(), tfstate(L1, 5));
}

#[test]
fn after_a_refused_write_the_next_request_is_answered_or_the_connection_ends() {
    let server = Setup::new().flag("--max-state-size", "64KiB").start();
    let (writer, reader) = (writer(&server), server.key("team", "reader"));
    writer
        .write("team/net", tfstate(L1, 5), None)
        .expect_status(200);
    let path = state_path("team/net");
    let (fine, long) = (tfstate(L1, 6), sized(7, 200 * KIB));
    let rows = [
        ("not a state", &writer, "not a state".to_owned(), 400),
        ("stale", &writer, tfstate(L1, 1), 409),
        ("not allowed", &reader, fine, 403),
        ("too large", &writer, long, 413),
    ];
    for (what, caller, body, status) in rows {
        let announced = with_body("POST", &path, caller, &body);
        let mut in_chunks =
            head("POST", &path, caller, &["Transfer-Encoding: chunked"]).into_bytes();
        in_chunks.extend(chunked(&body, 1000));
        for request in [announced.into_bytes(), in_chunks] {
            let mut wire = Wire::to(&server);
            wire.send([request, get(&writer, "team/net").into_bytes()].concat());
            let refusal = wire.answer().expect("an answer").expect_status(status);
            let ends = refusal.header("connection") == "close";
            assert!(
                !ends || status == 403 || status == 413,
                "{what}: its body was read"
            );
            if ends {
                assert!(wire.answer().is_none(), "{what}: nothing more is done");
                continue;
            }
            let next = wire.answer().expect("the next answer");
            assert_eq!(next.expect_status(200).text(), tfstate(L1, 5), "{what}");
            still_serves(&mut wire, &writer);
        }
    }
    assert_eq!(writer.read("team/net").text(), tfstate(L1, 5));
}

/// Reads the answers to some requests by GET and HEAD for a state of 300 KiB, and checks each.
#[track_caller]
fn expect_answers(wire: &mut Wire, methods: &[&str]) {
    for method in methods {
        if *method == "HEAD" {
            let answer = wire.answer_to_head().expect("an answer").expect_status(200);
            assert_eq!(
                answer.header("content-length"),
                (300 * KIB).to_string(),
                "{:?}",
                answer.headers
            );
        } else {
            assert!(
                wire.answer().expect("an answer").expect_status(200).text() == sized(1, 300 * KIB)
            );
        }
    }
}

#[test]
fn a_head_between_other_requests_has_no_body() {
    let server = Server::start();
    let writer = writer(&server);
    writer
        .write("team/net", sized(1, 300 * KIB), None)
        .expect_status(200);
    let mut wire = Wire::to(&server);
    for method in ["HEAD", "GET", "HEAD", "HEAD", "GET"] {
        wire.send(head(method, &state_path("team/net"), &writer, &[]));
        expect_answers(&mut wire, &[method]);
    }
    wire.send(head("HEAD", &state_path("team/none"), &writer, &[]));
    wire.answer_to_head().expect("an answer").expect_status(404);
    still_serves(&mut wire, &writer);
}

/// Each after the answer before it: the HTTP library mixes up a HEAD with requests that come in one
/// piece with it, see docs/limits.md.
#[test]
fn a_head_among_other_requests_has_no_body() {
    let server = Server::start();
    let writer = writer(&server);
    writer
        .write("team/net", sized(1, 300 * KIB), None)
        .expect_status(200);
    let mut wire = Wire::to(&server);
    for method in ["HEAD", "GET", "HEAD", "HEAD", "GET"] {
        wire.send(head(method, &state_path("team/net"), &writer, &[]));
        expect_answers(&mut wire, &[method]);
    }
    still_serves(&mut wire, &writer);
}

#[test]
fn a_request_that_comes_byte_by_byte_is_answered() {
    let server = Server::start();
    let writer = writer(&server);
    let mut wire = Wire::to(&server);
    let request = with_body("POST", &state_path("team/net"), &writer, &tfstate(L1, 1))
        + &get(&writer, "team/net");
    for byte in request.bytes() {
        assert!(wire.send([byte]));
    }
    wire.answer().expect("an answer").expect_status(200);
    assert_eq!(
        wire.answer().expect("an answer").expect_status(200).text(),
        tfstate(L1, 1)
    );
}

#[test]
fn chunks_may_have_any_size_and_extensions() {
    let server = Server::start();
    let writer = writer(&server);
    let mut wire = Wire::to(&server);
    let mut serial = 0;
    for size in [
        1, 2, 7, 15, 16, 17, 255, 4095, 4096, 4097, 65_535, 65_536, 100_000,
    ] {
        serial += 1;
        let body = sized(serial, if size < 255 { 5 * KIB } else { 150 * KIB });
        wire.send(head(
            "POST",
            &state_path("team/net"),
            &writer,
            &["Transfer-Encoding: chunked"],
        ));
        wire.send(chunked(&body, size));
        wire.answer().expect("an answer").expect_status(200);
        assert!(writer.read("team/net").text() == body, "chunks of {size}");
    }
    let body = tfstate(L1, 100);
    let (first, second) = body.split_at(26);
    wire.send(head(
        "POST",
        &state_path("team/net"),
        &writer,
        &["Transfer-Encoding: chunked"],
    ));
    wire.send(format!(
        "1a;name=value\r\n{first}\r\n00{:X};x\r\n{second}\r\n0\r\n\r\n",
        second.len()
    ));
    wire.answer().expect("an answer").expect_status(200);
    assert_eq!(writer.read("team/net").text(), body);
}

#[test]
fn whoever_waits_to_be_told_to_go_on_is_told_and_whoever_sends_too_much_is_refused() {
    let server = Setup::new().flag("--max-state-size", "64KiB").start();
    let (writer, reader) = (writer(&server), server.key("team", "reader"));
    let path = state_path("team/net");
    let expects = |caller: &Client, framing: &str| {
        head("POST", &path, caller, &[framing, "Expect: 100-continue"])
    };
    let body = tfstate(L1, 1);
    let mut wire = Wire::to(&server);
    wire.send(expects(&writer, &format!("Content-Length: {}", body.len())));
    assert!(wire.sip(25), "told to go on before a byte of the body came");
    wire.send(&body);
    wire.answer().expect("an answer").expect_status(200);
    wire.send(expects(&writer, "Transfer-Encoding: chunked"));
    assert!(wire.sip(25));
    wire.send(chunked(tfstate(L1, 2), 10));
    wire.answer().expect("an answer").expect_status(200);
    still_serves(&mut wire, &writer);
    for (caller, length, status) in [
        (&writer, 65_537, 413),
        (&writer, 4_000_000_000_u64, 413),
        (&reader, 100, 403),
    ] {
        let mut wire = Wire::to(&server);
        wire.send(expects(caller, &format!("Content-Length: {length}")));
        let refusal = wire
            .answer()
            .expect("an answer without a byte of the body")
            .expect_status(status);
        goes_on(&mut wire, caller, &refusal);
    }
    assert_eq!(writer.read("team/net").text(), tfstate(L1, 2));
}

#[test]
fn large_answers_come_whole_one_after_the_other() {
    let server = Setup::new().flag("--cache-size", "4MiB").start();
    let writer = writer(&server);
    // Around the size of a piece, and of several.
    let sizes = [
        64 * KIB - 1,
        64 * KIB,
        64 * KIB + 1,
        128 * KIB,
        MIB + 1,
        5 * MIB,
    ];
    for (number, size) in sizes.iter().enumerate() {
        writer
            .write(&format!("team/n{number}"), sized(1, *size), None)
            .expect_status(200);
    }
    for _ in 0..2 {
        let mut wire = Wire::to(&server);
        wire.send(
            (0..sizes.len())
                .map(|number| get(&writer, &format!("team/n{number}")))
                .collect::<String>(),
        );
        for size in sizes {
            let answer = wire.answer().expect("an answer").expect_status(200);
            assert_eq!(
                answer.header("etag"),
                format!("\"{}\"", sha256(sized(1, size).as_bytes()))
            );
            assert!(answer.bytes == sized(1, size).as_bytes(), "{size} bytes");
        }
        still_serves(&mut wire, &writer);
    }
}

#[test]
fn whoever_has_the_bytes_already_is_told_so_from_memory_too() {
    let server = Server::start();
    let (writer, monitor) = (writer(&server), monitor(&server));
    let tag = |serial: u64| {
        format!(
            "If-None-Match: \"{}\"",
            sha256(tfstate(L1, serial).as_bytes())
        )
    };
    let ask = |header: &str| head("GET", &state_path("team/net"), &writer, &[header]);
    let mut wire = Wire::to(&server);
    for serial in 1..=5 {
        writer
            .write("team/net", tfstate(L1, serial), None)
            .expect_status(200);
        let before = Scrape::of(&monitor).sum("statekeep_cache_reads_total", &[("result", "hit")]);
        wire.send(
            [
                ask(&tag(serial - 1)),
                ask(&tag(serial)),
                ask("If-None-Match: *"),
                ask(&tag(serial - 1)),
            ]
            .concat(),
        );
        for status in [200, 304, 304, 200] {
            let answer = wire.answer().expect("an answer").expect_status(status);
            assert_eq!(
                answer.text(),
                if status == 200 {
                    tfstate(L1, serial)
                } else {
                    String::new()
                }
            );
            assert_eq!(answer.header("statekeep-version"), serial.to_string());
        }
        assert!(
            Scrape::of(&monitor).sum("statekeep_cache_reads_total", &[("result", "hit")])
                >= before + 3
        );
    }
}
