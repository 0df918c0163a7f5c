//! The data directory: made private, and open in exactly one process at a time.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::model::secret::Secret;

/// The server's Unix socket in the data directory.
pub const SOCKET: &str = "statekeep.sock";
/// Where the first admin key is written when nobody looks at a terminal.
pub const ADMIN_KEY_FILE: &str = "initial-admin-key";
const LOCK_FILE: &str = "statekeep.lock";

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DirError {
    /// Another process has it.
    #[error("the data directory {dir} is in use by another statekeep ({holder}); stop that one first, or give --data another directory")]
    InUse {
        /// The directory.
        dir: PathBuf,
        /// What the other process wrote into the lock file.
        holder: String,
    },
    /// It is not there.
    #[error("there is no data directory {0}; start `statekeep serve` first, or say with --data where it is")]
    Missing(PathBuf),
    /// A file operation failed.
    #[error("cannot use the data directory: {path}: {source}. Check its owner, mode and disk, or give --data another directory")]
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
    make.map_err(|source| DirError::File { path: dir.to_owned(), source })
}

/// The proof that this process alone has the data directory open; ends when it is dropped, or with the process.
pub struct DirLock {
    dir: PathBuf,
    file: File,
}

impl DirLock {
    /// Takes the directory, or says who has it.
    pub fn take(dir: &Path) -> Result<Self, DirError> {
        if !dir.is_dir() {
            return Err(DirError::Missing(dir.to_owned()));
        }
        let path = dir.join(LOCK_FILE);
        let failed = |source| DirError::File { path: path.clone(), source };
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let _ = file.take(64).read_to_string(&mut holder);
                return Err(DirError::InUse { dir: dir.to_owned(), holder: holder.trim().to_owned() });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        // Who holds it is a help for people: not being able to say so, on a full disk, is no reason to refuse.
        let _ = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "process {}", std::process::id()));
        Ok(Self { dir: dir.to_owned(), file })
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// Writes the first admin key into its file with mode 0600, synced, and says where that is.
    pub fn write_admin_key(&self, secret: &Secret) -> Result<PathBuf, DirError> {
        let path = self.dir.join(ADMIN_KEY_FILE);
        let write = || -> std::io::Result<()> {
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path)?;
            writeln!(file, "{}", secret.reveal())?;
            file.sync_all()?;
            File::open(&self.dir)?.sync_all()
        };
        write().map_err(|source| DirError::File { path: path.clone(), source })?;
        Ok(path)
    }

    /// How many bytes are free on the directory's disk for us.
    pub fn free_space(&self) -> Option<u64> {
        let stat = rustix::fs::fstatvfs(&self.file).ok()?;
        Some(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}
