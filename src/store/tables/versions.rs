//! Verbs on versions: appending, reading, listing, removing.

use rusqlite::{Row, named_params, params};

use crate::model::clock::Timestamp;
use crate::model::frame::BlobId;
use crate::model::frame::StoredBlob;
use crate::model::page::ListPage;
use crate::model::state::StateId;
use crate::model::terraform::tfstate::StateHead;
use crate::model::version::{
    ChangeCounts, Hold, LockNote, NewVersion, Rejection, Replaced, Version, VersionFilter,
    VersionKind,
};
use crate::store::error::StoreError;
use crate::store::tables::hashed::{STATES, VERSIONS};
use crate::store::tables::pages::ListOf;
use crate::store::tables::rows;
use crate::store::tables::rows::Compact;
use crate::store::tx::Tx;
use crate::store::tx::View;

/// How many of the newest versions are looked at for the last write under a lock: more than
/// rejected ones are kept.
const MAX_UNDER_ONE_LOCK: u32 = 64;

/// In place of a number: the version is the first.
const FIRST: i64 = 0;
/// In place of a number: the state had been deleted.
const AFTER_DELETION: i64 = -1;

const COLUMNS: &str = "v.number, v.sha256, v.size, v.format, v.serial, v.lineage, \
    v.terraform_version, v.resources, v.encrypted, v.kind, \
    v.rejection, v.intermediate AND v.number IS NOT s.current, v.from_version, v.created_at, \
    v.created_by, v.created_by_name, v.address, v.lock_id, v.lock_operation, \
    v.lock_who, v.blob_id IS NULL, v.number IS s.current AND s.deleted_at IS NULL, v.added, \
    v.changed, v.removed, v.held_by, v.held_by_name, \
    v.held_at, v.held_reason";

/// The beginning of a statement that finds versions.
fn select() -> String {
    let proof = VERSIONS.proof;
    format!("SELECT {COLUMNS}{proof} FROM versions v JOIN states s ON s.id = v.state_id")
}

fn version(row: &Row<'_>) -> rusqlite::Result<Version> {
    let (kind, rejection): (String, Option<String>) = (row.get(9)?, row.get(10)?);
    let kind = VersionKind::parse(&kind, rejection.as_deref())
        .ok_or_else(|| rows::bad(9, std::io::Error::other("not a kind of version")))?;
    let lock_id = rows::maybe_compact(row, 17)?;
    let lock = lock_id
        .map(|id| {
            Ok::<_, rusqlite::Error>(LockNote {
                id,
                operation: row.get(18)?,
                who: row.get(19)?,
            })
        })
        .transpose()?;
    Ok(Version {
        number: rows::unsigned(row, 0)?,
        sha256: rows::digest(row, 1)?,
        size: rows::unsigned(row, 2)?,
        head: StateHead {
            format: row.get(3)?,
            serial: row.get::<_, i64>(4)?.cast_unsigned(),
            lineage: rows::compact(row, 5)?,
            terraform_version: row.get(6)?,
            resources: rows::maybe_unsigned(row, 7)?,
            encrypted: row.get(8)?,
        },
        counts: counts(row, 22)?,
        kind,
        intermediate: row.get(11)?,
        from_version: rows::maybe_unsigned(row, 12)?,
        created_at: rows::time(row, 13)?,
        created_by: rows::actor(row, 14)?,
        address: row.get(16)?,
        lock,
        purged: row.get(20)?,
        current: row.get(21)?,
        held: hold(row, 25)?,
    })
}

