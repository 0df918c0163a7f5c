//! Verbs on API keys. Their secrets are here as argon2id hashes only.

use rusqlite::{Row, named_params, params};

use crate::model::clock::Timestamp;
use crate::model::key::{ApiKey, KeyId, KeyWithHashes, NewKey};
use crate::store::error::StoreError;
use crate::store::tables::rows;
use crate::store::tx::Tx;
use crate::store::tx::View;

const COLUMNS: &str = "id, name, workspace, building_block, permissions, created_at, created_by, \
    created_by_name, expires_at, revoked_at, \
    rotated_at, old_secret_until, last_used_at, hash, old_hash";

fn key(row: &Row<'_>) -> rusqlite::Result<KeyWithHashes> {
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
        let sql = format!("SELECT {COLUMNS} FROM keys WHERE id = ?1");
        self.one(&sql, [id.to_string()], key)
    }

    /// The keys in the order in which they were made, after one of them.
    pub fn keys(&self, after: Option<KeyId>, limit: u32) -> Result<Vec<ApiKey>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM keys WHERE place > coalesce((SELECT place FROM keys WHERE id = \
                ?1), 0) ORDER BY place LIMIT ?2"
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let found = statement.query_map(params![after.map(|id| id.to_string()), limit], key)?;
        found.map(|row| Ok(row?.key)).collect()
    }

    /// Whether there has ever been a key.
    pub fn has_keys(&self) -> Result<bool, StoreError> {
        self.exists("SELECT 1 FROM keys LIMIT 1", [])
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
        self.credentials()
            .prepare_cached(sql)?
            .execute(named_params! {
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
            })?;
        Ok(())
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
        self.credentials().prepare_cached(sql)?.execute(params![
            id.to_string(),
            hash,
            rows::millis(old_until),
            at.millis()
        ])?;
        Ok(())
    }

    /// Ends a key, and with it all tokens that were made from it: each use of one asks how its key
    /// stands. Their rows stay until they lapse, so that it can be said why they are refused.
    pub fn revoke_key(&self, id: KeyId, at: Timestamp) -> Result<(), StoreError> {
        let sql = "UPDATE keys SET revoked_at = coalesce(revoked_at, ?2), old_hash = NULL, \
            old_secret_until = NULL WHERE id = ?1";
        self.credentials()
            .prepare_cached(sql)?
            .execute(params![id.to_string(), at.millis()])?;
        Ok(())
    }

    /// Notes when a key was last used.
    pub fn note_key_use(&self, id: KeyId, at: Timestamp) -> Result<(), StoreError> {
        let sql = "UPDATE keys SET last_used_at = ?2 WHERE id = ?1";
        self.credentials()
            .prepare_cached(sql)?
            .execute(params![id.to_string(), at.millis()])?;
        Ok(())
    }
}
