//! Who may read what the data directory holds: its owner, and nobody else. States are in it in
//! plain text.
//!
//! A file that others may read or write (one that was copied, or restored by a tool of its own) is
//! put right before it is used; SQLite gives its log and index the modes of the database. One that
//! belongs to another user is refused: its owner can read it and change it at any time.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

/// What others than the owner may do, in a file's mode.
const OTHERS: u32 = 0o077;
/// What of that changes something.
const OTHERS_WRITE: u32 = 0o022;
/// That anybody may.
const ANYBODY_WRITES: u32 = 0o002;
/// In a directory with this, only the owner of a file renames and removes it.
const STICKY: u32 = 0o1000;
const ROOT: u32 = 0;
/// How the names of the database, its WAL and its copies begin.
const DATABASE: &str = "statekeep.db";
/// How the names of our files begin.
const OUR_NAMES: [&str; 4] = ["statekeep.", ".statekeep", "initial-admin-key", ".nfs"];
/// What a file system puts there.
const NOBODYS_NAMES: [&str; 1] = ["lost+found"];

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
    warn_of_open_parents(dir);
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
    let Ok(found) = std::fs::symlink_metadata(path) else {
        return Ok(());
    };
    refuse_link(path, &found)?;
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
    close(path, found.mode()).map_err(|error| {
        refused(format!(
            "others may use it, and that cannot be changed: {error}; chmod 600"
        ))
    })
}

/// Refuses a data directory in which a file of ours is a link. Another user can have put it there
/// while that was possible, and what the server writes would go where the link leads. Once the
/// directory is its owner's alone, nobody else can.
pub fn refuse_links(dir: &Path) -> Result<(), NotPrivate> {
    let entries = std::fs::read_dir(dir).into_iter().flatten();
    for entry in entries.filter_map(Result::ok) {
        let is_ours = entry.file_name().to_str().is_some_and(is_our_name);
        if is_ours && let Ok(found) = entry.metadata() {
            refuse_link(&entry.path(), &found)?;
        }
    }
    Ok(())
}

/// A file of ours is no link, and has no other name. The database may have one: copies that are
/// made of hard links are harmless until they are used.
fn refuse_link(path: &Path, found: &Metadata) -> Result<(), NotPrivate> {
    let name = path.file_name().and_then(|name| name.to_str());
    let is_database = name.is_some_and(|name| name.starts_with(DATABASE));
    let why = if found.is_symlink() {
        "it is a link"
    } else if found.is_file() && found.nlink() > 1 && !is_database {
        "it has another name as well (a hard link)"
    } else {
        return Ok(());
    };
    Err(NotPrivate {
        path: path.to_owned(),
        why: format!(
            "{why}, so another user may have put it there; nothing was changed. Look where it \
                leads, and remove it or put a file of its own in its place"
        ),
    })
}

/// Opens only a file of that name, and nothing that a link leads to.
pub fn without_links() -> i32 {
    OFlags::NOFOLLOW.bits().cast_signed()
}

/// Puts a small file in the place of the one before: written under another name, synced, then
/// named. A kill leaves one of the two, whole.
pub fn replace_file(
    dir: &Path,
    (unfinished, name): (&str, &str),
    content: &[u8],
) -> io::Result<()> {
    let unfinished = dir.join(unfinished);
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .custom_flags(without_links())
        .open(&unfinished)?;
    file.write_all(content)?;
    give_to_owner_of(dir, &file)?;
    file.sync_all()?;
    std::fs::rename(&unfinished, dir.join(name))?;
    File::open(dir)?.sync_all()
}

/// Says if others can put another directory in the place of this one.
fn warn_of_open_parents(dir: &Path) {
    let Ok(whole) = dir.canonicalize() else {
        return;
    };
    for parent in whole.ancestors().skip(1) {
        let Ok(found) = std::fs::metadata(parent) else {
            continue;
        };
        if found.mode() & ANYBODY_WRITES != 0 && found.mode() & STICKY == 0 {
            tracing::warn!(parent = %parent.display(), "anybody can put another directory in the \
                place of the data directory, since anybody may write in this one above it: chmod \
                o-w, or give --data another place");
        }
    }
}

/// Whose a file or directory is, if it belongs to somebody else than who starts the server, or the
/// owner of its directory where root does.
pub fn belongs_to_another(path: &Path) -> Option<u32> {
    let owner = std::fs::metadata(path).ok()?.uid();
    let is_ours = owner == user() || user() == ROOT || (path.is_dir() && owner == ROOT);
    (!is_ours).then_some(owner)
}

/// Gives a file that root has made to the owner of its directory, who could not use it otherwise.
pub fn give_to_owner_of(dir: &Path, file: &std::fs::File) -> io::Result<()> {
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
                .is_some_and(|name| is_our_name(name) || NOBODYS_NAMES.contains(&name))
        })
    })
}

fn is_our_name(name: &str) -> bool {
    OUR_NAMES.iter().any(|ours| name.starts_with(ours))
}

fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}
