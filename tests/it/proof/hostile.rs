//! Attacks on a server beside three clients of another workspace who do what clients do: each of
//! their calls succeeds within the retries that Terraform makes, the operator gets in, memory,
//! locks and the event log stay within their limits, and nothing of theirs is lost.
//!
//! How fast they are is measured beside that, against the same server when nothing attacks it.
//! Controls (`unbounded`) take the bounds away, one group at a time.

mod attacks;
mod judged;
mod neighbours;
mod unbounded;
mod watched;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use attacks::{ATTACKS, Attack, Share, Target};
use judged::{QUIET_EVENTS, Round};
use neighbours::{End, Neighbour, Until};
use watched::{before, quiet_events, watch};

use super::length::length;
use crate::harness::{Server, Setup, lineage, tfstate};
pub(super) use unbounded::is_lifted;

/// The clients who do no harm.
const NEIGHBOURS: usize = 3;

const MIB: u64 = 1024 * 1024;
/// The memory that the server may lend.
const LENT: u64 = 192 * MIB;

/// A server that lends so much memory, with a log that is soon full.
fn setup(lent: u64) -> Setup {
    Setup::new()
        .flag("--max-in-flight", &lent.to_string())
        .flag("--max-state-size", &(lent / 3).to_string())
        .flag("--cache-size", "16MiB")
        .flag("--max-events", "1000")
}

/// How long neighbours work beside which attacks, and how that ends.
struct Course<'a> {
    attacks: &'a [&'a Attack],
    share: Share,
    /// How long the attacks go on before the neighbours come.
    head_start: Duration,
    time: Duration,
    end: End,
}

impl<'a> Course<'a> {
    fn of(attacks: &'a [&'a Attack], time: Duration) -> Self {
        Self {
            attacks,
            share: Share::Leftovers,
            head_start: Duration::ZERO,
            time,
            end: End::Finish,
        }
    }

    /// Lets the neighbours work for a time, beside attacks.
    fn run(&self, server: &Server, target: &Target) -> Round {
        let stop = AtomicBool::new(false);
        let until = Until {
            stop: &stop,
            end: self.end,
        };
        let mut neighbours: Vec<Neighbour> = (0..NEIGHBOURS)
            .map(|index| Neighbour::new(server, index))
            .collect();
        let figures = before(server);
        let (seen, figures) = std::thread::scope(|scope| {
            for attack in self.attacks {
                attack.begin(scope, target, &stop, self.share);
            }
            std::thread::sleep(self.head_start);
            let working: Vec<_> = neighbours
                .iter_mut()
                .map(|neighbour| scope.spawn(move || neighbour.work(until)))
                .collect();
            let figures = watch(server, figures, self.time);
            stop.store(true, Ordering::SeqCst);
            if self.end == End::Cut {
                server.signal("KILL");
            }
            let seen = working.into_iter().map(|one| one.join().expect("it ends"));
            (seen.collect(), figures)
        });
        if self.end == End::Finish {
            neighbours.iter().for_each(Neighbour::has_lost_nothing);
        }
        Round { seen, figures }
    }
}

/// Acts in a workspace in which nobody acts from then on.
fn leave_quiet_events(server: &Server) {
    let writer = server.key("quiet", "writer");
    writer.lock("quiet/net", "lock-1").expect_status(200);
    let state = tfstate(&lineage(1), 1);
    let written = writer.write("quiet/net", state, Some("lock-1"));
    written.expect_status(200);
    writer.unlock("quiet/net", "lock-1").expect_status(200);
    assert_eq!(quiet_events(server), QUIET_EVENTS);
}

/// Runs each of some attacks, then all of them at once, and says what went wrong.
fn besieged(time: Duration) -> Vec<String> {
    let server = setup(LENT).start();
    leave_quiet_events(&server);
    let chosen = std::env::var("STATEKEEP_PROOF_HOSTILE_ONLY").unwrap_or_default();
    let is_chosen = |attack: &&Attack| attack.name.contains(&chosen);
    let attacks: Vec<&Attack> = ATTACKS.iter().filter(is_chosen).collect();
    let target = Target::new(&server, &attacks);
    let quiet = Course::of(&[], time).run(&server, &target);
    let usual = quiet.p99();
    quiet.tell("quiet", usual);
    let mut wrong = quiet.faults("quiet", &[], LENT);
    let mut rounds: Vec<(&str, Vec<&Attack>)> = attacks
        .iter()
        .map(|attack| (attack.name, vec![*attack]))
        .collect();
    if attacks.len() > 1 {
        rounds.push(("all at once", attacks));
    }
    for (name, attacks) in rounds {
        let besieged = Course::of(&attacks, time).run(&server, &target);
        besieged.tell(name, usual);
        wrong.extend(besieged.faults(name, &attacks, LENT));
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
