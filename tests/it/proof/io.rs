//! A disk that fails at the n-th call of a thread, once or from then on: while acts are served,
//! while a purge erases, while states are compacted, and while a start recovers what
//! a killed server has left.
//!
//! After each fault the server is started without any, and every act that it had answered has to be
//! there. A server whose write or sync failed has ended with an error; one without room has said
//! 507 and goes on reading.

mod cases;
mod injected;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::kills::Run;
use super::length::length;
use super::sabotaged::{ANSWER_BEFORE_COMMIT, breaking};
use crate::harness::{PATIENCE, Server, Setup, eventually, state_path};
use crate::skip;
use cases::{Case, Fate, Within};
use injected::Injection;

/// How long a fault may take to be met, and a server to leave afterwards.
const LONGEST: Duration = Duration::from_secs(1);
/// How many cases share a directory.
const CASES_PER_DIRECTORY: usize = 40;

/// What came of the cases.
#[derive(Default, Debug)]
struct Tally {
    met: u64,
    ended: u64,
    full: u64,
    refused_to_start: u64,
}

/// Does one case; the server that runs afterwards has been started without faults.
fn one(run: &mut Run, server: Server, case: &Case, tally: &mut Tally) -> Result<Server, String> {
    if case.call == "pread64" {
        run.let_reads_fail();
    }
    if case.within == Within::Recovery {
        return recovery(run, server, case, tally);
    }
    let mut server = server;
    if case.within == Within::Compaction {
        write_much(&server);
    }
    let Some(mut injection) = Injection::attach(&server, case) else {
        return Err("strace cannot be attached to a running server".to_owned());
    };
    let is_asked = case.within != Within::Compaction;
    let stop = AtomicBool::new(!is_asked);
    run.act_while(&stop, || {
        let begun = Instant::now();
        while begun.elapsed() < LONGEST && !server.has_ended() {
            let is_enough = injection.is_met() && begun.elapsed() > LONGEST / 3;
            if is_enough && (case.lasts || !is_asked) {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        stop.store(true, Ordering::SeqCst);
    })?;
    // Only now it is known whether a call has failed: none does from here on.
    injection.end(&server);
    let is_met = injection.is_met();
    tally.met += u64::from(is_met);
    judge(&mut server, case, is_met, tally)?;
    if !server.has_ended() {
        if case.fate() == Fate::Stays {
            writes_again(&server);
        }
        server.kill();
    }
    let server = run.start()?;
    run.look(&server)?;
    Ok(server)
}

/// Whether the server did what it has to do with such a fault.
fn judge(server: &mut Server, case: &Case, is_met: bool, tally: &mut Tally) -> Result<(), String> {
    let fate = if is_met { case.fate() } else { Fate::Stays };
    // A server that is about to leave gets the time to do so, and says no more.
    let begun = Instant::now();
    let mut reads = false;
    while begun.elapsed() < PATIENCE / 6 && !reads && !server.has_ended() {
        std::thread::sleep(Duration::from_millis(10));
        reads = fate != Fate::Ends && does_read(server);
    }
    let has_ended = !reads && server.has_ended();
    tally.ended += u64::from(has_ended);
    tally.full += u64::from(is_met && !has_ended && fate == Fate::Stays);
    match (fate, has_ended) {
        (Fate::Ends, false) => Err(format!("the server goes on: {}", server.log())),
        (Fate::Stays, true) => Err(format!(
            "the server ended (fault met: {is_met}): {}",
            server.log()
        )),
        (_, false) if !reads => Err(format!("it neither ended nor reads: {}", server.log())),
        (_, true) if server.wait().success() => Err("it ended as if all were well".to_owned()),
        (_, true) if !server.log().to_lowercase().contains("error") => {
            Err(format!("it ended and does not say why: {}", server.log()))
        }
        _ => Ok(()),
    }
}

/// Whether the server answers a read. One that is about to leave may close the connection instead.
fn does_read(server: &Server) -> bool {
    let list = server
        .admin()
        .request("GET", "/api/terraform/state?limit=1");
    list.send().is_ok_and(|answer| answer.status() == 200)
}

/// A server that stays takes writes again once the disk works.
fn writes_again(server: &Server) {
    let (admin, name) = (server.admin(), "after/faults");
    let serial = admin.count_versions(name) + 1;
    let state = crate::harness::tfstate(&crate::harness::lineage(5), serial);
    eventually("writes work again", || {
        admin.write(name, &state, None).status == 200
    });
}

/// States of some size with several versions each, whose older versions are compacted next.
fn write_much(server: &Server) {
    let admin = server.admin();
    let serial = admin.count_versions("after/much") + 1;
    for serial in serial..serial + 4 {
        let note = crate::disk::noise(serial, 200_000);
        let state = crate::harness::tfstate_noted(&crate::harness::lineage(6), serial, &note);
        admin
            .send("POST", &state_path("after/much"), state)
            .expect_status(200);
    }
}

/// Kills the server, and starts it with the fault.
fn recovery(
    run: &mut Run,
    mut server: Server,
    case: &Case,
    tally: &mut Tally,
) -> Result<Server, String> {
    let stop = AtomicBool::new(false);
    run.act_while(&stop, || {
        std::thread::sleep(Duration::from_millis(60));
        server.kill();
        stop.store(true, Ordering::SeqCst);
    })?;
    let trace = tempfile::NamedTempFile::new().map_err(|error| error.to_string())?;
    let Some(setup) = Injection::from_start(run.setup(), case, trace.path()) else {
        return Err("strace cannot start a server".to_owned());
    };
    let started = setup.try_start();
    let is_met = injected::is_met(trace.path());
    tally.met += u64::from(is_met);
    match started {
        Ok(mut faulty) => faulty.kill(),
        Err(_) if !is_met => return Err("the server does not start without a fault".to_owned()),
        Err(log) if log.trim().is_empty() => {
            return Err("it does not start, and does not say why".to_owned());
        }
        Err(_) => tally.refused_to_start += 1,
    }
    let server = run.start()?;
    run.look(&server)?;
    Ok(server)
}

fn can_inject() -> bool {
    let strace = skip::program("strace", "STATEKEEP_STRACE");
    strace.is_some()
}

/// Tries these cases.
fn try_all(how: fn() -> Setup, cases: &[Case]) -> Result<Tally, String> {
    let mut tally = Tally::default();
    for some in cases.chunks(CASES_PER_DIRECTORY) {
        let (mut run, mut server) = Run::new(how);
        for case in some {
            server = one(&mut run, server, case, &mut tally)
                .map_err(|why| format!("{case:?}: {why}"))?;
        }
    }
    eprintln!("io: {} cases: {tally:?}", cases.len());
    Ok(tally)
}

fn loses_nothing(count: u64) {
    if !can_inject() {
        return;
    }
    let cases = cases::sample(length("FAULTS_UP_TO", 40), count);
    let tally = try_all(Setup::new, &cases).unwrap_or_else(|why| panic!("{why}"));
    let tried = cases.len() as u64;
    assert!(
        tally.met * 4 >= tried,
        "too few faults were met: {tally:?} of {tried}"
    );
    let is_varied = tally.ended > 0 && tally.full > 0 && tally.refused_to_start > 0;
    assert!(tried < 100 || is_varied, "of one kind: {tally:?}");
}

#[test]
fn a_call_that_fails_costs_nothing_that_was_answered() {
    loses_nothing(length("FAULTS_SHORT", 6));
}

#[test]
#[ignore = "middle tier: 200 faults, each n up to 40"]
fn a_call_that_fails_at_any_n_up_to_40_costs_nothing_that_was_answered() {
    loses_nothing(length("FAULTS", 200));
}

fn answering_early() -> Setup {
    breaking(ANSWER_BEFORE_COMMIT)
}

#[test]
#[ignore = "middle tier: the control, on a server that answers before it commits"]
fn a_server_that_answers_before_its_commit_loses_to_a_failing_disk() {
    if !can_inject() {
        return;
    }
    let cases: Vec<Case> = (1..=20).map(cases::failing_write).collect();
    let why = try_all(answering_early, &cases).expect_err("20 failing writes lost nothing");
    eprintln!("caught: {why}");
}
