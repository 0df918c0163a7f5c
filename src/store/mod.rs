//! The store: the only place that knows SQL.
//!
//! Invariants: a write is answered only after the commit that holds it is on disk; a job is all or
//! nothing; readers see one moment and never write; no row, statement or SQLite type leaves this
//! module. [`View`] can read, [`Tx`] can also write, and both speak the words of the product.

mod asking;
mod changed_pages;
mod checkpoint;
mod checks;
mod connection;
mod copy;
mod erasing;
mod error;
mod event_key;
mod first;
mod held;
mod keyring;
mod made;
mod memo;
mod preview;
mod privacy;
mod readers;
mod rehash;
mod remains;
mod remembered;
mod row_hash;
mod row_key;
mod schema;
mod seals;
mod seen_damage;
mod separation;
mod start;
mod statements;
mod tables;
mod touched;
mod touches;
mod tx;
mod wal_rounds;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

pub use checks::{
    ADDRESS_LISTS, BlobFacts, Chain, KeyFacts, Part, ROW_LISTS, RowCursor, RowFacts, StateFacts,
    VersionFacts, VersionsOfState,
};
pub use copy::{CopyError, CopyFacts, DatabaseCopier};
pub use error::{OpenError, StoreError};
pub use preview::{StartPreview, preview_instance, preview_log, preview_start};
pub use privacy::{
    NotPrivate, belongs_to_another, give_to_owner_of, refuse_links, replace_file, see_to_directory,
    see_to_file, without_links,
};
pub use readers::Reading;
pub use remains::{Sweeper, SweptPages};
pub use remembered::OwnedToken;
pub use row_key::ROW_KEY_FILE;
pub use schema::newest_schema;
pub use start::LogEnd;
pub use start::anchor::ANCHOR_FILE;
pub use start::files::{RESTORE_FOLDER, RESTORED_DATABASE, begun_restore};
pub use start::loss::Loss;
pub use tables::event_blocks::OldEvents;
pub use tables::event_walk::{ChainPlace, ChainStep, HeadFound, NotedBy, NotedHead};
pub use tables::found::{Then, WordsChange, WordsStep};
pub use tables::sealing::{SealPlan, SealedFrames, UnsealedFrames};
pub use tables::seals::SealFacts;
pub use touched::{Touched, TouchedSince};
pub use touches::Touches;
pub use tx::{Counts, Tx, View};
pub use writer::Queue;

use crate::metrics::Metrics;
use crate::model::clock;
use crate::model::confirmed::Confirmed;
use crate::model::digest::Digest;
use crate::model::event_head::EventHead;
use crate::model::key::{KeyId, KeyWithHashes};
use crate::model::name::StateName;
use crate::model::page::{DamagedRow, ListPage};
use crate::model::signed_head::{HeadSigner, SignedHead};
use crate::model::state::AddressInfo;
use crate::model::trust::IssuerTrust;
use crate::seal::StorageKey;
use changed_pages::ChangedPages;
use held::HeldFiles;
use memo::Commits;
use readers::Readers;
use remembered::RememberedRows;
use seals::{DirectoryKeys, Seals};
use seen_damage::SeenDamage;
use start::anchor::Anchor;
use start::files::DatabaseFiles;
use start::keeper::AnchorKeeper;
use writer::{Database, Erasure, WritingThread};

/// The name of the database file in the data directory.
pub const FILE_NAME: &str = "statekeep.db";

/// Whether a directory holds a file that is only there where there was a database, or where one was
/// being restored.
pub fn shows_a_database(dir: &Path) -> bool {
    start::trace(dir, &connection::wal_path(&dir.join(FILE_NAME))).is_some()
        || begun_restore(dir).is_some()
}

/// Starts the thread that keeps the anchor. `written` is the anchor that is there.
fn keep_anchor(
    files: &DatabaseFiles<'_>,
    data: (Uuid, Option<Arc<HeadSigner>>),
    written: Option<Anchor>,
) -> Result<AnchorKeeper, OpenError> {
    let paths = (files.database, files.wal);
    AnchorKeeper::start(paths, data, written).map_err(|source| OpenError::File {
        path: "the thread that keeps the anchor".into(),
        source,
    })
}

/// The open store. One process has one.
pub struct Store {
    writer: WritingThread,
    readers: Readers,
    remembered: RememberedRows,
    touched: Arc<Touched>,
    path: PathBuf,
    schema_version: u32,
    instance: Uuid,
    accepted_loss: Option<Loss>,
    /// The last event of which the anchor told when the data was opened.
    anchored: Option<EventHead>,
    signer: Option<Arc<HeadSigner>>,
    keys: Arc<DirectoryKeys>,
    damage: Arc<SeenDamage>,
    changed_pages: Arc<ChangedPages>,
    /// Dropped after every connection to the files.
    held: Arc<HeldFiles>,
}

