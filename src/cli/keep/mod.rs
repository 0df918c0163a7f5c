//! Keeping what is kept: verification, pruning, policies, and what is left after damage.

pub(super) mod approval;
pub(super) mod backup;
pub(super) mod encrypt_storage;
pub(super) mod prune;
pub(super) mod quota;
pub(super) mod restore;
pub(super) mod retention;
pub(super) mod rules;
pub(super) mod salvage;
pub(super) mod verify;
