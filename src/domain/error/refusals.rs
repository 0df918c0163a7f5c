//! The refusals that have codes of their own: of a rollback, a transfer, an import, a purge, a
//! backup, and of comparing two versions.

use serde::Serialize;

use crate::diff::NotComparable;
use crate::model::error_code::ErrorCode;
use crate::model::name::StateName;
use crate::model::version::{ChangeCounts, Version};

/// Why a rollback is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoRollback {
    /// Another client wrote, deleted or brought back the state in between.
    #[error("the current version is not {expected} any more but {}; look at what has changed, then \
        roll back again", number_or_none(*.current))]
    NotCurrent {
        /// The version that was to be current; 0 for none.
        expected: u64,
        /// The version that is; none while the state is hidden.
        current: Option<u64>,
    },
    /// OpenTofu encrypted the version.
    #[error(
        "version {0} was encrypted by OpenTofu and has its serial inside the seal as well, so it \
            can only come back as it was: with a serial that may have been used for other \
            content, and plans saved then are applied without a word. Send \
            allow_serial_regression to do it all the same"
    )]
    Encrypted(u64),
    /// There is no serial above the highest one.
    #[error(
        "this lineage has reached the highest serial that there is, so no version can come after \
            it; import the state under another lineage"
    )]
    NoSerialLeft,
    /// It names a lock that is not held.
    #[error(
        "the lock that this rollback names is not held any more; see who has written since, then \
            roll back without it or lock again"
    )]
    StaleLockId,
    /// Others write too often.
    #[error(
        "others wrote to this state each time while the rollback was made ready; lock the state, \
            then roll back with the lock's ID"
    )]
    TooManyConflicts,
}

fn number_or_none(current: Option<u64>) -> String {
    current.map_or_else(
        || "none, since the state is deleted, has left or was never accepted".to_owned(),
        |number| number.to_string(),
    )
}

impl NoRollback {
    /// Its stable code.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::NotCurrent { .. } => ErrorCode::NotCurrent,
            Self::Encrypted(_) => ErrorCode::Encrypted,
            Self::NoSerialLeft => ErrorCode::NoSerialLeft,
            Self::StaleLockId => ErrorCode::StaleLockId,
            Self::TooManyConflicts => ErrorCode::TooManyConflicts,
        }
    }
}

/// Why a transfer does not begin, or does not end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotTransferred {
    /// The state is on its way to somewhere else.
    #[error(
        "the state is on its way to {0} already, which may hold it by now; finish that with the \
            sources that say so, or, when that place is known to hold nothing, abandon it \
            (`statekeep transfer --abandon`)"
    )]
    Begun(String),
    /// No transfer was begun, or it was abandoned.
    #[error("the state is not on its way to anywhere, so it stays here; begin a transfer first")]
    NotBegun,
    /// A version was written since the one was read that has arrived elsewhere.
    #[error(
        "version {arrived} has arrived there, but version {current} is the current one here, so \
            the state stays; carry that one there as well"
    )]
    NotCurrent {
        /// The version that has arrived elsewhere.
        arrived: u64,
        /// The current version.
        current: u64,
    },
}

impl NotTransferred {
    /// Its stable code.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Begun(_) => ErrorCode::TransferBegun,
            Self::NotBegun => ErrorCode::TransferNotBegun,
            Self::NotCurrent { .. } => ErrorCode::NotCurrent,
        }
    }
}

/// Why a version is not imported; nothing is changed then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotImported {
    /// It was to follow nothing.
    #[error(
        "there is or was a state already; import to another address, or add to it with append=true"
    )]
    StateExists,
    /// It was to follow an import by the same key.
    #[error(
        "its newest version is not the one that `after` names, or that one or the current one was \
            not imported by this key; look at its /versions"
    )]
    NotImportedSoFar,
    /// The state is deleted.
    #[error("it is deleted; restore it first, or import to another address")]
    Deleted,
    /// The current version is of another state.
    #[error(
        "its current version has another lineage, so this is another state; import to another \
            address"
    )]
    OtherLineage,
    /// The current version is newer.
    #[error(
        "the serial is not above that of its current version, so this is older or from another run"
    )]
    SerialNotAbove,
    /// The number was given before.
    #[error("the number is not above all that its versions ever had; import without a number")]
    NumberTaken,
}

