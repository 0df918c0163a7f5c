//! Versions of a state: what each write leaves behind for ever.

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use super::actor::Actor;
use super::clock::Timestamp;
use super::digest::Digest;
use super::error_code::ErrorCode;
use super::terraform::tfstate::StateHead;

/// How a version came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VersionKind {
    /// A client wrote it.
    Write,
    /// A rollback to an earlier version stored it.
    Rollback,
    /// It was imported.
    Import,
    /// A deleted state was brought back.
    Restore,
    /// It was refused, and kept because it may be the only record of what an apply did.
    Rejected(Rejection),
}

/// Why a valid state was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// Another holds the lock.
    Locked,
    /// It names a lock that is not held.
    StaleLockId,
    /// Without a lock, and not newer than the current version, or of another lineage, or by a
    /// writer who was refused before.
    StaleWrite,
    /// The server takes no write without a lock.
    Unlocked,
    /// Its key may plan here, and not write.
    Forbidden,
}

impl Rejection {
    const ALL: [Self; 5] = [
        Self::Locked,
        Self::StaleLockId,
        Self::StaleWrite,
        Self::Unlocked,
        Self::Forbidden,
    ];

    /// Its stable code, as rows and events hold it.
    pub const fn code(self) -> &'static str {
        self.error_code().as_str()
    }

    /// The code of the error that the writer got.
    pub const fn error_code(self) -> ErrorCode {
        match self {
            Self::Locked => ErrorCode::Locked,
            Self::StaleLockId => ErrorCode::StaleLockId,
            Self::StaleWrite => ErrorCode::StaleWrite,
            Self::Unlocked => ErrorCode::UnlockedWritesRefused,
            Self::Forbidden => ErrorCode::Forbidden,
        }
    }
}

impl VersionKind {
    /// Its name on the wire and in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::Rollback => "rollback",
            Self::Import => "import",
            Self::Restore => "restore",
            Self::Rejected(_) => "rejected",
        }
    }

    /// Why it was rejected, as a code; none when it was not.
    pub fn rejection(self) -> Option<&'static str> {
        match self {
            Self::Rejected(rejection) => Some(rejection.code()),
            Self::Write | Self::Rollback | Self::Import | Self::Restore => None,
        }
    }

    /// The kind with this name, and this code where it was rejected.
    pub fn parse(name: &str, rejection: Option<&str>) -> Option<Self> {
        if name == "rejected" {
            return Rejection::ALL
                .into_iter()
                .find(|known| Some(known.code()) == rejection)
                .map(Self::Rejected);
        }
        [Self::Write, Self::Rollback, Self::Import, Self::Restore]
            .into_iter()
            .find(|kind| kind.name() == name)
    }
}

/// How many resource instances a version added, changed and removed against the one before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ChangeCounts {
    /// Instances that the version before did not have.
    pub added: u64,
    /// Instances that are not as they were.
    pub changed: u64,
    /// Instances that it does not have any more.
    pub removed: u64,
}

/// What a version remembers of the lock that it was written under.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LockNote {
    /// The lock's ID.
    pub id: String,
    /// What the holder said to be doing.
    pub operation: String,
    /// Who the holder said to be.
    pub who: String,
}

/// Why a version may not be pruned or purged.
#[derive(Clone, Debug, Serialize)]
pub struct Hold {
    /// The reason that was given.
    pub reason: String,
    /// Since when.
    pub at: Timestamp,
    /// By whom.
    pub by: Actor,
}

