//! Where the files of the database are.

use std::path::Path;

/// The files of the database, in their directory.
pub(in crate::store) struct DatabaseFiles<'p> {
    pub(in crate::store) dir: &'p Path,
    pub(in crate::store) database: &'p Path,
    pub(in crate::store) wal: &'p Path,
}
