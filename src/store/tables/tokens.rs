//! Verbs on tokens. They are here by the SHA-256 of their 256 random bits only.

use rusqlite::{Row, named_params, params};

use crate::model::caller::{Caller, LiveCaller, Proof};
use crate::model::clock::Timestamp;
use crate::model::digest::Digest;
use crate::model::key::{KeyId, Lapse};
use crate::model::token::{CredentialOwner, OwnerId, Token};
use crate::store::error::StoreError;
use crate::store::tables::hashed::TOKENS;
use crate::store::tables::rows;
use crate::store::tx::Tx;
use crate::store::tx::View;

fn owner(row: &Row<'_>) -> rusqlite::Result<OwnerId> {
    let id = |index| -> rusqlite::Result<Option<KeyId>> {
        let text: Option<String> = row.get(index)?;
        let id = text.map(|id| id.parse().map_err(|error| rows::bad(index, error)));
        id.transpose()
    };
    match (id(3)?, id(8)?) {
        (Some(key), None) => Ok(OwnerId::Key(key)),
        (None, Some(trust)) => Ok(OwnerId::Trust(trust)),
        (Some(_), Some(_)) | (None, None) => {
            let why = std::io::Error::other("a token is of a key or of a trust");
            Err(rows::bad(8, why))
        }
    }
}

impl View<'_> {
    /// The token with this digest.
    pub fn token(&self, sha256: Digest) -> Result<Option<Token>, StoreError> {
        let sql = format!(
            "SELECT workspace, building_block, permissions, key_id, created_at, expires_at, \
                renewable, generation, trust_id{} FROM tokens t WHERE t.sha256 = ?1",
            TOKENS.proof
        );
        let token = |row: &Row<'_>| {
            Ok(Token {
                owner: owner(row)?,
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
        let owner = match caller.owner() {
            Some(id) => self.credential_owner(id)?,
            None => None,
        };
        let token = match caller.proof {
            Proof::Token(_, sha256) => self.token(sha256)?,
            Proof::Operator | Proof::Key(..) | Proof::IdToken(_) => None,
        };
        let (owner, token) = (owner.as_ref(), token.as_ref());
        Ok(LiveCaller::judge(caller, owner, token, now))
    }

    /// The key or the trust that credentials belong to.
    pub fn credential_owner(&self, id: OwnerId) -> Result<Option<CredentialOwner>, StoreError> {
        Ok(match id {
            OwnerId::Key(id) => {
                let found = self.key(id)?;
                found.map(|found| CredentialOwner::Key(Box::new(found.key)))
            }
            OwnerId::Trust(id) => {
                let found = self.trust(id)?;
                found.map(|trust| CredentialOwner::Trust(Box::new(trust)))
            }
        })
    }

    /// How many tokens of a key or a trust have not ended.
    pub fn live_tokens(&self, owner: OwnerId, now: Timestamp) -> Result<u64, StoreError> {
        let sql = match owner {
            OwnerId::Key(_) => "SELECT count(*) FROM tokens WHERE key_id = ?1 AND expires_at > ?2",
            OwnerId::Trust(_) => {
                "SELECT count(*) FROM tokens WHERE trust_id = ?1 AND expires_at > ?2"
            }
        };
        self.only(sql, params![owner.id().to_string(), now.millis()], |row| {
            rows::unsigned(row, 0)
        })
    }
}

impl Tx<'_> {
    /// Keeps a new token.
    pub fn make_token(&self, sha256: Digest, token: &Token) -> Result<(), StoreError> {
        let scope = &token.grant.scope;
        let (key, trust) = match token.owner {
            OwnerId::Key(id) => (Some(id.to_string()), None),
            OwnerId::Trust(id) => (None, Some(id.to_string())),
        };
        let sql = "INSERT INTO tokens (sha256, key_id, workspace, building_block, permissions, \
            created_at, expires_at, renewable, generation, trust_id) \
                   VALUES (:sha256, :key, :workspace, :block, :permissions, :created_at, \
                   :expires_at, :renewable, :generation, :trust)";
        self.insert_hashed(
            &TOKENS,
            sql,
            named_params! {
                ":sha256": sha256.as_bytes(),
                ":key": key,
                ":trust": trust,
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
        self.note_token_end(sha256.as_bytes(), self.now())?;
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
        if !ended.is_empty() {
            self.note_lapsed_tokens(now)?;
        }
        for sha256 in &ended {
            self.delete_hashed(&TOKENS, params![sha256])?;
        }
        Ok(ended.len())
    }
}
