//! The data directory: made private, and open in exactly one process at a time.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Gid, Mode, OFlags, Uid};

use crate::model::clock;
use crate::model::confirmed::Confirmed;
use crate::model::secret::Secret;
use crate::store::{
    ANCHOR_FILE, FILE_NAME, NotPrivate, refuse_links, see_to_directory, see_to_file,
    shows_a_database, without_links,
};

/// The server's Unix socket in the data directory.
pub const SOCKET: &str = "statekeep.sock";
/// Where the first admin key is written when nobody looks at a terminal.
pub const ADMIN_KEY_FILE: &str = "initial-admin-key";
/// The file whose lock proves that a process has the directory.
pub const LOCK_FILE: &str = "statekeep.lock";
/// The file with the first admin key is there for a person to take its secret and to remove it.
/// After a day it looks forgotten.
const FORGOTTEN_AFTER_SECONDS: i64 = 24 * 60 * 60;
/// How the names of copies of the database begin.
const COPIES: &str = "statekeep.db.";

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DirError {
    /// Another process has it.
    #[error(
        "the data directory {dir} is in use by another statekeep ({holder}); stop that one first, \
            or give --data another directory"
    )]
    InUse {
        /// The directory.
        dir: PathBuf,
        /// What the other process wrote into the lock file.
        holder: String,
    },
    /// It is not there.
    #[error(
        "there is no data directory {0}; start `statekeep serve` first, or say with --data where \
            it is"
    )]
    Missing(PathBuf),
    /// There is none, or nothing was ever written in it.
    #[error(
        "there is no statekeep database in {0}; say with --data where it is, or start `statekeep \
            serve`, which makes one"
    )]
    NoDatabase(PathBuf),
    /// Others could use it, or what is in it, or own that.
    #[error("cannot use the data directory: {0}")]
    NotPrivate(#[from] NotPrivate),
    /// A file operation failed.
    #[error(
        "cannot use the data directory: {path}: {source}. Check its owner, mode and disk, or give \
            --data another directory"
    )]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
}

/// Makes a data directory with mode 0700 where there is none.
pub fn make(dir: &Path) -> Result<(), DirError> {
    let make = DirBuilder::new().recursive(true).mode(0o700).create(dir);
    make.map_err(|source| DirError::File {
        path: dir.to_owned(),
        source,
    })
}

impl Drop for DirLock {
    fn drop(&mut self) {
        self.keep_owner();
    }
}

/// Sees to it that what lies beside the database is for nobody else either: the socket, the first
/// key, and copies from before an upgrade. The database's own files wait until it is known whose
/// they are.
fn see_to_others(dir: &Path) -> Result<(), DirError> {
    let copies = std::fs::read_dir(dir)
        .into_iter()
        .flatten()
        .filter_map(Result::ok)
        .map(|entry| entry.file_name());
    let copies = copies.filter(|name| name.to_str().is_some_and(|name| name.starts_with(COPIES)));
    refuse_links(dir)?;
    for name in copies.chain([SOCKET, ADMIN_KEY_FILE, ANCHOR_FILE].map(Into::into)) {
        see_to_file(&dir.join(name))?;
    }
    Ok(())
}

/// Locks the directory itself. A file system that has no such locks leaves it to the lock file.
fn lock_directory(dir: &Path) -> Result<File, DirError> {
    let directory = File::open(dir).map_err(|source| DirError::File {
        path: dir.to_owned(),
        source,
    })?;
    match directory.try_lock() {
        Err(TryLockError::WouldBlock) => return Err(in_use(dir)),
        Err(TryLockError::Error(error)) => {
            tracing::debug!(%error, "the data directory itself cannot be locked");
        }
        Ok(()) => {}
    }
    Ok(directory)
}

/// Who has a directory open, if anybody has. Nothing is changed.
pub fn used_by(dir: &Path) -> Option<String> {
    let is_locked = |path: &Path| {
        File::open(path)
            .is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
    };
    let is_used = is_locked(dir) || is_locked(&dir.join(LOCK_FILE));
    is_used.then(|| holder(dir))
}

/// The refusal of a directory that another process has.
fn in_use(dir: &Path) -> DirError {
    DirError::InUse {
        dir: dir.to_owned(),
        holder: holder(dir),
    }
}

/// What the process that has the directory wrote into the lock file.
fn holder(dir: &Path) -> String {
    let mut holder = String::new();
    let read =
        File::open(dir.join(LOCK_FILE)).and_then(|file| file.take(64).read_to_string(&mut holder));
    match read {
        Ok(_) => holder.trim().to_owned(),
        Err(_) => format!("which one is not known: {LOCK_FILE} is gone"),
    }
}

/// The proof that this process alone has the data directory open; ends when it is dropped, or with
/// the process.
pub struct DirLock {
    dir: PathBuf,
    file: File,
    confirmed: Confirmed,
    /// Locked as well, so that removing the lock file lets no other process in.
    _directory: File,
}