fn counts(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<ChangeCounts>> {
    let Some(added) = rows::maybe_unsigned(row, index)? else {
        return Ok(None);
    };
    Ok(Some(ChangeCounts {
        added,
        changed: rows::unsigned(row, index + 1)?,
        removed: rows::unsigned(row, index + 2)?,
    }))
}

fn hold(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<Hold>> {
    let Some(at) = rows::maybe_time(row, index + 2)? else {
        return Ok(None);
    };
    Ok(Some(Hold {
        reason: row.get(index + 3)?,
        at,
        by: rows::actor(row, index)?,
    }))
}

impl View<'_> {
    /// One version of a state.
    pub fn version(&self, state: StateId, number: u64) -> Result<Option<Version>, StoreError> {
        self.prove_row(&STATES, params![state])?;
        let found = self.version_of(state, number)?;
        if found.is_none() {
            self.prove_neighbours(state, number)?;
        }
        Ok(found)
    }

    /// One version of a state whose row was proven.
    pub(in crate::store) fn version_of(
        &self,
        state: StateId,
        number: u64,
    ) -> Result<Option<Version>, StoreError> {
        self.check_state(state);
        let sql = format!("{} WHERE v.state_id = ?1 AND v.number = ?2", select());
        let key = params![state, number.cast_signed()];
        self.proven(&VERSIONS, &sql, key, version)
    }

    /// The versions of a state that fit, newest first. Whether one fits is asked of proven rows
    /// alone.
    pub fn versions(
        &self,
        state: StateId,
        filter: &VersionFilter,
    ) -> Result<ListPage<Version>, StoreError> {
        self.check_state(state);
        self.prove_row(&STATES, params![state])?;
        let sql = format!(
            "{} WHERE v.state_id = ?1 AND v.number < ?2 ORDER BY v.number DESC",
            select()
        );
        let list = ListOf {
            sql: &sql,
            limit: filter.limit,
            says: &|row| Some(format!("version {}", rows::unsigned(row, 0).ok()?)),
        };
        let before = filter
            .before
            .map_or(i64::MAX, |number| i64::try_from(number).unwrap_or(i64::MAX));
        let fits = |version: &Version| {
            let is_kind = |kind: &String| version.kind.name() == kind;
            filter.kind.as_ref().is_none_or(is_kind)
                && !(filter.without_intermediate && version.intermediate)
        };
        self.page(&list, params![state, before], |row| {
            VERSIONS.prove(self.row_key, row)?;
            Ok(Some(version(row)?).filter(fits))
        })
    }

    /// Some versions of a state, the oldest first, from a number on.
    pub fn versions_from(
        &self,
        state: StateId,
        from: u64,
        limit: u32,
    ) -> Result<Vec<Version>, StoreError> {
        self.check_state(state);
        self.prove_row(&STATES, params![state])?;
        let sql = format!(
            "{} WHERE v.state_id = ?1 AND v.number >= ?2 ORDER BY v.number LIMIT ?3",
            select()
        );
        let values = params![state, from.cast_signed(), limit];
        self.all_proven(&VERSIONS, &sql, values, version)
    }

    /// What was current when a version came, whatever has happened to that since.
    pub fn before(&self, state: StateId, number: u64) -> Result<Replaced, StoreError> {
        self.check_state(state);
        let sql = format!(
            "SELECT v.replaced{} FROM versions v WHERE v.state_id = ?1 AND v.number = ?2",
            VERSIONS.proof
        );
        let key = params![state, number.cast_signed()];
        let replaced: Option<i64> = self
            .proven(&VERSIONS, &sql, key, |row| row.get(0))?
            .flatten();
        match replaced {
            Some(FIRST) => Ok(Replaced::Nothing),
            Some(AFTER_DELETION) => Ok(Replaced::Deleted),
            Some(replaced) => Ok(self
                .version(state, replaced.cast_unsigned())?
                .map_or(Replaced::Gone, |version| {
                    Replaced::Version(Box::new(version))
                })),
            None => self.before_by_numbers(state, number),
        }
    }

    /// The same of a version that does not say it: where all numbers in between are there, none of
    /// them was removed.
    fn before_by_numbers(&self, state: StateId, number: u64) -> Result<Replaced, StoreError> {
        let before = self.accepted_before(state, number)?;
        let last = before.as_ref().map_or(0, |version| version.number);
        let sql =
            "SELECT count(*) FROM versions WHERE state_id = ?1 AND number > ?2 AND number < ?3";
        let key = params![state, last.cast_signed(), number.cast_signed()];
        let between = self.only(sql, key, |row| rows::unsigned(row, 0))?;
        if between + 1 < number - last {
            return Ok(Replaced::Gone);
        }
        Ok(before.map_or(Replaced::Nothing, |version| {
            Replaced::Version(Box::new(version))
        }))
    }

    /// The newest version before another one that was accepted, among those that are there.
    pub fn accepted_before(
        &self,
        state: StateId,
        number: u64,
    ) -> Result<Option<Version>, StoreError> {
        self.check_state(state);
        self.prove_row(&STATES, params![state])?;
        let sql = format!(
            "{} WHERE v.state_id = ?1 AND v.number < ?2 AND v.kind <> 'rejected' ORDER BY v.number \
                DESC LIMIT 1",
            select()
        );
        let key = params![state, number.cast_signed()];
        self.proven(&VERSIONS, &sql, key, version)
    }
}

impl Tx<'_> {
    /// Appends a version whose bytes are in `blob` and makes it the one that clients get; a hidden
    /// state is visible by that.
    pub fn append(
        &self,
        state: StateId,
        new: &NewVersion,
        blob: &StoredBlob,
    ) -> Result<Version, StoreError> {
        self.check_state(state);
        let blob = self.put_blob(state, new.sha256, blob)?;
        self.append_blob(state, new, blob)
    }

    fn append_blob(
        &self,
        state: StateId,
        new: &NewVersion,
        blob: BlobId,
    ) -> Result<Version, StoreError> {
        let replaced = self.replaced_by(state, new)?;
        // What comes from elsewhere may have been written long before the state changed here.
        let sql = "UPDATE states SET last_number = last_number + 1, current = last_number + 1, \
            deleted_at = NULL, updated_at = iif(?3, max(updated_at, ?2), ?2) WHERE id = ?1";
        let values = params![
            state,
            new.created_at.millis(),
            new.kind == VersionKind::Import
        ];
        self.update_hashed(&STATES, params![state], sql, values)?;
        self.forget_departure(state)?;
        let number = self.last_number(state)?;
        self.insert(state, number, new, (blob, replaced))?;
        Ok(new.numbered(number, true))
    }

    /// Appends a version whose bytes are in `blob` and leaves the current one as it is.
    pub fn append_rejected(
        &self,
        state: StateId,
        new: &NewVersion,
        blob: &StoredBlob,
    ) -> Result<Version, StoreError> {
        self.check_state(state);
        let replaced = self.replaced_by(state, new)?;
        let sql = "UPDATE states SET last_number = last_number + 1 WHERE id = ?1";
        self.update_hashed(&STATES, params![state], sql, [state])?;
        let number = self.last_number(state)?;
        self.insert(
            state,
            number,
            new,
            (self.put_blob(state, new.sha256, blob)?, replaced),
        )?;
        Ok(new.numbered(number, false))
    }

    /// What is current now that a version comes; none where that cannot be told.
    fn replaced_by(&self, state: StateId, new: &NewVersion) -> Result<Option<i64>, StoreError> {
        let sql = "SELECT s.current, s.deleted_at IS NOT NULL, v.lineage IS ?2, s.last_number = \
            coalesce((SELECT max(number) FROM versions \
                   WHERE state_id = s.id), 0) FROM states s LEFT JOIN versions v ON v.state_id = \
                   s.id AND v.number = s.current WHERE s.id = ?1";
        let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
        let key = params![state, Compact(&new.head.lineage)];
        let (current, is_hidden, is_same_lineage, follows): (Option<i64>, bool, bool, bool) =
            self.only(sql, key, read)?;
        let comes_back = match new.kind {
            VersionKind::Restore | VersionKind::Rollback => true,
            VersionKind::Import => is_same_lineage,
            VersionKind::Write | VersionKind::Rejected(_) => false,
        };
        Ok(match current {
            // Where numbers were left out before it, so was what it replaced.
            _ if new.kind == VersionKind::Import && !follows => None,
            None => Some(FIRST),
            Some(_) if is_hidden && !comes_back => Some(AFTER_DELETION),
            Some(current) => Some(current),
        })
    }

    /// Sees to it that the next version of a state gets at least this number: those below are never
    /// given to a version any more.
    pub fn number_from(&self, state: StateId, number: u64) -> Result<(), StoreError> {
        self.check_state(state);
        let sql = "UPDATE states SET last_number = max(last_number, ?2) WHERE id = ?1";
        let values = params![state, number.saturating_sub(1).cast_signed()];
        self.update_hashed(&STATES, params![state], sql, values)
            .map(drop)
    }

    fn insert(
        &self,
        state: StateId,
        number: u64,
        new: &NewVersion,
        (blob, replaced): (BlobId, Option<i64>),
    ) -> Result<(), StoreError> {
        let lock = new.lock.as_ref();
        let sql = "INSERT INTO versions (state_id, number, blob_id, sha256, size, format, serial, \
            lineage, terraform_version, resources, \
                   encrypted, kind, rejection, intermediate, from_version, created_at, created_by, \
                   created_by_name, address, lock_id, \
                   lock_operation, lock_who, replaced) VALUES (:state, :number, :blob, :sha256, \
                   :size, :format, :serial, :lineage, :terraform_version, \
                   :resources, :encrypted, :kind, :rejection, 0, :from_version, :created_at, \
                   :created_by, :created_by_name, :address, :lock_id, \
                   :lock_operation, :lock_who, :replaced)";
        self.insert_hashed(
            &VERSIONS,
            sql,
            named_params! {
                ":state": state,
                ":number": number.cast_signed(),
                ":blob": blob,
                ":sha256": new.sha256.as_bytes(),
                ":size": new.size.cast_signed(),
                ":format": new.head.format,
                ":serial": new.head.serial.cast_signed(),
                ":lineage": Compact(&new.head.lineage),
                ":terraform_version": new.head.terraform_version,
                ":resources": new.head.resources.map(u64::cast_signed),
                ":encrypted": new.head.encrypted,
                ":kind": new.kind.name(),
                ":rejection": new.kind.rejection(),
                ":from_version": new.from_version.map(u64::cast_signed),
                ":created_at": new.created_at.millis(),
                ":created_by": Compact(&new.created_by.id),
                ":created_by_name": new.created_by.name,
                ":address": new.address,
                ":lock_id": lock.map(|lock| Compact(&lock.id)),
                ":lock_operation": lock.map(|lock| &lock.operation),
                ":lock_who": lock.map(|lock| &lock.who),
                ":replaced": replaced,
            },
        )
    }

    /// Appends a version that has the same bytes as the one before it, which the state had when it
    /// was deleted, and makes it the one that clients get. Its frame is full already, as that of
    /// every current version.
    pub fn append_again(&self, state: StateId, new: &NewVersion) -> Result<Version, StoreError> {
        self.check_state(state);
        let from = new.from_version.unwrap_or_default();
        let sql = "SELECT b.id FROM versions v JOIN blobs b ON b.id = v.blob_id WHERE v.state_id = \
            ?1 AND v.number = ?2 AND b.base IS NULL";
        let key = params![state, from.cast_signed()];
        let blob = self.one(sql, key, |row| row.get(0))?;
        self.append_blob(
            state,
            new,
            blob.ok_or_else(|| {
                StoreError::BadRow(format!("version {from} has no bytes of its own"))
            })?,
        )
    }

    /// What a version added, changed and removed.
    pub fn set_counts(
        &self,
        state: StateId,
        number: u64,
        counts: ChangeCounts,
    ) -> Result<(), StoreError> {
        self.check_state(state);
        let sql = "UPDATE versions SET added = ?3, changed = ?4, removed = ?5 WHERE state_id = ?1 \
            AND number = ?2";
        let (added, changed, removed) = (
            counts.added.cast_signed(),
            counts.changed.cast_signed(),
            counts.removed.cast_signed(),
        );
        let values = params![state, number.cast_signed(), added, changed, removed];
        let key = params![state, number.cast_signed()];
        self.update_hashed(&VERSIONS, key, sql, values).map(drop)
    }

    /// The last write under a lock since it was taken, among the newest versions of a state.
    ///
    /// While a lock is held only its holder adds to these, but for `MAX_UNDER_ONE_LOCK` less one at
    /// most that are rejected, rolled back or restored.
    pub fn last_write_under(
        &self,
        state: StateId,
        lock_id: &str,
        since: Timestamp,
    ) -> Result<Option<u64>, StoreError> {
        self.check_state(state);
        let sql = "SELECT number FROM (SELECT number, kind, lock_id, created_at FROM versions \
            WHERE state_id = ?1 ORDER BY number DESC LIMIT ?4) \
                   WHERE kind = 'write' AND lock_id = ?2 AND created_at >= ?3 \
                   ORDER BY number DESC LIMIT 1";
        let key = params![state, Compact(lock_id), since.millis(), MAX_UNDER_ONE_LOCK];
        self.one(sql, key, |row| rows::unsigned(row, 0))
    }

    /// Sees to it that a version leads to the row that has its bytes; another one where the row
    /// that it had is lost.
    pub fn lead_to(&self, state: StateId, number: u64, blob: BlobId) -> Result<(), StoreError> {
        self.check_state(state);
        let sql = "UPDATE versions SET blob_id = ?3 WHERE state_id = ?1 AND number = ?2 AND \
            blob_id <> ?3";
        let values = params![state, number.cast_signed(), blob];
        let key = params![state, number.cast_signed()];
        self.update_hashed(&VERSIONS, key, sql, values).map(drop)
    }

    /// Marks a version as a snapshot of an apply that went on.
    pub fn mark_intermediate(&self, state: StateId, number: u64) -> Result<(), StoreError> {
        self.check_state(state);
        let sql = "UPDATE versions SET intermediate = 1 WHERE state_id = ?1 AND number = ?2";
        let key = params![state, number.cast_signed()];
        self.update_hashed(&VERSIONS, key, sql, key).map(drop)
    }

    /// Removes a version's row, and its bytes where nothing else needs them. Its number is never
    /// given again, and its serial is remembered if it counts.
    pub(in crate::store) fn remove_version(
        &self,
        state: StateId,
        number: u64,
    ) -> Result<(), StoreError> {
        self.prove_row(&VERSIONS, params![state, number.cast_signed()])?;
        let sql = "DELETE FROM versions WHERE state_id = ?1 AND number = ?2 RETURNING blob_id, \
            serial, lineage, rejection IS NOT ?3";
        let gone = |row: &Row<'_>| {
            let serial = row.get::<_, i64>(1)?.cast_unsigned();
            Ok((row.get(0)?, serial, rows::compact(row, 2)?, row.get(3)?))
        };
        let key = params![state, number.cast_signed(), Rejection::Forbidden.code()];
        let (blob, serial, lineage, counts): (Option<BlobId>, u64, String, bool) =
            self.only(sql, key, gone)?;
        if counts {
            self.note_removed_serial(state, &lineage, serial)?;
        }
        blob.map_or(Ok(()), |id| self.drop_blob_unless_used(id))
    }
}
