//! Verbs on the note of which key the rows' hashes were made with.

use rusqlite::Row;

use crate::model::confirmed::NewRowKey;
use crate::store::error::StoreError;
use crate::store::tables::rows;
use crate::store::tx::{Tx, View};

impl View<'_> {
    /// What a person's new key came to, if no event tells of it yet.
    pub fn untold_row_key(&self) -> Result<Option<NewRowKey>, StoreError> {
        let sql = "SELECT made_at, rows, changed, mended FROM row_key WHERE told = 0";
        let read = |row: &Row<'_>| {
            Ok(NewRowKey {
                at: rows::time(row, 0)?,
                rows: rows::unsigned(row, 1)?,
                changed: rows::maybe_unsigned(row, 2)?,
                mended: rows::unsigned(row, 3)?,
            })
        };
        self.one(sql, [], read)
    }
}

impl Tx<'_> {
    /// Notes that there is an event of the new key.
    pub fn note_row_key_told(&self) -> Result<(), StoreError> {
        self.run("UPDATE row_key SET told = 1", [])
    }
}
