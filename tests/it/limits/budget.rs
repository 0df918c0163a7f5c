//! The memory for bodies under way: what does not fit is refused before it is read, small bodies go
//! on, and everything that was reserved comes back however a request ends.

use std::time::Duration;

use serde_json::json;

use crate::harness::{Client, Server, Setup, eventually, lock_body, state_path, tfstate};
use crate::inside;
use crate::scrape::{eventually_all_is_back, eventually_in_flight, in_flight, monitor};
use crate::wire::{Wire, chunked, head};

use super::{
    KIB, L1, MIB, announce, goes_on, held_by_the_operator, says_when_to_retry, send_nearly_all,
    sized, small, still_serves, writer,
};

/// All that [`small`] reserves.
const ALL: u64 = 8 << 20;

/// Waits until what was written is compacted, since that takes memory for a moment.
fn eventually_quiet(server: &Server, monitor: &Client) {
    inside::compacted(server.data());
    eventually_all_is_back(monitor, "after what was written is compacted");
}

#[test]
fn a_body_that_does_not_fit_is_503_before_it_is_read_while_small_ones_go_on() {
    let server = small().flag("--body-timeout", "10m").start();
    let (writer, monitor) = (writer(&server), monitor(&server));
    writer
        .write("team/small", tfstate(L1, 1), None)
        .expect_status(200);
    eventually_quiet(&server, &monitor);
    let mut slow = held_by_the_operator(&server, 8);
    eventually_in_flight(&monitor, ALL, "eight bodies of 1 MiB");

    let mut refused = announce(&server, &writer, "team/refused", MIB);
    let answer = refused
        .answer()
        .expect("an answer without a byte of the body")
        .expect_problem(503, "over_memory_budget");
    says_when_to_retry(&answer);
    goes_on(&mut refused, &writer, &answer);
    let mut refused = Wire::to(&server);
    refused.send(head(
        "POST",
        &state_path("team/refused"),
        &writer,
        &["Transfer-Encoding: chunked"],
    ));
    refused.send(chunked(sized(1, MIB), 10_000));
    let answer = refused
        .answer()
        .expect("an answer")
        .expect_problem(503, "over_memory_budget");
    says_when_to_retry(&answer);
    assert_eq!(answer.header("connection"), "close", "the rest is not read");

    writer.lock("team/slow0", "lock-1").expect_status(200);
    writer.unlock("team/slow0", "lock-1").expect_status(200);
    writer
        .write("team/small", tfstate(L1, 2), None)
        .expect_status(200);
    assert_eq!(
        writer.read("team/small").expect_status(200).text(),
        tfstate(L1, 2)
    );
    server
        .key("team", "reader")
        .read("team/small")
        .expect_status(200);
    eventually_in_flight(&monitor, ALL, "and the eight are still under way");

    // One of them makes room for the others to be compressed.
    drop(slow.pop());
    for wire in &mut slow {
        wire.send(&sized(1, MIB)[MIB - 1..]);
        wire.answer().expect("an answer").expect_status(200);
    }
    eventually_all_is_back(&monitor, "after all seven were stored");
    writer.read("team/refused").expect_problem(404, "no_state");
    writer
        .write("team/refused", sized(1, MIB), None)
        .expect_status(200);
    for number in 0..7 {
        assert!(writer.read(&format!("team/slow{number}")).text() == sized(1, MIB));
    }
    eventually_all_is_back(&monitor, "at the end");
}

