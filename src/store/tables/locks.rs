//! Verbs on locks: who holds an address, whose lock was broken, and who was refused without a lock.

use rusqlite::{Row, named_params, params};

use crate::model::clock::Timestamp;
use crate::model::lock::{BrokenLock, HeldLock, Lock, RefusedAttempt};
use crate::model::name::StateName;
use crate::model::permission::{PermissionSet, Scope};
use crate::store::error::{NotAsWritten, StoreError};
use crate::store::tables::hashed::{BROKEN_LOCKS, LOCKS};
use crate::store::tables::lock_deaths::{self, credential};
use crate::store::tables::rows;
use crate::store::tx::Tx;
use crate::store::tx::View;

/// How many writers without a lock are remembered for a state; the oldest go first.
const MAX_STALE_WRITERS: u32 = 100;

pub(in crate::store) const COLUMNS: &str = "body, holder, holder_name, address, locked_at, \
    refused, refused_at, refused_key, refused_name, refused_address, refused_lock_id, \
    refused_who, permissions, taken_with, token, good_until, ended_at";
/// Where the address begins that is selected behind them.
pub(in crate::store) const NAME_AT: usize = 17;

pub(in crate::store) fn held(row: &Row<'_>) -> rusqlite::Result<HeldLock> {
    let body: String = row.get(0)?;
    let latest_refusal = match rows::maybe_time(row, 6)? {
        Some(at) => Some(RefusedAttempt {
            at,
            key: rows::actor(row, 7)?,
            address: row.get(9)?,
            lock_id: row.get(10)?,
            who: row.get(11)?,
        }),
        None => None,
    };
    Ok(HeldLock {
        lock: Lock::read(body.as_bytes()).map_err(|error| rows::bad(0, error))?,
        holder: rows::actor(row, 1)?,
        address: row.get(3)?,
        locked_at: rows::time(row, 4)?,
        permissions: permissions(row, 12)?,
        credential: credential(row, 13)?,
        refused: rows::unsigned(row, 5)?,
        latest_refusal,
    })
}

