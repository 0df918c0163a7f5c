//! The program that a command wraps: its command line as it reads it itself, what it has recorded,
//! and the few things that it is asked to do for us.

pub(super) mod acts;
pub(super) mod calls;
pub(super) mod credentials;
pub(super) mod invocation;
mod patience;
pub(super) mod reading;
pub(super) mod record;
mod settings;
mod shellwords;
