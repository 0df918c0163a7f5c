//! Keeping what is kept: verification, pruning and policies.

pub(super) mod backup;
pub(super) mod prune;
pub(super) mod restore;
pub(super) mod retention;
pub(super) mod rules;
pub(super) mod verify;
