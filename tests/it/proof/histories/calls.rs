//! What is recorded of a call: when it began and ended, what was asked, and what was answered.

use std::time::Duration;

/// The ID of a lock: the caller's number, and how many it had before.
pub(super) type LockId = (usize, u32);

/// What was asked.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum What {
    Read,
    /// Under a lock, or by force where the caller has none: past the guard, and not past a lock.
    Write {
        lock: Option<LockId>,
        note: u64,
        serial: u64,
    },
    Lock(LockId),
    Unlock(LockId),
    Delete,
    Restore,
    RollBack {
        number: u64,
        note: u64,
    },
}

/// What was answered.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Reply {
    Bytes {
        number: u64,
        serial: u64,
        note: u64,
    },
    /// 404.
    Absent,
    Stored {
        number: u64,
        serial: u64,
    },
    /// 423 with the holder's lock.
    HeldBy(LockId),
    /// 423 to a write, which is kept under this number.
    Locked {
        by: LockId,
        kept: u64,
    },
    /// 409 to a write under a lock that is not held, which is kept under this number.
    Stale {
        kept: u64,
    },
    /// 409 to an unlock, with the holder's lock.
    OtherHeld(LockId),
    /// 200 to a lock.
    Held,
    /// 200 to an unlock, which released the lock.
    Released,
    /// 200 to an unlock, though nothing was locked.
    NothingHeld,
    Deleted(u64),
    /// Others wrote each time while it was prepared: nothing was done.
    GaveUp,
}

/// A coarser look at an answer.
pub(super) enum Outcome {
    Stored,
    Other,
}

/// One call. Times are since the run began.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) start: Duration,
    pub(super) end: Duration,
    pub(super) what: What,
    /// None where the connection broke.
    pub(super) reply: Option<Reply>,
}

impl What {
    /// The note in the bytes that it stores, where it says so.
    pub(super) fn note(&self) -> Option<u64> {
        match self {
            Self::Write { note, .. } | Self::RollBack { note, .. } => Some(*note),
            Self::Read | Self::Lock(_) | Self::Unlock(_) | Self::Delete | Self::Restore => None,
        }
    }
}

impl Reply {
    /// The version that it tells of.
    pub(super) fn number(&self) -> Option<u64> {
        if let Self::Bytes { number, .. } | Self::Stored { number, .. } = self {
            Some(*number)
        } else {
            None
        }
    }
}

impl Call {
    pub(super) fn outcome(&self) -> Outcome {
        let is_write = matches!(self.what, What::Write { .. });
        match self.reply {
            Some(Reply::Stored { .. }) if is_write => Outcome::Stored,
            _ => Outcome::Other,
        }
    }
}
