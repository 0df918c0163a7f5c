//! Verbs on the credentials that hold locks: whether they can still write, and when they ended.
//!
//! The row of a token goes when the token is ended, or some time after it lapsed. What the lock has
//! to say of it later is noted on the lock before that, in the same transaction.

use rusqlite::{Row, params};

use crate::model::caller::Caller;
use crate::model::clock::Timestamp;
use crate::model::lock::HeldLock;
use crate::model::lock_death::{LockCredential, LockDeath, TakenWith};
use crate::model::name::StateName;
use crate::model::token::{CredentialOwner, OwnerId, Token};
use crate::store::error::StoreError;
use crate::store::tables::hashed::LOCKS;
use crate::store::tables::rows;
use crate::store::tx::{Tx, View};

/// How many locks are looked at when those are counted that died.
const MAX_COUNTED: u32 = 10_000;

/// What `taken_with`, `token` and `good_until` hold.
type Columns<'c> = (Option<&'static str>, Option<&'c [u8; 32]>, Option<i64>);

/// The credentials of a lock as its columns.
pub(super) fn columns(credential: Option<&LockCredential>) -> Columns<'_> {
    let Some(held) = credential else {
        return (None, None, None);
    };
    let (with, token) = match &held.with {
        TakenWith::Key => ("key", None),
        TakenWith::Token(sha256) => ("token", Some(sha256.as_bytes())),
        TakenWith::IdToken => ("id_token", None),
    };
    (Some(with), token, rows::millis(held.good_until))
}

/// The credentials of a lock from its four columns.
pub(super) fn credential(row: &Row<'_>, at: usize) -> rusqlite::Result<Option<LockCredential>> {
    let with: Option<String> = row.get(at)?;
    let with = match with.as_deref() {
        None => return Ok(None),
        Some("key") => TakenWith::Key,
        Some("token") => TakenWith::Token(rows::digest(row, at + 1)?),
        Some("id_token") => TakenWith::IdToken,
        Some(_) => {
            let why = std::io::Error::other("a lock is taken with a key, a token or an ID token");
            return Err(rows::bad(at, why));
        }
    };
    Ok(Some(LockCredential {
        with,
        good_until: rows::maybe_time(row, at + 2)?,
        ended_at: rows::maybe_time(row, at + 3)?,
    }))
}

/// A token, and the key or the trust that it hangs on.
type TokenAndOwner = (Option<Token>, Option<CredentialOwner>);

