//! Keeping what is kept: verification, pruning and policies.

pub(super) mod prune;
pub(super) mod retention;
pub(super) mod rules;
pub(super) mod verify;
