//! API keys and the tokens made from them, without their secrets.

use std::fmt;
use std::str::FromStr;

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use uuid::Uuid;

use super::actor::Actor;
use super::clock::Timestamp;
use super::permission::Grant;

/// The id of an API key; what logins call `clientId`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyId(pub Uuid);

impl FromStr for KeyId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        Uuid::try_parse(text).map(Self)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// Whether a key can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyStatus {
    /// It can.
    Active,
    /// Its end has passed.
    Expired,
    /// It was revoked.
    Revoked,
}

/// An API key.
#[derive(Clone, Debug)]
pub struct ApiKey {
    /// Its id.
    pub id: KeyId,
    /// What people call it.
    pub name: String,
    /// What it may do.
    pub grant: Grant,
    /// When it was made.
    pub created_at: Timestamp,
    /// By whom.
    pub created_by: Actor,
    /// When it ends, if it does.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked, if it was.
    pub revoked_at: Option<Timestamp>,
    /// When its secret was last replaced.
    pub rotated_at: Option<Timestamp>,
    /// Until when the secret before the present one lives on.
    pub old_secret_until: Option<Timestamp>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
}

impl ApiKey {
    /// Whether it can be used at this moment.
    pub fn standing(&self, now: Timestamp) -> KeyStatus {
        if self.revoked_at.is_some() {
            KeyStatus::Revoked
        } else if self.expires_at.is_some_and(|end| end <= now) {
            KeyStatus::Expired
        } else {
            KeyStatus::Active
        }
    }

    /// The key as an actor.
    pub fn actor(&self) -> Actor {
        Actor {
            id: self.id.to_string(),
            name: self.name.clone(),
        }
    }

    /// The key with its standing at this moment, for showing.
    pub fn shown(&self, now: Timestamp) -> ShownKey<'_> {
        ShownKey { key: self, now }
    }
}

/// A key that is to be made.
#[derive(Clone)]
pub struct NewKey {
    /// Its id.
    pub id: KeyId,
    /// What people call it.
    pub name: String,
    /// What it may do.
    pub grant: Grant,
    /// The argon2id hash of its secret.
    pub hash: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// By whom.
    pub created_by: Actor,
    /// When it ends, if it does.
    pub expires_at: Option<Timestamp>,
}

/// A key with what its secrets are checked against.
#[derive(Clone)]
pub struct KeyWithHashes {
    /// The key.
    pub key: ApiKey,
    /// The argon2id hash of its secret.
    pub hash: String,
    /// That of the secret before, which lives until [`ApiKey::old_secret_until`].
    pub old_hash: Option<String>,
}

/// A key as the API shows it.
pub struct ShownKey<'a> {
    key: &'a ApiKey,
    now: Timestamp,
}

impl Serialize for ShownKey<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let key = self.key;
        let status = match key.standing(self.now) {
            KeyStatus::Active => "active",
            KeyStatus::Expired => "expired",
            KeyStatus::Revoked => "revoked",
        };
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &key.id.to_string())?;
        map.serialize_entry("name", &key.name)?;
        map.serialize_entry("workspace", &key.grant.scope.workspace())?;
        map.serialize_entry("buildingBlock", &key.grant.scope.block())?;
        map.serialize_entry(
            "permissions",
            &key.grant.permissions.names(&key.grant.scope),
        )?;
        map.serialize_entry("status", status)?;
        map.serialize_entry("created_at", &key.created_at)?;
        map.serialize_entry("created_by", &key.created_by)?;
        map.serialize_entry("expires_at", &key.expires_at)?;
        map.serialize_entry("revoked_at", &key.revoked_at)?;
        map.serialize_entry("rotated_at", &key.rotated_at)?;
        map.serialize_entry(
            "old_secret_until",
            &key.old_secret_until.filter(|until| *until > self.now),
        )?;
        map.serialize_entry("last_used_at", &key.last_used_at)?;
        map.end()
    }
}

/// A token that was made from a key.
#[derive(Clone, Debug)]
pub struct Token {
    /// The key that it counts as.
    pub key: KeyId,
    /// What it may do; never more than the key.
    pub grant: Grant,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// Whether it may extend itself.
    pub renewable: bool,
}
