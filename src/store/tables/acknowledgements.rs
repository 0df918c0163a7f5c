//! Verbs on acknowledgements: which events a person has looked at, who it was, and when.

use rusqlite::{Row, named_params, params};

use crate::model::acknowledgement::Acknowledgement;
use crate::model::event::Event;
use crate::store::error::StoreError;
use crate::store::tables::events::{COLUMNS, event};
use crate::store::tables::hashed::ACKNOWLEDGEMENTS;
use crate::store::tables::rows;
use crate::store::tx::{Tx, View};

fn acknowledgement(row: &Row<'_>) -> rusqlite::Result<(u64, Acknowledgement)> {
    let acknowledgement = Acknowledgement {
        at: rows::time(row, 1)?,
        by: rows::actor(row, 2)?,
        word: row.get(4)?,
    };
    Ok((rows::unsigned(row, 0)?, acknowledgement))
}

impl View<'_> {
    /// An event with its acknowledgement. One that is damaged, or from before the event happened
    /// again, is none: a person looks once too often then, and never once too little.
    pub(super) fn with_acknowledgement(&self, mut event: Event) -> Result<Event, StoreError> {
        if !event.attention {
            return Ok(event);
        }
        let sql = format!(
            "SELECT seen, acknowledged_at, acknowledged_by, acknowledged_by_name, word{} FROM \
                acknowledgements a WHERE a.event = ?1",
            ACKNOWLEDGEMENTS.proof
        );
        let place = params![event.seq.cast_signed()];
        let found = match self.proven(&ACKNOWLEDGEMENTS, &sql, place, acknowledgement) {
            Err(StoreError::BadRow(_)) => None,
            found => found?,
        };
        let fits = found.filter(|(seen, _)| *seen == event.count);
        event.acknowledged = fits.map(|(_, acknowledgement)| acknowledgement);
        Ok(event)
    }

    /// The event at a place, with its acknowledgement.
    pub fn event(&self, seq: u64) -> Result<Option<Event>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM events WHERE seq = ?1");
        let found = self.one(&sql, params![seq.cast_signed()], event)?;
        found
            .map(|event| self.with_acknowledgement(event))
            .transpose()
    }
}

impl Tx<'_> {
    /// Acknowledges an event as it is, in place of any other acknowledgement of it.
    pub fn acknowledge(&self, event: &Event, new: &Acknowledgement) -> Result<(), StoreError> {
        let sql = "INSERT INTO acknowledgements (event, seen, acknowledged_at, acknowledged_by, \
            acknowledged_by_name, word) VALUES (:event, :seen, :at, :by, :by_name, :word)";
        let values = named_params! {
            ":event": event.seq.cast_signed(),
            ":seen": event.count.cast_signed(),
            ":at": new.at.millis(),
            ":by": new.by.id,
            ":by_name": new.by.name,
            ":word": new.word,
        };
        let key = params![event.seq.cast_signed()];
        self.put_hashed(&ACKNOWLEDGEMENTS, key, sql, values)
    }
}
