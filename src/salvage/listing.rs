//! Which version a row is of, where the rows that say so may be damaged.
//!
//! A number with a wrong bit is a number too. So the row of a version is compared with the index of
//! versions by their blobs, which tells each state and number a second time. A row that the index
//! contradicts is taken out, unless the entry is the one that cannot be: its bytes come without a
//! name, and never under another version's. A row whose blob the index does not know is believed.

use std::collections::BTreeSet;

use super::evidence::Evidence;
use super::rows::VersionKey;

/// How many entries of one blob are looked at. Versions with the same bytes share a blob.
const MAX_ENTRIES: usize = 64;

/// Takes out the rows that are of another version than they say, and gives what they say: the
/// states' ids and the numbers.
pub(super) fn take_out_misplaced(evidence: &mut Evidence) -> BTreeSet<(i64, u64)> {
    let rows = evidence.versions.values().flatten().map(|form| form.row);
    let misplaced: Vec<VersionKey> = rows.filter(|row| is_misplaced(evidence, row)).collect();
    for row in &misplaced {
        if let Some(forms) = evidence.versions.get_mut(&(row.state, row.number)) {
            forms.retain(|form| form.row != *row);
        }
    }
    evidence.versions.retain(|_, forms| !forms.is_empty());
    let said = misplaced.iter().map(|row| (row.state, row.number));
    said.collect()
}

fn is_misplaced(evidence: &Evidence, row: &VersionKey) -> bool {
    let here = (row.state, row.number);
    // Nothing comes out of a row without a blob.
    let Some(blob) = row.blob.filter(|blob| !is_listed(evidence, *blob, here)) else {
        return false;
    };
    let of_blob = (blob, i64::MIN, 0)..=(blob, i64::MAX, u64::MAX);
    let entries = evidence.entries.range(of_blob).take(MAX_ENTRIES);
    let mut entries = entries
        .map(|(_, state, number)| (*state, *number))
        .peekable();
    let has_row = |place| blobs_at(evidence, place).any(|there| there == blob);
    entries.peek().is_some()
        && (!is_possible(evidence, blob, here)
            || entries.any(|there| is_possible(evidence, blob, there) && !has_row(there)))
}

/// Whether a blob can be that of a version: the state has come as far as this number, and the
/// index does not confirm another row there.
fn is_possible(evidence: &Evidence, blob: i64, place: (i64, u64)) -> bool {
    let (state, number) = place;
    let rows = evidence.states.get(&state).into_iter().flatten();
    let reaches = match rows.map(|form| form.row.last_number).max() {
        Some(last) => number <= last,
        None => evidence.names.contains_key(&state),
    };
    let mut others = blobs_at(evidence, place).filter(|other| *other != blob);
    reaches && !others.any(|other| is_listed(evidence, other, place))
}

fn is_listed(evidence: &Evidence, blob: i64, (state, number): (i64, u64)) -> bool {
    evidence.entries.contains(&(blob, state, number))
}

fn blobs_at(evidence: &Evidence, place: (i64, u64)) -> impl Iterator<Item = i64> {
    let forms = evidence.versions.get(&place).into_iter().flatten();
    forms.filter_map(|form| form.row.blob)
}
