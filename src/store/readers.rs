//! Connections that only read: a bounded number of them, each used by one job at a time, never
//! across a wait for the network.
//!
//! A place is never so far away that a brief question waits for a long one: long questions have at
//! most half of the places, large frames one more, and the rest is for what is brief.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};
use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::connection;
use super::error::{OpenError, StoreError};
use super::held::HeldFiles;
use super::made::{self, Made};
use super::seals::DirectoryKeys;
use super::tx::{Data, View};
use crate::model::clock;
use crate::sabotage::{self, Fault};
use crate::store::statements::{self, Prepare as _};

/// How many reads run at the same time.
const READERS: usize = 4;
/// How many of these may look through many rows: lists, counts, plans, verification.
const LONG: usize = READERS / 2;
/// How many of these may read the frames of a large state.
const LARGE: usize = 1;

/// What a question takes, and so which places it may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// A few rows by their keys, and frames that are decoded within some milliseconds.
    Brief,
    /// The frames of a large state.
    Large,
    /// As many rows as there are.
    Long,
}

/// The pool. Connections are made when they are first needed, and closed when they have not been
/// needed for a while.
pub(super) struct Readers {
    places: Arc<Semaphore>,
    large: Arc<Semaphore>,
    long: Arc<Semaphore>,
    pool: Arc<Pool>,
}

/// A place among all readers, and one among those of its kind.
type ReaderPlace = (Option<OwnedSemaphorePermit>, OwnedSemaphorePermit);

