//! Tells whether a root module configures a backend, as Terraform and OpenTofu would load it, and
//! generates the files that configure one.
//!
//! An answer is never a guess: a file that cannot be read as those two programs read it is
//! undecided, with its file, line and reason. An answer holds names and nothing else of the
//! sources, because values may be secret.

mod members;
mod places;
mod syntax;

mod block;
mod detection;
mod program;
mod reading;

mod archive;
mod folder;
mod json;
mod names;
mod native;
mod read;
mod settings;
mod views;

mod backend_file;
mod override_file;
mod placing;
mod writing;

#[cfg(test)]
mod tests;

pub use archive::{BadFiles, of_archive, of_map};
pub use backend_file::{BackendFile, FILE, HIDING_FILE, Present, WrittenBy, left_beside};
pub use block::{BlockKind, FoundBlock};
pub use detection::{Answer, Detection};
pub use folder::{
    MAX_ENTRIES, MAX_FILE, MAX_FILES, MAX_TOTAL, loads_something, scan, scan_without,
};
pub use members::Members;
pub use override_file::{OVERRIDE_FILE, OverrideFile};
pub use program::{Ask, Program};
pub use reading::{MAX_TOLD, Source, UndecidedReason};
pub use settings::settings;
pub use views::{SIZE_PARSED, judge, judge_until};