/// How a body goes on that has begun.
enum Rest {
    /// With these bytes; then there is an answer of this status, and of this code where it is a
    /// problem.
    Sent(String, u16, &'static str),
    /// The client goes away.
    Gone,
    /// The client says that it sends nothing more, and waits for the answer.
    Ended,
    /// Nothing comes for as long as the server waits.
    Nothing,
}

const SIZE: usize = 500 * KIB;
/// How much of a body comes at first.
const BEGIN: usize = 10;

/// What may happen to a body: what it is called, the state that it is for, and how it goes on.
fn ends(serial: u64) -> [(&'static str, &'static str, Rest); 8] {
    let rest = || sized(serial, SIZE)[BEGIN..].to_owned();
    [
        ("stored", "team/new", Rest::Sent(rest(), 200, "")),
        (
            "not JSON",
            "team/net",
            Rest::Sent("x".repeat(SIZE - BEGIN), 400, "bad_body"),
        ),
        (
            "another checksum",
            "team/net",
            Rest::Sent(rest(), 400, "md5_mismatch"),
        ),
        (
            "stale, and so kept as rejected",
            "team/old",
            Rest::Sent(rest(), 409, "stale_write"),
        ),
        (
            "locked, and so kept as rejected",
            "team/locked",
            Rest::Sent(rest(), 423, ""),
        ),
        ("the client gone", "team/net", Rest::Gone),
        ("the body cut short", "team/net", Rest::Ended),
        ("no more of it", "team/net", Rest::Nothing),
    ]
}

#[test]
fn memory_comes_back_however_a_body_ends() {
    let server = small().flag("--body-timeout", "1s").start();
    let (writer, other, monitor) = (writer(&server), writer(&server), monitor(&server));
    writer
        .write("team/old", sized(5, 200 * KIB), None)
        .expect_status(200);
    other.lock("team/locked", "lock-1").expect_status(200);
    let length = format!("Content-Length: {SIZE}");
    for (serial, framing) in [(1, length.as_str()), (2, "Transfer-Encoding: chunked")] {
        let is_chunked = serial == 2;
        let framed = |text: &str| {
            if is_chunked {
                format!("{:x}\r\n{text}\r\n", text.len())
            } else {
                text.to_owned()
            }
        };
        let last = if is_chunked { "0\r\n\r\n" } else { "" };
        // In chunks nothing is reserved before it comes: the first one is more than a small body.
        let filler = if is_chunked {
            " ".repeat(100 * KIB)
        } else {
            String::new()
        };
        for (what, name, rest) in ends(serial) {
            let md5 = if what == "another checksum" {
                "Content-MD5: AAAAAAAAAAAAAAAAAAAAAA=="
            } else {
                "X-Nothing: x"
            };
            let mut wire = Wire::to(&server);
            wire.send(head("POST", &state_path(name), &writer, &[framing, md5]));
            wire.send(framed(&format!(
                "{filler}{}",
                &sized(serial, SIZE)[..BEGIN]
            )));
            eventually(&format!("memory is reserved, {what}"), || {
                in_flight(&monitor) > 0
            });
            if let Rest::Sent(text, ..) = &rest {
                wire.send(framed(text) + last);
            }
            end(wire, &writer, what, &rest);
            eventually_all_is_back(&monitor, what);
        }
    }
    writer.read("team/net").expect_problem(404, "no_state");
}

/// Checks what is answered to a body, and what becomes of its connection.
#[track_caller]
fn end(mut wire: Wire, writer: &Client, what: &str, rest: &Rest) {
    match rest {
        Rest::Sent(_, status, code) => {
            let answer = wire.answer().expect("an answer");
            let answer = if code.is_empty() {
                answer.expect_status(*status)
            } else {
                answer.expect_problem(*status, code)
            };
            assert_ne!(
                answer.header("connection"),
                "close",
                "{what}: all of its body was read"
            );
            still_serves(&mut wire, writer);
        }
        Rest::Gone => drop(wire),
        Rest::Ended => {
            wire.finish();
            wire.answer()
                .expect("an answer")
                .expect_problem(400, "bad_body");
        }
        Rest::Nothing => {
            wire.answer()
                .expect("an answer")
                .expect_problem(408, "slow_body");
        }
    }
}

#[test]
fn an_announced_length_holds_no_memory() {
    let server = small().start();
    let (writer, monitor) = (writer(&server), monitor(&server));
    let mut announced = announce(&server, &writer, "team/net", MIB);
    announced.send(&sized(1, MIB)[..1000]);
    eventually("something is reserved", || in_flight(&monitor) > 0);
    assert!(in_flight(&monitor) <= 8 * 1024, "{}", in_flight(&monitor));
    drop(announced);
    eventually_all_is_back(&monitor, "after its client was gone");
}

#[test]
fn a_body_is_given_memory_as_it_grows_and_refused_when_there_is_none_left() {
    let server = small().start();
    let (writer, monitor) = (writer(&server), monitor(&server));
    let path = state_path("team/chunks");
    let mut growing = Wire::to(&server);
    growing.send(head(
        "POST",
        &path,
        &writer,
        &["Transfer-Encoding: chunked"],
    ));
    for pieces in 1..=4 {
        growing.send(format!("{:x}\r\n{}\r\n", 200 * KIB, " ".repeat(200 * KIB)));
        eventually("what has come is reserved", || {
            in_flight(&monitor) >= pieces * 200 * 1024
        });
        assert!(
            in_flight(&monitor) <= pieces * 400 * 1024,
            "and no more than twice of that"
        );
    }
    drop(growing);
    eventually_all_is_back(&monitor, "after its client was gone");

    let mut others = held_by_the_operator(&server, 6);
    eventually_in_flight(&monitor, ALL - 2 * MIB as u64, "six bodies");
    // All that is left is just enough for the largest state.
    let mut fits = Wire::to(&server);
    fits.send(head(
        "POST",
        &path,
        &writer,
        &["Transfer-Encoding: chunked"],
    ));
    fits.send(chunked(sized(1, MIB), 10_000));
    fits.answer().expect("an answer").expect_status(200);
    still_serves(&mut fits, &writer);
    eventually_in_flight(&monitor, ALL - 2 * MIB as u64, "six bodies again");

    others.extend(held_by_the_operator(&server, 1));
    eventually_in_flight(&monitor, ALL - MIB as u64, "seven bodies");
    fits.send(head(
        "POST",
        &path,
        &writer,
        &["Transfer-Encoding: chunked"],
    ));
    fits.send(chunked(sized(2, MIB), 10_000));
    let refusal = fits
        .answer()
        .expect("an answer")
        .expect_problem(503, "over_memory_budget");
    says_when_to_retry(&refusal);
    goes_on(&mut fits, &writer, &refusal);
    eventually_in_flight(
        &monitor,
        ALL - MIB as u64,
        "what was read until then is given back",
    );
    drop(others);
    assert!(writer.read("team/chunks").text() == sized(1, MIB));
}

#[test]
fn a_key_with_too_many_small_bodies_is_503_while_its_states_and_others_go_on() {
    const SMALL: usize = 64 * KIB;
    let server = small().start();
    let (writer, other) = (writer(&server), server.key("other", "writer"));
    let monitor = monitor(&server);
    let begin = |number: usize| {
        let mut wire = announce(&server, &writer, &format!("team/n{number}"), SMALL);
        send_nearly_all(&mut wire, 1, SMALL);
        wire
    };
    // Twice each, and a quarter of 32 MiB for one key.
    let slow: Vec<Wire> = (0..(8 * MIB) / (2 * SMALL)).map(begin).collect();
    eventually_in_flight(&monitor, 8 << 20, "all that one key may have");
    let answer = writer
        .lock("team/net", "lock-1")
        .expect_problem(503, "over_memory_budget");
    says_when_to_retry(&answer);
    other.lock("other/net", "lock-1").expect_status(200);
    drop(slow);
    eventually_all_is_back(&monitor, "after their clients were gone");
    assert_eq!(
        writer.lock("team/net", "lock-1").expect_status(200).text(),
        lock_body("lock-1")
    );
}

#[test]
fn a_read_that_finds_no_memory_waits_for_it() {
    let server = small().start();
    let (writer, monitor) = (writer(&server), monitor(&server));
    writer
        .write("team/net", sized(1, 700 * KIB), None)
        .expect_status(200);
    eventually_quiet(&server, &monitor);
    let mut slow = held_by_the_operator(&server, 8);
    eventually_in_flight(&monitor, ALL, "eight bodies");
    let mut reader = Wire::to(&server);
    reader.send(head("GET", &state_path("team/net"), &writer, &[]));
    assert!(
        reader.is_quiet(Duration::from_millis(300)),
        "it is not refused at once"
    );
    slow.pop();
    assert!(
        reader
            .answer()
            .expect("an answer")
            .expect_status(200)
            .text()
            == sized(1, 700 * KIB)
    );
    drop(slow);
    eventually_all_is_back(&monitor, "at the end");
}

#[test]
fn a_read_that_never_finds_memory_is_503_in_the_end() {
    let server = small().start();
    let (writer, monitor) = (writer(&server), monitor(&server));
    writer
        .write("team/net", sized(1, 700 * KIB), None)
        .expect_status(200);
    eventually_quiet(&server, &monitor);
    let slow = held_by_the_operator(&server, 8);
    eventually_in_flight(&monitor, ALL, "eight bodies");
    let mut reader = Wire::to(&server);
    reader.send(head("GET", &state_path("team/net"), &writer, &[]));
    let answer = reader
        .answer()
        .expect("an answer")
        .expect_problem(503, "over_memory_budget");
    says_when_to_retry(&answer);
    still_serves(&mut reader, &writer);
    drop(slow);
    eventually_all_is_back(&monitor, "after the bodies were gone");
    assert!(writer.read("team/net").expect_status(200).text() == sized(1, 700 * KIB));
}

#[test]
fn a_client_that_sends_all_before_it_reads_sees_that_there_is_no_room() {
    let server = Setup::new()
        .flag("--max-state-size", "48MiB")
        .flag("--max-in-flight", "96MiB")
        .flag("--body-timeout", "10m")
        .start();
    let writer = writer(&server);
    let length = format!("Content-Length: {}", 48 * MIB);
    let target = state_path("team/large");
    let mut slow = Wire::to(&server);
    slow.send(head("POST", &target, &writer, &[&length]));
    slow.send(vec![b' '; 8 * MIB]);
    // More than the system keeps between the two.
    let body = vec![b' '; 48 * MIB];
    eventually("one is refused and has sent all", || {
        let mut wire = Wire::to(&server);
        wire.send(head("POST", &target, &writer, &[&length]));
        assert!(wire.send(&body), "all of it is taken");
        let answer = wire.answer().expect("an answer, and no broken connection");
        if answer.status == 503 {
            says_when_to_retry(&answer.expect_problem(503, "over_memory_budget"));
            return true;
        }
        false
    });
}

#[test]
fn the_search_index_reads_what_it_has_of_a_state_only_if_there_is_memory_for_it() {
    let server = small().flag("--body-timeout", "10m").start();
    let (writer, monitor) = (writer(&server), monitor(&server));
    writer
        .write("team/big", many_instances(1_000), None)
        .expect_status(200);
    writer
        .write("team/small", tfstate(L1, 1), None)
        .expect_status(200);
    let count = |sql: &str| inside::number(server.data(), sql);
    let behind = || count("SELECT count(*) FROM pending_words");
    let of = |block: &str| {
        count(&format!(
            "SELECT count(*) FROM found_entries WHERE state_id = \
                (SELECT id FROM states WHERE building_block = '{block}')"
        ))
    };
    eventually("the index has both", || behind() == 0);
    assert_eq!(of("big"), 1_001, "its instances and its name");
    eventually_quiet(&server, &monitor);

    let slow = held_by_the_operator(&server, 8);
    eventually_in_flight(&monitor, ALL, "eight bodies of 1 MiB");
    for state in ["team/big", "team/small"] {
        writer.delete(state).expect_status(200);
    }
    // The larger one comes first, by its id.
    eventually("the small one is forgotten", || of("small") == 0);
    assert_eq!((of("big"), behind()), (1_001, 1), "the large one waits");
    drop(slow);
    eventually("the large one is forgotten too", || {
        (of("big"), behind()) == (0, 0)
    });
}

/// A state with so many instances, each with a name of its own.
fn many_instances(count: usize) -> String {
    let instance = |number| {
        json!({
            "mode": "managed", "type": "null_resource", "name": format!("n{number}"),
            "provider": "provider[\"registry.terraform.io/hashicorp/null\"]",
            "instances": [{"schema_version": 0, "attributes": {"id": format!("id-{number}")}}],
        })
    };
    let resources: Vec<_> = (0..count).map(instance).collect();
    json!({
        "version": 4, "terraform_version": "1.11.4", "serial": 1, "lineage": L1, "outputs": {},
        "resources": resources, "check_results": null
    })
    .to_string()
}
