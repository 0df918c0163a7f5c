//! The file that is generated for as long as a command runs.
//!
//! It is removed however the command ends, unless a byte of it was changed meanwhile. A file that a
//! killed `run` left is recognised and replaced.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cli::module::detect;
use crate::cli::module::folder::FolderLock;
use crate::cli::module::folder::cannot;
use crate::cli::module::sources::not_ours;
use crate::cli::output::{self, CliError};
use crate::cli::terraform::credentials::HttpCredentials;
use crate::hcl::{BackendFile, FILE, Present, WrittenBy};

/// A generated file, which goes away with this.
pub(in crate::cli) struct Generated {
    dir: PathBuf,
    backend: BackendFile,
    _lock: FolderLock,
}

impl Generated {
    /// Writes the file for an address if there is none, or one that a `run` left.
    pub(in crate::cli) fn write(
        lock: FolderLock,
        dir: &Path,
        address: String,
    ) -> Result<Self, CliError> {
        let backend = BackendFile::new(address, WrittenBy::Run);
        let written = match BackendFile::present(dir).map_err(|error| cannot(dir, &error))? {
            Present::Nothing => backend.create(dir),
            Present::Ours(BackendFile {
                writer: WrittenBy::Run,
                ..
            })
            | Present::CutOff => backend.replace(dir),
            Present::Ours(BackendFile {
                writer: WrittenBy::Configure,
                ..
            }) => Err(ErrorKind::AlreadyExists.into()),
            Present::Theirs => return Err(not_ours(dir)),
        };
        written.map_err(|error| cannot(dir, &error))?;
        Ok(Self {
            dir: dir.to_owned(),
            backend,
            _lock: lock,
        })
    }

    fn remove(&self) -> io::Result<()> {
        match BackendFile::present(&self.dir)? {
            Present::Ours(ours) if ours == self.backend => BackendFile::remove(&self.dir),
            Present::Nothing => Ok(()),
            Present::Ours(_) | Present::CutOff | Present::Theirs => {
                Err(io::Error::other("it was changed, so it is left alone"))
            }
        }
    }
}

impl Drop for Generated {
    fn drop(&mut self) {
        if let Err(error) = self.remove() {
            output::message(&format!(
                "statekeep: {} was not removed: {error}",
                detect::in_dir(&self.dir, FILE)
            ));
        }
    }
}

/// Hands credentials to a command whose sources configure this very state. What `configure` wrote
/// says all that says where and how: an earlier version left the methods out, and variables that
/// are meant for another backend may not come in.
pub(in crate::cli) fn give(credentials: &HttpCredentials, command: &mut Command, dir: &Path) {
    match BackendFile::present(dir) {
        Ok(Present::Ours(_)) => credentials.give_for_our_block(command),
        Ok(Present::Nothing | Present::CutOff | Present::Theirs) | Err(_) => {
            credentials.give(command);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::module::folder::{clear, is_left_over};

    fn write(dir: &Path) -> Result<Generated, CliError> {
        Generated::write(FolderLock::take(dir)?, dir, "http://a/".to_owned())
    }

    #[test]
    fn the_file_goes_away_and_a_changed_one_stays() {
        let dir = tempfile::TempDir::new().expect("a directory");
        let write = || write(dir.path());
        let file = dir.path().join(FILE);
        let generated = write().expect("written");
        assert!(file.exists() && is_left_over(dir.path()).expect("readable"));
        assert!(write().is_err(), "a second one at the same time");
        drop(generated);
        assert!(!file.exists());
        let generated = write().expect("written");
        std::fs::write(&file, "theirs").expect("changed");
        drop(generated);
        assert!(file.exists(), "it is theirs now");
        assert!(write().is_err());
    }

    #[test]
    fn what_was_left_over_is_replaced_or_cleared() {
        let dir = tempfile::TempDir::new().expect("a directory");
        let leave = |writer| {
            BackendFile::new("http://other/".to_owned(), writer)
                .create(dir.path())
                .expect("written");
        };
        leave(WrittenBy::Run);
        drop(write(dir.path()).expect("replaced"));
        assert!(!dir.path().join(FILE).exists());
        leave(WrittenBy::Run);
        clear(dir.path()).expect("cleared");
        std::fs::write(dir.path().join(FILE), "").expect("cut off");
        drop(write(dir.path()).expect("replaced"));
        assert!(!dir.path().join(FILE).exists());
        leave(WrittenBy::Configure);
        clear(dir.path()).expect("nothing to clear");
        assert!(write(dir.path()).is_err() && dir.path().join(FILE).exists());
    }

    #[test]
    fn a_panic_removes_it_as_well() {
        let dir = tempfile::TempDir::new().expect("a directory");
        let path = dir.path().to_owned();
        let panicked = std::panic::catch_unwind(move || {
            let _generated = write(&path).expect("written");
            panic!("on purpose");
        });
        assert!(panicked.is_err() && !dir.path().join(FILE).exists());
    }
}