impl DirLock {
    /// Takes a directory in which there is a database already; where there is none, nothing is left
    /// behind.
    pub fn take_used(dir: &Path) -> Result<Self, DirError> {
        let none = || DirError::NoDatabase(dir.to_owned());
        let has = |name: &str| {
            let path = dir.join(name);
            match path.metadata() {
                Ok(metadata) => Ok(Some(metadata.len())),
                Err(error)
                    if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
                {
                    Ok(None)
                }
                Err(source) => Err(DirError::File { path, source }),
            }
        };
        let is_empty = |size: Option<u64>| size.is_none_or(|bytes| bytes == 0);
        // Files that are missing beside a trace of a database are told when it is to be opened.
        let is_unused = || Ok::<_, DirError>(is_empty(has(FILE_NAME)?) && !shows_a_database(dir));
        // A server that starts has locked the directory before it makes the database.
        if is_unused()? && has(LOCK_FILE)?.is_none() {
            return Err(none());
        }
        let lock = Self::take(dir)?;
        if is_unused()? { Err(none()) } else { Ok(lock) }
    }

    /// Takes the directory, or says who has it.
    pub fn take(dir: &Path) -> Result<Self, DirError> {
        if !dir.is_dir() {
            return Err(DirError::Missing(dir.to_owned()));
        }
        see_to_directory(dir)?;
        let path = dir.join(LOCK_FILE);
        see_to_file(&path)?;
        let directory = lock_directory(dir)?;
        let mut file = lock_file(dir, &path)?;
        see_to_others(dir)?;
        // Who holds it is a help for people: not being able to say so, on a full disk, is no reason
        // to refuse.
        let _ = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "process {}", std::process::id()));
        let lock = Self {
            dir: dir.to_owned(),
            file,
            confirmed: Confirmed::default(),
            _directory: directory,
        };
        lock.keep_owner();
        Ok(lock)
    }

    /// Where root works in a directory of another user: hands our files there to that user, who
    /// could not use them otherwise. SQLite gives its own files beside the database the owner of
    /// that. Files that have other names, or links, are left alone.
    fn keep_owner(&self) {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let Ok(owner) = std::fs::metadata(&self.dir).map(|dir| (dir.uid(), dir.gid())) else {
            return;
        };
        let entries = std::fs::read_dir(&self.dir).into_iter().flatten().flatten();
        for entry in entries {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if owner.0 != 0 && (name.starts_with("statekeep.") || name == ADMIN_KEY_FILE) {
                give_to(owner, &entry.path());
            }
        }
    }

    /// Notes what a person has confirmed for this start.
    pub const fn confirm(&mut self, confirmed: Confirmed) {
        self.confirmed = confirmed;
    }

    /// What a person has confirmed for this start.
    pub(in crate::domain) const fn confirmed(&self) -> Confirmed {
        self.confirmed
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// Writes the first admin key into its file with mode 0600, synced, and says where that is.
    pub fn write_admin_key(&self, secret: &Secret) -> Result<PathBuf, DirError> {
        let path = self.dir.join(ADMIN_KEY_FILE);
        let write = || -> std::io::Result<()> {
            // One of a start that did not come to its end is of no use.
            if let Err(error) = std::fs::remove_file(&path)
                && error.kind() != ErrorKind::NotFound
            {
                return Err(error);
            }
            let mut file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&path)?;
            writeln!(file, "{}", secret.reveal())?;
            file.sync_all()?;
            File::open(&self.dir)?.sync_all()
        };
        write().map_err(|source| DirError::File {
            path: path.clone(),
            source,
        })?;
        self.keep_owner();
        Ok(path)
    }

    /// Whether the file with the first admin key is there.
    pub fn has_initial_key(&self) -> bool {
        std::fs::symlink_metadata(self.dir.join(ADMIN_KEY_FILE)).is_ok()
    }

    /// Whether it has been there for so long that it looks forgotten.
    pub fn forgot_initial_key(&self) -> bool {
        let file = std::fs::symlink_metadata(self.dir.join(ADMIN_KEY_FILE));
        let now = clock::now().millis() / 1_000;
        file.is_ok_and(|file| now.saturating_sub(file.mtime()) > FORGOTTEN_AFTER_SECONDS)
    }

    /// How many bytes are free on the directory's disk for us.
    pub fn free_space(&self) -> Option<u64> {
        let stat = rustix::fs::fstatvfs(&self.file).ok()?;
        Some(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

/// The lock file, once it is locked.
fn lock_file(dir: &Path, path: &Path) -> Result<File, DirError> {
    let failed = |source| DirError::File {
        path: path.to_owned(),
        source,
    };
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(without_links())
        .open(path)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(in_use(dir)),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// Gives a file of root's to another user and group, unless it is a link or has other names.
fn give_to((user, group): (u32, u32), path: &Path) {
    // Opened by its path alone, which leaves SQLite's locks on it as they are.
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let Ok(file) = rustix::fs::open(path, flags, Mode::empty()).map(File::from) else {
        return;
    };
    let is_ours = file.metadata().is_ok_and(|file| {
        !file.is_dir() && !file.is_symlink() && file.nlink() == 1 && file.uid() == 0
    });
    let owner = (Some(Uid::from_raw(user)), Some(Gid::from_raw(group)));
    if is_ours
        && let Err(error) = rustix::fs::chownat(&file, "", owner.0, owner.1, AtFlags::EMPTY_PATH)
    {
        tracing::warn!(%error, path = %path.display(), "cannot give this file to the owner of the \
            data directory");
    }
}
