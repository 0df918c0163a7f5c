//! Clients that read their answers slowly, or not at all: what they hold comes back, and whoever
//! only takes a while gets every byte.

use std::time::Duration;

use crate::harness::{Client, PATIENCE, Server, Setup, state_path};
use crate::inside;
use crate::scrape::{eventually_all_is_back, eventually_in_flight, in_flight, monitor};
use crate::wire::{Wire, head};

use super::{MIB, sized, writer};

/// More than all buffers between the server and a client that does not read.
const SIZE: usize = 16 * MIB;
const TICK: Duration = Duration::from_millis(50);

/// A server with one large state, who may read it and who looks at the metrics.
fn with_large_state(body_timeout: &str, cache: &str) -> (Server, Client, Client) {
    let setup = Setup::new()
        .flag("--max-state-size", "16MiB")
        .flag("--max-in-flight", "96MiB")
        .flag("--cache-size", cache);
    let server = setup.flag("--body-timeout", body_timeout).start();
    let (writer, monitor) = (writer(&server), monitor(&server));
    writer
        .write("team/large", sized(1, SIZE), None)
        .expect_status(200);
    // That takes memory for a moment, for which the cache is given up.
    inside::compacted(server.data());
    eventually_all_is_back(&monitor, "after the write");
    (server, writer, monitor)
}

fn ask(server: &Server, caller: &Client) -> Wire {
    let mut wire = Wire::to(server);
    wire.send(head("GET", &state_path("team/large"), caller, &[]));
    wire
}

#[test]
fn an_answer_that_nobody_reads_is_given_up() {
    let (server, writer, monitor) = with_large_state("1s", "0");
    let mut deaf = ask(&server, &writer);
    eventually_in_flight(&monitor, SIZE as u64, "the answer is under way");
    eventually_all_is_back(&monitor, "after its reader was given up");
    // What had come by then is there to read, and then nothing more.
    while deaf.sip(MIB) {}
    assert!(writer.read("team/large").expect_status(200).text() == sized(1, SIZE));
}

#[test]
fn an_answer_that_is_read_by_a_byte_now_and_then_is_given_up() {
    let (server, writer, monitor) = with_large_state("1s", "0");
    let mut slow = ask(&server, &writer);
    eventually_in_flight(&monitor, SIZE as u64, "the answer is under way");
    let end = std::time::Instant::now() + PATIENCE;
    while in_flight(&monitor) > 0 {
        assert!(
            std::time::Instant::now() < end,
            "a byte now and then holds 16 MiB"
        );
        slow.sip(1);
        std::thread::sleep(TICK);
    }
}

#[test]
fn an_answer_to_the_operator_that_nobody_reads_is_given_up() {
    let (server, _, monitor) = with_large_state("1s", "0");
    let mut deaf = Wire::to_socket_of(&server);
    deaf.send(format!(
        "GET {} HTTP/1.1\r\nHost: x\r\n\r\n",
        state_path("team/large")
    ));
    eventually_in_flight(&monitor, SIZE as u64, "the answer is under way");
    eventually_all_is_back(&monitor, "after its reader was given up");
}

#[test]
fn whoever_reads_slowly_but_steadily_gets_every_byte() {
    let (server, writer, monitor) = with_large_state("1s", "0");
    let mut steady = ask(&server, &writer);
    // For longer than the time-out: what counts is the pause, not the whole.
    let mut left = 60;
    while left > 0 && steady.sip(200 * 1024) {
        std::thread::sleep(TICK / 2);
        left -= 1;
    }
    let answer = steady.answer().expect("an answer").expect_status(200);
    assert!(answer.bytes == sized(1, SIZE).as_bytes());
    eventually_all_is_back(&monitor, "after the last byte");
}

#[test]
fn a_client_that_goes_away_amid_its_answer_disturbs_nobody_who_reads_the_same() {
    for cache in ["0", "32MiB"] {
        let (server, writer, monitor) = with_large_state("10m", cache);
        let (mut first, mut second) = (ask(&server, &writer), ask(&server, &writer));
        assert!(first.sip(1000) && second.sip(1000));
        drop(first);
        let answer = second.answer().expect("an answer").expect_status(200);
        assert!(
            answer.bytes == sized(1, SIZE).as_bytes(),
            "with a cache of {cache}"
        );
        let kept = if cache == "0" { 0 } else { SIZE as u64 };
        eventually_in_flight(
            &monitor,
            kept,
            "after both were done, but for what is kept for the next reader",
        );
    }
}

#[test]
fn many_who_read_the_same_slowly_share_one_copy_of_it() {
    let (server, writer, monitor) = with_large_state("10m", "32MiB");
    writer.read("team/large").expect_status(200);
    eventually_in_flight(&monitor, SIZE as u64, "one copy is kept");
    let mut readers: Vec<Wire> = (0..8).map(|_| ask(&server, &writer)).collect();
    for reader in &mut readers {
        assert!(reader.sip(1000));
    }
    // Looking at the outputs that were read takes memory beside it for a moment.
    eventually_in_flight(
        &monitor,
        SIZE as u64,
        "eight answers under way, and all of them are this copy",
    );
    for reader in &mut readers {
        let answer = reader.answer().expect("an answer").expect_status(200);
        assert!(answer.bytes == sized(1, SIZE).as_bytes());
    }
}
