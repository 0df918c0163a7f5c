//! Why an act did not happen. Each is answered with a status and a stable code by the HTTP layer.

pub mod refusals;

use std::time::Duration;

use crate::domain::error::refusals::{
    NoRollback, NotBackedUp, NotImported, NotPurged, NotTransferred,
};
use crate::model::actor::Actor;
use crate::model::approval::Approval;
use crate::model::error_code::ErrorCode;
use crate::model::key::KeyId;
use crate::model::lock::Lock;
use crate::model::name::StateName;
use crate::model::permission::Scope;
use crate::model::quota::QuotaKind;
use crate::model::state::Gone;
use crate::store::StoreError;

/// Why an act did not happen; nothing of it did.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// No credentials, or none that are good.
    #[error("{}", .0.told)]
    Unauthorized(Unproven),
    /// Too many bad credentials from this address or for this key.
    #[error(
        "too many failed credentials from this address or for this key; wait {} s",
        whole_seconds(*.0)
    )]
    TooManyFailures(Duration),
    /// More credentials are being checked than there is room for.
    #[error("too many credentials are being checked; try again in a moment")]
    CredentialsBusy,
    /// Good credentials that do not allow this.
    #[error("{0}")]
    Denied(String),
    /// Good credentials that are for something else.
    #[error("{0}")]
    OutOfScope(String),
    /// Nothing was ever written at this address, or it is deleted.
    #[error("{0}")]
    NoState(String),
    /// No such version.
    #[error("the state {0} has no version {1}; see its /versions")]
    NoVersion(StateName, u64),
    /// A version that there was, and is no more; what became of it.
    #[error("the state {0} has no version {1}: {2}; see its /versions")]
    VersionGone(StateName, u64, String),
    /// No instance of that address in a version.
    #[error("version {1} of {0} has no resource instance of this address; see its /resources")]
    NoResource(StateName, u64),
    /// No lock is held.
    #[error("nobody holds a lock on {0}")]
    NoLock(StateName),
    /// The lock that an act names is not held any more.
    #[error(
        "the lock that this names is not held on {0} any more, so nothing was done; see who has \
            written since, then send it without an ID, or lock again"
    )]
    StaleLockId(StateName),
    /// No such event, or none that the caller may see.
    #[error("there is no event {0}; GET /api/events lists them")]
    NoEvent(u64),
    /// No such key.
    #[error("there is no key with this id; GET /api/keys lists them")]
    NoKey,
    /// The state left this address.
    #[error("the state {from} has moved to {to}; use that address")]
    Moved {
        /// Its old address.
        from: StateName,
        /// Its new address.
        to: StateName,
    },
    /// The state has left for a storage elsewhere.
    #[error(
        "the state {from} has left this server for {to}; take the sources that say so. If it is to \
            live here again: `statekeep state restore`, or \
         `rollback` for an earlier version"
    )]
    Transferred {
        /// Its address.
        from: StateName,
        /// Where it is now, in the words of the caller who took it there.
        to: String,
    },
    /// The state is not on its way to a storage elsewhere, and has not left for one.
    #[error("the state {0} is not on its way to a storage elsewhere, and has not left for one")]
    NoTransfer(StateName),
    /// A transfer does not begin, or does not end.
    #[error("{0}")]
    NotTransferred(NotTransferred),
    /// The version's content was removed.
    #[error("the content of version {1} of {0} has been removed; its row stays")]
    Purged(StateName, u64),
    /// The request makes no sense.
    #[error("{detail}")]
    Invalid {
        /// A stable code.
        code: ErrorCode,
        /// What is wrong.
        detail: String,
    },
    /// The request is larger than is taken.
    #[error("{detail}")]
    TooLarge {
        /// A stable code.
        code: ErrorCode,
        /// What is too large, and how large it may be.
        detail: String,
    },
    /// The key has ended.
    #[error("the key has ended and cannot get another secret; make a new one")]
    KeyEnded,
    /// A live key has the name already.
    #[error(
        "there is a live key with the name {name} already, {id}, and a name means one live key; \
            rotate that key, revoke it first, or take another name"
    )]
    NameTaken {
        /// The name.
        name: String,
        /// The key that has it.
        id: KeyId,
    },
    /// The key has as many tokens as it may have.
    #[error("the key or trust has {0} live tokens, which is the most; end some or let them lapse")]
    TooManyTokens(u64),
    /// The key has as many requests under way as it may have.
    #[error("this key has {0} requests under way, which is the most; try again in a moment")]
    TooManyRequests(usize),
    /// The key has as many comparisons, detections and other long work under way as it may have.
    #[error(
        "this key has {0} comparisons, detections, or lists of outputs or resources under way, \
            which is the most; wait for one of them, and try again"
    )]
    TooManyAtOnce(usize),
    /// Too many locks are held on addresses that have no state.
    #[error(
        "{whose} {held} locks on addresses without a state, which is the most; release those that \
            no run needs any more (`statekeep state list --locked`), and try again"
    )]
    TooManyLocks {
        /// Whose.
        whose: &'static str,
        /// How many.
        held: u64,
    },
    /// A version is not imported.
    #[error("nothing was imported to {0}: {1}")]
    NotImported(StateName, NotImported),
    /// A purge is refused, after so many other versions had lost their content.
    #[error("{why}; {}", removed_so_far(*.removed))]
    NotPurged {
        /// Why.
        why: NotPurged,
        /// How many versions had lost their content.
        removed: usize,
    },
    /// A workspace has no policy of its own.
    #[error("the workspace {0} has no policy of its own; GET /api/retention says what holds")]
    NoPolicy(String),
    /// A second person has to approve this.
    #[error(
        "this takes two people: request {id} waits until {ends_at} for another key with \
            {permission}; after `statekeep approval give {id}` send the same again within an hour",
        id = .0.id,
        ends_at = .0.ends_at,
        permission = .0.act.permission().name(&Scope::All)
    )]
    NeedsApproval(Box<Approval>),
    /// No such request for approval.
    #[error("no request {0} waits that this key may approve; GET /api/approvals lists them")]
    NoApproval(u32),
    /// As many requests for approval wait as may.
    #[error("{0} requests wait for a second person, which is the most; approve or refuse some")]
    TooManyApprovals(usize),
    /// History is being pruned already.
    #[error("history is being pruned already; wait until that is done")]
    PruneRunning,
    /// Nothing is removed by age while it is unclear what time it is.
    #[error("{0}")]
    ClockInDoubt(String),
    /// There is a state, or was one, at the address that another wants.
    #[error("there is or was a state at {0}; only an address that was never used can be taken")]
    AddressTaken(StateName),
    /// A rollback is refused.
    #[error("{0}")]
    NoRollback(NoRollback),
    /// Somebody verifies already.
    #[error(
        "a verification is running, and one at a time is enough; GET /api/verify says how far it is"
    )]
    VerifyRuns,
    /// There is no backup.
    #[error("{0}")]
    NotBackedUp(#[from] NotBackedUp),
    /// Another holds the lock.
    #[error("the state is locked")]
    Locked(Box<Lock>),
    /// A state cannot be made for a key that may only read outputs.
    #[error("{0}")]
    OutputsUnavailable(&'static str),
    /// The memory for bodies is used up.
    #[error("the server has as many bytes under way as it takes; try again in a moment")]
    OverBudget,
    /// The key, or its workspace, holds all of the memory that it may hold.
    #[error(
        "this key, or its workspace, has as many bytes under way as it may have while others need \
            memory too; end or finish some of its requests, and try again in a moment"
    )]
    OverShare,
    /// The writer's queue is full.
    #[error("the server has as many writes waiting as it takes; try again in a moment")]
    QueueFull,
    /// The server is leaving.
    #[error("the server is shutting down; try again in a moment")]
    ShuttingDown,
    /// The workspace may not have more.
    #[error(
        "the workspace {workspace} has {used} {what} and may have {bound}, so nothing was stored; \
            {frees}",
        what = .kind.name(),
        frees = .kind.frees()
    )]
    QuotaExceeded {
        /// The workspace.
        workspace: String,
        /// Of what.
        kind: QuotaKind,
        /// How much it may have.
        bound: u64,
        /// How much it has.
        used: u64,
    },
    /// The workspace may get no more versions in this minute.
    #[error(
        "the workspace {workspace} may get {rate} new versions in a minute and has got them, so \
            nothing was stored; wait {wait} s"
    )]
    RateExceeded {
        /// The workspace.
        workspace: String,
        /// How many versions in a minute.
        rate: u64,
        /// How many seconds of the minute are left.
        wait: u64,
    },
    /// No room on the disk.
    #[error(
        "the server's disk is full, so nothing was stored; ask its operator to make room, then \
            write again"
    )]
    DiskFull,
    /// What was written cannot be read back.
    #[error("{0}")]
    Damaged(String),
    /// Something that cannot happen did.
    #[error("the server failed; its log says more under this request's id")]
    Internal(String),
}