/// One version of a state.
#[derive(Clone, Debug)]
pub struct Version {
    /// 1, 2, 3, … per state, never used again.
    pub number: u64,
    /// The SHA-256 of the exact bytes.
    pub sha256: Digest,
    /// How many bytes.
    pub size: u64,
    /// What the bytes say of themselves.
    pub head: StateHead,
    /// What it changed; none until that is counted, soon after the write, and where it cannot be
    /// told.
    pub counts: Option<ChangeCounts>,
    /// How it came about.
    pub kind: VersionKind,
    /// Whether it is a snapshot of an apply that wrote a later one under the same lock.
    pub intermediate: bool,
    /// The version that it brought back.
    pub from_version: Option<u64>,
    /// When it was written.
    pub created_at: Timestamp,
    /// Whose key wrote it.
    pub created_by: Actor,
    /// From which client address.
    pub address: String,
    /// The lock that it was written under; none for a write without a lock.
    pub lock: Option<LockNote>,
    /// Whether it is the state's current version.
    pub current: bool,
    /// Whether its content was removed.
    pub purged: bool,
    /// Why it may not be removed, if it is held.
    pub held: Option<Hold>,
}

/// A version that is to be appended; its number comes with that.
#[derive(Clone, Debug)]
pub struct NewVersion {
    /// The SHA-256 of the exact bytes.
    pub sha256: Digest,
    /// How many bytes.
    pub size: u64,
    /// What the bytes say of themselves.
    pub head: StateHead,
    /// How it came about.
    pub kind: VersionKind,
    /// The version that it brought back.
    pub from_version: Option<u64>,
    /// When.
    pub created_at: Timestamp,
    /// By whom.
    pub created_by: Actor,
    /// From which client address.
    pub address: String,
    /// The lock that it is written under.
    pub lock: Option<LockNote>,
}

impl NewVersion {
    /// The version that it has become.
    pub fn numbered(&self, number: u64, current: bool) -> Version {
        Version {
            number,
            sha256: self.sha256,
            size: self.size,
            head: self.head.clone(),
            counts: None,
            kind: self.kind,
            intermediate: false,
            from_version: self.from_version,
            created_at: self.created_at,
            created_by: self.created_by.clone(),
            address: self.address.clone(),
            lock: self.lock.clone(),
            current,
            purged: false,
            held: None,
        }
    }
}

/// What was current when a version came.
#[derive(Clone, Debug)]
pub enum Replaced {
    /// Nothing: it is the first.
    Nothing,
    /// Nothing: the state had been deleted.
    Deleted,
    /// This one.
    Version(Box<Version>),
    /// One whose row was removed since, or that did not come along when the state was imported.
    Gone,
}

/// Which versions are listed, newest first.
#[derive(Clone, Debug, Default)]
pub struct VersionFilter {
    /// Before this number.
    pub before: Option<u64>,
    /// Of this kind.
    pub kind: Option<String>,
    /// Without the snapshots that a later write of the same apply replaced; the current version is
    /// none yet, however it was marked.
    pub without_intermediate: bool,
    /// At most so many.
    pub limit: u32,
}

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("number", &self.number)?;
        map.serialize_entry("sha256", &self.sha256)?;
        map.serialize_entry("size", &self.size)?;
        map.serialize_entry("serial", &self.head.serial)?;
        map.serialize_entry("lineage", &self.head.lineage)?;
        map.serialize_entry("terraform_version", &self.head.terraform_version)?;
        map.serialize_entry("format", &self.head.format)?;
        map.serialize_entry("resources", &self.head.resources)?;
        map.serialize_entry("added", &self.counts.map(|counts| counts.added))?;
        map.serialize_entry("changed", &self.counts.map(|counts| counts.changed))?;
        map.serialize_entry("removed", &self.counts.map(|counts| counts.removed))?;
        map.serialize_entry("encrypted", &self.head.encrypted)?;
        map.serialize_entry("kind", self.kind.name())?;
        if let Some(code) = self.kind.rejection() {
            map.serialize_entry("rejected", code)?;
        }
        map.serialize_entry("intermediate", &self.intermediate)?;
        map.serialize_entry("from_version", &self.from_version)?;
        map.serialize_entry("created_at", &self.created_at)?;
        map.serialize_entry("created_by", &self.created_by)?;
        map.serialize_entry("address", &self.address)?;
        map.serialize_entry("lock", &self.lock)?;
        map.serialize_entry("current", &self.current)?;
        map.serialize_entry("purged", &self.purged)?;
        map.serialize_entry("held", &self.held)?;
        map.end()
    }
}
