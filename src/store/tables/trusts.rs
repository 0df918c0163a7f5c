//! Verbs on trusts, and on the ID tokens that were exchanged under those that take each once.

use rusqlite::{Row, named_params, params};

use crate::model::claims::{ClaimPattern, NameTemplate};
use crate::model::clock::Timestamp;
use crate::model::digest::Digest;
use crate::model::key::KeyId;
use crate::model::page::ListPage;
use crate::model::permission::{PermissionSet, Scope};
use crate::model::trust::{IssuerTrust, KeySource, ScopeTemplate};
use crate::store::error::{NotAsWritten, StoreError};
use crate::store::tables::hashed::{SPENT_ID_TOKENS, TRUSTS};
use crate::store::tables::pages::ListOf;
use crate::store::tables::rows;
use crate::store::tx::Tx;
use crate::store::tx::View;

pub(in crate::store) const COLUMNS: &str = "id, name, issuer, audience, jwks_file, jwks_url, \
    claims, workspace, building_block, permissions, once, created_at, created_by, \
    created_by_name, expires_at, last_used_at";

pub(in crate::store) fn trust(row: &Row<'_>) -> rusqlite::Result<IssuerTrust> {
    let id: String = row.get(0)?;
    let scope = ScopeTemplate {
        workspace: name(row, 7, NameTemplate::of_workspace)?,
        block: name(row, 8, NameTemplate::of_block)?,
    };
    let names: String = row.get(9)?;
    let kind = scope.kind().unwrap_or(Scope::All);
    let permissions = PermissionSet::parse(names.split_whitespace(), &kind);
    Ok(IssuerTrust {
        id: id.parse().map_err(|error| rows::bad(0, error))?,
        name: row.get(1)?,
        issuer: row.get(2)?,
        audience: row.get(3)?,
        keys: source(row)?,
        claims: claims(row)?,
        permissions: permissions.map_err(|error| rows::bad(9, error))?,
        scope,
        once: row.get(10)?,
        created_at: rows::time(row, 11)?,
        created_by: rows::actor(row, 12)?,
        expires_at: rows::maybe_time(row, 14)?,
        last_used_at: rows::maybe_time(row, 15)?,
    })
}

fn source(row: &Row<'_>) -> rusqlite::Result<KeySource> {
    match (row.get(4)?, row.get(5)?) {
        (Some(path), None) => Ok(KeySource::File(path)),
        (None, Some(url)) => Ok(KeySource::Url(url)),
        (Some(_), Some(_)) | (None, None) => Err(no(4, "a trust has one source of keys")),
    }
}

fn claims(row: &Row<'_>) -> rusqlite::Result<Vec<ClaimPattern>> {
    let json: String = row.get(6)?;
    let members: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(&json).map_err(|error| rows::bad(6, error))?;
    let pattern = |(name, value): (String, serde_json::Value)| {
        let pattern = value.as_str().map(str::to_owned);
        let pattern = pattern.ok_or_else(|| no(6, "the pattern of a claim is a text"))?;
        Ok(ClaimPattern { name, pattern })
    };
    members.into_iter().map(pattern).collect()
}

fn name(
    row: &Row<'_>,
    index: usize,
    read: impl Fn(&str) -> Option<NameTemplate>,
) -> rusqlite::Result<Option<NameTemplate>> {
    let text: Option<String> = row.get(index)?;
    let read = |text: String| read(&text).ok_or_else(|| no(index, "it makes no name"));
    text.map(read).transpose()
}

fn no(index: usize, why: &'static str) -> rusqlite::Error {
    rows::bad(index, std::io::Error::other(why))
}

impl View<'_> {
    /// One trust.
    pub fn trust(&self, id: KeyId) -> Result<Option<IssuerTrust>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS}{} FROM trusts r WHERE r.id = ?1",
            TRUSTS.proof
        );
        let wanted = id.to_string();
        let found = self.proven(&TRUSTS, &sql, [&wanted], trust)?;
        match &found {
            None => self.agree_on_absence(&TRUSTS, params![wanted])?,
            Some(found) if found.id != id => {
                return Err(NotAsWritten::changed(TRUSTS.name, None).into());
            }
            Some(_) => {}
        }
        Ok(found)
    }

    /// The trusts in the order in which they were made, after one of them.
    pub fn trusts(
        &self,
        after: Option<KeyId>,
        limit: u32,
    ) -> Result<ListPage<IssuerTrust>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS}{} FROM trusts r WHERE r.place > coalesce((SELECT place FROM trusts \
                WHERE id = ?1), 0) ORDER BY r.place",
            TRUSTS.proof
        );
        let first = COLUMNS.split(',').count();
        let says = |row: &Row<'_>| {
            let part = |column| TRUSTS.text_in(row, first, column);
            let parts = [part("name"), part("id")];
            Some(parts.into_iter().flatten().collect::<Vec<_>>().join(" "))
        };
        let list = ListOf {
            sql: &sql,
            limit,
            says: &says,
        };
        self.page(&list, [after.map(|id| id.to_string())], |row| {
            TRUSTS.prove(self.row_key, row)?;
            Ok(Some(trust(row)?))
        })
    }

    /// The trusts in an issuer, in the order in which they were made.
    pub fn trusts_in(&self, issuer: &str) -> Result<Vec<IssuerTrust>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS}{} FROM trusts r WHERE r.issuer = ?1 ORDER BY r.place",
            TRUSTS.proof
        );
        self.all_proven(&TRUSTS, &sql, [issuer], trust)
    }

    /// The trusts that a key has made.
    pub fn trusts_made_by(&self, id: KeyId) -> Result<Vec<IssuerTrust>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS}{} FROM trusts r WHERE r.created_by = ?1 ORDER BY r.place",
            TRUSTS.proof
        );
        self.all_proven(&TRUSTS, &sql, [id.to_string()], trust)
    }

    /// The trust of a name.
    pub fn trust_named(&self, name: &str) -> Result<Option<KeyId>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS}{} FROM trusts r WHERE r.name = ?1",
            TRUSTS.proof
        );
        let found = self.proven(&TRUSTS, &sql, [name], trust)?;
        Ok(found.map(|found| found.id))
    }

    /// How many trusts there are.
    pub fn count_trusts(&self) -> Result<u64, StoreError> {
        self.only("SELECT count(*) FROM trusts", [], |row| {
            rows::unsigned(row, 0)
        })
    }

    /// How many ID tokens are remembered as exchanged under a trust.
    pub fn spent_under(&self, trust: KeyId, now: Timestamp) -> Result<u64, StoreError> {
        let sql = "SELECT count(*) FROM spent_id_tokens WHERE trust_id = ?1 AND ends_at > ?2";
        self.only(sql, params![trust.to_string(), now.millis()], |row| {
            rows::unsigned(row, 0)
        })
    }

    /// Whether an ID token was exchanged.
    pub fn is_spent(&self, jti: Digest) -> Result<bool, StoreError> {
        let sql = format!(
            "SELECT 1{} FROM spent_id_tokens s WHERE s.jti_hash = ?1",
            SPENT_ID_TOKENS.proof
        );
        let found = self.proven(&SPENT_ID_TOKENS, &sql, [jti.as_bytes()], |_| Ok(()))?;
        if found.is_none() {
            self.agree_on_absence(&SPENT_ID_TOKENS, params![jti.as_bytes()])?;
        }
        Ok(found.is_some())
    }
}

