//! Many clients at once against the limits: work that they share is done once, and whoever does not
//! fit is told so and loses nothing.

use std::sync::{Arc, Barrier};
use std::time::Duration;

use crate::disk::noise;
use crate::harness::{Answer, Client, Server, Setup, eventually, md5, state_path, tfstate_noted};
use crate::inside;
use crate::scrape::{Scrape, eventually_all_is_back, monitor};
use crate::wire::{Wire, head};

use super::{L1, MIB, says_when_to_retry, sized, small, writer};

/// The bytes that a process has read from files so far.
fn read_from_files(pid: u32) -> u64 {
    let io =
        std::fs::read_to_string(format!("/proc/{pid}/io")).expect("the figures of our own child");
    let line = io
        .lines()
        .find_map(|line| line.strip_prefix("rchar: "))
        .expect("rchar");
    line.parse().expect("a number")
}

/// Whether a process reads next to nothing for as long as it takes to begin with what is left for a
/// pause.
fn is_quiet(pid: u32) -> bool {
    let before = read_from_files(pid);
    std::thread::sleep(Duration::from_millis(500));
    read_from_files(pid) - before < 10_000
}

#[test]
fn a_cold_state_that_many_read_at_once_is_read_from_the_disk_once() {
    let server = Setup::new()
        .flag("--cache-size", "32MiB")
        .flag("--body-timeout", "10m")
        .start();
    let (writer, monitor) = (writer(&server), monitor(&server));
    for round in 1..=2 {
        // Some 6 MiB on the disk, which are moved into the database after the answer.
        let body = tfstate_noted(L1, round, &noise(round, 8 * MIB));
        let moves = || Scrape::of(&monitor).value("statekeep_checkpoint_duration_seconds_count");
        let moved_before = moves();
        writer.write("team/net", &body, None).expect_status(200);
        eventually("the WAL was checkpointed", || moves() > moved_before);
        inside::compacted(server.data());
        eventually("it is quiet", || is_quiet(server.pid()));
        let misses =
            || Scrape::of(&monitor).sum("statekeep_cache_reads_total", &[("result", "miss")]);
        let (before, misses_before) = (read_from_files(server.pid()), misses());
        let mut wires: Vec<Wire> = (0..8).map(|_| Wire::to(&server)).collect();
        for wire in &mut wires {
            wire.send(head("GET", &state_path("team/net"), &writer, &[]));
        }
        for mut wire in wires {
            assert!(wire.answer().expect("an answer").expect_status(200).bytes == body.as_bytes());
        }
        let read = read_from_files(server.pid()) - before;
        assert!(misses() > misses_before, "it was not in memory before");
        assert!(
            read > 5 * MIB as u64,
            "{read} bytes were read: so this shows nothing"
        );
        assert!(
            read < 10 * MIB as u64,
            "{read} bytes were read for a state that takes 6 MiB"
        );
    }
}

#[test]
fn of_a_crowd_that_does_not_fit_some_are_stored_and_the_others_are_told_to_come_again() {
    let server = small().start();
    let (writer, monitor) = (writer(&server), monitor(&server));
    let body = |number: u64| sized(number, MIB);
    let barrier = Arc::new(Barrier::new(32));
    let threads: Vec<_> = (1..=32)
        .map(|number: u64| {
            let (barrier, mut wire) = (Arc::clone(&barrier), Wire::to(&server));
            let path = state_path(&format!("team/n{number}"));
            let head = head("POST", &path, &writer, &[&format!("Content-Length: {MIB}")]);
            std::thread::spawn(move || {
                let body = body(number);
                barrier.wait();
                wire.send(head);
                wire.send(body);
                (number, wire.answer().expect("an answer"))
            })
        })
        .collect();
    let answers: Vec<(u64, Answer)> = threads
        .into_iter()
        .map(|thread| thread.join().expect("a writer"))
        .collect();
    let mut stored = 0;
    for (number, answer) in answers {
        let read = writer.read(&format!("team/n{number}"));
        if answer.status == 200 {
            assert!(read.expect_status(200).text() == body(number), "{number}");
            stored += 1;
        } else {
            says_when_to_retry(&answer.expect_problem(503, "over_memory_budget"));
            read.expect_problem(404, "no_state");
        }
    }
    assert!(
        (1..=32).contains(&stored),
        "{stored} of 32 were stored: at least one has to be"
    );
    eventually_all_is_back(&monitor, "after the crowd");
    writer.write("team/later", body(1), None).expect_status(200);
}

