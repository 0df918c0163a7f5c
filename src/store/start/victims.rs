//! Which states were written in commits that SQLite would not read: so far as pages of the table
//! `states` among them tell. A person has to know whom to ask.

use std::collections::BTreeMap;

use crate::model::clock::Timestamp;
use crate::model::name::StateName;

use super::pages::{ANY_PAGE, rows};
use crate::sqlite_file::record::{SqlRecord, SqlValue};

/// No more states than these are remembered.
const MOST: usize = 10_000;

/// States that were seen, each with the time of its last change.
#[derive(Default)]
pub(super) struct Victims(BTreeMap<String, Timestamp>);

impl Victims {
    /// Takes the states that are on a page; any other page is passed over.
    pub(super) fn note(&mut self, page: &[u8]) {
        let rows = rows(ANY_PAGE, page);
        for (name, at) in rows.iter().flatten().filter_map(|row| state(row)) {
            if self.0.len() < MOST || self.0.contains_key(&name) {
                let seen = self.0.entry(name).or_insert(at);
                *seen = at.max(*seen);
            }
        }
    }

    /// The states that were changed after this.
    pub(super) fn changed_after(&self, at: Timestamp) -> Vec<String> {
        let changed = self.0.iter().filter(|(_, changed)| **changed > at);
        changed.map(|(name, _)| name.clone()).collect()
    }
}

/// The address of a state and the time of its last change, if the row is one of `states`.
fn state(row: &SqlRecord<'_>) -> Option<(String, Timestamp)> {
    let integer = |column| row.value(column)?.integer();
    let is_null = |column| row.value(column) == Some(SqlValue::Null);
    let has_current = is_null(3) || integer(3).is_some();
    if !is_null(0) || !has_current || !(4..=6).all(|column| integer(column).is_some()) {
        return None;
    }
    let text = |column| row.value(column)?.text();
    let name = StateName::parse(text(1)?, text(2)?).ok()?;
    Some((name.to_string(), Timestamp::from_millis(integer(7)?)))
}
