//! Verbs for keeping and removing history: holds, policies of workspaces, what a plan needs to
//! know, removing, and giving space back.
//!
//! Removing looks once more, in its own transaction: the current version and a held one never go,
//! nor the last that can be read. Each verb that removes a row leaves its serial behind.

use std::time::Duration;

use rusqlite::{OptionalExtension as _, Row as SqlRow, named_params, params};
use serde_json::Value;

use crate::model::clock::{self, Timestamp};
use crate::model::name::StateName;
use crate::model::page::ListPage;
use crate::model::retention::{Moment, PlanRow, Policy, Removed, Space, WorkspacePolicy};
use crate::model::state::{StateId, StateWalk};
use crate::model::version::Hold;
use crate::store::error::StoreError;
use crate::store::statements::Prepare as _;
use crate::store::tables::hashed::{POLICIES, STATES, VERSIONS};
use crate::store::tables::pages::ListOf;
use crate::store::tables::rows;
use crate::store::tables::rows::Compact;
use crate::store::tx::Tx;
use crate::store::tx::View;

fn policy(row: &SqlRow<'_>, index: usize) -> rusqlite::Result<Policy> {
    let text: String = row.get(index)?;
    serde_json::from_str(&text).map_err(|error| rows::bad(index, error))
}

impl View<'_> {
    /// States that fit, deleted ones too, with their names.
    pub fn walk(&self, walk: &StateWalk) -> Result<Vec<(StateId, StateName)>, StoreError> {
        let sql = format!(
            "SELECT s.id, s.workspace, s.building_block{} FROM states s WHERE s.id > :after AND \
                (:workspace IS NULL OR s.workspace = :workspace) \
             AND (:block IS NULL OR s.building_block = :block) ORDER BY s.id LIMIT :limit",
            STATES.proof
        );
        let values = named_params! {
            ":after": walk.after.map_or(0, StateId::number),
            ":workspace": walk.workspace,
            ":block": walk.block,
            ":limit": walk.limit,
        };
        self.all_proven(&STATES, &sql, values, |row| {
            Ok((row.get(0)?, rows::name(row, 1)?))
        })
    }

    /// What a plan needs to know of a state's versions, newest first, at most `limit` of them.
    pub fn plan_rows(&self, state: StateId, limit: u32) -> Result<Vec<PlanRow>, StoreError> {
        self.check_state(state);
        self.prove_row(&STATES, params![state])?;
        let sql = format!(
            "SELECT v.number, v.created_at, v.number IS s.current, v.held_at IS NOT NULL, \
                v.kind = 'rejected', \
             v.intermediate AND v.number IS NOT s.current, v.blob_id IS NULL, d.number IS NOT \
             NULL{} FROM versions v JOIN states s ON s.id = v.state_id \
             LEFT JOIN damaged_versions d ON d.state_id = v.state_id AND d.number = v.number \
             WHERE v.state_id = ?1 ORDER BY v.number DESC LIMIT ?2",
            VERSIONS.proof
        );
        self.all_proven(&VERSIONS, &sql, params![state, limit], |row| {
            Ok(PlanRow {
                number: rows::unsigned(row, 0)?,
                created_at: rows::time(row, 1)?,
                current: row.get(2)?,
                held: row.get(3)?,
                rejected: row.get(4)?,
                intermediate: row.get(5)?,
                purged: row.get(6)?,
                damaged: row.get(7)?,
            })
        })
    }

    /// The version that has to stay because the current one is known to be damaged: the newest that
    /// is not, and a rejected one only where there is no other.
    pub fn readable_instead(&self, state: StateId) -> Result<Option<u64>, StoreError> {
        self.check_state(state);
        let is_damaged = "SELECT 1 FROM states s JOIN damaged_versions d ON d.state_id = s.id AND \
            d.number = s.current WHERE s.id = ?1";
        if !self.exists(is_damaged, [state])? {
            return Ok(None);
        }
        let sql = "SELECT number FROM versions v WHERE state_id = ?1 AND blob_id IS NOT NULL AND \
            (kind = 'rejected') = ?2 \
                   AND NOT EXISTS (SELECT 1 FROM damaged_versions WHERE state_id = v.state_id AND \
                   number = v.number) \
                   ORDER BY number DESC LIMIT 1";
        let mut newest = self.connection.prepared(sql)?;
        let mut find = |rejected: bool| {
            newest
                .query_row(params![state, rejected], |row| rows::unsigned(row, 0))
                .optional()
        };
        let accepted = find(false)?;
        Ok(if accepted.is_some() {
            accepted
        } else {
            find(true)?
        })
    }

    /// The policy of a workspace that has one of its own.
    pub fn policy(&self, workspace: &str) -> Result<Option<WorkspacePolicy>, StoreError> {
        let sql = format!(
            "SELECT workspace, policy, set_at, set_by, set_by_name{} FROM policies p WHERE \
                p.workspace = ?1",
            POLICIES.proof
        );
        let found = self.proven(&POLICIES, &sql, [workspace], workspace_policy)?;
        if found.is_none() {
            self.agree_on_absence(&POLICIES, params![workspace])?;
        }
        Ok(found)
    }

    /// The policies of workspaces after a name, at most `limit` of them.
    pub fn policies(
        &self,
        after: &str,
        limit: u32,
    ) -> Result<ListPage<WorkspacePolicy>, StoreError> {
        let sql = format!(
            "SELECT workspace, policy, set_at, set_by, set_by_name{} FROM policies p WHERE \
                p.workspace > ?1 ORDER BY p.workspace",
            POLICIES.proof
        );
        let list = ListOf {
            sql: &sql,
            limit,
            says: &|row| row.get(0).ok(),
        };
        self.page(&list, [after], |row| {
            POLICIES.prove(self.row_key, row)?;
            Ok(Some(workspace_policy(row)?))
        })
    }

    /// Whether any workspace has a policy of its own. A damaged one counts.
    pub fn has_policies(&self) -> Result<bool, StoreError> {
        self.only("SELECT EXISTS (SELECT 1 FROM policies)", [], |row| {
            row.get(0)
        })
    }

    /// A time that was noted, if it ever was.
    pub fn moment(&self, moment: Moment) -> Result<Option<Timestamp>, StoreError> {
        let sql = "SELECT at FROM moments WHERE name = ?1";
        self.one(sql, [moment.name()], |row| rows::time(row, 0))
    }

    /// When the last event of the log was, of an aggregated one the last time; none when there is
    /// none.
    pub fn last_event_time(&self) -> Result<Option<Timestamp>, StoreError> {
        let sql = "SELECT last_at FROM events ORDER BY seq DESC LIMIT 1";
        self.one(sql, [], |row| rows::time(row, 0))
    }

    /// How large the database is.
    pub fn space(&self) -> Result<Space, StoreError> {
        let pragma = |name: &str| {
            self.connection
                .pragma_query_value(None, name, |row| rows::unsigned(row, 0))
        };
        let page = pragma("page_size")?;
        Ok(Space {
            size: page * pragma("page_count")?,
            free: page * pragma("freelist_count")?,
        })
    }
}

