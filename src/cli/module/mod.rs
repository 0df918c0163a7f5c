//! A root module in a directory: whether it configures a backend, and which state that is.

pub(super) mod address;
pub(super) mod detect;
pub(super) mod target;
