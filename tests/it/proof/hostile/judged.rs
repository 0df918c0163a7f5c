//! What came of a time beside attacks, and what is wrong with it.

use std::time::Duration;

use super::attacks::Attack;
use super::neighbours::Seen;
use super::watched::Figures;

/// Beside the memory that is lent: what the program, SQLite, argon2 and open connections take
/// (docs/limits.md).
const BESIDE: u64 = 256 * MIB;
/// What those without credentials may take beside what was there before.
const FOR_STRANGERS: u64 = 96 * MIB;
/// The locks on addresses without a state that a key may have. One key of the attackers locks.
const LOCKS: i64 = 100;
/// The events of locking, writing and unlocking a state.
pub(super) const QUIET_EVENTS: i64 = 3;
/// So many times slower than without an attack is what no attack may make a neighbour.
const SLOWER: f64 = 3.0;

const MIB: u64 = 1024 * 1024;

/// What came of a time with these attacks, or with none.
pub(super) struct Round {
    pub(super) seen: Vec<Seen>,
    pub(super) figures: Figures,
}

impl Round {
    /// The call of a neighbour that took longer than 99 in 100, in milliseconds.
    pub(super) fn p99(&self) -> f64 {
        let times = self.seen.iter().flat_map(|seen| seen.times.iter().copied());
        let mut times: Vec<Duration> = times.collect();
        times.sort_unstable();
        let at = times.len().saturating_sub(1) * 99 / 100;
        times.get(at).map_or(0.0, |time| time.as_secs_f64() * 1e3)
    }

    /// What is wrong with it, on a server that lends so much memory.
    pub(super) fn faults(&self, name: &str, attacks: &[&Attack], lent: u64) -> Vec<String> {
        let failures = self.seen.iter().flat_map(|seen| seen.failures.iter());
        let mut faults: Vec<String> = failures.cloned().collect();
        let figures = &self.figures;
        if self.seen.iter().any(|seen| seen.times.is_empty()) {
            faults.push("a neighbour got nothing done".to_owned());
        }
        if let Some(failure) = &figures.operator_failure {
            faults.push(format!("the operator's socket: {failure}"));
        }
        if figures.memory > lent + BESIDE {
            faults.push(format!("{} MiB of memory", figures.memory / MIB));
        }
        let grown = figures.memory.saturating_sub(figures.memory_before);
        let is_by_strangers = |attack: &&Attack| attack.is_by_strangers;
        if !attacks.is_empty() && attacks.iter().all(is_by_strangers) && grown > FOR_STRANGERS {
            faults.push(format!("{} MiB of memory for strangers", grown / MIB));
        }
        if figures.locks > LOCKS {
            faults.push(format!("{} locks without a state", figures.locks));
        }
        if figures.quiet_events < QUIET_EVENTS {
            faults.push(format!("{} events of others left", figures.quiet_events));
        }
        let named = faults.into_iter().map(|fault| format!("{name}: {fault}"));
        named.collect()
    }

    /// The calls of all neighbours in a second.
    fn rate(&self) -> f64 {
        let calls: u32 = self.seen.iter().map(|seen| seen.done).sum();
        f64::from(calls) / self.figures.time.as_secs_f64().max(0.001)
    }

    /// How much slower the neighbours are than without an attack, if that is beyond noise.
    pub(super) fn slower(&self, quiet: &Self) -> Option<String> {
        let times = self.p99() / quiet.p99().max(0.001);
        if times > SLOWER {
            return Some(format!("p99 is {times:.0} times the quiet one"));
        }
        let (rate, usual) = (self.rate(), quiet.rate());
        (rate * SLOWER < usual).then(|| format!("{:.3} of the quiet rate", rate / usual))
    }

    pub(super) fn tell(&self, name: &str, quiet: f64) {
        let calls: usize = self.seen.iter().map(|seen| seen.times.len()).sum();
        let again: u64 = self.seen.iter().map(|seen| seen.again).sum();
        let (p99, figures) = (self.p99(), &self.figures);
        let answers = f64::from(u32::try_from(figures.answered).unwrap_or(u32::MAX));
        eprintln!(
            "hostile: {name}: {calls} calls, {again} sent again, p99 {p99:.1} ms ({:.2} of \
             quiet), operator at most {:.0} ms, memory at most {} MiB, {} before, {:.0} answers \
             a second to all",
            p99 / quiet.max(0.001),
            figures.operator.as_secs_f64() * 1e3,
            figures.memory / MIB,
            figures.memory_before / MIB,
            answers / figures.time.as_secs_f64().max(0.001),
        );
    }
}
