//! The attributes that a state marks as secret. Other marks are no change of an instance, since new
//! programs mark more. But a copy of a state that marks less is no copy.

use std::cmp::Ordering;

use serde_json::value::RawValue;

use super::address::ResourceAddress;
use super::comparison::Diff;
use super::equality::same_text;
use super::instance::Instance;
use super::pairing::same_part;

/// Up to so many marks of an instance are compared in any order, more only in the order of the
/// state.
const MAX_UNORDERED: usize = 1_000;

impl Diff<'_> {
    /// The instances of both states that do not mark the same attributes as secret.
    pub fn marked_otherwise(&self) -> Vec<&ResourceAddress<'_>> {
        let (one, other) = (&self.before.instances, &self.after.instances);
        let (mut from, mut to, mut found) = (0, 0, Vec::new());
        while let (Some(before), Some(after)) = (one.get(from), other.get(to)) {
            let order = before.address.cmp(&after.address);
            if order == Ordering::Equal && !same_objects(before, after) {
                found.push(&after.address);
            }
            from += usize::from(order.is_le());
            to += usize::from(order.is_ge());
        }
        found
    }
}

/// Whether what is there of an instance in both states, deposed or not, marks the same.
fn same_objects(before: &Instance<'_>, after: &Instance<'_>) -> bool {
    let deposed = before.deposed.iter().filter_map(|(key, one)| {
        Some((
            one,
            after
                .deposed
                .iter()
                .find(|(known, _)| known == key)
                .map(|(_, other)| other)?,
        ))
    });
    before
        .current
        .iter()
        .zip(&after.current)
        .chain(deposed)
        .all(|(one, other)| same_marks(one.marks, other.marks))
}

fn same_marks(before: Option<&str>, after: Option<&str>) -> bool {
    if same_part(before, after) {
        return true;
    }
    let list = |text: Option<&str>| {
        text.map_or(Some(Vec::new()), |text| {
            serde_json::from_str::<Vec<Box<RawValue>>>(text).ok()
        })
    };
    let (Some(one), Some(other)) = (list(before), list(after)) else {
        return false;
    };
    let has = |list: &[Box<RawValue>], mark: &RawValue| {
        list.iter().any(|other| same_text(other.get(), mark.get()))
    };
    one.len() == other.len()
        && one.len() <= MAX_UNORDERED
        && one.iter().all(|mark| has(&other, mark))
        && other.iter().all(|mark| has(&one, mark))
}
