//! The commands of every day, that look and change nothing: how the server is, what happened, as
//! whom a command acts, and the manual.

pub(super) mod events;
pub(super) mod find;
mod heads;
pub(super) mod inventory;
pub(super) mod manual;
pub(super) mod status;
pub(super) mod version;
pub(super) mod whoami;