/// Why nobody is known to have sent a request. Only what is told reaches the client; the rest is
/// for the log and the events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unproven {
    /// What the client is told.
    pub told: &'static str,
    /// `missing`, `malformed`, `unknown`, `expired`, `revoked` or `rotated`; of an ID token a word
    /// that begins with `id_token_`.
    pub reason: &'static str,
    /// The key or trust that is meant, where one is known.
    pub key: Option<Actor>,
}

/// What a client is told whose credentials are not good, whatever the reason.
const BAD: &str = "these credentials are not good, or not any more: the key or token is unknown, \
    ended, or was given another secret";

impl Unproven {
    /// Credentials that are well-formed and not good.
    pub fn bad(reason: &'static str, key: Option<Actor>) -> Self {
        Self {
            told: BAD,
            reason,
            key,
        }
    }

    /// An ID token that no trust lets in: what its holder is told, the reason, and the trust that
    /// is meant, if one is known.
    pub fn id_token((told, reason): (&'static str, &'static str), trust: Option<Actor>) -> Self {
        Self {
            told,
            reason,
            key: trust,
        }
    }
}

impl Error {
    /// A request that makes no sense.
    pub fn invalid(code: ErrorCode, detail: impl Into<String>) -> Self {
        Self::Invalid {
            code,
            detail: detail.into(),
        }
    }

