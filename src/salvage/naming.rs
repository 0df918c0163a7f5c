//! Which name a state has, where the rows that say so may be damaged.
//!
//! A name with a wrong bit is often a valid name. So the row of a state is compared with the entry
//! of its index, and where they differ, the event log decides. A state whose name stays in doubt
//! has none: its versions come without a name, and never under another state's.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::name::StateName;

use super::evidence::{Evidence, Form, Sight};
use super::images::Images;

/// The states with a name, by their ids, and what is in doubt.
pub(super) struct Names {
    pub(super) of: BTreeMap<i64, StateName>,
    pub(super) doubts: Vec<String>,
}

/// Finds out the names of all states.
pub(super) fn names(images: &Images, evidence: &Evidence) -> Names {
    let (mut named, mut doubts) = (BTreeMap::new(), Vec::new());
    let ids: BTreeSet<i64> = evidence
        .states
        .keys()
        .chain(evidence.names.keys())
        .copied()
        .collect();
    let is_live = |sight| evidence.is_live(images, sight);
    let mut taken: BTreeMap<StateName, (i64, Sight)> = BTreeMap::new();
    for id in ids {
        let row = evidence.states.get(&id).and_then(|forms| forms.first());
        let row = row.map(|form| (&form.row.name, form.sight));
        let entries = evidence.names.get(&id).map_or(&[][..], Vec::as_slice);
        let agrees = |entry: &&Form<StateName>| {
            row.is_some_and(|(name, _)| *name == entry.row) && is_live(entry.sight)
        };
        let entry = entries.iter().find(agrees).or(entries.first());
        let entry = entry.map(|form| (&form.row, form.sight));
        let (name, sight) = match (row, entry) {
            (Some(one), Some(other)) if one.0 != other.0 => {
                let told = [one, other].map(|(name, _)| evidence.told.contains(name));
                let live = [one, other].map(|(_, sight)| is_live(sight));
                match (told, live) {
                    ([true, false], _) | (_, [true, false]) => one,
                    ([false, true], _) | (_, [false, true]) => other,
                    _ => {
                        let (one, other) = (one.0, other.0);
                        doubts.push(format!("a state is named {one} here and {other} there"));
                        continue;
                    }
                }
            }
            (Some(found), _) | (None, Some(found)) => found,
            (None, None) => continue,
        };
        let rival = taken.get(name).copied();
        if let Some((rival, sight_of_rival)) = rival {
            doubts.push(format!("two states are named {name}"));
            let rank = |sight| (is_live(sight), sight.rank);
            if rank(sight_of_rival) >= rank(sight) {
                continue;
            }
            named.remove(&rival);
        }
        taken.insert(name.clone(), (id, sight));
        named.insert(id, name.clone());
    }
    Names { of: named, doubts }
}
