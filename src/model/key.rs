//! API keys, without their secrets.

use std::fmt;
use std::str::FromStr;

use std::time::Duration;

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use uuid::Uuid;

use super::actor::Actor;
use super::client_certificate::{CertificateBinding, ClientCertificate};
use super::clock::Timestamp;
use super::fingerprint::Fingerprint;
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

/// Why credentials are not good, or not any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lapse {
    /// No key or token is known by them: a token may have been ended.
    Unknown,
    /// The key or the token has reached its end.
    Expired,
    /// The key was revoked.
    Revoked,
    /// The key was given another secret.
    Rotated,
    /// The connection showed no client certificate that the key is bound to.
    Certificate,
}

impl Lapse {
    /// The reason, as the log and the events give it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Rotated => "rotated",
            Self::Certificate => "certificate",
        }
    }
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
    /// Which secret is the present one: 1, 2, 3, … with each rotation.
    pub generation: u64,
    /// The client certificates without which it is not taken.
    pub client_sans: CertificateBinding,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
}

/// How long before its end a key is said to end soon.
pub const SOON: Duration = Duration::from_hours(14 * 24);

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

    /// When it ends, if that is soon: those who use it need another one by then. A key that was
    /// made for a shorter time than that is no surprise.
    pub fn ends_soon(&self, now: Timestamp) -> Option<Timestamp> {
        let end = self.expires_at.filter(|end| *end > now)?;
        let is_soon = end.since(now) <= SOON && end.since(self.created_at) > SOON;
        (is_soon && self.revoked_at.is_none()).then_some(end)
    }

    /// Whether the secret of a generation is good at this moment.
    pub fn check_secret(&self, generation: u64, now: Timestamp) -> Result<(), Lapse> {
        match self.standing(now) {
            KeyStatus::Revoked => return Err(Lapse::Revoked),
            KeyStatus::Expired => return Err(Lapse::Expired),
            KeyStatus::Active => {}
        }
        let is_present = generation == self.generation;
        let is_old = generation.checked_add(1) == Some(self.generation);
        let lives_on = self.old_secret_until.is_some_and(|until| until > now);
        if is_present || (is_old && lives_on) {
            Ok(())
        } else {
            Err(Lapse::Rotated)
        }
    }

    /// Whether the secret of a generation is good at this moment on a connection with this client
    /// certificate, or without one.
    pub fn check(
        &self,
        generation: u64,
        shown: Option<&ClientCertificate>,
        now: Timestamp,
    ) -> Result<(), Lapse> {
        self.check_secret(generation, now)?;
        if self.client_sans.admits(shown, now) {
            Ok(())
        } else {
            Err(Lapse::Certificate)
        }
    }

    /// When the secret of a generation ends because of a rotation, if it does.
    pub fn secret_ends(&self, generation: u64) -> Option<Timestamp> {
        self.old_secret_until
            .filter(|_| generation < self.generation)
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
    /// What its secret is checked against.
    pub check: SecretCheck,
    /// When it was made.
    pub created_at: Timestamp,
    /// By whom.
    pub created_by: Actor,
    /// When it ends, if it does.
    pub expires_at: Option<Timestamp>,
    /// The client certificates without which it is not taken.
    pub client_sans: CertificateBinding,
}

/// A key with what its secrets are checked against.
#[derive(Clone)]
pub struct KeyWithHashes {
    /// The key.
    pub key: ApiKey,
    /// What its secret is checked against.
    pub check: SecretCheck,
    /// The same of the secret before, which lives until [`ApiKey::old_secret_until`].
    pub old_check: Option<SecretCheck>,
}

/// What a secret is checked against.
#[derive(Clone)]
pub struct SecretCheck {
    /// Its argon2id hash.
    pub hash: String,
    /// By what a wrong secret is known without argon2; none for a key of an earlier schema that was
    /// not used since.
    pub fingerprint: Option<Fingerprint>,
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
        map.serialize_entry("client_sans", &key.client_sans)?;
        map.serialize_entry("last_used_at", &key.last_used_at)?;
        map.end()
    }
}