fn workspace_policy(row: &SqlRow<'_>) -> rusqlite::Result<WorkspacePolicy> {
    Ok(WorkspacePolicy {
        workspace: row.get(0)?,
        policy: policy(row, 1)?,
        set_at: rows::time(row, 2)?,
        set_by: rows::actor(row, 3)?,
    })
}

impl Tx<'_> {
    /// Removes versions of a state, but for those that are current or held by now, or all that can
    /// be read of it, until so many bytes of frames went; the rest is for another transaction.
    pub fn prune(
        &self,
        state: StateId,
        numbers: &[u64],
        most_bytes: u64,
    ) -> Result<Removed, StoreError> {
        self.check_state(state);
        self.prove_row(&STATES, params![state])?;
        let sql = "SELECT coalesce(b.stored, 0) FROM versions v JOIN states s ON s.id = v.state_id \
            LEFT JOIN blobs b ON b.id = v.blob_id \
                   WHERE v.state_id = ?1 AND v.number = ?2 AND v.held_at IS NULL AND v.number IS \
                   NOT s.current";
        let mut statement = self.connection.prepared(sql)?;
        let (mut removed, mut bytes) = (Removed::default(), 0);
        let readable = self.readable_instead(state)?;
        for &number in numbers {
            removed.looked_at += 1;
            if readable == Some(number) {
                continue;
            }
            self.prove_row(&VERSIONS, params![state, number.cast_signed()])?;
            let stored = statement
                .query_row(params![state, number.cast_signed()], |row| {
                    rows::unsigned(row, 0)
                })
                .optional()?;
            let Some(stored) = stored else { continue };
            self.remove_version(state, number)?;
            removed.count += 1;
            removed.first = removed.first.or(Some(number));
            removed.last = Some(number);
            bytes += stored;
            if bytes >= most_bytes {
                break;
            }
        }
        Ok(removed)
    }

    /// Leaves behind the serial of a version whose row goes: a rollback's lies above all that there
    /// ever were.
    pub fn note_removed_serial(
        &self,
        state: StateId,
        lineage: &str,
        serial: u64,
    ) -> Result<(), StoreError> {
        // Serials are unsigned and kept as signed integers, so they are compared here and not by
        // the database.
        let known = "SELECT serial FROM removed_serials WHERE state_id = ?1 AND lineage = ?2";
        let known: Option<i64> =
            self.one(known, params![state, Compact(lineage)], |row| row.get(0))?;
        if known.is_some_and(|known| known.cast_unsigned() >= serial) {
            return Ok(());
        }
        let sql = "INSERT INTO removed_serials (state_id, lineage, serial) VALUES (?1, ?2, ?3) \
                   ON CONFLICT (state_id, lineage) DO UPDATE SET serial = excluded.serial";
        self.run(sql, params![state, Compact(lineage), serial.cast_signed()])
    }

    /// Holds a version, or lets it go.
    pub fn set_hold(
        &self,
        state: StateId,
        number: u64,
        hold: Option<&Hold>,
    ) -> Result<(), StoreError> {
        self.check_state(state);
        let sql = "UPDATE versions SET held_at = ?3, held_by = ?4, held_by_name = ?5, held_reason \
            = ?6 WHERE state_id = ?1 AND number = ?2";
        let values = params![
            state,
            number.cast_signed(),
            rows::millis(hold.map(|hold| hold.at)),
            hold.map(|hold| &hold.by.id),
            hold.map(|hold| &hold.by.name),
            hold.map(|hold| &hold.reason),
        ];
        let key = params![state, number.cast_signed()];
        self.update_hashed(&VERSIONS, key, sql, values).map(drop)
    }

    /// Gives a workspace a policy of its own, in place of any other.
    pub fn set_policy(&self, new: &WorkspacePolicy) -> Result<(), StoreError> {
        let sql = "INSERT INTO policies (workspace, policy, set_at, set_by, set_by_name) VALUES \
            (?1, ?2, ?3, ?4, ?5)";
        let policy = serde_json::to_string(&new.policy)
            .map_err(|error| StoreError::Statement(error.to_string()))?;
        let by = &new.set_by;
        let values = params![new.workspace, policy, new.set_at.millis(), by.id, by.name];
        self.put_hashed(&POLICIES, params![new.workspace], sql, values)
    }

    /// Takes a workspace's own policy away, and says whether there was one.
    pub fn unset_policy(&self, workspace: &str) -> Result<bool, StoreError> {
        self.delete_hashed(&POLICIES, params![workspace])
    }

    /// Notes a time.
    pub fn note_moment(&self, moment: Moment, at: Timestamp) -> Result<(), StoreError> {
        let sql = "INSERT INTO moments (name, at) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET \
            at = excluded.at";
        self.run(sql, params![moment.name(), at.millis()])
    }

    /// The place in the log of the event that was recorded last.
    pub fn last_event(&self) -> Result<u64, StoreError> {
        Ok(self.last_event_head().number)
    }

    /// Says more of an act that goes on, in the event that its first part recorded.
    pub fn amend_event(
        &self,
        seq: u64,
        last_at: Timestamp,
        detail: &Value,
    ) -> Result<(), StoreError> {
        self.say_more(seq, last_at, detail.to_string())
    }

    /// Cuts at most so many pages without content off the end of the database, for about so long,
    /// and says how much of such there is left.
    pub fn give_back(&self, pages: u32, most: Duration) -> Result<Space, StoreError> {
        let started = clock::monotonic();
        // One page goes with each step of the statement; the more there are without content, the
        // longer a step takes.
        let mut statement = self
            .connection
            .prepare(&format!("PRAGMA incremental_vacuum({pages})"))?;
        let mut steps = statement.query([])?;
        while steps.next()?.is_some() && started.elapsed() < most {}
        drop(steps);
        self.space()
    }
}
