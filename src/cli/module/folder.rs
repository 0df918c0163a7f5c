//! The folder of a root module in which `run` generates a file: the lock on it, and what a killed
//! command left there.
//!
//! One `run` at a time generates in a folder. It holds a lock on the folder itself, which leaves
//! nothing behind and ends with its holder.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::cli::module::detect;
use crate::cli::output::ShownPath as _;
use crate::cli::output::{self, CliError};
use crate::hcl::{self, BackendFile, FILE, OVERRIDE_FILE, OverrideFile, Present, WrittenBy};

/// The right to generate in a folder, for as long as this lives. Programs that are started
/// meanwhile do not inherit it.
pub(in crate::cli) struct FolderLock {
    _folder: File,
}

impl FolderLock {
    /// Takes the lock at once, or fails if another process has it. If the file system has no such
    /// locks, a message says so, and nothing is locked.
    pub(in crate::cli) fn take(dir: &Path) -> Result<Self, CliError> {
        let named =
            |error: &dyn std::fmt::Display| CliError::Failed(format!("{}: {error}", dir.shown()));
        let folder = File::open(dir).map_err(|error| named(&error))?;
        match flock(&folder, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                return Err(named(
                    &"another `statekeep run` is at work in this folder with a generated file; \
                        wait for its end",
                ));
            }
            Err(error) => output::message(&format!(
                "statekeep: {}: this file system cannot be locked ({error}); do not start a second \
                    `statekeep run` here meanwhile",
                dir.shown()
            )),
        }
        Ok(Self { _folder: folder })
    }
}

/// Whether a `run` that is over, or another that is not, left its file there.
pub(in crate::cli) fn is_left_over(dir: &Path) -> Result<bool, CliError> {
    let present = BackendFile::present(dir).map_err(|error| cannot(dir, &error))?;
    Ok(matches!(
        present,
        Present::Ours(BackendFile {
            writer: WrittenBy::Run,
            ..
        }) | Present::CutOff
    ))
}

/// Removes a file that a `run` left, if the sources configure a backend meanwhile and need none.
pub(in crate::cli) fn clear(dir: &Path) -> Result<(), CliError> {
    let _lock = FolderLock::take(dir)?;
    if is_left_over(dir)? {
        BackendFile::remove(dir).map_err(|error| cannot(dir, &error))
    } else {
        Ok(())
    }
}

/// Removes the block of another backend that a killed command left, and what it had written beside
/// the files that it generates.
pub(in crate::cli) fn sweep(dir: &Path) -> Result<(), CliError> {
    let has_block = dir.join(OVERRIDE_FILE).symlink_metadata().is_ok();
    // If the folder cannot be listed, the look at its sources will say so.
    let left = hcl::left_beside(dir).unwrap_or_default();
    if !has_block && left.is_empty() {
        return Ok(());
    }
    let _lock = match FolderLock::take(dir) {
        // What is beside may be that command's.
        Err(_) if !has_block => return Ok(()),
        lock => lock?,
    };
    for path in left {
        drop(std::fs::remove_file(path));
    }
    OverrideFile::sweep(dir).map(drop).map_err(|error| {
        CliError::Failed(format!("{}: {error}", detect::in_dir(dir, OVERRIDE_FILE)))
    })
}

/// That the generated file cannot be read, written or removed.
pub(in crate::cli) fn cannot(dir: &Path, error: &io::Error) -> CliError {
    let file = detect::in_dir(dir, FILE);
    let is_refused = matches!(
        error.kind(),
        ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied
    );
    let hint = if error.kind() == ErrorKind::AlreadyExists {
        "; it appeared meanwhile, so it is left alone"
    } else if is_refused {
        "; it has to be there while the command runs: make the folder writable, or configure the \
            backend in the sources"
    } else {
        ""
    };
    CliError::Failed(format!("{file}: {error}{hint}"))
}
