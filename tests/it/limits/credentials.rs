//! Credentials that are new to the server cost argon2: once each, so many at a time. Only a wrong
//! secret for a key of an earlier schema costs it too: so many in the queue, so many failures.
//! Whoever is known already notices nothing of it.

use std::collections::BTreeSet;
use std::time::Instant;

use crate::harness::{Client, PATIENCE, Server, Setup, eventually, state_path};
use crate::samples::forged;
use crate::scrape::{Scrape, monitor};
use crate::upgrades::without_fingerprints;
use crate::wire::{Wire, head};

use super::{says_when_to_retry, still_serves};

const RUNS: &str = "statekeep_argon2_duration_seconds_count";

/// Asks once for each caller, all at the same time: each on a connection of its own. A connection
/// asks as soon as it stands, because one that waits for its request is ended at some time.
fn all_at_once(server: &Server, callers: impl IntoIterator<Item = Client>) -> Vec<Wire> {
    let request = |caller: Client| head("GET", &state_path("team/net"), &caller, &[]);
    let requests: Vec<String> = callers.into_iter().map(request).collect();
    let ask = |request: &String| {
        let mut wire = Wire::to(server);
        wire.send(request);
        wire
    };
    requests.iter().map(ask).collect()
}

#[test]
fn so_many_failures_are_401_and_the_next_is_429() {
    let server = Setup::new().flag("--max-failures", "3").start();
    let (key, other) = (server.key("team", "writer"), server.key("team", "writer"));
    key.read("team/net").expect_problem(404, "no_state");
    let fail =
        |number: usize, address: &str| forged(&key, number).calling_from(address).read("team/net");
    for number in 1..=3 {
        fail(number, "127.0.0.2").expect_problem(401, "unauthorized");
    }
    says_when_to_retry(&fail(4, "127.0.0.2").expect_problem(429, "too_many_failures"));
    fail(5, "127.0.0.3").expect_problem(429, "too_many_failures");
    forged(&other, 1)
        .calling_from("127.0.0.3")
        .read("team/net")
        .expect_problem(401, "unauthorized");
    // Never for good credentials, whether they are known already or not.
    other
        .calling_from("127.0.0.2")
        .read("team/net")
        .expect_problem(404, "no_state");
    key.calling_from("127.0.0.2")
        .read("team/net")
        .expect_problem(404, "no_state");
}

#[test]
#[ignore = "release binary: argon2 has to take its time"]
fn more_strangers_than_may_wait_are_429_while_those_who_are_known_go_on() {
    let setup = Setup::new()
        .flag("--max-argon2", "1")
        .flag("--max-failures", "1000000");
    let (server, unused, _data) = without_fingerprints(setup);
    let (key, monitor) = (server.key("crowd", "writer"), monitor(&server));
    key.read("crowd/net").expect_problem(404, "no_state");
    let before = Scrape::of(&monitor).value(RUNS);
    let wires = all_at_once(&server, (0..150).map(|number| forged(&unused, number)));
    key.read("crowd/net").expect_problem(404, "no_state");
    let (mut refused, mut checked) = (0, 0);
    for mut wire in wires {
        let answer = wire.answer().expect("an answer");
        if answer.status == 429 {
            says_when_to_retry(&answer.expect_problem(429, "credentials_busy"));
            refused += 1;
        } else {
            answer.expect_problem(401, "unauthorized");
            checked += 1;
        }
        still_serves(&mut wire, &key);
    }
    assert!(
        checked >= 64,
        "as many as may wait are checked, and not {checked}"
    );
    assert!(refused > 0, "150 at once and none was refused");
    assert_eq!(
        Scrape::of(&monitor).value(RUNS),
        before + checked,
        "nobody who was refused cost a run"
    );
    server
        .key("crowd", "reader")
        .read("crowd/net")
        .expect_problem(404, "no_state");
}

#[test]
#[ignore = "release binary: argon2 has to take its time"]
fn argon2_runs_no_more_often_at_the_same_time_than_allowed() {
    let server = Setup::new().flag("--max-argon2", "1").start();
    let monitor = monitor(&server);
    let sum = || {
        Scrape::of(&monitor)
            .seconds("statekeep_argon2_duration_seconds_sum")
            .as_secs_f64()
    };
    let keys: Vec<Client> = (0..8).map(|_| server.key("team", "writer")).collect();
    let before = sum();
    let since = Instant::now();
    for mut wire in all_at_once(&server, keys) {
        wire.answer()
            .expect("an answer")
            .expect_problem(404, "no_state");
    }
    let passed = since.elapsed().as_secs_f64();
    let ran = sum() - before;
    assert!(
        ran <= passed,
        "argon2 ran for {ran} s within {passed} s: more than one at a time"
    );
}

#[test]
fn a_secret_that_is_new_costs_argon2_once_however_many_bring_it() {
    let server = Server::start();
    let (key, monitor) = (server.key("team", "writer"), monitor(&server));
    let before = Scrape::of(&monitor).value(RUNS);
    for mut wire in all_at_once(&server, (0..60).map(|_| key.clone())) {
        wire.answer()
            .expect("an answer")
            .expect_problem(404, "no_state");
    }
    let threads: Vec<_> = (0..10)
        .map(|_| {
            let key = key.clone();
            std::thread::spawn(move || {
                (0..94).for_each(|_| drop(key.read("team/net").expect_problem(404, "no_state")));
            })
        })
        .collect();
    for thread in threads {
        thread.join().expect("a reader");
    }
    assert_eq!(
        Scrape::of(&monitor).value(RUNS),
        before + 1,
        "1,000 requests with one secret"
    );
}

#[test]
fn a_crowd_with_one_and_the_same_new_secret_is_let_in() {
    let server = Setup::new().flag("--max-argon2", "1").start();
    let key = server.key("team", "writer");
    for mut wire in all_at_once(&server, (0..200).map(|_| key.clone())) {
        wire.answer()
            .expect("an answer")
            .expect_problem(404, "no_state");
    }
}

#[test]
#[ignore = "release binary: argon2 has to take its time"]
fn whoever_is_known_is_answered_while_argon2_runs_for_others() {
    let setup = Setup::new()
        .flag("--max-argon2", "4")
        .flag("--max-failures", "1000000");
    let (server, unused, _data) = without_fingerprints(setup);
    let (key, monitor) = (server.key("crowd", "writer"), monitor(&server));
    key.read("crowd/net").expect_problem(404, "no_state");
    let before = Scrape::of(&monitor).value(RUNS);
    let wires = all_at_once(&server, (0..60).map(|number| forged(&unused, number)));
    // By a token and by a secret that is known, again and again until all strangers are judged:
    // each answer in between came while argon2 ran.
    let mut seen = BTreeSet::new();
    let end = Instant::now() + PATIENCE;
    while seen.last().is_none_or(|runs| *runs < before + 60) {
        key.read("crowd/net").expect_problem(404, "no_state");
        seen.insert(Scrape::of(&monitor).value(RUNS));
        assert!(Instant::now() < end, "the strangers are never judged");
    }
    assert!(
        seen.len() > 5,
        "answered only when argon2 was done: {seen:?}"
    );
    for mut wire in wires {
        wire.answer()
            .expect("an answer")
            .expect_problem(401, "unauthorized");
    }
    eventually("the last run is counted", || {
        Scrape::of(&monitor).value(RUNS) == before + 60
    });
}
