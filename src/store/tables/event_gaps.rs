//! Gaps in the chain of events: what was removed leaves the hash of its last event, so that the
//! chain can be followed over it.
//!
//! Gaps that touch each other become one. So there is at most one for each event that is left.

use rusqlite::{Row, params};

use crate::store::error::StoreError;
use crate::store::tables::hashed::EVENT_GAPS;
use crate::store::tx::{Tx, View};

/// An event that was removed: its place, and its hash if it had one.
pub(super) type RemovedEvent = (i64, Option<Vec<u8>>);

/// Events that are not there any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Gap {
    pub(super) first: i64,
    pub(super) last: i64,
    /// The hash of the last one.
    pub(super) chain: Vec<u8>,
}

/// A gap from its columns.
pub(super) fn gap(row: &Row<'_>) -> rusqlite::Result<Gap> {
    Ok(Gap {
        first: row.get(0)?,
        last: row.get(1)?,
        chain: row.get(2)?,
    })
}

/// Events that were removed as runs, in the order of their places. Those from before the chain lie
/// in its first gap.
fn runs(mut removed: Vec<RemovedEvent>) -> Vec<Gap> {
    removed.sort_unstable();
    let mut runs: Vec<Gap> = Vec::new();
    for (seq, chain) in removed {
        let Some(chain) = chain else { continue };
        match runs.last_mut() {
            Some(run) if run.last.checked_add(1) == Some(seq) => {
                (run.last, run.chain) = (seq, chain);
            }
            Some(_) | None => runs.push(Gap {
                first: seq,
                last: seq,
                chain,
            }),
        }
    }
    runs
}

impl View<'_> {
    /// The gap that a condition finds, if it is as it was written. One that is not joins no other.
    fn gap_where(&self, condition: &str, place: i64) -> Result<Option<Gap>, StoreError> {
        let sql = format!("SELECT first, last, chain, mac FROM event_gaps WHERE {condition}");
        let found = self.one(&sql, [place], |row| {
            let fits = EVENT_GAPS.fits(self.row_key, row, 0)?;
            Ok(if fits { Some(gap(row)?) } else { None })
        })?;
        Ok(found.flatten())
    }
}

impl Tx<'_> {
    /// Notes that events are not there any more.
    pub(super) fn note_removed(&self, removed: Vec<RemovedEvent>) -> Result<(), StoreError> {
        runs(removed)
            .into_iter()
            .try_for_each(|run| self.add_gap(run))
    }

    fn add_gap(&self, mut gap: Gap) -> Result<(), StoreError> {
        let before = self.gap_where("first < ?1 ORDER BY first DESC LIMIT 1", gap.first)?;
        let after = self.gap_where("first = ?1", gap.last.saturating_add(1))?;
        if let Some(before) = before.filter(|before| before.last.checked_add(1) == Some(gap.first))
        {
            gap.first = before.first;
        }
        if let Some(after) = after {
            self.delete_hashed(&EVENT_GAPS, params![after.first])?;
            (gap.last, gap.chain) = (after.last, after.chain);
        }
        let sql = "INSERT INTO event_gaps (first, last, chain) VALUES (?1, ?2, ?3)";
        let values = params![gap.first, gap.last, gap.chain];
        self.put_hashed(&EVENT_GAPS, params![gap.first], sql, values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_each_other_is_one_run_and_has_the_hash_of_its_last_event() {
        let gap = |first, last| Gap {
            first,
            last,
            chain: vec![u8::try_from(last).unwrap()],
        };
        let of = |seq: i64| (seq, Some(vec![u8::try_from(seq).unwrap()]));
        let removed = vec![of(7), of(4), of(5), (1, None), of(9), of(6)];
        assert_eq!(runs(removed), [gap(4, 7), gap(9, 9)]);
        assert_eq!(runs(vec![(1, None)]), []);
    }
}
