//! Many connections: as many as the limit are served, idle ones make room for further ones, and
//! those that do nothing disturb nobody.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::harness::{Client, Server, Setup, eventually, state_path, tfstate};
use crate::scrape::{Scrape, monitor};
use crate::wire::{Wire, head};

use super::{L1, says_when_to_retry, writer};

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

#[test]
fn beyond_the_limit_everybody_is_told_to_come_again_and_counted() {
    let server = Setup::new()
        .flag("--max-connections", "8")
        .flag("--body-timeout", "10m")
        .start();
    // One key may have four requests under way here.
    let (one, other, monitor) = (writer(&server), writer(&server), monitor(&server));
    let keys = [&one, &other].into_iter().cycle().take(8);
    let mut busy: Vec<Wire> = keys.map(|key| begin(&server, key)).collect();
    eventually("every place is taken", || {
        let mut one = ask(&server);
        one.answer().is_some_and(|answer| answer.status == 503)
    });
    // More than can wait for a place, of one address and of all.
    let mut crowd: Vec<Wire> = (0..100)
        .map(|number| {
            let mut wire = Wire::from(&format!("127.0.0.{}", 2 + number % 5), &server);
            wire.send(REQUEST);
            wire
        })
        .collect();
    for one in &mut crowd {
        let answer = one.answer().expect("an answer, and no silence");
        says_when_to_retry(&answer.expect_problem(503, "too_many_connections"));
        one.closes();
    }
    busy.clear();
    eventually("there is room again", || {
        monitor.get("/metrics").status == 200
    });
    let told = Scrape::of(&monitor).sum("statekeep_connections_refused_total", &[]);
    assert!(told >= 100, "{told} of 100 are counted");
}

/// A connection with a request whose body does not come.
fn begin(server: &Server, caller: &Client) -> Wire {
    let mut wire = Wire::to(server);
    let path = state_path("team/net");
    wire.send(head("POST", &path, caller, &["Content-Length: 1000"]));
    wire.send("{");
    wire
}

/// How many files a server has open.
fn open_files(server: &Server) -> usize {
    let files = std::fs::read_dir(format!("/proc/{}/fd", server.pid()));
    files.expect("the files of our own child").count()
}

#[test]
fn a_connection_takes_one_open_file() {
    let server = Server::start();
    let before = open_files(&server);
    let mut crowd: Vec<Wire> = (0..100).map(|_| ask(&server)).collect();
    crowd.iter_mut().for_each(answered);
    let of_crowd = open_files(&server).saturating_sub(before);
    // The server has a few of its own, which come and go.
    assert!((90..150).contains(&of_crowd), "{of_crowd} for 100");
    crowd.clear();
    eventually("they are closed", || open_files(&server) < before + 50);
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
        .under(&["sh", "-c", "ulimit -n 640 && exec \"$0\" \"$@\""])
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
