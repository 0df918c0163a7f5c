//! The store: the only place that knows SQL.
//!
//! Invariants: a write is answered only after the commit that holds it is on disk; a job is all or nothing; readers see one moment and never
//! write; no row, statement or SQLite type leaves this module. [`View`] can read, [`Tx`] can also write, and both speak the words of the product.

mod blobs;
mod connection;
mod error;
mod events;
mod keys;
mod locks;
mod readers;
mod rows;
mod schema;
mod states;
mod tokens;
mod tx;
mod versions;
mod writer;

use std::path::{Path, PathBuf};

pub use blobs::StoredBlob;
pub use error::{OpenError, StoreError};
pub use keys::{KeyWithHashes, NewKey};
pub use locks::BrokenLock;
pub use states::{Place, StateFilter, StateId, StateSummary};
pub use tx::{Tx, View};
pub use versions::{NewVersion, VersionFilter};

use readers::Readers;
use writer::Writer;

/// The name of the database file in the data directory.
pub const FILE_NAME: &str = "statekeep.db";

/// The open store. One process has one.
pub struct Store {
    writer: Writer,
    readers: Readers,
    path: PathBuf,
    schema_version: u32,
}

impl Store {
    /// Opens the database in a data directory that nobody else has open, making and migrating it where needed.
    pub fn open(dir: &Path) -> Result<Self, OpenError> {
        let path = dir.join(FILE_NAME);
        let mut connection = connection::open_writer(&path)?;
        let schema_version = schema::migrate(&mut connection, &path)?;
        let readers = Readers::open(&path)?;
        let writer = Writer::start(connection)?;
        Ok(Self { writer, readers, path, schema_version })
    }

    /// Reads at one moment. Runs on a thread where waiting for the disk holds nobody up.
    pub async fn read<T: Send + 'static>(
        &self,
        job: impl FnOnce(&View<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.readers.read(job).await
    }

    /// Writes all that `job` does, or nothing, and answers when it is on disk. `bytes` is about how much it adds, so that batches stay bounded.
    ///
    /// The job may run more than once, so it must have no effect but through its [`Tx`]. It goes on when the caller goes away.
    pub async fn write<T: Send + 'static>(
        &self,
        bytes: usize,
        job: impl FnMut(&Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.writer.write(bytes, job).await
    }

    /// Queues a small job ahead of everything that is queued after this call, without waiting for it. A full queue drops it.
    pub fn post(&self, job: impl FnMut(&Tx<'_>) -> Result<(), StoreError> + Send + 'static) {
        self.writer.post(job);
    }

    /// What keeps the store from writing for good, if anything does.
    pub fn fault(&self) -> Option<StoreError> {
        self.writer.fault()
    }

    /// Waits until something keeps the store from writing for good.
    pub async fn faulted(&self) -> StoreError {
        self.writer.faulted().await
    }

    /// The version of the schema.
    pub fn schema_version(&self) -> u32 {
        self.schema_version
    }

    /// The sizes of the database file and of its write-ahead log.
    pub fn file_sizes(&self) -> (u64, u64) {
        let size = |path: &Path| std::fs::metadata(path).map_or(0, |meta| meta.len());
        (size(&self.path), size(&connection::wal_path(&self.path)))
    }

    /// Finishes what is queued, moves the write-ahead log into the database file, and closes it. Writes after this answer [`StoreError::Closed`].
    pub async fn close(&self) {
        // The last connection to close removes the write-ahead log; only the writer's can.
        self.readers.close();
        self.writer.close().await;
    }
}
