//! Acts that take two people: which there are, and one that waits for the second.

use std::str::FromStr;

use serde::{Serialize, Serializer};
use serde_json::Value;

use super::actor::Actor;
use super::clock::Timestamp;
use super::digest::Digest;
use super::permission::Permission;

/// An act that a server may ask a second person for (`--two-person`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GuardedAct {
    /// The content of versions is removed for good.
    Purge,
    /// History is pruned by hand.
    Prune,
    /// A key for all workspaces is made, or another's gets a secret.
    AdminKey,
    /// A workspace's policy of what is kept is set or taken away.
    Policy,
}

impl GuardedAct {
    /// Each of them.
    pub const ALL: [Self; 4] = [Self::Purge, Self::Prune, Self::AdminKey, Self::Policy];

    /// Its name in flags, answers and the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Purge => "purge",
            Self::Prune => "prune",
            Self::AdminKey => "admin-key",
            Self::Policy => "policy",
        }
    }

    /// What both people need.
    pub const fn permission(self) -> Permission {
        match self {
            Self::Purge => Permission::Purge,
            Self::Prune | Self::Policy => Permission::Operate,
            Self::AdminKey => Permission::KeySave,
        }
    }
}

/// No act has this name.
#[derive(Debug, thiserror::Error)]
#[error("no act that a second person can be asked for has this name")]
pub struct UnknownAct;

impl FromStr for GuardedAct {
    type Err = UnknownAct;

    fn from_str(name: &str) -> Result<Self, UnknownAct> {
        let mut acts = Self::ALL.into_iter();
        acts.find(|act| act.name() == name).ok_or(UnknownAct)
    }
}

impl Serialize for GuardedAct {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// An act that waits for a second person, or that one has approved.
#[derive(Clone, Debug, Serialize)]
pub struct Approval {
    /// Six digits by which people call it.
    pub id: u32,
    /// Which act.
    pub act: GuardedAct,
    /// The act and all that it says: another act is not approved with it.
    #[serde(skip)]
    pub digest: Digest,
    /// The same for people.
    pub what: Value,
    /// Who asked for it.
    pub asked_by: Actor,
    /// When.
    pub asked_at: Timestamp,
    /// From then on it counts no more.
    pub ends_at: Timestamp,
    /// Who approved it; none as long as it waits.
    pub approved_by: Option<Actor>,
    /// When.
    pub approved_at: Option<Timestamp>,
}
