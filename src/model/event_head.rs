//! The head of the chain of events: the number and the hash of the last one.
//!
//! A head that was noted elsewhere proves later that all events up to it are the ones of then.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use super::digest::Digest;

/// The number of an event, and its hash, which is made of all events before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct EventHead {
    /// The place of the event in the log; 0 where there is none yet.
    pub number: u64,
    /// Its hash.
    #[serde(rename = "hash")]
    pub chain: Digest,
}

/// A text is no head.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a head is NUMBER:HASH, the hash in 64 hexadecimal digits")]
pub struct BadEventHead;

impl EventHead {
    /// The head of data whose events are not chained yet.
    pub const NONE: Self = Self {
        number: 0,
        chain: Digest::from_bytes([0; 32]),
    };

    /// Whether there is a chain.
    pub fn is_begun(&self) -> bool {
        *self != Self::NONE
    }
}

impl Default for EventHead {
    fn default() -> Self {
        Self::NONE
    }
}

impl fmt::Display for EventHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.number, self.chain)
    }
}

impl FromStr for EventHead {
    type Err = BadEventHead;

    fn from_str(text: &str) -> Result<Self, BadEventHead> {
        let (number, chain) = text.split_once(':').ok_or(BadEventHead)?;
        Ok(Self {
            number: number.parse().map_err(|_| BadEventHead)?,
            chain: Digest::parse(&chain.to_ascii_lowercase()).ok_or(BadEventHead)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_read_as_it_is_shown_and_nothing_else_is_one() {
        let head = EventHead {
            number: 7,
            chain: Digest::of(b"x"),
        };
        let text = head.to_string();
        assert_eq!(text.parse(), Ok(head));
        assert_eq!(text.to_uppercase().parse(), Ok(head));
        for bad in ["", "7", "7:", "x:00", &text[1..], &text[..text.len() - 1]] {
            assert_eq!(bad.parse::<EventHead>(), Err(BadEventHead), "{bad}");
        }
    }
}
