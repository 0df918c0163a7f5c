//! Where the files of the database are, and how the remains of a restore are called.

use std::path::Path;

/// The folder in the data directory where a restore opens and verifies a backup.
pub const RESTORE_FOLDER: &str = ".statekeep-restore";
/// The restored database on its way from there. When it has its own name, nothing else is left to
/// be done.
pub const RESTORED_DATABASE: &str = ".statekeep-restore.db";

/// What a restore has left that was cut off, or that still runs; none if there is nothing.
pub fn begun_restore(dir: &Path) -> Option<&'static str> {
    let folder = dir.join(RESTORE_FOLDER).is_dir().then_some(RESTORE_FOLDER);
    let database = || dir.join(RESTORED_DATABASE).is_file();
    folder.or_else(|| database().then_some(RESTORED_DATABASE))
}

/// The files of the database, in their directory.
pub(in crate::store) struct DatabaseFiles<'p> {
    pub(in crate::store) dir: &'p Path,
    pub(in crate::store) database: &'p Path,
    pub(in crate::store) wal: &'p Path,
}