impl Store {
    /// Opens the database in a data directory, and makes or migrates it if needed. No other process
    /// may have it open. At most `max_queue` jobs wait to be written.
    pub fn open(dir: &Path, max_queue: usize, metrics: &Arc<Metrics>) -> Result<Self, OpenError> {
        Self::open_confirmed(dir, max_queue, metrics, (Confirmed::default(), &[]))
    }

    /// The same, with what a person has confirmed, and the storage keys of sealed content: the
    /// first one seals data keys, each opens those that it has sealed.
    pub fn open_confirmed(
        dir: &Path,
        max_queue: usize,
        metrics: &Arc<Metrics>,
        (confirmed, storage_keys): (Confirmed, &[StorageKey]),
    ) -> Result<Self, OpenError> {
        let path = dir.join(FILE_NAME);
        let wal = connection::wal_path(&path);
        let files = DatabaseFiles {
            dir,
            database: &path,
            wal: &wal,
        };
        let found = start::check(&files, confirmed.on_loss)?;
        if found.is_new {
            first::make(&path)?;
        }
        let held = Arc::new(HeldFiles::take(&path)?);
        let mut connection = connection::open_writer(&path)?;
        let schema_version = schema::migrate(&mut connection, &path)?;
        held.take_wal();
        let explained = |source| connection::explain(&path, source);
        if found.loss.is_some() {
            // Frames behind a damaged one must not be taken for a new loss.
            erasing::truncate_wal(&connection).map_err(explained)?;
        }
        let keys = Arc::new(DirectoryKeys {
            rows: rehash::key_of(&connection, &path, confirmed)?,
            seals: Seals::open(&connection, &path, storage_keys)?,
        });
        separation::separate_workspaces(&connection, &keys, &path)?;
        let instance = tables::instance::known_or_new(&connection).map_err(explained)?;
        let mut last = tables::commits::known_or_first(&connection, instance).map_err(explained)?;
        let known = tables::event_chain::known_or_begun(&connection, &keys.rows)
            .map_err(|error| OpenError::Rows(error.to_string()))?;
        last.events = known.head;
        let anchored = found.anchored_event(&last);
        start::sync_wal(&wal)?;
        let signer = event_key::signer(dir, instance).map(Arc::new);
        let anchor = keep_anchor(&files, (instance, signer.clone()), found.anchor)?;
        if found.loss.is_none() {
            anchor.note(last);
        }
        let readers = Readers::open(&path, &keys, &held)?;
        let (commits, damage) = (Commits::default(), Arc::<SeenDamage>::default());
        damage.add_all(readers.read_inline(|view| view.chain_at_start(&known, anchored)));
        let remembered = RememberedRows::new(&commits);
        let touched = Arc::clone(&commits.touched);
        let changed_pages = Arc::new(ChangedPages::of(&path));
        let database = Database {
            path: &path,
            connection,
            keys: Arc::clone(&keys),
            last: (last, known.begun),
            anchor,
            held: Arc::clone(&held),
            changed_pages: Arc::clone(&changed_pages),
        };
        let meters = (metrics, Arc::clone(&damage));
        let writer = WritingThread::start(database, max_queue, commits, meters)?;
        Ok(Self {
            writer,
            readers,
            remembered,
            touched,
            path,
            schema_version,
            instance,
            accepted_loss: found.loss,
            anchored,
            signer,
            keys,
            damage,
            changed_pages,
            held,
        })
    }

