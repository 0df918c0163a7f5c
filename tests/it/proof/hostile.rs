//! Attacks on a server beside three clients of another workspace who do what clients do: each of
//! their calls succeeds within the retries that Terraform makes, the operator gets in, memory stays
//! within its limit, and nothing of theirs is lost.
//!
//! How fast they are is measured beside that, against the same server when nothing attacks it.

mod attacks;
mod neighbours;
mod watched;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use attacks::{ATTACKS, Attack, Target};
use neighbours::{Neighbour, Seen};
use watched::{Figures, watch};

use super::length::length;
use crate::harness::{Server, Setup};

/// The clients who do no harm.
const NEIGHBOURS: usize = 3;

/// The memory that the server may lend, and beside it what the program, SQLite, argon2 and open
/// connections take (docs/limits.md).
const LENT: u64 = 192 * 1024 * 1024;
const BESIDE: u64 = 256 * 1024 * 1024;

fn server() -> Server {
    Setup::new()
        .flag("--max-in-flight", &LENT.to_string())
        .flag("--max-state-size", "64MiB")
        .flag("--cache-size", "16MiB")
        .start()
}

/// What came of a time with these attacks, or with none.
struct Round {
    seen: Vec<Seen>,
    figures: Figures,
}

/// Lets the neighbours work for a time, beside attacks.
fn round(server: &Server, target: &Target, attacks: &[&Attack], time: Duration) -> Round {
    let stop = AtomicBool::new(false);
    let mut neighbours: Vec<Neighbour> = (0..NEIGHBOURS)
        .map(|index| Neighbour::new(server, index))
        .collect();
    let (seen, figures) = std::thread::scope(|scope| {
        for attack in attacks {
            attack.begin(scope, target, &stop);
        }
        let working: Vec<_> = neighbours
            .iter_mut()
            .map(|neighbour| scope.spawn(|| neighbour.work(&stop)))
            .collect();
        let figures = watch(server, time);
        stop.store(true, Ordering::SeqCst);
        let seen = working.into_iter().map(|one| one.join().expect("it ends"));
        (seen.collect(), figures)
    });
    for neighbour in &neighbours {
        neighbour.has_lost_nothing();
    }
    Round { seen, figures }
}

/// The call of a neighbour that took longer than 99 in 100, in milliseconds.
fn p99(round: &Round) -> f64 {
    let mut times: Vec<Duration> = round
        .seen
        .iter()
        .flat_map(|seen| seen.times.iter().copied())
        .collect();
    times.sort_unstable();
    let at = times.len().saturating_sub(1) * 99 / 100;
    times.get(at).map_or(0.0, |time| time.as_secs_f64() * 1e3)
}

/// What is wrong with a round.
fn faults(name: &str, round: &Round) -> Vec<String> {
    let mut faults: Vec<String> = round
        .seen
        .iter()
        .flat_map(|seen| seen.failures.iter())
        .map(|failure| format!("{name}: {failure}"))
        .collect();
    if round.seen.iter().any(|seen| seen.times.is_empty()) {
        faults.push(format!("{name}: a neighbour got nothing done"));
    }
    if let Some(failure) = &round.figures.operator_failure {
        faults.push(format!("{name}: the operator's socket: {failure}"));
    }
    if round.figures.memory > LENT + BESIDE {
        let memory = round.figures.memory / 1024 / 1024;
        faults.push(format!("{name}: {memory} MiB of memory"));
    }
    faults
}

fn tell(name: &str, round: &Round, quiet: f64) {
    let calls: usize = round.seen.iter().map(|seen| seen.times.len()).sum();
    let again: u64 = round.seen.iter().map(|seen| seen.again).sum();
    let (p99, figures) = (p99(round), &round.figures);
    eprintln!(
        "hostile: {name}: {calls} calls, {again} sent again, p99 {p99:.1} ms ({:.2} of quiet), \
         operator at most {:.0} ms, memory at most {} MiB",
        p99 / quiet.max(0.001),
        figures.operator.as_secs_f64() * 1e3,
        figures.memory / 1024 / 1024,
    );
}

/// Runs each of some attacks, then all of them at once, and says what went wrong.
fn besieged(time: Duration) -> Vec<String> {
    let server = server();
    let target = Target::new(&server);
    let quiet = round(&server, &target, &[], time);
    let usual = p99(&quiet);
    tell("quiet", &quiet, usual);
    let mut wrong = faults("quiet", &quiet);
    let chosen = std::env::var("STATEKEEP_PROOF_HOSTILE_ONLY").unwrap_or_default();
    let is_chosen = |attack: &&Attack| attack.name.contains(&chosen);
    let attacks: Vec<&Attack> = ATTACKS.iter().filter(is_chosen).collect();
    let mut rounds: Vec<(&str, Vec<&Attack>)> = attacks
        .iter()
        .map(|attack| (attack.name, vec![*attack]))
        .collect();
    if attacks.len() > 1 {
        rounds.push(("all at once", attacks));
    }
    for (name, attacks) in rounds {
        let besieged = round(&server, &target, &attacks, time);
        tell(name, &besieged, usual);
        wrong.extend(faults(name, &besieged));
    }
    let verified = server.cli(&["verify"]);
    if !verified.status.success() {
        wrong.push(String::from_utf8_lossy(&verified.stdout).into_owned());
    }
    wrong
}

#[test]
#[ignore = "middle tier: a quarter of a minute of each attack"]
fn no_client_takes_the_service_from_another() {
    let wrong = besieged(Duration::from_secs(length("HOSTILE_SECONDS", 15)));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
