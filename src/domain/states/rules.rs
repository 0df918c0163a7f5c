//! The rules by which a write is judged, in their order; pure, so that each row of the table is a
//! test.
//!
//! The order is the contract's: equal to the live current version, moved, lock, freeze, stale ID,
//! stale-write guard. A write under one's own lock is trusted, unless a freeze came before it.

use crate::config::UnlockedWrites;
use crate::model::actor::Actor;
use crate::model::digest::Digest;
use crate::model::lock::{BrokenLock, HeldLock};
use crate::model::state::{Gone, Lookup};
use crate::model::version::{Rejection, Version};

/// What a write says of itself.
#[derive(Clone, Copy, Debug)]
pub struct Incoming<'a> {
    /// The SHA-256 of its bytes.
    pub sha256: Digest,
    /// Its serial.
    pub serial: u64,
    /// Its lineage.
    pub lineage: &'a str,
    /// The lock that it names.
    pub lock_id: Option<&'a str>,
    /// Whether it wants to be stored over the stale-write guard.
    pub force: bool,
    /// Whose it is.
    pub actor: &'a Actor,
}

/// What the state is like at the moment of the write.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    /// What is at the address.
    pub lookup: &'a Lookup,
    /// The lock that is held.
    pub lock: Option<&'a HeldLock>,
    /// Whether a freeze keeps this writer out, with the lock that is held.
    pub is_frozen: bool,
    /// The lock that was broken by force, while nobody has locked or written since.
    pub broken: Option<&'a BrokenLock>,
    /// Whether this writer was refused without a lock and has not read the state since.
    pub is_stale_writer: bool,
    /// What the server does with writes without a lock.
    pub unlocked_writes: UnlockedWrites,
}

/// What becomes of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is the current version already.
    Unchanged,
    /// The state has left this address, for another one or for a storage elsewhere.
    Gone(Gone),
    /// It is refused, and kept.
    Reject(WriteRefusal),
    /// It becomes the current version.
    Store,
}

/// Why a write is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteRefusal {
    /// As a code.
    pub rejection: Rejection,
    /// In words.
    pub why: &'static str,
}

/// What a frozen state refuses with. It is shown as a lock.
pub const FROZEN: WriteRefusal = WriteRefusal {
    rejection: Rejection::Locked,
    why: "the state is frozen",
};

fn reject(rejection: Rejection, why: &'static str) -> Verdict {
    Verdict::Reject(WriteRefusal { rejection, why })
}

/// Judges a write.
pub fn judge(situation: &Situation<'_>, incoming: &Incoming<'_>) -> Verdict {
    let live = situation.lookup.live();
    if live.is_some_and(|current| current.sha256 == incoming.sha256) {
        return Verdict::Unchanged;
    }
    if let Some(left) = situation.lookup.gone() {
        return Verdict::Gone(left);
    }
    if let Some(held) = situation.lock {
        let is_holders = incoming
            .lock_id
            .is_some_and(|id| held.is_held_by(incoming.actor, id));
        return if is_holders && situation.is_frozen {
            Verdict::Reject(FROZEN)
        } else if is_holders {
            Verdict::Store
        } else {
            reject(Rejection::Locked, "another holds the lock")
        };
    }
    if situation.is_frozen {
        return Verdict::Reject(FROZEN);
    }
    if let Some(id) = incoming.lock_id {
        let was_broken = situation
            .broken
            .is_some_and(|broken| broken.lock_id == id && broken.holder == incoming.actor.id);
        if !was_broken {
            return reject(
                Rejection::StaleLockId,
                "the lock that this write names is not held any more",
            );
        }
        if situation.unlocked_writes == UnlockedWrites::Accept {
            return Verdict::Store;
        }
        return guard(live, incoming)
            .map_or(Verdict::Store, |why| reject(Rejection::StaleWrite, why));
    }
    match situation.unlocked_writes {
        UnlockedWrites::Accept => Verdict::Store,
        UnlockedWrites::Refuse => reject(
            Rejection::Unlocked,
            "this server takes no write without a lock; set lock_address and unlock_address",
        ),
        UnlockedWrites::Guard if incoming.force => Verdict::Store,
        UnlockedWrites::Guard if situation.is_stale_writer => reject(
            Rejection::StaleWrite,
            "an earlier write by this key from this address was refused, and the state has not \
                been read since",
        ),
        UnlockedWrites::Guard => {
            guard(live, incoming).map_or(Verdict::Store, |why| reject(Rejection::StaleWrite, why))
        }
    }
}

/// Why a write that no lock protects would overwrite something that its writer has not seen, if it
/// would.
fn guard(live: Option<&Version>, incoming: &Incoming<'_>) -> Option<&'static str> {
    let current = live?;
    if current.head.lineage != incoming.lineage {
        return Some("the state at this address has another lineage");
    }
    (incoming.serial <= current.head.serial).then_some(
        "its serial is not above that of the current version, so another writer came in between",
    )
}

#[cfg(test)]
mod tests;
