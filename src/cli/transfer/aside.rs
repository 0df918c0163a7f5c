//! A data directory that stands for the program's own while a state is read from where the sources
//! do not say it is.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use crate::cli::terraform::record::Record;

/// The folder in the program's data directory that stands for it while a state is read from where
/// the sources do not say it is.
const ASIDE: &str = "statekeep-transfer";

/// The folder that stands for the data directory; gone with this.
pub(super) struct Aside(PathBuf);

impl Aside {
    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Makes it in a data directory.
    pub(super) fn make(data_dir: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(data_dir)?;
        let path = data_dir.canonicalize()?.join(ASIDE);
        // One that a killed command left.
        let _ = std::fs::remove_dir_all(&path);
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }

    /// Has it record a backend.
    pub(super) fn record(&self, record: &Record) -> io::Result<()> {
        std::fs::write(self.0.join(Record::LOCAL_FILE), record.text())
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
