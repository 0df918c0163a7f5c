//! Verbs on API keys. Their secrets are here as argon2id hashes only.

use rusqlite::{Row, named_params, params};

use crate::model::client_certificate::CertificateBinding;
use crate::model::clock::Timestamp;
use crate::model::fingerprint::Fingerprint;
use crate::model::key::{ApiKey, KeyId, KeyWithHashes, NewKey, SecretCheck};
use crate::model::page::ListPage;
use crate::store::error::{NotAsWritten, StoreError};
use crate::store::tables::hashed::KEYS;
use crate::store::tables::pages::ListOf;
use crate::store::tables::rows;
use crate::store::tx::Tx;
use crate::store::tx::View;

pub(in crate::store) const COLUMNS: &str = "id, name, workspace, building_block, permissions, \
    created_at, created_by, created_by_name, expires_at, revoked_at, rotated_at, \
    old_secret_until, last_used_at, hash, old_hash, generation, fingerprint, old_fingerprint, \
    client_sans";
/// The secret of a key whose row names no other.
const FIRST_GENERATION: u64 = 1;

pub(in crate::store) fn key(row: &Row<'_>) -> rusqlite::Result<KeyWithHashes> {
    let id: String = row.get(0)?;
    let bound: Option<String> = row.get(18)?;
    let bound = CertificateBinding::parse(bound.as_deref());
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
        client_sans: bound.map_err(|error| rows::bad(18, error))?,
        generation: rows::maybe_unsigned(row, 15)?.unwrap_or(FIRST_GENERATION),
    };
    let check = SecretCheck {
        hash: row.get(13)?,
        fingerprint: fingerprint(row, 16)?,
    };
    let old_fingerprint = fingerprint(row, 17)?;
    let old = |hash| SecretCheck {
        hash,
        fingerprint: old_fingerprint,
    };
    Ok(KeyWithHashes {
        key,
        check,
        old_check: row.get::<_, Option<String>>(14)?.map(old),
    })
}

fn fingerprint(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<Fingerprint>> {
    Ok(row
        .get::<_, Option<[u8; 8]>>(index)?
        .map(Fingerprint::from_bytes))
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

    /// The keys that a key has made, and those that they have made, in the order in which they were
    /// made.
    pub fn keys_made_by(&self, id: KeyId) -> Result<Vec<ApiKey>, StoreError> {
        let sql = format!(
            "WITH RECURSIVE made (id) AS (VALUES (?1) UNION SELECT c.id FROM keys c JOIN made \
                ON c.created_by = made.id) SELECT {COLUMNS}{} FROM keys k WHERE k.id IN \
                (SELECT id FROM made) AND k.id <> ?1 ORDER BY k.place",
            KEYS.proof
        );
        self.all_proven(&KEYS, &sql, [id.to_string()], |row| Ok(key(row)?.key))
    }

    /// A key of this name that has not ended.
    pub fn live_key_named(&self, name: &str, now: Timestamp) -> Result<Option<KeyId>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS}{} FROM keys k WHERE k.name = ?1 AND k.revoked_at IS NULL \
                AND (k.expires_at IS NULL OR k.expires_at > ?2) LIMIT 1",
            KEYS.proof
        );
        let found = self.proven(&KEYS, &sql, params![name, now.millis()], key)?;
        Ok(found.map(|found| found.key.id))
    }

    /// How many keys end between two moments, of those that were made to live for longer than
    /// that.
    pub fn keys_that_end(&self, from: Timestamp, until: Timestamp) -> Result<u64, StoreError> {
        let sql = "SELECT count(*) FROM keys WHERE revoked_at IS NULL AND expires_at > ?1 \
            AND expires_at <= ?2 AND expires_at - created_at > ?2 - ?1";
        self.only(sql, params![from.millis(), until.millis()], |row| {
            rows::unsigned(row, 0)
        })
    }

    /// How many keys that live at a moment are bound to client certificates.
    pub fn bound_keys(&self, now: Timestamp) -> Result<u64, StoreError> {
        let sql = "SELECT count(*) FROM keys WHERE client_sans IS NOT NULL AND revoked_at IS NULL \
            AND (expires_at IS NULL OR expires_at > ?1)";
        self.only(sql, params![now.millis()], |row| rows::unsigned(row, 0))
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
                   expires_at, generation, fingerprint, client_sans) VALUES (:id, (SELECT \
                   coalesce(max(place), 0) + 1 FROM keys), :name, \
                   :workspace, :block, :permissions, :hash, \
                   :created_at, :created_by, :created_by_name, :expires_at, :generation, \
                   :fingerprint, :client_sans)";
        self.insert_hashed(
            &KEYS,
            sql,
            named_params! {
                ":id": new.id.to_string(),
                ":name": new.name,
                ":workspace": scope.workspace(),
                ":block": scope.block(),
                ":permissions": new.grant.permissions.names(scope).join(" "),
                ":hash": new.check.hash,
                ":generation": FIRST_GENERATION.cast_signed(),
                ":fingerprint": new.check.fingerprint.map(Fingerprint::as_bytes),
                ":created_at": new.created_at.millis(),
                ":created_by": new.created_by.id,
                ":created_by_name": new.created_by.name,
                ":expires_at": rows::millis(new.expires_at),
                ":client_sans": new.client_sans.text(),
            },
        )
    }

    /// Gives a key another secret. The present one lives on until a time, if one is given.
    pub fn rotate_key(
        &self,
        id: KeyId,
        new: &SecretCheck,
        old_until: Option<Timestamp>,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE keys SET old_hash = CASE WHEN ?3 IS NULL THEN NULL ELSE hash END, \
            old_fingerprint = CASE WHEN ?3 IS NULL THEN NULL ELSE fingerprint END, \
            old_secret_until = ?3, hash = ?2, fingerprint = ?5, rotated_at = ?4, \
            generation = coalesce(generation, ?6) + 1 WHERE id = ?1";
        let id = id.to_string();
        let fingerprint = new.fingerprint.map(Fingerprint::as_bytes);
        let until = rows::millis(old_until);
        let first = FIRST_GENERATION.cast_signed();
        let values = params![id, new.hash, until, at.millis(), fingerprint, first];
        self.update_hashed(&KEYS, params![id], sql, values)
            .map(drop)
    }

    /// Ends a key, and with it all tokens that were made from it: each use of one asks how its key
    /// stands. Their rows stay until they lapse, so that it can be said why they are refused.
    pub fn revoke_key(&self, id: KeyId, at: Timestamp) -> Result<(), StoreError> {
        let sql = "UPDATE keys SET revoked_at = coalesce(revoked_at, ?2), old_hash = NULL, \
            old_fingerprint = NULL, old_secret_until = NULL WHERE id = ?1";
        let id = id.to_string();
        let values = params![id, at.millis()];
        self.update_hashed(&KEYS, params![id], sql, values)
            .map(drop)
    }

    /// Notes by what a wrong secret is known from now on, for the secret that has this hash.
    pub fn note_fingerprint(
        &self,
        id: KeyId,
        hash: &str,
        fingerprint: Fingerprint,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE keys SET fingerprint = iif(hash = ?2, ?3, fingerprint), \
            old_fingerprint = iif(old_hash = ?2, ?3, old_fingerprint) WHERE id = ?1";
        let id = id.to_string();
        let values = params![id, hash, fingerprint.as_bytes()];
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
