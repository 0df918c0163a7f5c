//! The one thread that writes.
//!
//! It takes all jobs that are queued, of each key in turn, runs them in one transaction, commits
//! once, and only then answers them. A batch is the jobs that arrived during the last commit, and
//! those that arrive while these run: a single write does not wait, and many share one fsync. A job
//! that fails or panics leaves nothing behind, and its neighbours commit. If the commit fails, each
//! of its jobs fails.
//!
//! After a failed sync or write the content of the disk is unknown, and the next commit could
//! falsely succeed. So nothing is written until the process starts again. If the disk is full, the
//! WAL is moved into the database first, and the job tried once more.

mod batch;
mod job;
mod lanes;
mod queue;
mod taken;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvError, RecvTimeoutError};
use std::time::Duration;

use parking_lot::Mutex;
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use tokio::sync::{oneshot, watch};

use super::changed_pages::ChangedPages;
use super::checkpoint::{Checkpoints, Unmoved};
use super::connection;
use super::erasing;
use super::error::{OpenError, StoreError};
use super::held::HeldFiles;
use super::made::{self, Made};
use super::memo::Commits;
use super::seals::DirectoryKeys;
use super::seen_damage::SeenDamage;
use super::start::keeper::AnchorKeeper;
use super::tx::Tx;
use super::wal_rounds::WalRounds;
use crate::metrics::Metrics;
use crate::model::commit::Commit;
use crate::sabotage::{self, Fault};
use batch::Transactions;
pub(super) use job::Erasure;
pub(super) use job::{Afterwards, Work, work};
use job::{Job, Message};
use lanes::Exit;
pub use queue::Queue;
use taken::Batch;

/// How long a sabotaged writer takes before each batch.
const SLOW_BATCH: Duration = Duration::from_millis(500);

/// After so long without a write, there is time for the WAL.
const PAUSE: Duration = Duration::from_millis(200);
/// And after so long, the memory that makes writes faster is given back.
const LONG_PAUSE: Duration = Duration::from_secs(30);

/// The handle to the writing thread.
pub(super) struct WritingThread {
    queue: Queue,
    fault: watch::Receiver<Option<StoreError>>,
    /// Whether the last write found no room.
    is_without_room: Arc<AtomicBool>,
    unmoved: Unmoved,
    thread: Mutex<Option<std::thread::JoinHandle<()>>>,
}

/// The open database, and what is written beside it.
pub(super) struct Database<'p> {
    pub(super) path: &'p Path,
    pub(super) connection: Connection,
    pub(super) keys: Arc<DirectoryKeys>,
    /// The last commit, and the last event from before the chain of events.
    pub(super) last: (Commit, i64),
    pub(super) anchor: AnchorKeeper,
    pub(super) held: Arc<HeldFiles>,
    pub(super) changed_pages: Arc<ChangedPages>,
}

impl WritingThread {
    /// Waits until little of the WAL is still to be moved into the file, or for 300 ms.
    pub(super) async fn wal_is_moved(&self) {
        self.unmoved.wait_until_little().await;
    }

