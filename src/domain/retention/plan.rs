//! Which versions of one state go and which stay: a pure function of rows, policy and now.
//!
//! What always holds: the current version, held ones and the rows of purged ones stay, and where
//! the current one is damaged the newest one that can be read; what any rule keeps stays; a rule
//! that keeps more never removes more.

use std::collections::{BTreeMap, BTreeSet};

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use crate::model::clock::Timestamp;
use crate::model::retention::{PlanRow, Policy};

/// Why a version stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It is the current version, or was when the state was deleted.
    Current,
    /// Somebody holds it.
    Held,
    /// It is among the newest.
    Last,
    /// It is young.
    Within,
    /// It is the newest of its day.
    Daily,
    /// It is the newest of its week.
    Weekly,
    /// It is a snapshot of an apply that went on, and young enough.
    Intermediate,
    /// It is rejected, and young enough.
    Rejected,
    /// No rule says which accepted versions are kept.
    Unbounded,
    /// The current version is damaged, and this is the newest one that is not known to be.
    Readable,
    /// Its content was purged, and its row says so for good.
    Purged,
}

/// Each reason, in the order of its number, with its name on the wire.
const REASONS: [(Reason, &str); 11] = [
    (Reason::Current, "current"),
    (Reason::Held, "held"),
    (Reason::Last, "last"),
    (Reason::Within, "within"),
    (Reason::Daily, "daily"),
    (Reason::Weekly, "weekly"),
    (Reason::Intermediate, "intermediate"),
    (Reason::Rejected, "rejected"),
    (Reason::Unbounded, "unbounded"),
    (Reason::Readable, "readable"),
    (Reason::Purged, "purged"),
];

/// How many versions stay for each reason. One that stays for two counts in both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reasons([u64; REASONS.len()]);

impl Reasons {
    /// How many stay for this reason.
    pub const fn of(&self, reason: Reason) -> u64 {
        self.0[reason as usize]
    }

    /// Adds those of another state.
    pub fn add(&mut self, other: &Self) {
        self.0
            .iter_mut()
            .zip(other.0)
            .for_each(|(sum, count)| *sum += count);
    }
}

impl Serialize for Reasons {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(REASONS.len()))?;
        for (reason, name) in REASONS {
            map.serialize_entry(name, &self.of(reason))?;
        }
        map.end()
    }
}

/// What is to go of one state. Nothing of it has gone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RetentionPlan {
    /// The numbers of the versions that go, oldest first.
    pub remove: Vec<u64>,
    /// How many stay.
    pub kept: u64,
    /// Why they stay.
    pub reasons: Reasons,
    /// The version that has to be readable before others go: clients get this one.
    pub relies_on: Option<u64>,
}

/// Plans what goes of a state. `rows` are its versions, newest first.
pub fn plan(rows: &[PlanRow], policy: &Policy, now: Timestamp) -> RetentionPlan {
    let rules = Rules::of(rows, policy, now);
    let mut plan = RetentionPlan {
        relies_on: rules.readable.or(rules.current),
        ..RetentionPlan::default()
    };
    for row in rows.iter().rev() {
        let before = plan.reasons;
        rules.judge(row, &mut plan.reasons);
        if plan.reasons == before {
            plan.remove.push(row.number);
        } else {
            plan.kept += 1;
        }
    }
    plan
}

/// A policy, and what its rules come to for the rows at hand.
struct Rules<'a> {
    policy: &'a Policy,
    now: Timestamp,
    /// From which number on versions are among the newest.
    last_from: Option<u64>,
    daily: BTreeSet<u64>,
    weekly: BTreeSet<u64>,
    /// The current version, or what was when the state was deleted, where it has content.
    current: Option<u64>,
    /// The newest one that can be read, where the current one cannot.
    readable: Option<u64>,
}

impl<'a> Rules<'a> {
    fn of(rows: &[PlanRow], policy: &'a Policy, now: Timestamp) -> Self {
        // A version that cannot be read takes no place that one which can be could have.
        let counted = || {
            rows.iter().filter(|row| {
                !row.rejected && !row.purged && !row.damaged && !is_dropped_first(row, policy)
            })
        };
        let last_from = policy
            .keep_last
            .and_then(|most| counted().take(most as usize).last())
            .map(|row| row.number);
        let daily = newest_of_each(counted(), day, policy.keep_daily.unwrap_or(0));
        let weekly = newest_of_each(counted(), week, policy.keep_weekly.unwrap_or(0));
        let current = rows.iter().find(|row| row.current && !row.purged);
        let readable = current
            .filter(|current| current.damaged)
            .and_then(|_| newest_readable(rows));
        Self {
            policy,
            now,
            last_from,
            daily,
            weekly,
            current: current.map(|row| row.number),
            readable,
        }
    }

    /// Counts each reason for which a version stays.
    fn judge(&self, row: &PlanRow, reasons: &mut Reasons) {
        let mut stays = |reason, holds| reasons.0[reason as usize] += u64::from(holds);
        stays(Reason::Current, row.current);
        stays(Reason::Held, row.held);
        stays(Reason::Readable, self.readable == Some(row.number));
        if row.purged {
            stays(Reason::Purged, true);
        } else if row.rejected {
            stays(
                Reason::Rejected,
                self.policy
                    .keep_rejected
                    .is_none_or(|age| row.created_at >= self.now - age.0),
            );
        } else if is_dropped_first(row, self.policy) {
            stays(
                Reason::Intermediate,
                self.policy
                    .drop_intermediate
                    .is_some_and(|age| row.created_at >= self.now - age.0),
            );
        } else {
            stays(
                Reason::Last,
                self.last_from.is_some_and(|from| row.number >= from),
            );
            stays(
                Reason::Within,
                self.policy
                    .keep_within
                    .is_some_and(|age| row.created_at >= self.now - age.0),
            );
            stays(Reason::Daily, self.daily.contains(&row.number));
            stays(Reason::Weekly, self.weekly.contains(&row.number));
            stays(Reason::Unbounded, !self.policy.bounds_accepted());
        }
    }
}

/// The newest version that is not known to be damaged; a rejected one only where there is no other.
/// Rows come newest first.
fn newest_readable(rows: &[PlanRow]) -> Option<u64> {
    let mut readable = rows.iter().filter(|row| !row.purged && !row.damaged);
    let accepted = readable.clone().find(|row| !row.rejected);
    accepted.or_else(|| readable.next()).map(|row| row.number)
}

/// Whether a version is a snapshot that goes before all others.
const fn is_dropped_first(row: &PlanRow, policy: &Policy) -> bool {
    row.intermediate && policy.drop_intermediate.is_some()
}

/// The newest version of each of the last `most` periods that have one; rows come newest first.
fn newest_of_each<'r>(
    rows: impl Iterator<Item = &'r PlanRow>,
    period: fn(Timestamp) -> i64,
    most: u32,
) -> BTreeSet<u64> {
    if most == 0 {
        return BTreeSet::new();
    }
    let mut newest = BTreeMap::new();
    for row in rows {
        newest.entry(period(row.created_at)).or_insert(row.number);
    }
    newest.into_values().rev().take(most as usize).collect()
}

/// The number of the day since 1970 in UTC.
const fn day(at: Timestamp) -> i64 {
    at.millis().div_euclid(24 * 60 * 60 * 1_000)
}

/// The number of the week, from Monday on, in UTC: 1970 began on a Thursday.
const fn week(at: Timestamp) -> i64 {
    (day(at) + 3).div_euclid(7)
}

#[cfg(test)]
mod tests;