    /// Reads a few rows by their keys, at one moment, on the thread that asks: less work than
    /// handing the question to another one.
    ///
    /// A job that may touch many pages belongs into [`Self::read`].
    pub async fn read_inline<T>(
        &self,
        job: impl FnOnce(&View<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        std::future::ready(self.damage.look_at(self.readers.read_inline(job))).await
    }

    /// Reads before the first request, while nothing else waits for this thread.
    pub fn read_at_start<T>(
        &self,
        job: impl FnOnce(&View<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.damage.look_at(self.readers.read_inline(job))
    }

    /// One key, as it stands.
    pub async fn key(&self, id: KeyId) -> Result<Arc<Option<KeyWithHashes>>, StoreError> {
        let found = self.remembered.key(&self.readers, id);
        std::future::ready(self.damage.look_at(found)).await
    }

    /// The trusts in an issuer, as they stand.
    pub async fn trusts_in(&self, issuer: &str) -> Result<Arc<Vec<IssuerTrust>>, StoreError> {
        let found = self.remembered.trusts_in(&self.readers, issuer);
        std::future::ready(self.damage.look_at(found)).await
    }

    /// One token and what it belongs to, as they stand.
    pub async fn token(&self, sha256: Digest) -> Result<Arc<Option<OwnedToken>>, StoreError> {
        let found = self.remembered.token(&self.readers, sha256);
        std::future::ready(self.damage.look_at(found)).await
    }

    /// What a reader needs to know of an address, as it stands.
    pub async fn address_info(&self, name: &StateName) -> Result<Arc<AddressInfo>, StoreError> {
        let found = self.remembered.address_info(&self.readers, name);
        std::future::ready(self.damage.look_at(found)).await
    }

    /// What commits touch, for a follower.
    pub fn touched(&self) -> &Touched {
        &self.touched
    }

    /// The queue of the writer, for threads that cannot wait for an answer.
    pub fn queue(&self) -> Queue {
        self.writer.queue()
    }

    /// Overwrites copies of content in the unused bytes of pages.
    pub const fn sweeper(&self) -> Sweeper<'_> {
        Sweeper::new(&self.readers, &self.writer, &self.changed_pages)
    }

    /// Moves the rest of the WAL into the file and empties it; `false` while a reader still needs
    /// a part of it, or much of it is still to be moved.
    pub async fn truncate_wal(&self) -> Result<bool, StoreError> {
        self.writer.erase(Erasure::TruncateWal).await
    }

    /// Waits until little of the WAL is still to be moved into the file, or for 300 ms. Long work
    /// in many steps waits for that before each, since the WAL starts over only when it is moved.
    pub async fn wal_is_moved(&self) {
        self.writer.wal_is_moved().await;
    }

    /// Gives back the memory of readers that were not used for so long, and of answers that are not
    /// true any more.
    pub fn give_back_unused(&self, longer_than: Duration) {
        // Those that are open read what was acknowledged; new ones would read other files.
        if self.held.check().is_ok() {
            self.readers.close_unused(longer_than);
        }
        self.remembered.forget_stale();
    }

    /// Waits until the writer has come by all that is queued now; `false` when it has ended.
    pub async fn writer_comes_by(&self) -> bool {
        self.writer.comes_by().await
    }

    /// What keeps the store from writing for good, if anything does.
    pub fn fault(&self) -> Option<StoreError> {
        self.writer.fault().or_else(|| self.held.check().err())
    }

    /// Whether the last write found no room on the disk, whatever the disk says of itself.
    pub fn is_without_room(&self) -> bool {
        self.writer.is_without_room()
    }

    /// Waits until something keeps the store from writing for good, and the process with it.
    pub async fn faulted(&self) -> StoreError {
        self.writer.faulted().await
    }

    /// Waits until somebody has met damage that was not told yet.
    pub async fn met_damage(&self) {
        self.damage.untold().await;
    }

    /// Reads a page of a list. The damage that it tells of counts as met.
    pub async fn read_page<T: Send + 'static>(
        &self,
        job: impl FnOnce(&View<'_>) -> Result<ListPage<T>, StoreError> + Send + 'static,
    ) -> Result<ListPage<T>, StoreError> {
        let page = self.read(job).await?;
        self.note_damaged(&page.damaged);
        Ok(page)
    }

    /// Counts damaged rows as met that a read has told of, and went on.
    pub fn note_damaged(&self, rows: &[DamagedRow]) {
        for row in rows {
            self.damage.add(&row.detail);
        }
    }

    /// The damage that was met since the last time, in words for people.
    pub fn take_untold_damage(&self) -> Vec<String> {
        self.damage.take()
    }

    /// Has [`Self::take_untold_damage`] give these again.
    pub fn take_back_untold_damage(&self, untold: Vec<String>) {
        self.damage.take_back(untold);
    }

    /// How much damage was met since the start, each counted once.
    pub fn damage_met(&self) -> u64 {
        self.damage.count()
    }

    /// Which data this is.
    pub const fn instance(&self) -> Uuid {
        self.instance
    }

    /// Makes copies of the database.
    pub fn copier(&self) -> DatabaseCopier {
        DatabaseCopier::new(
            self.path.clone(),
            self.schema_version,
            self.instance,
            Arc::clone(&self.held),
            Arc::clone(&self.keys),
        )
    }

    /// What was missing when the data was opened, where that was accepted.
    pub const fn accepted_loss(&self) -> Option<&Loss> {
        self.accepted_loss.as_ref()
    }

    /// The last event of which the anchor told when the data was opened.
    pub const fn anchored_event(&self) -> Option<EventHead> {
        self.anchored
    }

    /// Signs a head of the chain of events, with the present time; none without a key for that.
    pub fn sign(&self, head: EventHead) -> Option<SignedHead> {
        let signer = self.signer.as_ref()?;
        Some(signer.sign(head, clock::now()))
    }

    /// The version of the schema.
    pub fn schema_version(&self) -> u32 {
        self.schema_version
    }

    /// The sizes of the database file and of its WAL in bytes; none where the system does not tell.
    /// A WAL that is not there is empty.
    pub fn file_sizes(&self) -> (Option<u64>, Option<u64>) {
        let size = |path: &Path| std::fs::metadata(path).map(|meta| meta.len());
        let no_log =
            |error: std::io::Error| (error.kind() == std::io::ErrorKind::NotFound).then_some(0);
        (
            size(&self.path).ok(),
            size(&connection::wal_path(&self.path)).map_or_else(no_log, Some),
        )
    }

    /// Finishes what is queued, moves the WAL into the database file, and closes it.
    /// Writes after this answer [`StoreError::Closed`].
    pub async fn close(&self) {
        // The last connection to close removes the WAL; only the writer's can.
        self.readers.close();
        self.writer.close().await;
    }
}
