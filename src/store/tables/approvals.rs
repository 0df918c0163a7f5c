//! Verbs on acts that wait for a second person. There are few at a time: they end after an hour.

use rusqlite::{Row as SqlRow, named_params, params};

use crate::model::actor::Actor;
use crate::model::approval::Approval;
use crate::model::clock::Timestamp;
use crate::store::error::StoreError;
use crate::store::tables::hashed::APPROVALS;
use crate::store::tables::rows;
use crate::store::tx::{Tx, View};

const COLUMNS: &str = "id, act, digest, what, asked_by, asked_by_name, asked_at, ends_at, \
    approved_by, approved_by_name, approved_at";

fn approval(row: &SqlRow<'_>) -> rusqlite::Result<Approval> {
    let act: String = row.get(1)?;
    let what: String = row.get(3)?;
    let approved_by: Option<String> = row.get(8)?;
    Ok(Approval {
        id: row.get(0)?,
        act: act.parse().map_err(|error| rows::bad(1, error))?,
        digest: rows::digest(row, 2)?,
        what: serde_json::from_str(&what).map_err(|error| rows::bad(3, error))?,
        asked_by: rows::actor(row, 4)?,
        asked_at: rows::time(row, 6)?,
        ends_at: rows::time(row, 7)?,
        approved_by: approved_by.map(|_| rows::actor(row, 8)).transpose()?,
        approved_at: rows::maybe_time(row, 10)?,
    })
}

impl View<'_> {
    /// All that wait or are approved, the oldest first.
    pub fn approvals(&self) -> Result<Vec<Approval>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS}{} FROM approvals a WHERE a.id >= 0 ORDER BY a.id",
            APPROVALS.proof
        );
        let mut all: Vec<Approval> = self.all_proven(&APPROVALS, &sql, [], approval)?;
        all.sort_by_key(|one| one.asked_at);
        Ok(all)
    }
}

impl Tx<'_> {
    /// Adds an act that waits.
    pub fn add_approval(&self, new: &Approval) -> Result<(), StoreError> {
        let sql = "INSERT INTO approvals (id, act, digest, what, asked_by, asked_by_name, \
            asked_at, ends_at) VALUES (:id, :act, :digest, :what, :asked_by, :asked_by_name, \
            :asked_at, :ends_at)";
        let values = named_params! {
            ":id": new.id,
            ":act": new.act.name(),
            ":digest": new.digest.as_bytes(),
            ":what": new.what.to_string(),
            ":asked_by": new.asked_by.id,
            ":asked_by_name": new.asked_by.name,
            ":asked_at": new.asked_at.millis(),
            ":ends_at": new.ends_at.millis(),
        };
        self.insert_hashed(&APPROVALS, sql, values)
    }

    /// Notes who approved an act, and how long that counts.
    pub fn approve(
        &self,
        id: u32,
        by: &Actor,
        (at, ends_at): (Timestamp, Timestamp),
    ) -> Result<(), StoreError> {
        let sql = "UPDATE approvals SET approved_by = ?2, approved_by_name = ?3, approved_at = ?4, \
            ends_at = ?5 WHERE id = ?1";
        let values = params![id, by.id, by.name, at.millis(), ends_at.millis()];
        self.update_hashed(&APPROVALS, params![id], sql, values)?;
        Ok(())
    }

    /// Removes an act that was done, refused, or has ended.
    pub fn remove_approval(&self, id: u32) -> Result<(), StoreError> {
        self.delete_hashed(&APPROVALS, params![id])?;
        Ok(())
    }
}
