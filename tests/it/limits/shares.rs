//! Shares: a key, or a workspace, that holds all the memory it can get leaves enough to others, and
//! does not hold it for long.

use std::time::Duration;

use crate::harness::{Client, Server, Setup, state_path};
use crate::scrape::{eventually_all_is_back, eventually_in_flight, in_flight, monitor};
use crate::wire::{Wire, head};

use super::{MIB, announce, says_when_to_retry, send_nearly_all, sized, small};

fn writer_of(server: &Server, workspace: &str) -> Client {
    server.key(workspace, "owner")
}

/// A key begins to send two states of 1 MiB, all of each but the last byte.
fn send_two(server: &Server, key: &Client) -> Vec<Wire> {
    let begin = |number: usize| {
        let name = format!("greedy/{}-{number}", key.key_id);
        let mut wire = announce(server, key, &name, MIB);
        send_nearly_all(&mut wire, 1, MIB);
        wire
    };
    (0..2).map(begin).collect()
}

#[track_caller]
fn gets_no_more(server: &Server, key: &Client) {
    let refused = announce(server, key, "greedy/more", MIB).answer();
    let refused = refused.expect("an answer without a byte of the body");
    says_when_to_retry(&refused.expect_problem(503, "over_memory_budget"));
}

#[test]
fn keys_that_send_slowly_leave_memory_to_others() {
    let server = small().start();
    let monitor = monitor(&server);
    let [first, second, third] = [1, 2, 3].map(|_| writer_of(&server, "greedy"));
    let other = writer_of(&server, "team");
    let mut held = send_two(&server, &first);
    eventually_in_flight(&monitor, 2 << 20, "a quarter of 8 MiB for a key");
    gets_no_more(&server, &first);
    held.extend(send_two(&server, &second));
    eventually_in_flight(&monitor, 4 << 20, "half for all keys of a workspace");
    gets_no_more(&server, &third);
    other
        .write("team/net", sized(1, MIB), None)
        .expect_status(200);
    assert!(other.read("team/net").expect_status(200).text() == sized(1, MIB));
    drop(held);
    eventually_all_is_back(&monitor, "after the greedy ones have gone");
    // The only body of a key may be as large as a state can be, also where that is half of it all.
    let tight = Setup::new()
        .flag("--max-state-size", "1MiB")
        .flag("--max-in-flight", "2MiB")
        .flag("--cache-size", "0");
    let server = tight.start();
    let only = writer_of(&server, "team");
    only.write("team/net", sized(1, MIB), None)
        .expect_status(200);
    assert!(only.read("team/net").expect_status(200).text() == sized(1, MIB));
}

#[test]
fn a_key_that_reads_slowly_leaves_memory_to_others() {
    const SIZE: usize = 8 * MIB;
    let server = Setup::new()
        .flag("--max-state-size", "8MiB")
        .flag("--max-in-flight", "48MiB")
        .flag("--cache-size", "0")
        .flag("--body-timeout", "10m")
        .start();
    let monitor = monitor(&server);
    let (greedy, other) = (writer_of(&server, "greedy"), writer_of(&server, "team"));
    other
        .write("team/net", sized(9, SIZE), None)
        .expect_status(200);
    let names: Vec<String> = (1..=6).map(|number| format!("greedy/b{number}")).collect();
    for (serial, name) in (1..).zip(&names) {
        greedy
            .write(name, sized(serial, SIZE), None)
            .expect_status(200);
    }
    eventually_all_is_back(&monitor, "after what was written is compacted");
    let ask = |name: &String| {
        let mut wire = Wire::to(&server);
        wire.send(head("GET", &state_path(name), &greedy, &[]));
        wire
    };
    let mut wires: Vec<Wire> = names.iter().map(ask).collect();
    eventually_in_flight(
        &monitor,
        SIZE as u64,
        "one of them: two are more than a quarter",
    );
    assert!(other.read("team/net").expect_status(200).text() == sized(9, SIZE));
    other
        .write("team/net", sized(10, SIZE), None)
        .expect_status(200);
    let is_answered = |wire: &mut Wire| !wire.is_quiet(Duration::from_millis(100));
    let answered = wires.iter_mut().map(is_answered).filter(|is| *is).count();
    assert!(answered >= 1, "at least the one that is read is answered");
    assert!(in_flight(&monitor) <= 2 * SIZE as u64);
    // Several connections that read one version hold it once.
    drop(wires);
    eventually_all_is_back(&monitor, "after the greedy one has gone");
    let mut same: Vec<Wire> = (0..4).map(|_| ask(&names[0])).collect();
    for wire in &mut same {
        let answer = wire.answer().expect("an answer").expect_status(200);
        assert!(answer.bytes == sized(1, SIZE).as_bytes());
    }
}

#[test]
fn a_large_body_has_to_come_faster_than_a_small_one() {
    let server = Setup::new()
        .flag("--max-state-size", "256MiB")
        .flag("--max-in-flight", "512MiB")
        .flag("--body-timeout", "1s")
        .start();
    let writer = writer_of(&server, "team");
    // All of it in 10 minutes is 437 KiB in a second. This is 64 KiB in a second, and so enough for
    // a small one.
    let mut slow = announce(&server, &writer, "team/net", 256 * MIB);
    let sent = (0..80).find(|_| {
        slow.send(vec![b' '; 16 * 1024]);
        !slow.is_quiet(Duration::from_millis(250))
    });
    assert!(sent.is_some(), "it was not refused within 20 s");
    slow.answer()
        .expect("an answer")
        .expect_problem(408, "slow_body");
}
