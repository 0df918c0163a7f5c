//! `statekeep export`: states with their history as files, which `import` makes the same states of.
//!
//! The manifest comes last: an export that has none was cut off. Each version's bytes are compared
//! with their SHA-256 before they are written; what cannot be read is named, left out, and told in
//! the manifest and by the exit code, and the rest is exported.

mod args;
mod chosen;
mod command;
pub(super) mod manifest;
mod oldest_first;
mod sink;
mod writing;

pub(super) use args::ExportArgs;
pub(super) use command::run;
