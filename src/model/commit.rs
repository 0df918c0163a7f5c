//! The commits of the server as a chain: each has a number and a head, which is made of the head
//! before. So two copies of the data can be compared by their last commits alone.

use uuid::Uuid;

use super::clock::Timestamp;
use super::digest::{Digest, Hasher};
use super::event_head::EventHead;

/// One commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Raised when a person accepts that commits are missing.
    pub generation: u64,
    /// Counts up by one with each commit.
    pub number: u64,
    /// When it was made.
    pub at: Timestamp,
    /// The SHA-256 of the head before, the number and the time.
    pub head: Digest,
    /// The last event that was recorded by then.
    pub events: EventHead,
}

impl Commit {
    /// Where the chain of some data begins.
    pub fn first(instance: Uuid, at: Timestamp) -> Self {
        let head = Digest::of(instance.as_bytes());
        Self {
            generation: 0,
            number: 0,
            at,
            head: link(head, 0, at),
            events: EventHead::NONE,
        }
    }

    /// The commit after this one.
    #[must_use]
    pub fn next(&self, at: Timestamp) -> Self {
        let number = self.number.saturating_add(1);
        Self {
            generation: self.generation,
            number,
            at,
            head: link(self.head, number, at),
            events: self.events,
        }
    }

    /// Whether the other one is the commit after this.
    pub fn is_followed_by(&self, other: &Self) -> bool {
        self.number.checked_add(1) == Some(other.number)
            && self.generation <= other.generation
            && link(self.head, other.number, other.at) == other.head
    }

    /// Whether they are the same commit of the same chain.
    pub fn is(&self, other: &Self) -> bool {
        (self.number, self.head) == (other.number, other.head)
    }
}

fn link(before: Digest, number: u64, at: Timestamp) -> Digest {
    let mut hasher = Hasher::default();
    hasher.update(before.as_bytes());
    hasher.update(&number.to_be_bytes());
    hasher.update(&at.millis().to_be_bytes());
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_next_commit_of_the_same_chain_follows() {
        let at = Timestamp::from_millis;
        let first = Commit::first(Uuid::from_u128(1), at(5));
        let second = first.next(at(7));
        assert!(first.is_followed_by(&second) && second.is(&second));
        assert!(!first.is_followed_by(&second.next(at(8))), "one is missing");
        assert!(!second.is_followed_by(&first));
        let elsewhere = Commit::first(Uuid::from_u128(2), at(5)).next(at(7));
        assert!(!first.is_followed_by(&elsewhere), "of other data");
        assert!(!second.is(&first.next(at(8))), "at another time");
    }
}
