//! The queue of the writer: when it is full, writes are told to come again, and whatever was
//! acknowledged all the same is there.

use std::sync::{Arc, Barrier};

use serde_json::json;
use tempfile::TempDir;

use crate::disk::strace;
use crate::harness::{Answer, Client, Setup, lock_body, state_path, tfstate_noted};
use crate::scrape::{Scrape, eventually_all_is_back};

use super::{L1, says_when_to_retry, still_serves};

/// How many write at the same time, and how often each.
const WRITERS: usize = 8;
const ROUNDS: usize = 3;

fn body(name: &str) -> String {
    tfstate_noted(L1, 1, name)
}

/// Whether something was done, or refused because too much waits already.
#[track_caller]
fn was_taken(answer: Answer) -> bool {
    if answer.status == 200 {
        return true;
    }
    says_when_to_retry(&answer.expect_problem(503, "queue_full"));
    false
}

/// Writes and locks, and notes what of it was acknowledged: the state's name, the write, the lock.
fn press(writer: &Client, number: usize) -> Vec<(String, bool, bool)> {
    let names = (0..ROUNDS).map(|round| format!("team/n{number}-{round}"));
    names
        .map(|name| {
            let written = was_taken(writer.write(&name, body(&name), None));
            let locked = was_taken(writer.lock(&name, "lock-1"));
            (name, written, locked)
        })
        .collect()
}

/// The same by many at the same time, each with names of its own.
fn press_at_once(writer: &Client, first: usize) -> Vec<(String, bool, bool)> {
    let barrier = Arc::new(Barrier::new(WRITERS));
    let threads: Vec<_> = (first..first + WRITERS)
        .map(|number| {
            let (writer, barrier) = (writer.clone(), Arc::clone(&barrier));
            std::thread::spawn(move || {
                barrier.wait();
                press(&writer, number)
            })
        })
        .collect();
    threads
        .into_iter()
        .flat_map(|thread| thread.join().expect("a writer"))
        .collect()
}

#[test]
fn beyond_the_queue_writes_are_503_and_what_was_acknowledged_is_there() {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let server = Setup::new().data(&data).start();
    let (writer, monitor) = (super::writer(&server), crate::scrape::monitor(&server));
    assert!(server.stop().success());
    let slow_disk = "inject=fsync,fdatasync:delay_exit=100000";
    let setup = Setup::new()
        .data(&data)
        .flag("--max-queue", "1")
        .flag("--cache-size", "0");
    let Some(setup) = strace(
        setup,
        &[
            "-o",
            "/dev/null",
            "-e",
            "trace=fsync,fdatasync",
            "-e",
            slow_disk,
        ],
    ) else {
        return;
    };
    let server = setup.start();
    let (writer, monitor) = (writer.at(&server), monitor.at(&server));
    crate::harness::eventually("what a start writes is written", || {
        Scrape::of(&monitor).value("statekeep_writer_queue_jobs") == 0
    });
    let mut outcomes = Vec::new();
    let mut presses = 0;
    crate::harness::eventually(
        "some writes and locks are taken, and some of each refused",
        || {
            outcomes.extend(press_at_once(&writer, presses * WRITERS));
            presses += 1;
            let is_taken = outcomes
                .iter()
                .any(|(_, written, locked)| *written && *locked);
            is_taken
                && outcomes.iter().any(|(_, written, _)| !*written)
                && outcomes.iter().any(|(_, _, locked)| !*locked)
        },
    );
    for (name, written, locked) in &outcomes {
        let read = writer.read(name);
        assert_eq!(
            read.status == 200 && read.text() == body(name),
            *written,
            "{name}: {}",
            read.text()
        );
        let lock = writer.get(&format!("{}/lock", state_path(name)));
        assert_eq!(lock.status == 200, *locked, "{name}: {}", lock.text());
        assert!(
            !locked
                || lock.json()["lock"]
                    == serde_json::from_str::<serde_json::Value>(&lock_body("lock-1"))
                        .expect("JSON")
        );
    }
    let stored = outcomes.iter().filter(|(_, written, _)| *written).count() as u64;
    assert_eq!(
        Scrape::of(&monitor).sum("statekeep_writes_total", &[("outcome", "stored")]),
        stored
    );
    crate::harness::eventually("the queue is empty", || {
        Scrape::of(&monitor).value("statekeep_writer_queue_jobs") == 0
    });
    eventually_all_is_back(&monitor, "after the crowd");
}

#[test]
fn a_connection_goes_on_after_its_write_was_not_queued() {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let server = Setup::new().data(&data).start();
    let writer = super::writer(&server);
    assert!(server.stop().success());
    let setup = Setup::new().data(&data).flag("--max-queue", "1");
    let slow_disk = "inject=fsync,fdatasync:delay_exit=300000";
    let Some(setup) = strace(
        setup,
        &[
            "-o",
            "/dev/null",
            "-e",
            "trace=fsync,fdatasync",
            "-e",
            slow_disk,
        ],
    ) else {
        return;
    };
    let server = setup.start();
    let writer = writer.at(&server);
    let send = |number: usize| {
        let mut wire = crate::wire::Wire::to(&server);
        let lock = json!({"ID": "lock-1"}).to_string();
        let length = format!("Content-Length: {}", lock.len());
        wire.send(
            crate::wire::head(
                "LOCK",
                &state_path(&format!("team/n{number}")),
                &writer,
                &[&length],
            ) + &lock,
        );
        wire
    };
    let wires: Vec<_> = (0..8).map(send).collect();
    let mut refused = 0;
    for mut wire in wires {
        refused += usize::from(!was_taken(wire.answer().expect("an answer")));
        still_serves(&mut wire, &writer);
    }
    assert!(
        refused > 0,
        "the queue was never full, so this shows nothing"
    );
}