impl NotImported {
    /// Its stable code.
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::StateExists => ErrorCode::StateExists,
            Self::NotImportedSoFar => ErrorCode::NotImportedSoFar,
            Self::Deleted => ErrorCode::StateDeleted,
            Self::OtherLineage => ErrorCode::OtherLineage,
            Self::SerialNotAbove => ErrorCode::SerialNotAbove,
            Self::NumberTaken => ErrorCode::NumberTaken,
        }
    }
}

/// Why the content of a version is not purged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotPurged {
    /// It is the current version.
    #[error(
        "version {0} is the current one; write a state without the secret first, or roll back, \
            then purge it"
    )]
    Current(u64),
    /// It is held.
    #[error("version {0} is held; release it first")]
    Held(u64),
    /// All versions were to go, of a state that lives.
    #[error("{0} is not deleted; delete it first, or name the versions that are to go")]
    Live(StateName),
    /// A version that stays has the same bytes.
    #[error(
        "version {number} has the same bytes as version {its} of {other}; purge that one too, or \
            before"
    )]
    Shared {
        /// The version that was to go.
        number: u64,
        /// The state of the one that stays.
        other: StateName,
        /// The version that stays.
        its: u64,
    },
}

impl NotPurged {
    /// Its stable code.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Current(_) => ErrorCode::CurrentVersion,
            Self::Held(_) => ErrorCode::VersionHeld,
            Self::Live(_) => ErrorCode::NotDeleted,
            Self::Shared { .. } => ErrorCode::ContentShared,
        }
    }
}

/// Why two versions, or one, cannot be looked into. It is part of an answer, and no error.
#[derive(Clone, Debug, Serialize)]
pub struct NotCompared {
    code: &'static str,
    detail: String,
}

impl NotCompared {
    pub(in crate::domain) fn new(code: &'static str, detail: String) -> Self {
        Self { code, detail }
    }

    /// The version before one is gone. Its changes were counted while it was there, if ever.
    pub(in crate::domain) fn pruned(to: &Version) -> Self {
        let counted = |counts: ChangeCounts| {
            let ChangeCounts {
                added,
                changed,
                removed,
            } = counts;
            format!("it recorded +{added} ~{changed} -{removed}")
        };
        let recorded = to
            .counts
            .map_or_else(|| "what changed was never counted".to_owned(), counted);
        let detail = format!("the version before it was pruned; {recorded}");
        Self::new("pruned", detail)
    }

    /// One version is larger than is taken apart.
    pub(in crate::domain) fn one_too_large() -> Self {
        let detail = "the version is larger than this server takes apart (--max-in-flight)";
        Self::new("too_large", detail.to_owned())
    }

    /// Both together are larger than so many bytes.
    pub(in crate::domain) fn too_large(limit: u64) -> Self {
        let detail = format!(
            "the two versions are larger than {limit} bytes together, more than this server \
                compares (--max-in-flight)"
        );
        Self::new("too_large", detail)
    }

    /// What of both would have to be taken apart takes more than so many bytes with them.
    pub(in crate::domain) fn too_different(limit: u64) -> Self {
        let detail = format!(
            "to compare the two versions, with all that is not written alike in both, takes more \
                than the {limit} bytes of memory that this server reserves (--max-in-flight)"
        );
        Self::new("too_large", detail)
    }
}

impl From<NotComparable> for NotCompared {
    fn from(why: NotComparable) -> Self {
        Self::new(why.code(), why.to_string())
    }
}

/// Why there is no backup. Nothing is left of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotBackedUp {
    /// Another one is being made, or sent.
    #[error("a backup is being made or sent, and one at a time is enough; try again later")]
    Runs,
    /// There is no room for it.
    #[error(
        "there is no room for a backup in {0}: while it is made it needs the size of the database \
            twice, and --min-free-space stays free; nothing is left of it. Make room, or back up \
            to another disk by --backup-dir"
    )]
    NoRoom(String),
    /// It could not be made.
    #[error("the backup failed, and nothing is left of it: {0}")]
    Failed(String),
    /// Nobody wants it any more.
    #[error("the backup was stopped, and nothing is left of it")]
    Stopped,
}

impl NotBackedUp {
    /// Its stable code.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Runs => ErrorCode::BackupRuns,
            Self::NoRoom(_) => ErrorCode::NoRoomForBackup,
            Self::Failed(_) => ErrorCode::BackupFailed,
            Self::Stopped => ErrorCode::ShuttingDown,
        }
    }
}
