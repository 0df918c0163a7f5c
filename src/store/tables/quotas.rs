//! Verbs on quotas of workspaces, and on what workspaces have. Triggers of the schema keep the
//! latter, in the transaction of each act.

use rusqlite::{Row as SqlRow, named_params, params};

use crate::model::quota::{Quota, WorkspaceQuota, WorkspaceUse};
use crate::model::state::StateId;
use crate::store::error::StoreError;
use crate::store::tables::hashed::QUOTAS;
use crate::store::tables::rows;
use crate::store::tx::{Tx, View};

const COLUMNS: &str = "workspace, bytes, states, versions, rate, set_at, set_by, set_by_name";

fn quota(row: &SqlRow<'_>) -> rusqlite::Result<WorkspaceQuota> {
    Ok(WorkspaceQuota {
        workspace: row.get(0)?,
        quota: Quota {
            bytes: rows::maybe_unsigned(row, 1)?,
            states: rows::maybe_unsigned(row, 2)?,
            versions: rows::maybe_unsigned(row, 3)?,
            rate: rows::maybe_unsigned(row, 4)?,
        },
        set_at: rows::time(row, 5)?,
        set_by: rows::actor(row, 6)?,
    })
}

impl View<'_> {
    /// The quota of a workspace, if it has one.
    pub fn quota(&self, workspace: &str) -> Result<Option<WorkspaceQuota>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS}{} FROM quotas q WHERE q.workspace = ?1",
            QUOTAS.proof
        );
        let found = self.proven(&QUOTAS, &sql, [workspace], quota)?;
        if found.is_none() {
            self.agree_on_absence(&QUOTAS, params![workspace])?;
        }
        Ok(found)
    }

    /// The quotas of workspaces after a name, at most `limit` of them.
    pub fn quotas(&self, after: &str, limit: u32) -> Result<Vec<WorkspaceQuota>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS}{} FROM quotas q WHERE q.workspace > ?1 ORDER BY q.workspace LIMIT ?2",
            QUOTAS.proof
        );
        self.all_proven(&QUOTAS, &sql, params![after, limit], quota)
    }

    /// What a workspace has.
    pub fn workspace_use(&self, workspace: &str) -> Result<WorkspaceUse, StoreError> {
        let sql = "SELECT max(bytes, 0), max(states, 0), max(versions, 0) FROM workspace_use WHERE \
            workspace = ?1";
        let found = self.one(sql, [workspace], used)?;
        Ok(found.unwrap_or_default())
    }

    /// What a state has, hidden or not.
    pub fn state_use(&self, state: StateId) -> Result<WorkspaceUse, StoreError> {
        self.check_state(state);
        let sql = "SELECT coalesce(sum(b.stored), 0), 1, count(*) FROM versions v LEFT JOIN blobs \
            b ON b.id = v.blob_id WHERE v.state_id = ?1";
        self.only(sql, [state], used)
    }

    /// In which minute a workspace last got a version while it had a rate, and how many.
    pub fn writes_in_minute(&self, workspace: &str) -> Result<(u64, u64), StoreError> {
        let sql = "SELECT minute, writes FROM workspace_use WHERE workspace = ?1";
        let found = self.one(sql, [workspace], |row| {
            Ok((rows::unsigned(row, 0)?, rows::unsigned(row, 1)?))
        })?;
        Ok(found.unwrap_or_default())
    }
}

fn used(row: &SqlRow<'_>) -> rusqlite::Result<WorkspaceUse> {
    Ok(WorkspaceUse {
        bytes: rows::unsigned(row, 0)?,
        states: rows::unsigned(row, 1)?,
        versions: rows::unsigned(row, 2)?,
    })
}

impl Tx<'_> {
    /// Gives a workspace a quota, in place of any other.
    pub fn set_quota(&self, new: &WorkspaceQuota) -> Result<(), StoreError> {
        let sql = "INSERT INTO quotas (workspace, bytes, states, versions, rate, set_at, set_by, \
            set_by_name) VALUES (:workspace, :bytes, :states, :versions, :rate, :set_at, :set_by, \
            :set_by_name)";
        let quota = new.quota;
        let values = named_params! {
            ":workspace": new.workspace,
            ":bytes": quota.bytes.map(u64::cast_signed),
            ":states": quota.states.map(u64::cast_signed),
            ":versions": quota.versions.map(u64::cast_signed),
            ":rate": quota.rate.map(u64::cast_signed),
            ":set_at": new.set_at.millis(),
            ":set_by": new.set_by.id,
            ":set_by_name": new.set_by.name,
        };
        self.put_hashed(&QUOTAS, params![new.workspace], sql, values)
    }

    /// Takes a workspace's quota away, and says whether there was one.
    pub fn clear_quota(&self, workspace: &str) -> Result<bool, StoreError> {
        self.delete_hashed(&QUOTAS, params![workspace])
    }

    /// Counts one more version of a workspace in a minute.
    pub fn count_write(&self, workspace: &str, minute: u64) -> Result<(), StoreError> {
        let sql = "INSERT INTO workspace_use (workspace, bytes, states, versions, minute, writes) \
            VALUES (?1, 0, 0, 0, ?2, 1) ON CONFLICT (workspace) DO UPDATE SET writes = \
            iif(minute = excluded.minute, writes + 1, 1), minute = excluded.minute";
        self.run(sql, params![workspace, minute.cast_signed()])
    }
}
