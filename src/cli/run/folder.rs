//! The folder of a root module in which a file is generated for as long as a command runs.
//!
//! One `run` at a time generates in a folder: it holds a lock on the folder itself, which leaves
//! nothing behind and ends with its holder. The file goes away whatever becomes of the command, and
//! only while it is, byte for byte, what was generated. One that a killed `run` left is recognised.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::cli::configure::sources::not_ours;
use crate::cli::module::detect;
use crate::cli::output::{self, Failure};
use crate::cli::terraform::Credentials;
use crate::hcl::{self, BORROWED_FILE, Backend, Borrowed, FILE, Present, Writer};

/// The right to generate in a folder, for as long as this lives. Programs that are started
/// meanwhile do not inherit it.
pub(in crate::cli) struct Lock {
    _folder: File,
}

impl Lock {
    /// Takes it at once, or says that somebody else has it. Where the file system knows no such
    /// locks, that is said, and nothing is locked.
    pub(in crate::cli) fn take(dir: &Path) -> Result<Self, Failure> {
        let named =
            |error: &dyn std::fmt::Display| Failure::Failed(format!("{}: {error}", dir.display()));
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
                dir.display()
            )),
        }
        Ok(Self { _folder: folder })
    }
}

/// Whether a `run` that is over, or another that is not, left its file there.
pub(in crate::cli) fn is_left_over(dir: &Path) -> Result<bool, Failure> {
    let present = Backend::present(dir).map_err(|error| cannot(dir, &error))?;
    Ok(matches!(
        present,
        Present::Ours(Backend {
            writer: Writer::Run,
            ..
        }) | Present::CutOff
    ))
}

/// Hands credentials to a command whose sources configure this very state. What `configure` wrote
/// says all that says where and how: an earlier version left the methods out, and variables that
/// are meant for another backend may not come in.
pub(super) fn give(credentials: &Credentials, command: &mut Command, dir: &Path) {
    match Backend::present(dir) {
        Ok(Present::Ours(_)) => credentials.give_for_our_block(command),
        Ok(Present::Nothing | Present::CutOff | Present::Theirs) | Err(_) => {
            credentials.give(command)
        }
    }
}

/// Removes a file that a `run` left, where the sources configure a backend meanwhile and need none.
pub(in crate::cli) fn clear(dir: &Path) -> Result<(), Failure> {
    let _lock = Lock::take(dir)?;
    if is_left_over(dir)? {
        Backend::remove(dir).map_err(|error| cannot(dir, &error))
    } else {
        Ok(())
    }
}

/// Removes the block of another backend that a killed command left, and what it had written beside
/// the files that it generates.
pub(in crate::cli) fn sweep(dir: &Path) -> Result<(), Failure> {
    let has_block = dir.join(BORROWED_FILE).symlink_metadata().is_ok();
    // A folder that cannot be listed is told by whoever looks at its sources.
    let left = hcl::left_beside(dir).unwrap_or_default();
    if !has_block && left.is_empty() {
        return Ok(());
    }
    let _lock = match Lock::take(dir) {
        // What is beside may be that command's.
        Err(_) if !has_block => return Ok(()),
        lock => lock?,
    };
    for path in left {
        drop(std::fs::remove_file(path));
    }
    Borrowed::sweep(dir).map(drop).map_err(|error| {
        Failure::Failed(format!("{}: {error}", detect::in_dir(dir, BORROWED_FILE)))
    })
}

/// A generated file, which goes away with this.
pub(super) struct Generated {
    dir: PathBuf,
    backend: Backend,
    _lock: Lock,
}

impl Generated {
    /// Writes the file for an address where there is none, or one that a `run` left.
    pub(super) fn write(lock: Lock, dir: &Path, address: String) -> Result<Self, Failure> {
        let backend = Backend::new(address, Writer::Run);
        let written = match Backend::present(dir).map_err(|error| cannot(dir, &error))? {
            Present::Nothing => backend.create(dir),
            Present::Ours(Backend {
                writer: Writer::Run,
                ..
            })
            | Present::CutOff => backend.replace(dir),
            Present::Ours(Backend {
                writer: Writer::Configure,
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
        match Backend::present(&self.dir)? {
            Present::Ours(ours) if ours == self.backend => Backend::remove(&self.dir),
            Present::Nothing => Ok(()),
            Present::Ours(_) | Present::CutOff | Present::Theirs => Err(io::Error::other(
                "somebody has changed it, so it is left alone",
            )),
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

fn cannot(dir: &Path, error: &io::Error) -> Failure {
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
    Failure::Failed(format!("{file}: {error}{hint}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(dir: &Path) -> Result<Generated, Failure> {
        Generated::write(Lock::take(dir)?, dir, "http://a/".to_owned())
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
            Backend::new("http://other/".to_owned(), writer)
                .create(dir.path())
                .expect("written")
        };
        leave(Writer::Run);
        drop(write(dir.path()).expect("replaced"));
        assert!(!dir.path().join(FILE).exists());
        leave(Writer::Run);
        clear(dir.path()).expect("cleared");
        std::fs::write(dir.path().join(FILE), "").expect("cut off");
        drop(write(dir.path()).expect("replaced"));
        assert!(!dir.path().join(FILE).exists());
        leave(Writer::Configure);
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
