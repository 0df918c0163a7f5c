//! Many connections: as many as the limit are served, idle ones make room for further ones, and
//! those that do nothing disturb nobody.

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

#[test]
fn beyond_the_limit_idle_connections_make_room() {
    let server = Setup::new().flag("--max-connections", "8").start();
    let one_more = || {
        let mut wire = ask(&server);
        answered(&mut wire);
        wire
    };
    let mut first: Vec<Wire> = (0..8).map(|_| one_more()).collect();
    // They stay open, or there would be room without the first ones.
    let mut next = Vec::new();
    for wire in first.iter_mut().take(4) {
        next.push(one_more());
        wire.closes();
    }
    let newest = next.last_mut().expect("there are four");
    newest.send(REQUEST);
    answered(newest);
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
    // One address has at most 256.
    let from = |number: usize| {
        let mut wire = Wire::from(&format!("127.0.0.{}", 2 + number % 8), &server);
        wire.send(REQUEST);
        wire
    };
    let mut idle: Vec<Wire> = (0..count).map(from).collect();
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
fn a_server_that_may_open_few_files_says_so_and_serves_one_after_the_other() {
    let server = Setup::new()
        .under(&["sh", "-c", "ulimit -n 400 && exec \"$0\" \"$@\""])
        .start();
    assert!(
        server.log().contains("--max-connections"),
        "{}",
        server.log()
    );
    let writer = writer(&server);
    // More than it can have at once.
    let mut crowd = Vec::new();
    for number in 0..180 {
        let mut wire = Wire::from(&format!("127.0.0.{}", 2 + number % 20), &server);
        wire.send(REQUEST);
        answered(&mut wire);
        crowd.push(wire);
    }
    writer
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    assert_eq!(
        writer.read("team/net").expect_status(200).text(),
        tfstate(L1, 1)
    );
}
