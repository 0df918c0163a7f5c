//! Who may read what the data directory holds: its owner, and nobody else. States are in it in
//! plain text.
//!
//! A file that others may read or write (one that was copied, or restored by a tool of its own) is
//! put right before it is used; SQLite gives its log and index the modes of the database. One that
//! belongs to another user is refused: its owner can read it and change it at any time.

use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// What others than the owner may do, in a file's mode.
const OTHERS: u32 = 0o077;
/// What of that changes something.
const OTHERS_WRITE: u32 = 0o022;
/// That anybody may.
const ANYBODY_WRITES: u32 = 0o002;
const ROOT: u32 = 0;
/// How the names of our files begin.
const OUR_NAMES: [&str; 5] = [
    "statekeep.",
    ".statekeep",
    "initial-admin-key",
    "lost+found",
    ".nfs",
];

/// Why a file or directory is not used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {why}", .path.display())]
pub struct NotPrivate {
    path: PathBuf,
    why: String,
}

/// Sees to it that a directory is its owner's alone; where others may only list it and it holds
/// other things as well, that is logged.
pub fn see_to_directory(dir: &Path) -> Result<(), NotPrivate> {
    let refused = |why: String| NotPrivate {
        path: dir.to_owned(),
        why,
    };
    let Ok(found) = std::fs::metadata(dir) else {
        return Ok(());
    };
    let (open, owner, user) = (found.mode() & OTHERS, found.uid(), user());
    if owner != user && user != ROOT {
        return see_to_anothers(dir, open, owner, user).map_err(refused);
    }
    if open == 0 {
        return Ok(());
    }
    if holds_only_ours(dir) {
        return close(dir, found.mode()).map_err(|error| {
            refused(format!(
                "others may use it, and that cannot be changed: {error}; chmod 700"
            ))
        });
    }
    if open & OTHERS_WRITE != 0 {
        return Err(refused(
            "others may write there, and it is not statekeep's alone; give --data a \
            directory of its own"
                .to_owned(),
        ));
    }
    tracing::warn!(dir = %dir.display(), "others may list the data directory, which holds other \
        things as well: give --data a directory of its own");
    Ok(())
}

/// A directory that root made for us, as orchestrators do, can be used unless anybody may write
/// there.
fn see_to_anothers(dir: &Path, open: u32, owner: u32, user: u32) -> Result<(), String> {
    if owner != ROOT {
        return Err(format!(
            "the directory belongs to user {owner}, and this is user {user}; start as that user, \
                or chown it"
        ));
    }
    if open & ANYBODY_WRITES != 0 {
        return Err(
            "anybody may write there; give --data a directory of its own below it".to_owned(),
        );
    }
    if open != 0 {
        tracing::warn!(dir = %dir.display(), "the data directory belongs to root, and a group may \
            use it: give --data a directory of its own below it");
    }
    Ok(())
}

/// Sees to it that a file of the data directory, if it is there, is its owner's alone.
pub fn see_to_file(path: &Path) -> Result<(), NotPrivate> {
    let refused = |why: String| NotPrivate {
        path: path.to_owned(),
        why,
    };
    let Ok(found) = std::fs::metadata(path) else {
        return Ok(());
    };
    let (owner, user) = (found.uid(), user());
    let of_directory = path
        .parent()
        .and_then(|dir| std::fs::metadata(dir).ok())
        .map(|dir| dir.uid());
    // Root may act for the owner of the directory.
    let is_ours = owner == user || (user == ROOT && of_directory == Some(owner));
    if !is_ours {
        return Err(refused(format!(
            "it belongs to user {owner}, who can read and change it, and this is user {user}; \
                nothing was changed. If its content can be trusted: chown {user}"
        )));
    }
    if found.mode() & OTHERS == 0 {
        return Ok(());
    }
    if path.is_symlink() {
        return Err(refused(
            "it is a link to a file that others may use; chmod 600 that file".to_owned(),
        ));
    }
    close(path, found.mode()).map_err(|error| {
        refused(format!(
            "others may use it, and that cannot be changed: {error}; chmod 600"
        ))
    })
}

/// Whose a file or directory is, if it belongs to somebody else than who starts the server, or the
/// owner of its directory where root does.
pub fn belongs_to_another(path: &Path) -> Option<u32> {
    let owner = std::fs::metadata(path).ok()?.uid();
    let is_ours = owner == user() || user() == ROOT || (path.is_dir() && owner == ROOT);
    (!is_ours).then_some(owner)
}

/// Gives a file that root has made to the owner of its directory, who could not use it otherwise.
pub(super) fn give_to_owner_of(dir: &Path, file: &std::fs::File) -> io::Result<()> {
    let owner = std::fs::metadata(dir)?;
    if user() == ROOT && owner.uid() != ROOT {
        std::os::unix::fs::fchown(file, Some(owner.uid()), Some(owner.gid()))?;
    }
    Ok(())
}

/// Takes from others what they may do.
fn close(path: &Path, mode: u32) -> io::Result<()> {
    std::fs::set_permissions(
        path,
        std::fs::Permissions::from_mode(mode & 0o7777 & !OTHERS),
    )?;
    let before = format!("{:o}", mode & 0o777);
    tracing::warn!(path = %path.display(), before, "others could use this until now, and may know \
        what it holds; now it is its owner's alone");
    Ok(())
}

/// Whether a directory is there for nothing else. A file that nobody but us needs can be taken from
/// others without a word.
fn holds_only_ours(dir: &Path) -> bool {
    let Ok(mut entries) = std::fs::read_dir(dir) else {
        return false;
    };
    entries.all(|entry| {
        entry.is_ok_and(|entry| {
            entry
                .file_name()
                .to_str()
                .is_some_and(|name| OUR_NAMES.iter().any(|ours| name.starts_with(ours)))
        })
    })
}

fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}
