//! The last commit, in one row, which the writer changes in each transaction that changes
//! anything.

use rusqlite::{Connection, OptionalExtension as _, params};
use uuid::Uuid;

use crate::model::clock;
use crate::model::commit::Commit;
use crate::model::event_head::EventHead;
use crate::store::error::StoreError;
use crate::store::statements::Prepare as _;
use crate::store::tables::rows;
use crate::store::tx::Tx;

/// The last commit, without its events. Data that has none yet begins its chain: it was made a
/// moment ago, or by a version that did not count.
pub(in crate::store) fn known_or_first(
    connection: &Connection,
    instance: Uuid,
) -> rusqlite::Result<Commit> {
    let sql = "SELECT generation, number, at, head FROM commits";
    let known = connection.query_row(sql, [], |row| {
        Ok(Commit {
            generation: rows::unsigned(row, 0)?,
            number: rows::unsigned(row, 1)?,
            at: rows::time(row, 2)?,
            head: rows::digest(row, 3)?,
            events: EventHead::NONE,
        })
    });
    if let Some(known) = known.optional()? {
        return Ok(known);
    }
    let first = Commit::first(instance, clock::now());
    connection.execute(
        "INSERT INTO commits (one, generation, number, at, head) VALUES (1, ?1, ?2, ?3, ?4)",
        params![
            first.generation.cast_signed(),
            first.number.cast_signed(),
            first.at.millis(),
            first.head.as_bytes()
        ],
    )?;
    Ok(first)
}

/// Writes a commit over the one before, within the transaction that is to become it; gives it the
/// generation that the row has by now.
pub(in crate::store) fn write(connection: &Connection, commit: Commit) -> rusqlite::Result<Commit> {
    let sql = "UPDATE commits SET number = ?1, at = ?2, head = ?3 RETURNING generation";
    let values = params![
        commit.number.cast_signed(),
        commit.at.millis(),
        commit.head.as_bytes()
    ];
    let mut statement = connection.prepared(sql)?;
    let generation = statement.query_row(values, |row| rows::unsigned(row, 0))?;
    Ok(Commit {
        generation,
        ..commit
    })
}

impl Tx<'_> {
    /// Begins a new generation: what an anchor of the one before tells of may be missing.
    pub fn begin_generation(&self) -> Result<(), StoreError> {
        self.run("UPDATE commits SET generation = generation + 1", [])
    }
}
