//! What is done with a version after its write, when nobody waits for it any more: its resources
//! are counted against the version before, and the version before becomes a delta, so that a long
//! history costs nearly nothing.
//!
//! A write is acknowledged with a full frame. A crash before or during compaction leaves that
//! frame, never a missing one. Frames are replaced only if nothing has changed meanwhile, in
//! transactions of their own that hold many of them. The database has a row for how far each state
//! is compacted, so that a restart goes on from there. The states with new versions are remembered,
//! within a bound, and looked up after a start.

pub mod bases;
pub mod delta_chain;
pub mod deltas;
pub mod queue;
pub mod run;
mod sizes;
