//! The controls of the attacks: each once more, for some seconds, on a server without the bounds
//! that keep it off. The judgement of the trial has to find that, in its own words.
//!
//! Where several bounds keep the same attack off, all of them are taken away: each of the others
//! would hide that one is missing.

use std::time::Duration;

use super::super::sabotaged::sabotaged_binary;
use super::attacks::{ATTACKS, Attack, Share, Target};
use super::judged::Round;
use super::neighbours::End;
use super::{Course, LENT, MIB, leave_quiet_events, setup};

/// An attack on a server without some bounds.
struct Control {
    attack: &'static str,
    /// The faults that take the bounds away, separated by commas.
    faults: &'static str,
    /// The memory that the server lends.
    lent: u64,
    /// How many connections it takes.
    places: u32,
    seconds: u64,
    /// What has to be found wrong: one of these.
    words: &'static [&'static str],
}

const fn control(
    attack: &'static str,
    faults: &'static str,
    words: &'static [&'static str],
) -> Control {
    Control {
        attack,
        faults,
        lent: LENT,
        places: 2_048,
        seconds: 2,
        words,
    }
}

impl Control {
    const fn lasts(self, seconds: u64) -> Self {
        Self { seconds, ..self }
    }

    const fn lends(self, lent: u64) -> Self {
        Self { lent, ..self }
    }

    const fn takes(self, places: u32) -> Self {
        Self { places, ..self }
    }
}

/// By how much an attack is longer that took nothing from others at first.
const LONGER: u64 = 6;

/// What is found where neighbours wait for attackers.
const STARVED: &[&str] = &[
    "times the quiet one",
    "of the quiet rate",
    "a neighbour got nothing done",
];

const CONTROLS: [Control; 11] = [
    // Idle connections make room for others, and one address has a part of the places.
    control("idle connections", "door", STARVED)
        .lasts(3)
        .takes(96),
    control(
        "idle connections",
        "door,operators-door",
        &["the operator's socket"],
    )
    .lasts(3)
    .takes(96),
    control("half heads", "heads", &["MiB of memory for strangers"]).lasts(3),
    control("slow logins", "logins,announced", STARVED),
    // Of the memory for large bodies, small ones need nothing as long as they have their own.
    control("slow bodies", "announced,shares,small-part", STARVED),
    control("slow readers", "shares,small-part", STARVED).lends(64 * MIB),
    control("a greedy planner", "locks", &["locks without a state"]),
    control("a greedy reader", "aside", STARVED),
    control("detection bombs", "aside", STARVED),
    control("knocking", "knocking", STARVED),
    control(
        "a storm of events",
        "event-shares",
        &["events of others left"],
    )
    .lasts(3),
];

/// Whether a fault is one of these controls'.
pub(in super::super) fn is_lifted(fault: &str) -> bool {
    let faults = CONTROLS.iter().flat_map(|one| one.faults.split(','));
    faults.into_iter().any(|lifted| lifted == fault)
}

impl Control {
    fn attack(&self) -> &'static Attack {
        let found = ATTACKS.iter().find(|attack| attack.name == self.attack);
        found.expect("an attack")
    }

    /// Lets neighbours work beside the attack, for so many seconds.
    fn round(&self, seconds: u64) -> Round {
        let setup = setup(self.lent)
            .flag("--max-connections", &self.places.to_string())
            .binary(sabotaged_binary())
            .env("STATEKEEP_SABOTAGE", self.faults);
        let (server, attack) = (setup.start(), self.attack());
        leave_quiet_events(&server);
        let target = Target::new(&server, &[attack]);
        let course = Course {
            attacks: &[attack],
            share: Share::Little,
            head_start: Duration::from_secs(1),
            time: Duration::from_secs(seconds),
            end: End::Cut,
        };
        course.run(&server, &target)
    }

    /// Why it proves nothing: nothing is found wrong, or something else is. On a busy machine an
    /// attack may need longer.
    fn escapes(&self, quiet: &Round) -> Option<String> {
        let first = self.escapes_for(self.seconds, quiet);
        first.and_then(|_| self.escapes_for(self.seconds * LONGER, quiet))
    }

    fn escapes_for(&self, seconds: u64, quiet: &Round) -> Option<String> {
        let name = format!("{} without {}", self.attack, self.faults);
        let round = self.round(seconds);
        round.tell(&name, quiet.p99());
        let mut faults = round.faults(&name, &[self.attack()], self.lent);
        faults.extend(round.slower(quiet));
        let is_its_own = |fault: &String| self.words.iter().any(|words| fault.contains(words));
        let is_found = faults.iter().any(is_its_own);
        (!is_found).then(|| format!("{name}: {faults:?}"))
    }
}

/// The same server told nothing, and nobody attacks it.
fn quiet() -> Round {
    let server = setup(LENT).binary(sabotaged_binary()).start();
    leave_quiet_events(&server);
    let target = Target::new(&server, &[]);
    let quiet = Course::of(&[], Duration::from_secs(2)).run(&server, &target);
    quiet.tell("a sabotaged server that is told nothing", quiet.p99());
    assert_eq!(quiet.faults("quiet", &[], LENT), Vec::<String>::new());
    quiet
}

#[test]
#[ignore = "middle tier: some seconds of each attack on a server without its bounds"]
fn without_its_bounds_each_attack_takes_something_from_others() {
    let quiet = quiet();
    let escaped: Vec<String> = CONTROLS
        .iter()
        .filter_map(|control| control.escapes(&quiet))
        .collect();
    assert!(escaped.is_empty(), "{}", escaped.join("\n\n"));
}

#[test]
fn each_attack_has_a_control() {
    for attack in &ATTACKS {
        let has_control = CONTROLS.iter().any(|one| one.attack == attack.name);
        assert!(has_control, "{}", attack.name);
    }
}
