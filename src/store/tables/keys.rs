//! Verbs on API keys. Their secrets are here as argon2id hashes only.

use rusqlite::{Row, named_params, params};

use crate::model::clock::Timestamp;
use crate::model::key::{ApiKey, KeyId, KeyWithHashes, NewKey};
use crate::model::page::ListPage;
use crate::store::error::{NotAsWritten, StoreError};
use crate::store::tables::hashed::KEYS;
use crate::store::tables::pages::ListOf;
use crate::store::tables::rows;
use crate::store::tx::Tx;
use crate::store::tx::View;

pub(in crate::store) const COLUMNS: &str = "id, name, workspace, building_block, permissions, \
    created_at, created_by, created_by_name, expires_at, revoked_at, rotated_at, \
    old_secret_until, last_used_at, hash, old_hash";

pub(in crate::store) fn key(row: &Row<'_>) -> rusqlite::Result<KeyWithHashes> {
    let id: String = row.get(0)?;
    let key = ApiKey {
        id: id.parse().map_err(|error| rows::bad(0, error))?,
        name: row.get(1)?,
        grant: rows::grant(row, 2)?,
        created_at: rows::time(row, 5)?,
        created_by: rows::actor(row, 6)?,
        expires_at: rows::maybe_time(row, 8)?,
        revoked_at: rows::maybe_time(row, 9)?,
        rotated_at: rows::maybe_time(row, 10)?,
        old_secret_until: rows::maybe_time(row, 11)?,
        last_used_at: rows::maybe_time(row, 12)?,
    };
    Ok(KeyWithHashes {
        key,
        hash: row.get(13)?,
        old_hash: row.get(14)?,
    })
}

impl View<'_> {
    /// One key.
    pub fn key(&self, id: KeyId) -> Result<Option<KeyWithHashes>, StoreError> {
        let sql = format!("SELECT {COLUMNS}{} FROM keys k WHERE k.id = ?1", KEYS.proof);
        let wanted = id.to_string();
        let found = self.proven(&KEYS, &sql, [&wanted], key)?;
        match &found {
            None => self.agree_on_absence(&KEYS, params![wanted])?,
            Some(found) if found.key.id != id => {
                return Err(NotAsWritten::changed(KEYS.name, None).into());
            }
            Some(_) => {}
        }
        Ok(found)
    }

    /// The keys in the order in which they were made, after one of them.
    pub fn keys(&self, after: Option<KeyId>, limit: u32) -> Result<ListPage<ApiKey>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS}{} FROM keys k WHERE k.place > coalesce((SELECT place FROM keys WHERE \
                id = ?1), 0) ORDER BY k.place",
            KEYS.proof
        );
        let first = COLUMNS.split(',').count();
        let says = |row: &Row<'_>| {
            let part = |column| KEYS.text_in(row, first, column);
            let parts = [part("name"), part("id")];
            Some(parts.into_iter().flatten().collect::<Vec<_>>().join(" "))
        };
        let list = ListOf {
            sql: &sql,
            limit,
            says: &says,
        };
        self.page(&list, [after.map(|id| id.to_string())], |row| {
            KEYS.prove(self.row_key, row)?;
            Ok(Some(key(row)?.key))
        })
    }

    /// Whether there has ever been a key. The event log is asked too: where keys are lost, nobody
    /// gets a first one.
    pub fn has_keys(&self) -> Result<bool, StoreError> {
        if self.exists("SELECT 1 FROM keys LIMIT 1", [])? {
            return Ok(true);
        }
        if self.exists("SELECT 1 FROM events WHERE kind = 'key.create' LIMIT 1", [])? {
            return Err(NotAsWritten::lost(KEYS.name, None).into());
        }
        Ok(false)
    }
}

impl Tx<'_> {
    /// Makes a key.
    pub fn make_key(&self, new: &NewKey) -> Result<(), StoreError> {
        let scope = &new.grant.scope;
        let sql = "INSERT INTO keys (id, place, name, workspace, building_block, permissions, \
            hash, created_at, created_by, created_by_name, \
                   expires_at) VALUES (:id, (SELECT coalesce(max(place), 0) + 1 FROM keys), :name, \
                   :workspace, :block, :permissions, :hash, \
                   :created_at, :created_by, :created_by_name, :expires_at)";
        self.insert_hashed(
            &KEYS,
            sql,
            named_params! {
                ":id": new.id.to_string(),
                ":name": new.name,
                ":workspace": scope.workspace(),
                ":block": scope.block(),
                ":permissions": new.grant.permissions.names(scope).join(" "),
                ":hash": new.hash,
                ":created_at": new.created_at.millis(),
                ":created_by": new.created_by.id,
                ":created_by_name": new.created_by.name,
                ":expires_at": rows::millis(new.expires_at),
            },
        )
    }

    /// Gives a key another secret. The present one lives on until a time, if one is given.
    pub fn rotate_key(
        &self,
        id: KeyId,
        hash: &str,
        old_until: Option<Timestamp>,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE keys SET old_hash = CASE WHEN ?3 IS NULL THEN NULL ELSE hash END, \
            old_secret_until = ?3, hash = ?2, rotated_at = ?4 \
                   WHERE id = ?1";
        let id = id.to_string();
        let values = params![id, hash, rows::millis(old_until), at.millis()];
        self.update_hashed(&KEYS, params![id], sql, values)
            .map(drop)
    }

    /// Ends a key, and with it all tokens that were made from it: each use of one asks how its key
    /// stands. Their rows stay until they lapse, so that it can be said why they are refused.
    pub fn revoke_key(&self, id: KeyId, at: Timestamp) -> Result<(), StoreError> {
        let sql = "UPDATE keys SET revoked_at = coalesce(revoked_at, ?2), old_hash = NULL, \
            old_secret_until = NULL WHERE id = ?1";
        let id = id.to_string();
        let values = params![id, at.millis()];
        self.update_hashed(&KEYS, params![id], sql, values)
            .map(drop)
    }

    /// Notes when a key was last used. A row that is not as it was written stays so: what else is
    /// noted beside it must not wait for it.
    pub fn note_key_use(&self, id: KeyId, at: Timestamp) -> Result<(), StoreError> {
        let sql = "UPDATE keys SET last_used_at = ?2 WHERE id = ?1";
        let id = id.to_string();
        let values = params![id, at.millis()];
        match self.update_hashed(&KEYS, params![id], sql, values) {
            Ok(_) | Err(StoreError::BadRow(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
