//! What commands share: whom they speak with and as whom, how they ask, and how they say that
//! something is wrong.

pub(super) mod age;
pub(super) mod ask;
pub(super) mod destroying;
pub(super) mod done;
pub(super) mod environment;
pub(super) mod existence;
pub(super) mod flags;
pub(super) mod folders;
pub(super) mod help;
pub(super) mod listing;
pub(super) mod locks;
pub(super) mod nearest;
pub(super) mod not_made;
pub(super) mod reach;
pub(super) mod request_error;
pub(super) mod rights;
pub(super) mod roles;
pub(super) mod rows;
pub(super) mod storage_keys;
pub(super) mod translation;
pub(super) mod wrong;
