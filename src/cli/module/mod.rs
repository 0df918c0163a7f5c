//! A root module in a directory: whether it configures a backend, which state that is, and what is
//! generated beside its sources.

pub(super) mod address;
pub(super) mod detect;
pub(super) mod folder;
pub(super) mod http_address;
pub(super) mod identity;
pub(super) mod sources;
pub(super) mod target;