    /// Starts the thread. At most `max_queue` jobs may wait for it.
    pub(super) fn start(
        database: Database<'_>,
        max_queue: usize,
        commits: Commits,
        (metrics, damage): (&Arc<Metrics>, Arc<SeenDamage>),
    ) -> Result<Self, OpenError> {
        let Database {
            path,
            connection,
            keys,
            last,
            anchor,
            held,
            changed_pages,
        } = database;
        let metrics = Arc::clone(metrics);
        let (entrance, jobs) = lanes::queue(max_queue);
        let (announce, fault) = watch::channel(None);
        let announce = Announce(announce);
        let queue = Queue::new(entrance, Arc::clone(&metrics), damage);
        let announcing = announce.clone();
        let checkpoints = Checkpoints::start(path, Arc::clone(&metrics), move |error| {
            announcing.note(error);
        })?;
        let unmoved = checkpoints.unmoved();
        let is_without_room = Arc::new(AtomicBool::new(false));
        let without_room = Arc::clone(&is_without_room);
        let rounds = WalRounds::of(path);
        let run = move || {
            Loop {
                transactions: Transactions::new((connection, keys), last, commits, metrics.clone()),
                anchor,
                rounds,
                checkpoints,
                announce,
                metrics,
                is_without_room: without_room,
                held,
                changed_pages,
            }
            .run(&jobs);
        };
        let thread = std::thread::Builder::new()
            .name("writer".to_owned())
            .spawn(run)
            .map_err(|source| OpenError::File {
                path: "the writer's thread".into(),
                source,
            })?;
        Ok(Self {
            queue,
            fault,
            is_without_room,
            unmoved,
            thread: Mutex::new(Some(thread)),
        })
    }

    pub(super) fn queue(&self) -> Queue {
        self.queue.clone()
    }

    pub(super) fn fault(&self) -> Option<StoreError> {
        self.fault.borrow().clone()
    }

    pub(super) fn is_without_room(&self) -> bool {
        self.is_without_room.load(Ordering::Relaxed)
    }

    pub(super) async fn faulted(&self) -> StoreError {
        let mut fault = self.fault.clone();
        let ends = |fault: &Option<StoreError>| {
            fault
                .as_ref()
                .is_some_and(|error| !error.keeps_the_process())
        };
        match fault.wait_for(ends).await {
            Ok(error) => error.clone().unwrap_or(StoreError::Closed),
            // The thread ended in good order: nothing will ever go wrong again.
            Err(_) => std::future::pending().await,
        }
    }

    /// Has what was removed leave the disk; see [`Erasure`].
    pub(super) async fn erase(&self, erasure: Erasure) -> Result<bool, StoreError> {
        let (reply, done) = oneshot::channel();
        if self.send(Message::Erase(erasure, reply)).await {
            done.await.unwrap_or(Err(StoreError::Closed))
        } else {
            Err(StoreError::Closed)
        }
    }

    /// Runs a job in a transaction without any other.
    pub(super) async fn write_alone<T: Send + 'static>(
        &self,
        work: impl FnMut(&Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.alone(job::work(work)).await.and_then(made::shown)
    }

    async fn alone(&self, work: Work) -> Result<Made, StoreError> {
        let (reply, answer) = oneshot::channel();
        let reply = move |outcome| {
            // The caller may have gone away; what was written stays written.
            let _ = reply.send(outcome);
        };
        let job = self.queue.own_job(work, Box::new(reply));
        if self.send(Message::Alone(job)).await {
            answer.await.unwrap_or(Err(StoreError::Closed))
        } else {
            Err(StoreError::Closed)
        }
    }

    /// Waits until the thread has come by all that is queued now; `false` when it has ended.
    pub(super) async fn comes_by(&self) -> bool {
        let done = self.write_alone(|_| Ok(())).await;
        !matches!(done, Err(StoreError::Closed))
    }

    /// Tells the thread something; `false` when it has ended. The queue may be full: waiting for a
    /// place is left to a thread that may wait.
    async fn send(&self, message: Message) -> bool {
        let entrance = self.queue.entrance.clone();
        let sent = tokio::task::spawn_blocking(move || entrance.send(message)).await;
        sent.unwrap_or(false)
    }

