//! What the product means. Every method takes the caller, and decides itself whether they may.
//!
//! Outcomes that a client has to expect are values; errors are for what keeps an act from
//! happening. Nothing here knows HTTP or SQL.

mod access;
pub mod error;

pub mod content;
pub mod engine;

pub mod auth;
pub mod history;
pub mod integrity;
pub mod retention;
pub mod states;

pub mod events;
pub mod status;
pub mod upkeep;

pub use content::cache::LeasedBytes;
pub use content::encode::check_md5;
pub use history::compare::{Comparing, NotCompared};

use std::sync::Arc;

use tokio::sync::{Notify, oneshot};
use uuid::Uuid;

use crate::config::Limits;
use crate::metrics::Metrics;
use crate::model::caller::Caller;
use crate::model::clock::{self, Timestamp};
use crate::model::retention::Moment;
use crate::store::{OpenError, Store};

use auth::credentials::Credentials;
use auth::{keys, logins};
use content::cache::DecodedCache;
use content::compaction::Compaction;
use content::damaged::Damaged;
use content::read::Decoding;
use engine::background::Worker;
use engine::budget::{Budget, Reservation, Reserved};
use engine::data_dir::DirLock;
use error::Error;
use events::EventBuffer;
use history::{purge, transfers};
use states::locks;
use states::prepare::Preparing;

/// The open product: one for each process and data directory.
pub struct Domain {
    store: Store,
    limits: Limits,
    metrics: Arc<Metrics>,
    budget: Budget,
    cache: DecodedCache,
    decoding: Decoding,
    // What takes a core for long runs on as many threads as there are cores, and so with as many
    // sets of working memory.
    cores: rayon::ThreadPool,
    preparing: Arc<Preparing>,
    compaction: Arc<Compaction>,
    erasing: purge::Erasing,
    background: Worker,
    credentials: Credentials,
    buffer: Arc<EventBuffer>,
    damaged: Arc<Damaged>,
    integrity: integrity::Verifications,
    trust: Arc<retention::Trust>,
    trusted_again: Arc<Notify>,
    // One run at a time.
    pruning: tokio::sync::Mutex<()>,
    started_at: Timestamp,
    standing: status::Standing,
    base_url: std::sync::OnceLock<String>,
    // Held for as long as the store is open.
    dir: DirLock,
}

impl Domain {
    /// Opens a data directory that this process has locked.
    pub fn open(dir: DirLock, limits: Limits) -> Result<Arc<Self>, OpenError> {
        let metrics = Arc::new(Metrics::default());
        let store = Store::open(dir.path(), limits.max_queue, &metrics)?;
        let now = clock::now();
        let known = store.look(|view| Ok(view.moment(Moment::Trusted)?.or(view.newest_time()?)));
        // What cannot be read is no reason to believe the clock: then nothing is removed by age.
        let known = known
            .unwrap_or(Some(Timestamp::from_millis(0)))
            .unwrap_or(now);
        let cores = start_cores()?;
        Ok(Arc::new(Self {
            damaged: Arc::new(Damaged::load(&store)),
            integrity: integrity::Verifications::default(),
            store,
            budget: Budget::new(limits.max_in_flight),
            cache: DecodedCache::new(limits.cache_size),
            decoding: Decoding::default(),
            cores,
            preparing: Arc::default(),
            compaction: Arc::default(),
            erasing: purge::Erasing::default(),
            background: Worker::start()?,
            credentials: Credentials::new(&limits, Arc::clone(&metrics)),
            metrics,
            trust: Arc::new(retention::Trust::new(known, limits.max_clock_jump)),
            trusted_again: Arc::default(),
            pruning: tokio::sync::Mutex::new(()),
            limits,
            buffer: Arc::default(),
            started_at: now,
            standing: status::Standing::new(now),
            base_url: std::sync::OnceLock::new(),
            dir,
        }))
    }

    /// The limits that are in force.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// What is counted and measured.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Memory for a body of this size, or the answer that there is not enough.
    pub fn reserve_for_body(&self, body: u64) -> Result<Reservation, Error> {
        self.making_room(|| self.budget.for_body(body))
    }

    /// More memory for a body that turns out to be of this size.
    pub fn reserve_more(&self, reservation: &mut Reservation, body: u64) -> Result<(), Error> {
        self.making_room(|| self.budget.grow(reservation, body))
    }

    /// Memory for an answer that was made, or the answer that there is not enough.
    pub fn reserve_for_answer(&self, bytes: Vec<u8>) -> Result<Arc<LeasedBytes>, Error> {
        let reservation = self.making_room(|| self.budget.for_copy(bytes.len() as u64))?;
        Ok(LeasedBytes::new(bytes, reservation))
    }

    /// Whatever is kept for readers that may come goes when somebody needs the room now.
    fn making_room<T>(&self, mut reserve: impl FnMut() -> Result<T, Error>) -> Result<T, Error> {
        reserve().or_else(|error| {
            if self.cache.clear() {
                reserve()
            } else {
                Err(error)
            }
        })
    }

