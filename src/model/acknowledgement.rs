//! Acknowledgements: that a person has looked at an event which is marked for one.

use serde::Serialize;

use super::actor::Actor;
use super::clock::Timestamp;

/// That a person has looked at an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Acknowledgement {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: Actor,
    /// What they said of it; null for nothing.
    pub word: Option<String>,
}
