//! Verbs on tokens. They are here by the SHA-256 of their 256 random bits only.

use rusqlite::{Row, named_params, params};

use crate::model::caller::{Caller, LiveCaller, Proof};
use crate::model::clock::Timestamp;
use crate::model::digest::Digest;
use crate::model::key::{KeyId, Lapse, Token};
use crate::store::error::StoreError;
use crate::store::tables::hashed::TOKENS;
use crate::store::tables::rows;
use crate::store::tx::Tx;
use crate::store::tx::View;

impl View<'_> {
    /// The token with this digest.
    pub fn token(&self, sha256: Digest) -> Result<Option<Token>, StoreError> {
        let sql = format!(
            "SELECT workspace, building_block, permissions, key_id, created_at, expires_at, \
                renewable, generation{} FROM tokens t WHERE t.sha256 = ?1",
            TOKENS.proof
        );
        let token = |row: &Row<'_>| {
            let key: String = row.get(3)?;
            Ok(Token {
                key: key.parse::<KeyId>().map_err(|error| rows::bad(3, error))?,
                grant: rows::grant(row, 0)?,
                created_at: rows::time(row, 4)?,
                expires_at: rows::time(row, 5)?,
                renewable: row.get(6)?,
                generation: rows::maybe_unsigned(row, 7)?,
            })
        };
        let found = self.proven(&TOKENS, &sql, [sha256.as_bytes()], token)?;
        if found.is_none() {
            self.agree_on_absence(&TOKENS, params![sha256.as_bytes()])?;
        }
        Ok(found)
    }

    /// The caller, if their credentials stand at a time by the rows as they are here, or why they
    /// do not.
    pub fn live<'c>(
        &self,
        caller: &'c Caller,
        now: Timestamp,
    ) -> Result<Result<LiveCaller<'c>, Lapse>, StoreError> {
        let key = match caller.key() {
            Some(id) => self.key(id)?.map(|found| found.key),
            None => None,
        };
        let token = match caller.proof {
            Proof::Token(_, sha256) => self.token(sha256)?,
            Proof::Operator | Proof::Key(..) => None,
        };
        Ok(LiveCaller::judge(caller, key.as_ref(), token.as_ref(), now))
    }

    /// How many tokens of a key have not ended.
    pub fn live_tokens(&self, key: KeyId, now: Timestamp) -> Result<u64, StoreError> {
        let sql = "SELECT count(*) FROM tokens WHERE key_id = ?1 AND expires_at > ?2";
        self.only(sql, params![key.to_string(), now.millis()], |row| {
            rows::unsigned(row, 0)
        })
    }
}

impl Tx<'_> {
    /// Keeps a new token.
    pub fn make_token(&self, sha256: Digest, token: &Token) -> Result<(), StoreError> {
        let scope = &token.grant.scope;
        let sql = "INSERT INTO tokens (sha256, key_id, workspace, building_block, permissions, \
            created_at, expires_at, renewable, generation) \
                   VALUES (:sha256, :key, :workspace, :block, :permissions, :created_at, \
                   :expires_at, :renewable, :generation)";
        self.insert_hashed(
            &TOKENS,
            sql,
            named_params! {
                ":sha256": sha256.as_bytes(),
                ":key": token.key.to_string(),
                ":workspace": scope.workspace(),
                ":block": scope.block(),
                ":permissions": token.grant.permissions.names(scope).join(" "),
                ":created_at": token.created_at.millis(),
                ":expires_at": token.expires_at.millis(),
                ":renewable": token.renewable,
                ":generation": token.generation.map(u64::cast_signed),
            },
        )
    }

    /// Lets a token live until another time.
    pub fn extend_token(&self, sha256: Digest, until: Timestamp) -> Result<(), StoreError> {
        let sql = "UPDATE tokens SET expires_at = ?2 WHERE sha256 = ?1";
        let values = params![sha256.as_bytes(), until.millis()];
        self.update_hashed(&TOKENS, params![sha256.as_bytes()], sql, values)
            .map(drop)
    }

    /// Ends a token.
    pub fn end_token(&self, sha256: Digest) -> Result<(), StoreError> {
        self.delete_hashed(&TOKENS, params![sha256.as_bytes()])
            .map(drop)
    }

    /// Ends every token, and says how many there were.
    pub fn end_all_tokens(&self) -> Result<usize, StoreError> {
        let all: Vec<Vec<u8>> = self.all("SELECT sha256 FROM tokens", [], |row| row.get(0))?;
        for sha256 in &all {
            self.delete_hashed(&TOKENS, params![sha256])?;
        }
        Ok(all.len())
    }

    /// Removes tokens whose end has passed, at most `limit` of them.
    pub fn remove_ended_tokens(&self, now: Timestamp, limit: u32) -> Result<usize, StoreError> {
        let sql = "SELECT sha256 FROM tokens WHERE expires_at <= ?1 LIMIT ?2";
        let ended: Vec<Vec<u8>> = self.all(sql, params![now.millis(), limit], |row| row.get(0))?;
        for sha256 in &ended {
            self.delete_hashed(&TOKENS, params![sha256])?;
        }
        Ok(ended.len())
    }
}
