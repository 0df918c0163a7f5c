//! Verbs on freezes: which states nothing may change.

use rusqlite::{Row as SqlRow, named_params, params};

use crate::model::freeze::Freeze;
use crate::model::name::StateName;
use crate::store::error::StoreError;
use crate::store::tables::hashed::FREEZES;
use crate::store::tables::rows;
use crate::store::tx::{Tx, View};

fn freeze(row: &SqlRow<'_>) -> rusqlite::Result<Freeze> {
    Ok(Freeze {
        until: rows::maybe_time(row, 0)?,
        reason: row.get(1)?,
        frozen_at: rows::time(row, 2)?,
        frozen_by: rows::actor(row, 3)?,
    })
}

impl View<'_> {
    /// Whether any state has a freeze.
    pub fn has_freezes(&self) -> Result<bool, StoreError> {
        self.exists("SELECT 1 FROM freezes WHERE workspace >= '' LIMIT 1", [])
    }

    /// The freeze of a state, also one whose time is over.
    pub fn freeze(&self, name: &StateName) -> Result<Option<Freeze>, StoreError> {
        self.check_address(name);
        let sql = format!(
            "SELECT until, reason, frozen_at, frozen_by, frozen_by_name{} FROM freezes f WHERE \
                f.workspace = ?1 AND f.building_block = ?2",
            FREEZES.proof
        );
        let key = params![name.workspace.as_str(), name.block.as_str()];
        let found = self.proven(&FREEZES, &sql, key, freeze)?;
        if found.is_none() {
            self.agree_on_absence(&FREEZES, key)?;
        }
        Ok(found)
    }
}

impl Tx<'_> {
    /// Freezes a state, in place of any other freeze.
    pub fn put_freeze(&self, name: &StateName, new: &Freeze) -> Result<(), StoreError> {
        self.check_address(name);
        let sql = "INSERT INTO freezes (workspace, building_block, until, reason, frozen_at, \
            frozen_by, frozen_by_name) VALUES (:workspace, :block, :until, :reason, :frozen_at, \
            :frozen_by, :frozen_by_name)";
        let values = named_params! {
            ":workspace": name.workspace.as_str(),
            ":block": name.block.as_str(),
            ":until": rows::millis(new.until),
            ":reason": new.reason,
            ":frozen_at": new.frozen_at.millis(),
            ":frozen_by": new.frozen_by.id,
            ":frozen_by_name": new.frozen_by.name,
        };
        let key = params![name.workspace.as_str(), name.block.as_str()];
        self.put_hashed(&FREEZES, key, sql, values)
    }

    /// Removes all that is left of a freeze whose row is damaged or lost.
    pub fn remove_damaged_freeze(&self, name: &StateName) -> Result<(), StoreError> {
        self.check_address(name);
        let key = params![name.workspace.as_str(), name.block.as_str()];
        self.delete_hashed(&FREEZES, key)?;
        self.strike_place(&FREEZES, key)
    }

    /// Lifts the freeze of a state, and says whether there was one.
    pub fn remove_freeze(&self, name: &StateName) -> Result<bool, StoreError> {
        self.check_address(name);
        let key = params![name.workspace.as_str(), name.block.as_str()];
        self.delete_hashed(&FREEZES, key)
    }
}
