//! Who waits for a lock: what an answer tells of a lock ID that was turned away and asked again.

use serde::Serialize;

use super::actor::Actor;
use super::clock::Timestamp;
use super::version::LockNote;

/// A lock that was turned away, and that its program asks for again and again.
#[derive(Clone, Debug, Serialize)]
pub struct Waiter {
    /// Its ID, its operation and who says to want it, cut where they are long.
    #[serde(flatten)]
    pub lock: LockNote,
    /// Whose key asks.
    pub key: Actor,
    /// From which client address it was asked for last.
    pub address: String,
    /// When it was turned away first.
    pub since: Timestamp,
    /// How many times it was turned away.
    pub asked: u64,
    /// When it was turned away last.
    pub last: Timestamp,
}
