//! Many connections: as many as the limit are served, further ones wait for their turn, and those
//! that do nothing disturb nobody.

use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::harness::{Server, Setup, tfstate};
use crate::wire::Wire;

use super::{L1, writer};

const REQUEST: &str = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";

/// A connection with a request on its way.
fn ask(server: &Server) -> Wire {
    let mut wire = Wire::to(server);
    wire.send(REQUEST);
    wire
}

#[track_caller]
fn answered(wire: &mut Wire) {
    wire.answer().expect("an answer").expect_status(200);
}

/// How many connections are served at once: the limit is shared evenly by the threads that take
/// requests, one a core.
fn at_once(limit: usize) -> usize {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    limit.div_ceil(threads) * threads
}

#[test]
fn connections_beyond_the_limit_wait_and_are_served_when_others_end() {
    let server = Setup::new().flag("--max-connections", "8").start();
    let mut first: Vec<Wire> = (0..at_once(8)).map(|_| ask(&server)).collect();
    first.iter_mut().for_each(answered);
    let mut waiting: Vec<Wire> = (0..4).map(|_| ask(&server)).collect();
    assert!(
        waiting[0].is_quiet(Duration::from_millis(500)),
        "one more than the limit is served"
    );
    for wire in &mut first {
        wire.send(REQUEST);
        answered(wire);
    }
    for wire in &mut waiting {
        drop(first.pop());
        answered(wire);
    }
    drop((first, waiting));
    let mut later: Vec<Wire> = (0..at_once(8)).map(|_| ask(&server)).collect();
    later.iter_mut().for_each(answered);
}

/// Lets this process have so many open files; says whether it may.
fn may_open(files: u64) -> bool {
    let limit = getrlimit(Resource::Nofile);
    limit.current.is_none_or(|current| current >= files)
        || setrlimit(
            Resource::Nofile,
            Rlimit {
                current: Some(files),
                maximum: limit.maximum,
            },
        )
        .is_ok()
}

#[test]
fn a_thousand_connections_that_do_nothing_disturb_nobody() {
    let count = if may_open(4_096) { 1_000 } else { 400 };
    let server = Server::start();
    let writer = writer(&server);
    let mut idle: Vec<Wire> = (0..count).map(|_| ask(&server)).collect();
    idle.iter_mut().for_each(answered);
    for serial in 1..=20 {
        writer.lock("team/net", "lock-1").expect_status(200);
        writer
            .write("team/net", tfstate(L1, serial), Some("lock-1"))
            .expect_status(200);
        writer.unlock("team/net", "lock-1").expect_status(200);
        assert_eq!(
            writer.read("team/net").expect_status(200).text(),
            tfstate(L1, serial)
        );
    }
    for wire in &mut idle {
        wire.send(REQUEST);
    }
    idle.iter_mut().for_each(answered);
}

#[test]
fn a_server_that_may_open_few_files_says_so_and_lets_connections_wait() {
    let server = Setup::new()
        .under(&["sh", "-c", "ulimit -n 300 && exec \"$0\" \"$@\""])
        .start();
    assert!(
        server.log().contains("--max-connections"),
        "{}",
        server.log()
    );
    let writer = writer(&server);
    // More than it can have at once, and no more than the system keeps in front of the door.
    let crowd: Vec<Wire> = (0..180).map(|_| ask(&server)).collect();
    for mut wire in crowd {
        answered(&mut wire);
    }
    writer
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    assert_eq!(
        writer.read("team/net").expect_status(200).text(),
        tfstate(L1, 1)
    );
}