/// With which permissions a lock was taken.
fn permissions(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<PermissionSet>> {
    let names: Option<String> = row.get(index)?;
    let parse = |names: String| PermissionSet::parse(names.split_whitespace(), &Scope::All);
    names
        .map(parse)
        .transpose()
        .map_err(|error| rows::bad(index, error))
}

impl View<'_> {
    /// The lock that is held on an address.
    pub fn lock(&self, name: &StateName) -> Result<Option<HeldLock>, StoreError> {
        self.check_address(name);
        let sql = format!(
            "SELECT {COLUMNS}, workspace, building_block{} FROM locks l WHERE l.workspace = ?1 AND \
                l.building_block = ?2",
            LOCKS.proof
        );
        let key = params![name.workspace.as_str(), name.block.as_str()];
        let read = |row: &Row<'_>| Ok((rows::name(row, NAME_AT)?, held(row)?));
        let found = match self.proven(&LOCKS, &sql, key, read) {
            Ok(None) => self.agree_on_absence(&LOCKS, key).map(|()| None),
            Ok(Some((found, lock))) if found == *name => Ok(Some(lock)),
            Ok(Some(_)) => Err(NotAsWritten::changed(LOCKS.name, Some(name.to_string())).into()),
            Err(error) => Err(error),
        };
        found.map_err(|error| {
            if let StoreError::BadRow(what) = error {
                StoreError::BadRow(format!(
                    "{what}; it is not known who holds the lock. If nothing runs under it any \
                        more, `statekeep state unlock {name}` removes it"
                ))
            } else {
                error
            }
        })
    }

    /// How many locks on addresses without a state a key has, and all keys together.
    pub fn locks_on_nothing(&self, key: &str) -> Result<(u64, u64), StoreError> {
        let sql = "SELECT count(*) FILTER (WHERE l.holder = ?1), count(*) FROM locks l WHERE NOT \
            EXISTS (SELECT 1 FROM states s WHERE s.workspace = l.workspace AND s.building_block = \
            l.building_block AND s.current IS NOT NULL)";
        self.only(sql, [key], |row| {
            Ok((rows::unsigned(row, 0)?, rows::unsigned(row, 1)?))
        })
    }

    /// Since when the oldest lock has been held.
    pub fn oldest_lock(&self) -> Result<Option<Timestamp>, StoreError> {
        let sql = "SELECT min(locked_at) FROM locks";
        self.only(sql, [], |row| rows::maybe_time(row, 0))
    }

    /// The lock that was broken by force or died, and nobody has locked or written since.
    pub fn broken_lock(&self, name: &StateName) -> Result<Option<BrokenLock>, StoreError> {
        self.check_address(name);
        let sql = format!(
            "SELECT lock_id, holder{} FROM broken_locks b WHERE b.workspace = ?1 \
                AND b.building_block = ?2",
            BROKEN_LOCKS.proof
        );
        let key = params![name.workspace.as_str(), name.block.as_str()];
        let broken = |row: &Row<'_>| {
            Ok(BrokenLock {
                lock_id: row.get(0)?,
                holder: row.get(1)?,
            })
        };
        let found = self.proven(&BROKEN_LOCKS, &sql, key, broken)?;
        if found.is_none() {
            self.agree_on_absence(&BROKEN_LOCKS, key)?;
        }
        Ok(found)
    }

    /// Whether anybody was refused here by the stale-write guard and has not read the state since.
    pub fn has_stale_writers(&self, name: &StateName) -> Result<bool, StoreError> {
        self.check_address(name);
        let sql =
            "SELECT 1 FROM stale_writers WHERE workspace = ?1 AND building_block = ?2 LIMIT 1";
        self.exists(sql, params![name.workspace.as_str(), name.block.as_str()])
    }

    /// Whether a key at an address was refused without a lock and has not read the state since.
    pub fn is_stale_writer(
        &self,
        name: &StateName,
        key: &str,
        address: &str,
    ) -> Result<bool, StoreError> {
        self.check_address(name);
        let sql = "SELECT 1 FROM stale_writers WHERE workspace = ?1 AND building_block = ?2 AND \
            key_id = ?3 AND address = ?4";
        let values = params![name.workspace.as_str(), name.block.as_str(), key, address];
        self.exists(sql, values)
    }
}

