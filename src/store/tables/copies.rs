//! Verbs for backups: what the manifest of one says, and what becomes of a copy that is to live as
//! data of its own.

use rusqlite::params;
use uuid::Uuid;

use crate::model::clock::Timestamp;
use crate::model::digest::Digest;
use crate::model::lock::{HeldLock, Lock};
use crate::model::name::StateName;
use crate::store::error::StoreError;
use crate::store::tables::hashed::LOCKS;
use crate::store::tables::pages::ListOf;
use crate::store::tables::{locks, rows};
use crate::store::tx::{Tx, View};

impl View<'_> {
    /// When the newest version of any state was written. Of each state only the last one is looked
    /// at.
    pub fn newest_version_at(&self) -> Result<Option<Timestamp>, StoreError> {
        let sql = "SELECT max((SELECT v.created_at FROM versions v WHERE v.state_id = s.id \
            ORDER BY v.number DESC LIMIT 1)) FROM states s";
        self.only(sql, [], |row| rows::maybe_time(row, 0))
    }

    /// The number of the last event.
    pub fn last_event(&self) -> Result<Option<u64>, StoreError> {
        self.only("SELECT max(seq) FROM events", [], |row| {
            rows::maybe_unsigned(row, 0)
        })
    }

    /// The number of the last commit, and the head of their chain.
    pub fn last_commit(&self) -> Result<(u64, Digest), StoreError> {
        self.only("SELECT number, head FROM commits", [], |row| {
            Ok((rows::unsigned(row, 0)?, rows::digest(row, 1)?))
        })
    }

    /// How many versions were written after a moment. Looks at all of them.
    pub fn versions_since(&self, at: Timestamp) -> Result<u64, StoreError> {
        let sql = "SELECT count(*) FROM versions WHERE created_at > ?1";
        self.only(sql, [at.millis()], |row| rows::unsigned(row, 0))
    }

    /// Every lock that is held and can be read, with its address. A damaged one stays in its way.
    pub fn held_locks(&self) -> Result<Vec<(StateName, HeldLock)>, StoreError> {
        let sql = format!(
            "SELECT {}, workspace, building_block{} FROM locks l ORDER BY l.workspace, \
             l.building_block",
            locks::COLUMNS,
            LOCKS.proof
        );
        let list = ListOf {
            sql: &sql,
            limit: u32::MAX,
            says: &|_| None,
        };
        let page = self.page(&list, [], |row| {
            LOCKS.prove(self.row_key, row)?;
            Ok(Some((rows::name(row, locks::NAME_AT)?, locks::held(row)?)))
        });
        Ok(page?.rows)
    }
}

impl Tx<'_> {
    /// Lets a lock say something else of itself. Its holder and its ID stay, and nothing but its
    /// release ends it.
    pub fn reword_lock(&self, name: &StateName, lock: &Lock) -> Result<(), StoreError> {
        self.check_address(name);
        let sql = "UPDATE locks SET body = ?3, taken_with = NULL, token = NULL, good_until = NULL, \
            ended_at = NULL WHERE workspace = ?1 AND building_block = ?2";
        let values = [name.workspace.as_str(), name.block.as_str(), &lock.text];
        let key = params![name.workspace.as_str(), name.block.as_str()];
        self.update_hashed(&LOCKS, key, sql, values).map(drop)
    }

    /// Makes this other data than what it is a copy of.
    pub fn change_instance(&self, id: Uuid) -> Result<(), StoreError> {
        self.run("UPDATE instance SET id = ?1", [id.as_bytes().as_slice()])
    }
}
