//! Verbs on transfers: states that are on their way to a storage elsewhere, and where those are
//! that have left for one.
//!
//! A state has at most one. What brings a hidden state back forgets a transfer that is done.

use rusqlite::{Row, params};

use crate::model::clock::Timestamp;
use crate::model::state::StateId;
use crate::model::state::Visibility;
use crate::model::transfer::{Transfer, TransferIntent};
use crate::store::error::StoreError;
use crate::store::tables::hashed::TRANSFERS;
use crate::store::tables::rows;
use crate::store::tables::rows::Compact;
use crate::store::tx::Tx;
use crate::store::tx::View;

fn transfer(row: &Row<'_>) -> rusqlite::Result<Transfer> {
    let intent = TransferIntent {
        to: row.get(0)?,
        lock_id: row.get(1)?,
        begun_at: rows::time(row, 2)?,
        begun_by: rows::actor(row, 3)?,
    };
    Ok(Transfer {
        intent,
        done_at: rows::maybe_time(row, 5)?,
        version: rows::unsigned(row, 6)?,
    })
}

impl View<'_> {
    /// The transfer of a state, under way or done.
    pub fn transfer(&self, state: StateId) -> Result<Option<Transfer>, StoreError> {
        self.check_state(state);
        let sql = format!(
            "SELECT t.target, t.lock_id, t.begun_at, t.begun_by, t.begun_by_name, t.done_at, \
                s.current{} \
             FROM transfers t JOIN states s ON s.id = t.state_id WHERE t.state_id = ?1",
            TRANSFERS.proof
        );
        let found = self.proven(&TRANSFERS, &sql, [state], transfer)?;
        if found.is_none() {
            self.agree_on_absence(&TRANSFERS, params![state])?;
        }
        Ok(found)
    }

    /// Why clients do not get a state that is hidden.
    pub(in crate::store) fn why_hidden(&self, state: StateId) -> Result<Visibility, StoreError> {
        let sql = format!(
            "SELECT t.target, t.done_at IS NOT NULL{} FROM transfers t WHERE t.state_id = ?1",
            TRANSFERS.proof
        );
        let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
        let found: Option<(String, bool)> = self.proven(&TRANSFERS, &sql, [state], read)?;
        if found.is_none() {
            self.agree_on_absence(&TRANSFERS, params![state])?;
        }
        Ok(found
            .filter(|(_, is_done)| *is_done)
            .map_or(Visibility::Deleted, |(target, _)| {
                Visibility::Transferred(target)
            }))
    }
}

impl Tx<'_> {
    /// Notes that a state is to go elsewhere, in place of what was noted before.
    pub fn put_intent(&self, state: StateId, intent: &TransferIntent) -> Result<(), StoreError> {
        self.check_state(state);
        let sql = "INSERT INTO transfers (state_id, target, lock_id, begun_at, \
            begun_by, begun_by_name) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let TransferIntent {
            to,
            lock_id,
            begun_at,
            begun_by,
        } = intent;
        let values = params![
            state,
            to,
            lock_id,
            begun_at.millis(),
            Compact(&begun_by.id),
            begun_by.name
        ];
        self.put_hashed(&TRANSFERS, params![state], sql, values)
    }

    /// A state goes nowhere any more.
    pub fn forget_intent(&self, state: StateId) -> Result<(), StoreError> {
        self.check_state(state);
        let sql = "SELECT 1 FROM transfers WHERE state_id = ?1 AND done_at IS NULL";
        self.forget_transfer_if(state, sql)
    }

    /// A state is here again: it does not matter any more where it had gone.
    pub(in crate::store) fn forget_departure(&self, state: StateId) -> Result<(), StoreError> {
        let sql = "SELECT 1 FROM transfers WHERE state_id = ?1 AND done_at IS NOT NULL";
        self.forget_transfer_if(state, sql)
    }

    fn forget_transfer_if(&self, state: StateId, sql: &str) -> Result<(), StoreError> {
        if self.exists(sql, [state])? {
            self.delete_hashed(&TRANSFERS, params![state])?;
        }
        Ok(())
    }

    /// A state has left for where it was to go: it is hidden from then on.
    pub fn end_transfer(&self, state: StateId, at: Timestamp) -> Result<(), StoreError> {
        self.check_state(state);
        let sql = "UPDATE transfers SET done_at = ?2 WHERE state_id = ?1";
        let values = params![state, at.millis()];
        self.update_hashed(&TRANSFERS, params![state], sql, values)?;
        self.hide(state, at)
    }
}