    /// Runs something that takes a core for long, off the request threads and when there is a core
    /// for it. There is no other form than this, in which the memory for it goes along: whoever
    /// waits may go away at any moment. What nobody waits for any more is not begun.
    async fn on_a_core<L: Reserved, T: Send + 'static>(
        &self,
        reserved: L,
        work: impl FnOnce(L) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        self.begin_on_a_core(move || answer_with(reply, reserved, work));
        answer.await.map_err(|_| panicked())
    }

    /// Runs something that needs nothing which is kept, for anybody with good credentials.
    pub async fn work_for<L: Reserved, T: Send + 'static>(
        &self,
        _caller: &Caller,
        reserved: L,
        work: impl FnOnce(L) -> T + Send + 'static,
    ) -> Result<T, Error> {
        self.on_a_core(reserved, work).await
    }

    /// The same without waiting for its end.
    fn begin_on_a_core(&self, work: impl FnOnce() + Send + 'static) {
        self.cores.spawn_fifo(work);
    }

    /// States as clients use them.
    pub fn states(&self) -> states::States<'_> {
        states::States(self)
    }

    /// Locks.
    pub fn locks(&self) -> locks::Locks<'_> {
        locks::Locks(self)
    }

    /// Versions, and bringing states back or elsewhere.
    pub fn history(&self) -> history::History<'_> {
        history::History(self)
    }

    /// States that leave for a storage elsewhere.
    pub fn transfers(&self) -> transfers::Transfers<'_> {
        transfers::Transfers(self)
    }

    /// Holds, policies, and pruning.
    pub fn retention(&self) -> retention::Retention<'_> {
        retention::Retention(self)
    }

    /// Credentials and tokens.
    pub fn logins(&self) -> logins::Logins<'_> {
        logins::Logins(self)
    }

    /// API keys.
    pub fn keys(&self) -> keys::Keys<'_> {
        keys::Keys(self)
    }

    /// The event log.
    pub fn events(&self) -> events::Events<'_> {
        events::Events(self)
    }

    /// Verifications.
    pub fn integrity(&self) -> integrity::Integrity<'_> {
        integrity::Integrity(self)
    }

    /// How the server is.
    pub fn status(&self) -> status::Status<'_> {
        status::Status(self)
    }

    /// Which data this is: by it a client knows whether two addresses are the same server.
    pub const fn instance(&self) -> Uuid {
        self.store.instance()
    }

    /// Says how clients reach the server, once that is known.
    pub fn set_base_url(&self, url: &str) {
        let _ = self.base_url.set(url.trim_end_matches('/').to_owned());
    }

    /// How clients reach the server; empty when only its socket does.
    pub fn base_url(&self) -> &str {
        self.base_url.get().map_or("", String::as_str)
    }

    /// Waits until the store cannot write for good, and says why.
    pub async fn broken(&self) -> String {
        self.store.faulted().await.to_string()
    }

    /// Writes down what is buffered, finishes what is queued, and closes the store.
    pub async fn close(&self) {
        self.flush_buffered().await;
        self.store.close().await;
    }
}

/// Does some work and answers with what comes of it, if anybody waits for that.
fn answer_with<L, T>(reply: oneshot::Sender<T>, reserved: L, work: impl FnOnce(L) -> T) {
    if !reply.is_closed() {
        drop(reply.send(work(reserved)));
    }
}

/// One thread a core, each with its name. A panic is told to whoever waits, by the answer that does
/// not come.
fn start_cores() -> Result<rayon::ThreadPool, OpenError> {
    let threads = rayon::ThreadPoolBuilder::new()
        .thread_name(|index| format!("core-{index}"))
        .panic_handler(|_| {});
    threads.build().map_err(|error| OpenError::File {
        path: "the threads that compress".into(),
        source: std::io::Error::other(error),
    })
}

/// Runs something that takes long off the request threads.
async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| panicked())
}

fn panicked() -> Error {
    Error::Internal("a task panicked".to_owned())
}

#[cfg(test)]
mod tests {
    use std::future::Future as _;
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn memory_stays_lent_for_as_long_as_there_is_work_that_nobody_waits_for() {
        let dir = tempfile::tempdir().unwrap();
        let domain = Domain::open(DirLock::take(dir.path()).unwrap(), Limits::default()).unwrap();
        let (begun, may_end) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let reserved = || domain.budget.in_flight().0;
        let (at_work, ending) = (Arc::clone(&begun), Arc::clone(&may_end));
        let work = move |reservation: Reservation| {
            at_work.wait();
            ending.wait();
            drop(reservation);
        };
        let mut waiting =
            Box::pin(domain.on_a_core(domain.budget.for_copy(1024 * 1024).unwrap(), work));
        runtime.block_on(std::future::poll_fn(|context| {
            assert!(waiting.as_mut().poll(context).is_pending());
            std::task::Poll::Ready(())
        }));
        begun.wait();
        drop(waiting);
        assert_eq!(reserved(), 1024 * 1024);
        may_end.wait();
        let until = clock::monotonic() + std::time::Duration::from_mins(1);
        while reserved() > 0 {
            assert!(
                clock::monotonic() < until,
                "it comes back when the work is done"
            );
            std::thread::yield_now();
        }
        runtime.block_on(domain.close());
    }

    #[test]
    fn what_nobody_waits_for_any_more_is_not_begun() {
        let (reply, answer) = oneshot::channel::<()>();
        drop(answer);
        answer_with(reply, (), |()| panic!("begun"));
    }
}
