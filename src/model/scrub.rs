//! The background verification: how far its pass is, and what the last one came to.

use super::clock::Timestamp;
use super::state::StateId;

/// How far the background verification is.
#[derive(Clone, Debug, Default)]
pub struct Scrub {
    /// The pass under way.
    pub under_way: Option<PassUnderWay>,
    /// The last whole pass: when it began, when it finished, and what it came to.
    pub last: Option<(Timestamp, Timestamp, String)>,
}

/// A pass that is not through.
#[derive(Clone, Debug)]
pub struct PassUnderWay {
    /// When it began.
    pub started_at: Timestamp,
    /// The last version that it has looked at, and its state.
    pub at: Option<(StateId, u64)>,
    /// What it has found so far.
    pub so_far: String,
}
