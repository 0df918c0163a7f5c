//! Two states compared by the addresses of their instances, and the numbers of changes.

use serde::Serialize;

use super::address::ResourceAddress;
use super::apart::Apart;
use super::instance::Instance;
use super::not_comparable::NotComparable;
use super::pairing::{Action, Change, changes};
use super::state::StateTree;
use crate::model::version::ChangeCounts;

/// A state with nothing in it. The first version is compared with it.
pub const NOTHING: &[u8] = br#"{"version":4}"#;

/// How many instances are not as they were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Added ones.
    pub added: u64,
    /// Changed ones, and moved ones.
    pub changed: u64,
    /// Removed ones.
    pub removed: u64,
    /// Moved ones.
    pub moved: u64,
}

/// The differences between two states.
pub struct Diff<'a> {
    // Without the resources that are alike in both.
    pub(super) before: StateTree<'a>,
    pub(super) after: StateTree<'a>,
    pub(super) changes: Vec<Change>,
}

/// Compares two states.
///
/// # Errors
///
/// Where one of them cannot be read as a state of format 1 to 4.
pub fn compare<'a>(before: &'a [u8], after: &'a [u8]) -> Result<Diff<'a>, NotComparable> {
    Apart::of(before, after)?.compare(before, after)
}

impl Apart {
    /// Compares the same two states.
    ///
    /// # Errors
    ///
    /// Where one of them cannot be read as a state of format 1 to 4.
    pub fn compare<'a>(
        &self,
        before: &'a [u8],
        after: &'a [u8],
    ) -> Result<Diff<'a>, NotComparable> {
        let (before, after) = self.trees(before, after)?;
        let changes = changes(&before, &after);
        Ok(Diff {
            before,
            after,
            changes,
        })
    }
}

impl Diff<'_> {
    /// How many instances were added, changed (moved ones among them) and removed.
    pub fn counts(&self) -> ChangeCounts {
        let Totals {
            added,
            changed,
            removed,
            ..
        } = self.totals();
        ChangeCounts {
            added,
            changed,
            removed,
        }
    }

    pub(super) fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for change in &self.changes {
            match change.action {
                Action::Added => totals.added += 1,
                Action::Removed => totals.removed += 1,
                Action::Changed => totals.changed += 1,
                Action::Moved => {
                    totals.changed += 1;
                    totals.moved += 1;
                }
            }
        }
        totals
    }

    /// The objects that only the first state has, in the order of addresses: instances, and their
    /// deposed objects with their keys.
    pub fn lost(&self) -> Vec<(&ResourceAddress<'_>, Option<&str>)> {
        self.changes
            .iter()
            .flat_map(|change| only_in(change.then(&self.before), change.now(&self.after)))
            .collect()
    }

    /// The objects that only the second state has.
    pub fn gained(&self) -> Vec<(&ResourceAddress<'_>, Option<&str>)> {
        self.changes
            .iter()
            .flat_map(|change| only_in(change.now(&self.after), change.then(&self.before)))
            .collect()
    }
}

/// The objects that an instance has in one state and not in the other.
fn only_in<'d, 'a>(
    one: Option<&'d Instance<'a>>,
    other: Option<&'d Instance<'a>>,
) -> Vec<(&'d ResourceAddress<'a>, Option<&'d str>)> {
    let Some(one) = one else { return Vec::new() };
    let is_there =
        |key: &str| other.is_some_and(|other| other.deposed.iter().any(|(known, _)| known == key));
    let current = one
        .current
        .iter()
        .filter(|_| other.is_none_or(|other| other.current.is_none()))
        .map(|_| None);
    let deposed = one
        .deposed
        .iter()
        .map(|(key, _)| key.as_ref())
        .filter(|key| !is_there(key))
        .map(Some);
    current
        .chain(deposed)
        .map(|key| (&one.address, key))
        .collect()
}

/// Whether a state lacks resource instances that another one had; `None` if that cannot be told.
pub fn drops_resources(before: &[u8], after: &[u8]) -> Option<bool> {
    let apart = Apart::of(before, after).ok()?;
    let (before, after) = apart.trees(before, after).ok()?;
    let mut there = after
        .instances
        .iter()
        .map(|instance| &instance.address)
        .peekable();
    Some(before.instances.iter().any(|instance| {
        while there
            .next_if(|address| **address < instance.address)
            .is_some()
        {}
        there.peek() != Some(&&instance.address)
    }))
}
