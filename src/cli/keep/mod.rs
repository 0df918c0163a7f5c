//! Keeping what is kept: verification, pruning and policies.

pub(super) mod retention;
pub(super) mod verify;
