//! Differences of two states by the addresses of their resource instances. Bytes in, answer out; pure.
//!
//! [`compare`] says which instances were added, removed, moved or changed, by meaning; [`Diff::report`] says how, without what is secret.
//! Nothing recurses, however deep a state is nested, and only what differs is taken apart.

mod address;
mod json;
mod legacy;
mod marks;
mod masking;
mod names;
mod number;
mod outputs;
mod pairing;
mod report;
mod state;
mod values;

#[cfg(test)]
mod tests;

pub use address::{Address, Index};
pub use outputs::{ShownOutput, outputs};
pub use pairing::Action;
pub use report::{MAX_REPORT, OutputChange, Report, ResourceChange, Totals, ValueChange};
pub use values::{MAX_LEVELS, MAX_PATH, MAX_STEPS, MAX_VALUE};

use crate::model::version::Counts;
use pairing::{Change, changes};
use state::State;

/// A state with nothing in it: what the first version is compared with.
pub const NOTHING: &[u8] = br#"{"version":4}"#;

/// Why two states cannot be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotComparable {
    /// Its client encrypted it.
    #[error("the state is encrypted by its client")]
    Encrypted,
    /// Neither format 3 nor 4.
    #[error("the state is not of format 3 or 4")]
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
/// Where one of them cannot be read as a state of format 3 or 4.
pub fn compare<'a>(before: &'a [u8], after: &'a [u8]) -> Result<Diff<'a>, NotComparable> {
    let (before, after) = (State::parse(before)?, State::parse(after)?);
    let changes = changes(&before, &after);
    Ok(Diff { before, after, changes })
}

impl Diff<'_> {
    /// How many instances were added, changed (moved ones among them) and removed.
    pub fn counts(&self) -> Counts {
        let Totals { added, changed, removed, .. } = self.totals();
        Counts { added, changed, removed }
    }

    /// The instances that were added, removed or moved, in the order of their addresses: what each is called now, or was last.
    pub fn addresses(&self, action: Action) -> impl Iterator<Item = &Address<'_>> {
        let of_that_kind = self.changes.iter().filter(move |change| change.action == action);
        of_that_kind.filter_map(|change| change.now(self).or(change.then(self))).map(|instance| &instance.address)
    }
}

/// Whether a state lacks resource instances that another one had; `None` where that cannot be told.
pub fn drops_resources(before: &[u8], after: &[u8]) -> Option<bool> {
    let (before, after) = (State::parse(before).ok()?, State::parse(after).ok()?);
    let mut there = after.instances.iter().map(|instance| &instance.address).peekable();
    Some(before.instances.iter().any(|instance| {
        while there.next_if(|address| **address < instance.address).is_some() {}
        there.peek() != Some(&&instance.address)
    }))
}