impl View<'_> {
    /// Since when the holder of a lock can write no more, if that is so. If what is known of the
    /// credentials is damaged, the lock counts as alive.
    pub fn lock_death(
        &self,
        held: &HeldLock,
        now: Timestamp,
    ) -> Result<Option<LockDeath>, StoreError> {
        let Some(credential) = &held.credential else {
            return Ok(None);
        };
        match self.credentials_of(held, credential) {
            Ok((token, owner)) => Ok(credential.died(owner.as_ref(), token.as_ref(), now)),
            Err(StoreError::BadRow(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What is known of the credentials that hold a lock.
    fn credentials_of(
        &self,
        held: &HeldLock,
        credential: &LockCredential,
    ) -> Result<TokenAndOwner, StoreError> {
        let token = match credential.with {
            TakenWith::Token(sha256) => self.token(sha256)?,
            TakenWith::Key | TakenWith::IdToken => None,
        };
        let id = held.holder.id.parse().ok();
        let owner = match (credential.with, &token) {
            (TakenWith::Key, _) => id.map(OwnerId::Key),
            (TakenWith::IdToken, _) => id.map(OwnerId::Trust),
            (TakenWith::Token(_), token) => token.as_ref().map(|token| token.owner),
        };
        let owner = owner
            .map(|owner| self.credential_owner(owner))
            .transpose()?;
        Ok((token, owner.flatten()))
    }

    /// How many of the locks that are held died, of the first 10,000.
    pub fn dead_locks(&self, now: Timestamp) -> Result<u64, StoreError> {
        let sql = "SELECT l.workspace, l.building_block FROM locks l WHERE l.taken_with IS NOT \
            NULL LIMIT ?1";
        let names: Vec<StateName> = self.all(sql, [MAX_COUNTED], |row| rows::name(row, 0))?;
        let mut dead = 0;
        for name in names {
            let held = match self.lock(&name) {
                Err(StoreError::BadRow(_)) => None,
                held => held?,
            };
            let death = held.map(|held| self.lock_death(&held, now)).transpose()?;
            dead += u64::from(death.flatten().is_some());
        }
        Ok(dead)
    }
}

impl Tx<'_> {
    /// Notes on the locks that a token holds that it was ended, since its row goes.
    pub(super) fn note_token_end(&self, token: &[u8], at: Timestamp) -> Result<(), StoreError> {
        let sql = "SELECT l.workspace, l.building_block, NULL FROM locks l WHERE l.token = ?1";
        self.note_ends(sql, params![token], Some(at))
    }

    /// Notes on the locks of tokens that have lapsed when that was, since their rows go.
    pub(super) fn note_lapsed_tokens(&self, now: Timestamp) -> Result<(), StoreError> {
        let sql = "SELECT l.workspace, l.building_block, t.expires_at FROM locks l CROSS JOIN \
            tokens t ON t.sha256 = l.token WHERE l.good_until IS NULL AND t.expires_at <= ?1";
        self.note_ends(sql, params![now.millis()], None)
    }

    /// Notes on the locks that are held under a trust that it was removed.
    pub(super) fn note_trust_end(&self, trust: &str, at: Timestamp) -> Result<(), StoreError> {
        let sql = "SELECT l.workspace, l.building_block, NULL FROM locks l WHERE l.holder = ?1 \
            AND l.taken_with IS NOT NULL";
        self.note_ends(sql, params![trust], Some(at))
    }

    fn note_ends(
        &self,
        sql: &str,
        values: &[&dyn rusqlite::ToSql],
        ended: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        let found: Vec<(StateName, Option<Timestamp>)> = self.all(sql, values, |row| {
            Ok((rows::name(row, 0)?, rows::maybe_time(row, 2)?))
        })?;
        let sql = "UPDATE locks SET good_until = coalesce(?3, good_until), ended_at = \
            coalesce(ended_at, ?4) WHERE workspace = ?1 AND building_block = ?2";
        for (name, lapsed) in found {
            let key = params![name.workspace.as_str(), name.block.as_str()];
            let (lapsed, ended) = (rows::millis(lapsed), rows::millis(ended));
            let values = params![name.workspace.as_str(), name.block.as_str(), lapsed, ended];
            match self.update_hashed(&LOCKS, key, sql, values) {
                // A damaged lock says nothing of itself, and is in nobody's way here.
                Ok(_) | Err(StoreError::BadRow(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Lets a lock be held by the credentials of a caller who has used it, if those that hold it
    /// died or end sooner: it belongs to what can still write.
    pub fn keep_lock_alive(
        &self,
        name: &StateName,
        held: &HeldLock,
        (by, now): (&Caller, Timestamp),
    ) -> Result<(), StoreError> {
        let (Some(was), Some(new)) = (&held.credential, LockCredential::of(by)) else {
            return Ok(());
        };
        if was.with == new.with && new.with != TakenWith::IdToken {
            return Ok(());
        }
        let ends = match was.with {
            TakenWith::Key => None,
            TakenWith::Token(sha256) => match self.token(sha256) {
                // It counts as alive, and says nothing of its end.
                Err(StoreError::BadRow(_)) => return Ok(()),
                token => token?.map(|token| token.expires_at),
            },
            TakenWith::IdToken => was.good_until,
        };
        let lives_longer = match (ends, by.ends) {
            (Some(ends), Some(new)) => ends < new,
            (Some(_), None) => true,
            (None, _) => false,
        };
        if !lives_longer && self.lock_death(held, now)?.is_none() {
            return Ok(());
        }
        self.check_address(name);
        let sql = "UPDATE locks SET taken_with = ?3, token = ?4, good_until = ?5, ended_at = NULL \
            WHERE workspace = ?1 AND building_block = ?2";
        let (with, token, good_until) = columns(Some(&new));
        let key = params![name.workspace.as_str(), name.block.as_str()];
        let (workspace, block) = (name.workspace.as_str(), name.block.as_str());
        let values = params![workspace, block, with, token, good_until];
        self.update_hashed(&LOCKS, key, sql, values).map(drop)
    }
}