impl Tx<'_> {
    /// Locks an address that is free.
    pub fn put_lock(&self, name: &StateName, held: &HeldLock) -> Result<(), StoreError> {
        self.check_address(name);
        let sql = "INSERT INTO locks (workspace, building_block, body, holder, holder_name, \
            address, locked_at, refused, permissions, taken_with, token, good_until) \
                   VALUES (:workspace, :block, :body, :holder, :holder_name, :address, \
                   :locked_at, 0, :permissions, :taken_with, :token, :good_until)";
        let names = |taken_with: PermissionSet| taken_with.names(&Scope::All).join(" ");
        let (with, token, good_until) = lock_deaths::columns(held.credential.as_ref());
        self.insert_hashed(
            &LOCKS,
            sql,
            named_params! {
                ":workspace": name.workspace.as_str(),
                ":block": name.block.as_str(),
                ":body": held.lock.text,
                ":holder": held.holder.id,
                ":holder_name": held.holder.name,
                ":address": held.address,
                ":locked_at": held.locked_at.millis(),
                ":permissions": held.permissions.map(names),
                ":taken_with": with,
                ":token": token,
                ":good_until": good_until,
            },
        )?;
        // The result of a holder who died is good until another writes.
        let died = "SELECT 1 FROM broken_locks WHERE workspace = ?1 AND building_block = ?2 AND \
            died IS NOT NULL";
        let key = params![name.workspace.as_str(), name.block.as_str()];
        if self.exists(died, key)? {
            return Ok(());
        }
        self.forget_broken_lock(name)
    }

    /// Frees an address.
    pub fn remove_lock(&self, name: &StateName) -> Result<(), StoreError> {
        self.check_address(name);
        let key = params![name.workspace.as_str(), name.block.as_str()];
        self.delete_hashed(&LOCKS, key).map(drop)
    }

    /// Frees an address whose lock cannot be read, or of which it cannot be told whether it has
    /// one. Whose lock was broken there before is forgotten too.
    pub fn remove_damaged_lock(&self, name: &StateName) -> Result<(), StoreError> {
        self.check_address(name);
        let key = params![name.workspace.as_str(), name.block.as_str()];
        for table in [&LOCKS, &BROKEN_LOCKS] {
            self.delete_hashed(table, key)?;
            self.strike_place(table, key)?;
        }
        Ok(())
    }

    /// Frees an address by force or because its lock died, and remembers whose it was.
    pub fn break_lock(
        &self,
        name: &StateName,
        held: &HeldLock,
        (at, died): (Timestamp, bool),
    ) -> Result<(), StoreError> {
        self.check_address(name);
        self.remove_lock(name)?;
        let sql = "INSERT INTO broken_locks (workspace, building_block, lock_id, \
            holder, broken_at, died) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let values = params![
            name.workspace.as_str(),
            name.block.as_str(),
            held.lock.id,
            held.holder.id,
            at.millis(),
            died.then_some(1)
        ];
        let key = params![name.workspace.as_str(), name.block.as_str()];
        self.put_hashed(&BROKEN_LOCKS, key, sql, values)
    }

    /// Another locked or wrote: whose lock was broken before does not matter any more.
    pub fn forget_broken_lock(&self, name: &StateName) -> Result<(), StoreError> {
        self.check_address(name);
        let key = params![name.workspace.as_str(), name.block.as_str()];
        self.delete_hashed(&BROKEN_LOCKS, key).map(drop)
    }

    /// Notes a try that the lock turned away.
    pub fn note_refusal(
        &self,
        name: &StateName,
        refused: &RefusedAttempt,
    ) -> Result<(), StoreError> {
        self.check_address(name);
        let sql = "UPDATE locks SET refused = refused + 1, refused_at = :at, refused_key = :key, \
            refused_name = :name, \
                   refused_address = :address, refused_lock_id = :lock_id, refused_who = :who \
                   WHERE workspace = :workspace AND building_block = :block";
        let key = params![name.workspace.as_str(), name.block.as_str()];
        let changed = self.update_hashed(
            &LOCKS,
            key,
            sql,
            named_params! {
                ":workspace": name.workspace.as_str(),
                ":block": name.block.as_str(),
                ":at": refused.at.millis(),
                ":key": refused.key.id,
                ":name": refused.key.name,
                ":address": refused.address,
                ":lock_id": refused.lock_id,
                ":who": refused.who,
            },
        );
        changed.map(drop)
    }

    /// Remembers that a writer without a lock was refused, until it reads the state.
    pub fn mark_stale_writer(
        &self,
        name: &StateName,
        key: &str,
        address: &str,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        self.check_address(name);
        let sql = "INSERT OR REPLACE INTO stale_writers (workspace, building_block, key_id, \
            address, refused_at) VALUES (?1, ?2, ?3, ?4, ?5)";
        let values = params![
            name.workspace.as_str(),
            name.block.as_str(),
            key,
            address,
            at.millis()
        ];
        self.execute(sql, values)?;
        let trim = "DELETE FROM stale_writers WHERE workspace = ?1 AND building_block = ?2 AND \
            (key_id, address) NOT IN \
                    (SELECT key_id, address FROM stale_writers WHERE workspace = ?1 AND \
                    building_block = ?2 \
                     ORDER BY refused_at DESC LIMIT ?3)";
        let values = params![
            name.workspace.as_str(),
            name.block.as_str(),
            MAX_STALE_WRITERS
        ];
        self.run(trim, values)
    }

    /// A writer that was refused has read the state, or wrote it by force.
    pub fn clear_stale_writer(
        &self,
        name: &StateName,
        key: &str,
        address: &str,
    ) -> Result<(), StoreError> {
        self.check_address(name);
        let sql = "DELETE FROM stale_writers WHERE workspace = ?1 AND building_block = ?2 AND \
            key_id = ?3 AND address = ?4";
        let values = params![name.workspace.as_str(), name.block.as_str(), key, address];
        self.run(sql, values)
    }
}
