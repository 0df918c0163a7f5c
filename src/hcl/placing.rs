//! A file of ours comes into a module whole or not at all: it is written beside, synced, and only
//! then gets its name.
//!
//! Neither program loads the file beside, since its name begins with a dot. One that a killed
//! command left is recognised by its name and removed.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use uuid::Uuid;

/// Only we read what we write.
const MODE: u32 = 0o600;
/// The most tries, if another process removes the file that was written beside.
const MAX_TRIES: u32 = 3;

/// Puts a file where none is: never over one, never through a link.
pub(super) fn create(dir: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let path = dir.join(name);
    let mut tries = 0;
    loop {
        tries += 1;
        let beside = Beside::write(dir, name, bytes)?;
        match named(&beside.0, &path) {
            Err(error) if error.kind() == ErrorKind::NotFound && tries < MAX_TRIES => {}
            result => return result,
        }
    }
}

/// Puts a file in the place of one that was ours a moment ago, in one step.
pub(super) fn replace(dir: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let beside = Beside::write(dir, name, bytes)?;
    std::fs::rename(&beside.0, dir.join(name))
}

/// What kills have left beside files of these names.
pub(super) fn left_beside(dir: &Path, names: &[&str]) -> io::Result<Vec<PathBuf>> {
    let mut left = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let found = entry.file_name();
        let is_ours = |name: &&str| found.to_str().is_some_and(|found| is_beside(found, name));
        if names.iter().any(is_ours) && entry.file_type()?.is_file() {
            left.push(entry.path());
        }
    }
    Ok(left)
}

/// A file under a name of its own; gone with this, unless it got its place.
struct Beside(PathBuf);

impl Beside {
    fn write(dir: &Path, name: &str, bytes: &[u8]) -> io::Result<Self> {
        // Not by the process's number: in a container that is the same each time.
        let path = dir.join(format!(".{name}.{}", Uuid::new_v4().simple()));
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(MODE)
            .open(&path)?;
        let beside = Self(path);
        fill(&mut file, bytes)?;
        Ok(beside)
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn fill(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    file.write_all(bytes)?;
    file.sync_all()
}

/// Gives a file its name, where that is free. Not every file system can do it in one step by either
/// of the two ways.
fn named(beside: &Path, path: &Path) -> io::Result<()> {
    match renameat_with(CWD, beside, CWD, path, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {}
        result => return Ok(result?),
    }
    match std::fs::hard_link(beside, path) {
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::Unsupported | ErrorKind::PermissionDenied
            ) =>
        {
            let bytes = std::fs::read(beside)?;
            let mut file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(MODE)
                .open(path)?;
            fill(&mut file, &bytes).inspect_err(|_| drop(std::fs::remove_file(path)))
        }
        result => result,
    }
}

/// As [`Beside::write`] names them.
fn is_beside(found: &str, name: &str) -> bool {
    let end = found
        .strip_prefix('.')
        .and_then(|rest| rest.strip_prefix(name))
        .and_then(|rest| rest.strip_prefix('.'));
    // The number of a process is what earlier versions had there.
    end.is_some_and(|end| {
        !end.is_empty() && end.len() <= 32 && end.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_whole_and_goes_over_nothing() {
        let dir = tempfile::TempDir::new().expect("a directory");
        let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).expect("there");
        create(dir.path(), "x", b"one").expect("created");
        let refused = create(dir.path(), "x", b"two");
        assert_eq!(
            (refused.map_err(|error| error.kind()), read("x")),
            (Err(ErrorKind::AlreadyExists), "one".to_owned())
        );
        replace(dir.path(), "x", b"three").expect("replaced");
        assert_eq!(read("x"), "three");
        std::os::unix::fs::symlink("target", dir.path().join("y")).expect("a link");
        assert_eq!(
            create(dir.path(), "y", b"one").map_err(|error| error.kind()),
            Err(ErrorKind::AlreadyExists)
        );
        assert_eq!(
            std::fs::read_dir(dir.path()).expect("a directory").count(),
            2,
            "nothing is left beside"
        );
    }

    #[test]
    fn what_a_kill_left_beside_is_known_by_its_name() {
        let dir = tempfile::TempDir::new().expect("a directory");
        let ours = [".x.1234", ".x.0123456789abcdef0123456789abcdef"];
        for name in [&ours[..], &["x", ".x", ".x.", ".x.swp", ".xy.12", ".y.12"]].concat() {
            std::fs::write(dir.path().join(name), "").expect("a file");
        }
        let mut left = left_beside(dir.path(), &["x"]).expect("listed");
        left.sort();
        assert_eq!(left, [ours[1], ours[0]].map(|name| dir.path().join(name)));
    }
}
