//! Differences of two states by the addresses of their resource instances. Bytes in, answer out;
//! pure.
//!
//! [`compare`] says which instances were added, removed, moved or changed, by meaning;
//! [`Diff::report`] says how, without what is secret. Nothing recurses, however deep a state is
//! nested, and only what differs is taken apart.

mod address;
mod json;
mod legacy;
mod marks;
mod masking;
mod names;
mod number;
mod outputs;
mod pairing;
mod reading;
mod report;
mod state;
mod values;

#[cfg(test)]
mod tests;

pub use address::{Address, Index};
pub use outputs::{OpenOutput, ShownOutput, open_outputs, outputs};
pub use pairing::Action;
pub use report::{MAX_REPORT, OutputChange, Report, ResourceChange, Totals, ValueChange};
pub use values::{MAX_LEVELS, MAX_PATH, MAX_STEPS, MAX_VALUE};

use crate::model::version::Counts;
use pairing::{Change, changes};
use state::{Instance, State};

/// A state with nothing in it: what the first version is compared with.
pub const NOTHING: &[u8] = br#"{"version":4}"#;

/// Why two states cannot be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotComparable {
    /// Its client encrypted it.
    #[error("the state is encrypted by its client")]
    Encrypted,
    /// None of the formats 1 to 4.
    #[error("the state is not of format 1, 2, 3 or 4")]
    Format,
    /// JSON, but not as Terraform writes it.
    #[error("the state is not in the form that Terraform writes")]
    Unexpected,
    /// More instances than a state of its size can have.
    #[error("the state has more resource instances than fit into its size")]
    Crowded,
}

impl NotComparable {
    /// A stable code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Encrypted => "encrypted",
            Self::Format => "format",
            Self::Unexpected => "unexpected",
            Self::Crowded => "crowded",
        }
    }
}

/// What differs between two states.
pub struct Diff<'a> {
    before: State<'a>,
    after: State<'a>,
    changes: Vec<Change>,
}

/// Compares two states.
///
/// # Errors
///
/// Where one of them cannot be read as a state of format 1 to 4.
pub fn compare<'a>(before: &'a [u8], after: &'a [u8]) -> Result<Diff<'a>, NotComparable> {
    let (before, after) = (State::parse(before)?, State::parse(after)?);
    let changes = changes(&before, &after);
    Ok(Diff {
        before,
        after,
        changes,
    })
}

impl Diff<'_> {
    /// How many instances were added, changed (moved ones among them) and removed.
    pub fn counts(&self) -> Counts {
        let Totals {
            added,
            changed,
            removed,
            ..
        } = self.totals();
        Counts {
            added,
            changed,
            removed,
        }
    }

    /// What the first state has and the second one has not, in the order of addresses: instances,
    /// and their deposed objects with their keys.
    pub fn lost(&self) -> Vec<(&Address<'_>, Option<&str>)> {
        self.changes
            .iter()
            .flat_map(|change| only_in(change.then(self), change.now(self)))
            .collect()
    }

    /// What the second state has and the first one has not.
    pub fn gained(&self) -> Vec<(&Address<'_>, Option<&str>)> {
        self.changes
            .iter()
            .flat_map(|change| only_in(change.now(self), change.then(self)))
            .collect()
    }
}

/// The objects that an instance has in one state and not in the other.
fn only_in<'d, 'a>(
    one: Option<&'d Instance<'a>>,
    other: Option<&'d Instance<'a>>,
) -> Vec<(&'d Address<'a>, Option<&'d str>)> {
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

/// Whether a state lacks resource instances that another one had; `None` where that cannot be told.
pub fn drops_resources(before: &[u8], after: &[u8]) -> Option<bool> {
    let (before, after) = (State::parse(before).ok()?, State::parse(after).ok()?);
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