    /// The state that clients knew at an address has left it.
    pub fn gone(from: &StateName, left: Gone) -> Self {
        match left {
            Gone::Moved(to) => Self::Moved {
                from: from.clone(),
                to,
            },
            Gone::Transferred(to) => Self::Transferred {
                from: from.clone(),
                to,
            },
        }
    }

    /// Another holds the lock.
    pub fn locked(lock: Lock) -> Self {
        Self::Locked(Box::new(lock))
    }

    /// No state at an address.
    pub fn no_state(name: &StateName) -> Self {
        Self::NoState(format!("there is no state at {name}"))
    }
}

fn removed_so_far(removed: usize) -> String {
    match removed {
        0 => "nothing was removed".to_owned(),
        _ => format!("the content of {removed} others had been removed before that, and is gone"),
    }
}

/// A time to wait in whole seconds, never too short.
pub fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Full => Self::DiskFull,
            StoreError::Busy => Self::QueueFull,
            StoreError::Closed => Self::ShuttingDown,
            StoreError::Damaged(_) | StoreError::BadRow(_) => {
                Self::Damaged(format!("what the database holds cannot be read: {error}"))
            }
            StoreError::Disk(_)
            | StoreError::Gone(_)
            | StoreError::Panicked
            | StoreError::Statement(_) => Self::Internal(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_waits_for_as_long_as_they_are_told_is_not_too_early() {
        for (wait, told) in [
            (1, 1),
            (999, 1),
            (1_000, 1),
            (1_001, 2),
            (59_001, 60),
            (60_000, 60),
        ] {
            assert_eq!(
                whole_seconds(Duration::from_millis(wait)),
                told,
                "{wait} ms"
            );
        }
        assert!(
            Error::TooManyFailures(Duration::from_millis(59_001))
                .to_string()
                .ends_with("wait 60 s")
        );
    }
}
