//! Which attributes a state marks as secret. That is no change of what an instance is, since new programs mark more; but a copy of a state that marks
//! less is no copy.

use std::cmp::Ordering;

use serde_json::value::RawValue;

use super::Diff;
use super::address::Address;
use super::json::same_text;
use super::pairing::same_part;

/// So many marks of an instance are compared in whatever order; more only in theirs.
const MAX_UNORDERED: usize = 1_000;

impl Diff<'_> {
    /// The instances of both states that do not mark the same attributes as secret.
    pub fn marked_otherwise(&self) -> Vec<&Address<'_>> {
        let (one, other) = (&self.before.instances, &self.after.instances);
        let (mut from, mut to, mut found) = (0, 0, Vec::new());
        while let (Some(before), Some(after)) = (one.get(from), other.get(to)) {
            let order = before.address.cmp(&after.address);
            if order == Ordering::Equal && !same_marks(before.marks, after.marks) {
                found.push(&after.address);
            }
            from += usize::from(order.is_le());
            to += usize::from(order.is_ge());
        }
        found
    }
}

fn same_marks(before: Option<&RawValue>, after: Option<&RawValue>) -> bool {
    if same_part(before, after) {
        return true;
    }
    let list = |raw: Option<&RawValue>| raw.map_or(Some(Vec::new()), |raw| serde_json::from_str::<Vec<Box<RawValue>>>(raw.get()).ok());
    let (Some(one), Some(other)) = (list(before), list(after)) else { return false };
    let has = |list: &[Box<RawValue>], mark: &RawValue| list.iter().any(|other| same_text(other.get(), mark.get()));
    one.len() == other.len()
        && one.len() <= MAX_UNORDERED
        && one.iter().all(|mark| has(&other, mark))
        && other.iter().all(|mark| has(&one, mark))
}