#[test]
fn a_crowd_that_tries_again_is_stored_in_the_end() {
    let server = small().start();
    let (writer, monitor) = (writer(&server), monitor(&server));
    let threads: Vec<_> = (1..=16)
        .map(|number: u64| {
            let writer = writer.clone();
            std::thread::spawn(move || {
                let (name, body) = (format!("team/n{number}"), sized(number, MIB));
                eventually("it is stored", || {
                    let answer = writer.write(&name, &body, None);
                    answer.status == 200
                        || answer.expect_problem(503, "over_memory_budget").status == 200
                });
                // A read is refused as well while the others' bodies hold the key's share.
                eventually("it is read", || {
                    let read = writer.read(&name);
                    read.status != 503 && read.expect_status(200).text() == body
                });
            })
        })
        .collect();
    for thread in threads {
        thread.join().expect("a writer");
    }
    assert_eq!(
        Scrape::of(&monitor).sum("statekeep_writes_total", &[("outcome", "stored")]),
        16
    );
    eventually_all_is_back(&monitor, "after the crowd");
}

#[test]
fn readers_and_writers_of_one_state_at_once_see_whole_states_and_never_an_older_one() {
    let server = Server::start();
    let writer = writer(&server);
    let body = |serial: u64| tfstate_noted(L1, serial, &serial.to_string().repeat(30_000));
    writer.write("team/net", body(1), None).expect_status(200);
    let readers: Vec<_> = (0..4)
        .map(|_| {
            let reader = writer.clone();
            std::thread::spawn(move || {
                let mut last = 0;
                while last < 30 {
                    let text = reader.read("team/net").expect_status(200).text();
                    let state: serde_json::Value =
                        serde_json::from_str(&text).expect("a whole state");
                    let serial = state["serial"].as_u64().expect("a serial");
                    assert!(serial >= last, "{serial} after {last}");
                    assert!(text == body(serial), "{serial}");
                    last = serial;
                }
            })
        })
        .collect();
    for serial in 2..=30 {
        writer
            .write("team/net", body(serial), None)
            .expect_status(200);
    }
    for thread in readers {
        thread.join().expect("a reader");
    }
}

/// One of a crowd: what it sends under which checksum, and the code that it is refused with.
fn one_of_a_crowd(number: u64) -> (String, String, Option<&'static str>) {
    // From some hundred bytes to some 400 kB, so that bodies of all lengths are beside each other.
    let body = tfstate_noted(L1, number, &noise(number, 100 << (number % 13)));
    match number % 4 {
        0 => (
            body.clone(),
            md5(tfstate_noted(L1, number + 1, "other").as_bytes()),
            Some("md5_mismatch"),
        ),
        1 => {
            let cut = body[..body.len() - 1].to_owned();
            (cut.clone(), md5(cut.as_bytes()), Some("bad_body"))
        }
        _ => (body.clone(), md5(body.as_bytes()), None),
    }
}

#[test]
fn each_of_a_crowd_is_judged_by_its_own_bytes_and_its_own_checksum() {
    let server = Server::start();
    let writer = writer(&server);
    for round in 0..5 {
        let barrier = Arc::new(Barrier::new(40));
        let one = |number: u64| {
            let (writer, barrier) = (writer.clone(), Arc::clone(&barrier));
            std::thread::spawn(move || send_in_a_crowd(&writer, &barrier, number))
        };
        let crowd: Vec<_> = (40 * round..40 * (round + 1)).map(one).collect();
        for one in crowd {
            one.join().expect("it is answered as it should be");
        }
    }
}

fn send_in_a_crowd(writer: &Client, barrier: &Barrier, number: u64) {
    let (body, sum, refused) = one_of_a_crowd(number);
    let name = format!("team/n{number}");
    let request = writer
        .request("POST", &state_path(&name))
        .header("Content-MD5", sum)
        .body(body.clone());
    barrier.wait();
    let answer = Client::ask(request);
    if let Some(code) = refused {
        answer.expect_problem(400, code);
        return;
    }
    answer.expect_status(200);
    assert!(
        writer.read(&name).expect_status(200).text() == body,
        "{name} is not what was written"
    );
}