/// Waits for a place.
async fn place_in(places: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, StoreError> {
    let place = Arc::clone(places).acquire_owned().await;
    place.map_err(|_| StoreError::Closed)
}

/// A question that waits for a place, and what is made of its answer.
pub(super) type ReadJob = Box<dyn FnOnce(&Pool) -> Result<Made, StoreError> + Send>;

/// Asks `job`. `then` makes something of the answer on the same thread, when the database is not
/// needed any more.
pub(super) fn question<T, U: Send + 'static>(
    job: impl FnOnce(&View<'_>) -> Result<T, StoreError> + Send + 'static,
    then: impl FnOnce(T) -> U + Send + 'static,
) -> ReadJob {
    Box::new(move |pool| pool.run(job).map(|found| made::hidden(then(found))))
}

/// Where connections are between questions.
pub(super) struct Pool {
    path: PathBuf,
    keys: Arc<DirectoryKeys>,
    /// The one used last is at the end, and is used next. None once the store is closed.
    idle: Mutex<Option<Vec<Idle>>>,
    /// Dropped after the connections.
    held: Arc<HeldFiles>,
}

struct Idle {
    connection: Connection,
    since: Instant,
}

impl From<Connection> for Idle {
    fn from(connection: Connection) -> Self {
        Self {
            connection,
            since: clock::monotonic(),
        }
    }
}

impl Readers {
    /// Opens the first connection, so that a database which cannot be read is found at the start.
    pub(super) fn open(
        path: &Path,
        keys: &Arc<DirectoryKeys>,
        held: &Arc<HeldFiles>,
    ) -> Result<Self, OpenError> {
        let first = connection::open_reader(path)?;
        let pool = Pool {
            path: path.to_owned(),
            keys: Arc::clone(keys),
            idle: Mutex::new(Some(vec![first.into()])),
            held: Arc::clone(held),
        };
        Ok(Self {
            places: Arc::new(Semaphore::new(READERS)),
            large: Arc::new(Semaphore::new(LARGE)),
            long: Arc::new(Semaphore::new(LONG)),
            pool: Arc::new(pool),
        })
    }

    /// Reads on a thread that may wait for the disk.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        reading: Reading,
        job: impl FnOnce(&View<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let question = question(job, |found| found);
        self.answer(reading, question).await.and_then(made::shown)
    }

    /// Has a question answered on a thread that may wait for the disk.
    pub(super) async fn answer(
        &self,
        reading: Reading,
        question: ReadJob,
    ) -> Result<Made, StoreError> {
        let place = self.place(reading).await?;
        let pool = Arc::clone(&self.pool);
        let run = move || {
            if reading == Reading::Long {
                sabotage::hold(Fault::HeldLongReads);
            }
            let result = question(&pool);
            drop(place);
            result
        };
        tokio::task::spawn_blocking(run)
            .await
            .unwrap_or(Err(StoreError::Panicked))
    }

    /// Its place among those of its kind comes first, so that only as many wait for the others.
    async fn place(&self, reading: Reading) -> Result<ReaderPlace, StoreError> {
        let of_its_kind = match reading {
            Reading::Brief => None,
            Reading::Large => Some(place_in(&self.large).await?),
            Reading::Long => Some(place_in(&self.long).await?),
        };
        Ok((of_its_kind, place_in(&self.places).await?))
    }

    /// There are no more of these at the same time than threads that take requests.
    pub(super) fn read_inline<T>(
        &self,
        job: impl FnOnce(&View<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.pool.run(job)
    }

    /// Closes connections that nobody has used for so long, and so gives back their pages,
    /// statements and copies of the schema.
    pub(super) fn close_unused(&self, longer_than: Duration) {
        let now = clock::monotonic();
        let is_unused = |idle: &mut Idle| now.saturating_duration_since(idle.since) > longer_than;
        let unused: Vec<Idle> = self
            .pool
            .open()
            .as_mut()
            .map(|idle| idle.extract_if(.., is_unused).collect())
            .unwrap_or_default();
        // Closed when nobody waits for the list any more.
        drop(unused);
    }

    pub(super) fn close(&self) {
        for places in [&self.places, &self.large, &self.long] {
            places.close();
        }
        self.pool.open().take();
    }
}

impl Pool {
    fn open(&self) -> MutexGuard<'_, Option<Vec<Idle>>> {
        self.idle.lock()
    }

    fn run<T>(
        &self,
        job: impl FnOnce(&View<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let (mut job, mut result) = (Some(job), None);
        self.with_view(&mut |view| result = job.take().map(|job| job(view)))?;
        result.unwrap_or(Err(StoreError::Panicked))
    }

    /// Shows a view to a job, once.
    fn with_view(&self, job: &mut dyn FnMut(&View<'_>)) -> Result<(), StoreError> {
        let idle = self.open().as_mut().ok_or(StoreError::Closed)?.pop();
        let connection = match idle {
            Some(Idle { connection, .. }) => connection,
            None => self.held.open_reader(&self.path)?,
        };
        connection.prepared("BEGIN")?.execute([])?;
        let data = Data {
            connection: &connection,
            keys: &self.keys,
        };
        job(&View::of(data));
        statements::tell_steps("read");
        // A connection whose transaction does not end is not used again, nor one of a store that
        // was closed in between.
        if connection.prepared("COMMIT")?.execute([]).is_ok()
            && let Some(idle) = self.open().as_mut()
        {
            idle.push(connection.into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::name::StateName;
    use crate::model::state::Lookup;
    use crate::store::{FILE_NAME, Store};

    #[test]
    fn brief_questions_have_a_place_beside_any_number_of_long_and_large_ones() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), 1, &Arc::default()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let readers = &store.readers;
        let mut waiting: Vec<_> = [Reading::Long, Reading::Large]
            .repeat(8)
            .into_iter()
            .map(|reading| Box::pin(readers.place(reading)))
            .collect();
        let asked = std::future::poll_fn(|context| {
            let mut asked = waiting.iter_mut().map(|one| one.as_mut().poll(context));
            // Those that have a place keep it.
            let held: Vec<_> = asked.by_ref().filter(std::task::Poll::is_ready).collect();
            std::task::Poll::Ready(held)
        });
        let held = runtime.block_on(asked);
        assert_eq!(held.len(), LONG + LARGE);
        let brief = runtime.block_on(readers.place(Reading::Brief));
        assert!(brief.is_ok());
        drop(held);
    }

    #[test]
    fn connections_that_nobody_uses_are_closed_and_made_again_when_they_are_needed() {
        let dir = tempfile::tempdir().unwrap();
        // Makes the file.
        let store = Store::open(dir.path(), 1, &Arc::default()).unwrap();
        let readers = Readers::open(&dir.path().join(FILE_NAME), &store.keys, &store.held).unwrap();
        let is_free = |view: &View<'_>| {
            Ok(matches!(
                view.lookup(&StateName::parse("w", "b").unwrap())?,
                Lookup::Free
            ))
        };
        let kept = || readers.pool.open().as_ref().map(Vec::len);
        // One inside the other needs two.
        assert!(
            readers
                .read_inline(|view| Ok(is_free(view)? && readers.read_inline(is_free)?))
                .unwrap()
        );
        readers.close_unused(Duration::MAX);
        assert_eq!(kept(), Some(2), "used just now");
        std::thread::sleep(Duration::from_millis(2));
        readers.close_unused(Duration::from_millis(1));
        assert_eq!(kept(), Some(0));
        assert!(readers.read_inline(is_free).unwrap());
        assert_eq!(kept(), Some(1));
    }
}
