//! How much an act writes: the pages that it changes are counted in the write-ahead log. Each is
//! some 4 KiB for the disk, so one more of them in each plan is gigabytes a year.

use crate::harness::{Client, Server, eventually, tfstate};
use crate::inside;

use super::L1;

/// What a page takes in the log, and what stands before the first, in bytes.
const FRAME: u64 = 24 + 4_096;
const HEADER: u64 = 32;
/// Each act is done so many times: the server writes of its own accord too, so the middle counts.
const ROUNDS: usize = 31;

/// How many pages are in the log; the server begins no new one within so little.
fn pages(server: &Server) -> u64 {
    let log = server.data().join("statekeep.db-wal");
    let length = std::fs::metadata(log).expect("a log").len();
    length.saturating_sub(HEADER) / FRAME
}

/// How many pages each of two acts changes, which are done in turn.
fn of_each(server: &Server, acts: [&dyn Fn(); 2]) -> [u64; 2] {
    let mut counts = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        for (act, counts) in acts.iter().zip(&mut counts) {
            let before = pages(server);
            act();
            counts.push(pages(server) - before);
        }
    }
    counts.map(|mut counts| {
        counts.sort_unstable();
        counts[ROUNDS / 2]
    })
}

/// A server with one state, of which all is done that is done by and by.
fn quiet() -> (Server, Client) {
    let server = Server::start();
    let key = server.key("team", "owner");
    key.write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    inside::compacted(server.data());
    eventually("the state is in the index", || {
        inside::number(server.data(), "SELECT count(*) FROM pending_words") == 0
    });
    (server, key)
}

/// The last commit, which has the lock's place in the second list too, and the lock; with the event
/// once the plan is done. The indexes of events are not among them.
#[test]
fn a_plan_changes_two_pages_and_then_three() {
    let (server, key) = quiet();
    let lock = || drop(key.lock_to_plan("team/net", "plan-1").expect_status(200));
    let unlock = || drop(key.unlock("team/net", "plan-1").expect_status(200));
    assert_eq!(of_each(&server, [&lock, &unlock]), [2, 3]);
}

#[test]
fn the_lock_of_an_apply_changes_three_pages_and_so_does_its_release() {
    let (server, key) = quiet();
    let lock = || drop(key.lock("team/net", "lock-1").expect_status(200));
    let unlock = || drop(key.unlock("team/net", "lock-1").expect_status(200));
    assert_eq!(of_each(&server, [&lock, &unlock]), [3, 3]);
}