    pub(super) async fn close(&self) {
        let (reply, done) = oneshot::channel();
        if self.send(Message::Close(reply)).await {
            let _ = done.await;
        }
        let thread = self.thread.lock().take();
        if let Some(thread) = thread {
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}

/// Where a fault that lasts is announced, once.
#[derive(Clone)]
struct Announce(watch::Sender<Option<StoreError>>);

impl Announce {
    fn note(&self, error: &StoreError) {
        if error.is_lasting_for_all() {
            self.0.send_if_modified(|fault| {
                let is_first = fault.is_none();
                fault.get_or_insert_with(|| error.clone());
                is_first
            });
        }
    }

    fn fault(&self) -> Option<StoreError> {
        self.0.borrow().clone()
    }
}

struct Loop {
    transactions: Transactions,
    anchor: AnchorKeeper,
    rounds: WalRounds,
    checkpoints: Checkpoints,
    announce: Announce,
    metrics: Arc<Metrics>,
    is_without_room: Arc<AtomicBool>,
    /// Dropped after the connection.
    held: Arc<HeldFiles>,
    changed_pages: Arc<ChangedPages>,
}

impl Loop {
    fn run(mut self, queue: &Exit) {
        let mut taken = None;
        while let Some(message) = taken.take().or_else(|| self.next(queue).ok()) {
            match message {
                Message::Job(first) => {
                    let metrics = Arc::clone(&self.metrics);
                    taken = self.write(Batch::from(first, queue, &metrics));
                    self.look_at_the_wal(Checkpoints::after_commit);
                }
                Message::Alone(job) => {
                    let metrics = Arc::clone(&self.metrics);
                    self.write(Batch::alone(job, &metrics));
                    self.look_at_the_wal(Checkpoints::after_commit);
                }
                Message::Erase(erasure, reply) => {
                    let _ = reply.send(self.erase(erasure));
                }
                Message::Close(done) => return self.close(done),
            }
        }
    }

    /// Says whether it is done: not while a reader still needs a part of the WAL.
    fn erase(&mut self, erasure: Erasure) -> Result<bool, StoreError> {
        if let Some(fault) = self.announce.fault() {
            return Err(fault);
        }
        self.held.check()?;
        let done = match erasure {
            Erasure::WatchPages => {
                let writer = &self.transactions.connection;
                self.changed_pages.begin(writer).map(|()| true)
            }
            Erasure::NoteSwept => {
                self.changed_pages.end();
                self.rounds.note_dirty().map(|()| true)
            }
            Erasure::TruncateWal => self.empty_wal(),
        };
        if let Err(error) = &done {
            self.announce.note(error);
        }
        done
    }

    /// Has all that was removed leave the WAL: empties it, or cuts off the end that it does not
    /// need. Writers do not wait while much of it is still to be moved: the thread that moves it
    /// is told, and another try is needed.
    fn empty_wal(&mut self) -> Result<bool, StoreError> {
        let writer = &self.transactions.connection;
        if self.checkpoints.is_nearly_moved(writer)? && erasing::truncate_wal(writer)? {
            self.rounds.note_clean();
            return Ok(true);
        }
        self.rounds
            .cut_off_earlier(&mut self.transactions.connection)
    }

    /// The next message. The first pause after a write is used for the WAL.
    fn next(&mut self, queue: &Exit) -> Result<Message, RecvError> {
        match queue.recv_timeout(PAUSE) {
            Err(RecvTimeoutError::Timeout) => self.look_at_the_wal(Checkpoints::in_a_pause),
            next => return next.map_err(|_| RecvError),
        }
        match queue.recv_timeout(LONG_PAUSE) {
            Err(RecvTimeoutError::Timeout) => {
                connection::give_back_memory(&self.transactions.connection);
            }
            next => return next.map_err(|_| RecvError),
        }
        queue.recv()
    }

    /// Gives what was queued behind the jobs and is none.
    fn write(&mut self, mut batch: Batch<'_>) -> Option<Message> {
        if sabotage::is(Fault::SlowBatches) {
            std::thread::sleep(SLOW_BATCH);
        }
        let results = self.try_to_commit(&mut batch);
        let (jobs, behind) = batch.into_parts();
        let count = jobs.len();
        let without_room = self.answer(jobs, results, |error| matches!(error, StoreError::Full));
        if !without_room.is_empty() {
            self.look_at_the_wal(Checkpoints::make_room);
            let metrics = Arc::clone(&self.metrics);
            let mut again = Batch::only(without_room, &metrics);
            let results = self.try_to_commit(&mut again);
            self.answer(again.into_parts().0, results, |_| false);
        }
        self.metrics
            .queue_jobs
            .sub(i64::try_from(count).unwrap_or(i64::MAX));
        behind
    }

    /// Commits a batch if the disk is sound: what each of its jobs came to.
    fn try_to_commit(&mut self, batch: &mut Batch<'_>) -> Vec<Result<(), StoreError>> {
        let changes = self.transactions.connection.total_changes();
        let results = match self.announce.fault() {
            Some(fault) => Err(fault),
            None => self.commit(batch),
        };
        if let Err(error) = &results {
            self.announce.note(error);
        }
        if results.is_ok() {
            self.anchor.note(self.transactions.last());
        }
        let results = results.unwrap_or_else(|error| vec![Err(error); batch.jobs().len()]);
        let has_changed = self.transactions.connection.total_changes() != changes;
        self.note_room(&results, has_changed);
        results
    }

    /// Answers all jobs but those that are to be tried again, which come back.
    fn answer(
        &self,
        jobs: Vec<Box<dyn Job>>,
        results: Vec<Result<(), StoreError>>,
        try_again: impl Fn(&StoreError) -> bool,
    ) -> Vec<Box<dyn Job>> {
        let mut again = Vec::new();
        for (job, result) in jobs.into_iter().zip(results) {
            if result.as_ref().is_err_and(&try_again) {
                again.push(job);
            } else {
                job.answer(result);
            }
        }
        self.transactions.commit_too_late();
        again
    }

    /// Notes whether there is room. A commit that changes nothing says nothing of it.
    fn note_room(&self, results: &[Result<(), StoreError>], has_changed: bool) {
        let is_full = |result: &Result<(), StoreError>| matches!(result, Err(StoreError::Full));
        if results.iter().any(is_full) {
            self.is_without_room.store(true, Ordering::Relaxed);
        } else if has_changed && results.iter().any(Result::is_ok) {
            self.is_without_room.store(false, Ordering::Relaxed);
        }
    }

    /// Commits into the files that the next start finds, or says that they are gone. They are
    /// compared once more behind the commit, before anybody is answered.
    fn commit(&self, batch: &mut Batch<'_>) -> Result<Vec<Result<(), StoreError>>, StoreError> {
        self.held.check()?;
        let results = self.transactions.commit(batch, self.checkpoints.room())?;
        self.changed_pages
            .after_commit(&self.transactions.connection);
        self.held.check()?;
        Ok(results)
    }

    /// After the answers: only the next batch waits for it.
    fn look_at_the_wal(
        &mut self,
        step: impl FnOnce(&mut Checkpoints, &Connection) -> Result<(), StoreError>,
    ) {
        if self.announce.fault().is_none()
            && let Err(error) = step(&mut self.checkpoints, &self.transactions.connection)
        {
            self.announce.note(&error);
        }
    }

    fn close(mut self, done: oneshot::Sender<()>) {
        self.checkpoints.end();
        let is_gone = self.held.check().is_err();
        if is_gone {
            // SQLite would remove a WAL by its name, which another file may have by now.
            let no_checkpoint = DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
            let _ = self
                .transactions
                .connection
                .set_db_config(no_checkpoint, true);
        } else if self.announce.fault().is_none() {
            // Best effort: what is in the WAL is safe there too. A program that replicates the
            // database keeps it from being emptied, and is not waited for.
            let _ = erasing::truncate_wal(&self.transactions.connection);
        }
        let was_faulty = is_gone || self.announce.fault().is_some();
        drop(self.transactions.connection);
        if !was_faulty {
            self.anchor.close();
        }
        let _ = done.send(());
    }
}

#[cfg(test)]
mod tests;