impl Tx<'_> {
    /// Makes a trust.
    pub fn make_trust(&self, new: &IssuerTrust) -> Result<(), StoreError> {
        let name = |template: &Option<NameTemplate>| {
            template.as_ref().map(|name| name.as_str().to_owned())
        };
        let (file, url) = match &new.keys {
            KeySource::File(path) => (Some(path), None),
            KeySource::Url(url) => (None, Some(url)),
        };
        let sql = "INSERT INTO trusts (id, place, name, issuer, audience, jwks_file, jwks_url, \
            claims, workspace, building_block, permissions, once, created_at, created_by, \
            created_by_name, expires_at) VALUES (:id, (SELECT coalesce(max(place), 0) + 1 FROM \
            trusts), :name, :issuer, :audience, :file, :url, :claims, :workspace, :block, \
            :permissions, :once, :created_at, :created_by, :created_by_name, :expires_at)";
        self.insert_hashed(
            &TRUSTS,
            sql,
            named_params! {
                ":id": new.id.to_string(),
                ":name": new.name,
                ":issuer": new.issuer,
                ":audience": new.audience,
                ":file": file,
                ":url": url,
                ":claims": serde_json::Value::Object(new.claims_json()).to_string(),
                ":workspace": name(&new.scope.workspace),
                ":block": name(&new.scope.block),
                ":permissions": new.permission_names().join(" "),
                ":once": new.once,
                ":created_at": new.created_at.millis(),
                ":created_by": new.created_by.id,
                ":created_by_name": new.created_by.name,
                ":expires_at": rows::millis(new.expires_at),
            },
        )
    }

    /// Removes a trust, and with it ends all tokens that were made under it: each use of one asks
    /// how its trust stands.
    pub fn remove_trust(&self, id: KeyId) -> Result<(), StoreError> {
        let id = id.to_string();
        self.note_trust_end(&id, self.now())?;
        self.delete_hashed(&TRUSTS, params![id]).map(drop)
    }

    /// Notes when the key or the trust of this id was last used.
    pub fn note_use(&self, id: KeyId, at: Timestamp) -> Result<(), StoreError> {
        self.note_key_use(id, at)?;
        self.note_trust_use(id, at)
    }

    /// Notes when a trust last let a token in, if there is one of this id. A row that is not as it
    /// was written stays so.
    fn note_trust_use(&self, id: KeyId, at: Timestamp) -> Result<(), StoreError> {
        let sql = "UPDATE trusts SET last_used_at = ?2 WHERE id = ?1";
        let id = id.to_string();
        let values = params![id, at.millis()];
        match self.update_hashed(&TRUSTS, params![id], sql, values) {
            Ok(_) | Err(StoreError::BadRow(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Remembers until its end that an ID token was exchanged.
    pub fn spend_id_token(
        &self,
        jti: Digest,
        trust: KeyId,
        ends_at: Timestamp,
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO spent_id_tokens (jti_hash, trust_id, ends_at) VALUES (?1, ?2, ?3)";
        let values = params![jti.as_bytes(), trust.to_string(), ends_at.millis()];
        self.insert_hashed(&SPENT_ID_TOKENS, sql, values)
    }

    /// Forgets ID tokens that have ended, at most `limit` of them.
    pub fn forget_ended_id_tokens(&self, now: Timestamp, limit: u32) -> Result<(), StoreError> {
        let sql = "SELECT jti_hash FROM spent_id_tokens WHERE ends_at <= ?1 LIMIT ?2";
        let ended: Vec<Vec<u8>> = self.all(sql, params![now.millis(), limit], |row| row.get(0))?;
        for jti in &ended {
            self.delete_hashed(&SPENT_ID_TOKENS, params![jti])?;
        }
        Ok(())
    }
}
