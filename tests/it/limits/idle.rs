//! A server that nobody asks for anything: what made it fast is given back, each part by itself,
//! and comes again when it is needed.

use std::path::PathBuf;
use std::time::Duration;

use crate::disk::replace;
use crate::harness::{PATIENCE, Server, eventually_within, lock_body, tfstate};
use crate::scrape::{eventually_in_flight, monitor};

use super::decoded_cache::{cached, heat};
use super::{KIB, L1, sized, writer};

/// Waits for something that the server does when it has been idle for a while.
#[track_caller]
fn once_idle(what: &str, condition: impl FnMut() -> bool) {
    eventually_within(5 * PATIENCE, what, condition);
}

#[test]
#[ignore = "middle tier: what is kept is forgotten after half a minute"]
fn what_nobody_reads_any_more_is_forgotten() {
    let server = Server::start();
    let (writer, monitor) = (writer(&server), monitor(&server));
    writer
        .write("team/net", sized(1, 500 * KIB), None)
        .expect_status(200);
    heat(&writer, &monitor, "team/net", &sized(1, 500 * KIB));
    once_idle("it is forgotten", || cached(&monitor) == 0);
    eventually_in_flight(&monitor, 0, "and its memory is back");
}

/// How many connections to its database the server has: each has the write-ahead log open.
fn connections(server: &Server) -> usize {
    let files = std::fs::read_dir(format!("/proc/{}/fd", server.pid())).expect("a running server");
    let open = files.filter_map(|file| std::fs::read_link(file.ok()?.path()).ok());
    open.filter(|file: &PathBuf| file.ends_with("statekeep.db-wal"))
        .count()
}

#[test]
#[ignore = "middle tier: connections that read are kept for half a minute"]
fn connections_that_read_are_closed_once_nobody_reads() {
    let server = Server::start();
    let writer = writer(&server);
    writer
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    once_idle(
        "two are left: one writes, and one moves the log into the file",
        || connections(&server) == 2,
    );
    writer.read("team/net").expect_status(200);
    assert!(
        connections(&server) > 2,
        "one that reads is there when it is needed"
    );
    once_idle("it is closed when it is not", || connections(&server) == 2);
    writer.read("team/net").expect_status(200);
}

#[test]
#[ignore = "middle tier: the writer gives its pages back after half a minute"]
fn pages_of_the_writer_are_given_back_once_nobody_writes() {
    let server = Server::start();
    let writer = writer(&server);
    let lock = lock_body("lock-1");
    writer.lock("team/net", "lock-1").expect_status(200);
    // Whoever holds the lock may take it again: nothing is written, and the writer answers from its
    // pages.
    let again = || writer.lock("team/net", "lock-1").expect_status(200).text();
    // Until the page is in the file, and not only in the log.
    std::thread::sleep(Duration::from_secs(2));
    for file in ["statekeep.db", "statekeep.db-wal"] {
        replace(
            &server.data().join(file),
            "someone@somewhere",
            "another@somewhere",
        );
    }
    assert_eq!(again(), lock, "the page was in memory");
    // Whatever the server writes by itself, about once a minute, begins the wait anew.
    let is_read_again = || {
        std::thread::sleep(Duration::from_secs(35));
        again() != lock
    };
    assert!((0..4).any(|_| is_read_again()), "it is kept for ever");
    assert_eq!(again(), lock.replace("someone@", "another@"));
}
