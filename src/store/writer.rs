//! The one thread that writes.
//!
//! It drains what has queued, opens a transaction, runs each job under a savepoint of its own, commits once, and only then answers all of them.
//! A batch is whatever arrived while the last commit ran: a lone write waits for nobody, a crowd shares one fsync. A job that fails or panics
//! leaves nothing behind and its neighbours commit; a commit that fails is a failure for each of its jobs. After a failed sync or write the
//! disk's content is unknown, and the next commit could falsely succeed: so nothing is written any more until the process starts again.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use rusqlite::Connection;
use tokio::sync::{oneshot, watch};

use super::error::{OpenError, StoreError};
use super::memo::Commits;
use super::tx::{Tx, View};
use crate::metrics::Metrics;
use crate::model::clock;

/// The most jobs in one transaction.
const MAX_BATCH_JOBS: usize = 256;
/// A transaction takes no further job once its jobs come to this many bytes.
const MAX_BATCH_BYTES: usize = 16 * 1024 * 1024;

/// Once the write-ahead log has so many pages (16 MiB), it is moved into the database: the longer it is, the more of its pages are older forms of
/// others and need not be moved, and the fewer syncs that takes. A start after a crash reads it all, in some 10 ms.
const CHECKPOINT_PAGES: i64 = 4_000;

/// One thing to write, whose answer somebody waits for.
trait Job: Send {
    /// When it was queued.
    fn since(&self) -> Instant;
    /// About how many bytes it adds.
    fn bytes(&self) -> usize;
    /// Does it, and keeps the outcome to itself.
    fn run(&mut self, tx: &Tx<'_>) -> Result<(), StoreError>;
    /// Answers: with the outcome when the commit is on disk, else with why not.
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
}

/// Where an answer goes.
type Reply<T, E> = oneshot::Sender<Result<T, E>>;

struct JobOf<T, E, F> {
    since: Instant,
    bytes: usize,
    work: F,
    outcome: Option<Result<T, StoreError>>,
    reply: Reply<T, E>,
}

impl<T, E, F> Job for JobOf<T, E, F>
where
    T: Send,
    E: Send + From<StoreError>,
    F: FnMut(&Tx<'_>) -> Result<T, StoreError> + Send,
{
    fn since(&self) -> Instant {
        self.since
    }

    fn bytes(&self) -> usize {
        self.bytes
    }

    fn run(&mut self, tx: &Tx<'_>) -> Result<(), StoreError> {
        let outcome = (self.work)(tx);
        let done = outcome.as_ref().map(|_| ()).map_err(Clone::clone);
        self.outcome = Some(outcome);
        done
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>) {
        let Self { outcome, reply, .. } = *self;
        // The caller may have gone away; what was written stays written.
        let _ = reply.send(committed.and_then(|()| outcome.unwrap_or(Err(StoreError::Panicked))).map_err(E::from));
    }
}

enum Message {
    Job(Box<dyn Job>),
    Close(oneshot::Sender<()>),
}

/// Where jobs wait for the writing thread.
#[derive(Clone)]
pub struct Queue {
    sender: SyncSender<Message>,
    metrics: Arc<Metrics>,
}

impl Queue {
    /// Queues a job whose answer goes to whoever has the other end of `reply`; see [`Store::write`](super::Store::write). A full queue refuses it
    /// at once. It is written whether or not anybody waits.
    pub fn write<T, E>(&self, bytes: usize, work: impl FnMut(&Tx<'_>) -> Result<T, StoreError> + Send + 'static, reply: Reply<T, E>)
    where
        T: Send + 'static,
        E: Send + From<StoreError> + 'static,
    {
        self.metrics.queue_jobs.inc();
        let job = Box::new(JobOf { since: clock::monotonic(), bytes, work, outcome: None, reply });
        let (error, refused) = match self.sender.try_send(Message::Job(job)) {
            Ok(()) => return,
            Err(TrySendError::Full(refused)) => (StoreError::Busy, refused),
            Err(TrySendError::Disconnected(refused)) => (StoreError::Closed, refused),
        };
        self.metrics.queue_jobs.dec();
        if let Message::Job(job) = refused {
            job.answer(Err(error));
        }
    }

    /// Whether the writer has nothing to do.
    pub fn is_idle(&self) -> bool {
        self.metrics.queue_jobs.get() == 0
    }

    /// Queues a job that nobody waits for; a full queue drops it.
    pub fn post(&self, work: impl FnMut(&Tx<'_>) -> Result<(), StoreError> + Send + 'static) {
        let (reply, _) = oneshot::channel::<Result<(), StoreError>>();
        self.write(0, work, reply);
    }
}

/// The handle to the writing thread.
pub(super) struct Writer {
    queue: Queue,
    fault: watch::Receiver<Option<StoreError>>,
    thread: Mutex<Option<std::thread::JoinHandle<()>>>,
}

impl Writer {
    /// Starts the thread. At most `max_queue` jobs may wait for it.
    pub(super) fn start(connection: Connection, max_queue: usize, commits: Commits, metrics: Arc<Metrics>) -> Result<Self, OpenError> {
        let (sender, jobs) = sync_channel(max_queue);
        let (announce, fault) = watch::channel(None);
        let queue = Queue { sender, metrics: Arc::clone(&metrics) };
        let run = move || Loop { connection, announce, commits, metrics }.run(&jobs);
        let thread = std::thread::Builder::new()
            .name("writer".to_owned())
            .spawn(run)
            .map_err(|source| OpenError::File { path: "the writer's thread".into(), source })?;
        Ok(Self { queue, fault, thread: Mutex::new(Some(thread)) })
    }

    pub(super) fn queue(&self) -> Queue {
        self.queue.clone()
    }

    pub(super) fn fault(&self) -> Option<StoreError> {
        self.fault.borrow().clone()
    }

    pub(super) async fn faulted(&self) -> StoreError {
        let mut fault = self.fault.clone();
        match fault.wait_for(Option::is_some).await {
            Ok(error) => error.clone().unwrap_or(StoreError::Closed),
            // The thread ended in good order: nothing will ever go wrong again.
            Err(_) => std::future::pending().await,
        }
    }

    pub(super) async fn close(&self) {
        let (reply, done) = oneshot::channel();
        let queue = self.queue.sender.clone();
        // The queue may be full: waiting for a place is left to a thread that may wait.
        let sent = tokio::task::spawn_blocking(move || queue.send(Message::Close(reply)).is_ok()).await;
        if sent.unwrap_or(false) {
            let _ = done.await;
        }
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}

struct Loop {
    connection: Connection,
    announce: watch::Sender<Option<StoreError>>,
    commits: Commits,
    metrics: Arc<Metrics>,
}

impl Loop {
    fn run(mut self, queue: &Receiver<Message>) {
        while let Ok(message) = queue.recv() {
            let first = match message {
                Message::Job(job) => job,
                Message::Close(done) => return self.close(done),
            };
            let (batch, closing) = drain(first, queue);
            self.write(batch);
            self.checkpoint();
            if let Some(done) = closing {
                return self.close(done);
            }
        }
    }

    fn write(&mut self, mut batch: Vec<Box<dyn Job>>) {
        let started = clock::monotonic();
        for job in &batch {
            self.metrics.queue_seconds.observe(started.duration_since(job.since()).as_secs_f64());
        }
        let jobs = batch.len();
        let lasting = self.announce.borrow().clone();
        let results = match lasting {
            Some(fault) => Err(fault),
            None => self.commit(&mut batch),
        };
        if let Err(error) = &results {
            self.note_fault(error);
        }
        self.metrics.queue_jobs.sub(i64::try_from(jobs).unwrap_or(i64::MAX));
        match results {
            Ok(results) => batch.into_iter().zip(results).for_each(|(job, result)| job.answer(result)),
            Err(error) => batch.into_iter().for_each(|job| job.answer(Err(error.clone()))),
        }
    }

    /// Runs a batch in one transaction: what each job came to, or why none of them is on disk.
    fn commit(&self, batch: &mut [Box<dyn Job>]) -> Result<Vec<Result<(), StoreError>>, StoreError> {
        let connection = &self.connection;
        run(connection, "BEGIN IMMEDIATE")?;
        let outcome = run_all(connection, batch).and_then(|results| {
            let started = clock::monotonic();
            let outcome = run(connection, "COMMIT");
            // Counted even when it failed: what the disk holds then is not known.
            self.commits.count();
            outcome?;
            self.metrics.commit_seconds.observe(started.elapsed().as_secs_f64());
            self.metrics.commit_jobs.observe(f64::from(u32::try_from(results.len()).unwrap_or(u32::MAX)));
            Ok(results)
        });
        if outcome.is_err() && !connection.is_autocommit() {
            // Nothing of the batch may stay, and the next one has to find a connection without a transaction.
            run(connection, "ROLLBACK")?;
        }
        outcome
    }

    /// Moves the write-ahead log into the database when it has grown long: after the answers, so that nobody waits for it but the next batch.
    fn checkpoint(&self) {
        if self.announce.borrow().is_some() {
            return;
        }
        let pages = |sql: &str| self.connection.prepare_cached(sql)?.query_row([], |row| row.get::<_, i64>(1));
        let outcome = pages("PRAGMA wal_checkpoint(NOOP)").and_then(|length| {
            if length < CHECKPOINT_PAGES {
                return Ok(());
            }
            let started = clock::monotonic();
            pages("PRAGMA wal_checkpoint(PASSIVE)")?;
            self.metrics.checkpoint_seconds.observe(started.elapsed().as_secs_f64());
            Ok(())
        });
        if let Err(error) = outcome.map_err(StoreError::from) {
            self.note_fault(&error);
        }
    }

    /// A fault that lasts is announced once.
    fn note_fault(&self, error: &StoreError) {
        if error.is_lasting() {
            self.announce.send_if_modified(|fault| {
                let is_first = fault.is_none();
                fault.get_or_insert_with(|| error.clone());
                is_first
            });
        }
    }

    fn close(self, done: oneshot::Sender<()>) {
        if self.announce.borrow().is_none() {
            // Best effort: what is in the write-ahead log is safe there too.
            let _ = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        }
        drop(self.connection);
        let _ = done.send(());
    }
}

/// What has queued behind a job, up to the bounds of one transaction.
fn drain(first: Box<dyn Job>, queue: &Receiver<Message>) -> (Vec<Box<dyn Job>>, Option<oneshot::Sender<()>>) {
    let mut bytes = first.bytes();
    let mut batch = vec![first];
    while batch.len() < MAX_BATCH_JOBS && bytes < MAX_BATCH_BYTES {
        match queue.try_recv() {
            Ok(Message::Job(job)) => {
                bytes += job.bytes();
                batch.push(job);
            }
            Ok(Message::Close(done)) => return (batch, Some(done)),
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
        }
    }
    (batch, None)
}

/// Runs a statement that begins or ends something.
fn run(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute([]).map(drop)
}

/// Runs all jobs. Nearly always all of them succeed, and a savepoint costs a copy of each page that is changed under it: so they first run without
/// any. When one fails, all is undone, and they run once more, each under its own. The outer error means that the whole transaction is lost.
fn run_all(connection: &Connection, batch: &mut [Box<dyn Job>]) -> Result<Vec<Result<(), StoreError>>, StoreError> {
    match batch.iter_mut().try_for_each(|job| attempt(connection, job.as_mut())) {
        Ok(()) => return Ok(batch.iter().map(|_| Ok(())).collect()),
        Err(error) if error.is_lasting() || connection.is_autocommit() => return Err(error),
        Err(_) => {}
    }
    run(connection, "ROLLBACK")?;
    run(connection, "BEGIN IMMEDIATE")?;
    batch.iter_mut().map(|job| run_one(connection, job.as_mut())).collect()
}

fn attempt(connection: &Connection, job: &mut dyn Job) -> Result<(), StoreError> {
    let tx = Tx(View { connection });
    catch_unwind(AssertUnwindSafe(|| job.run(&tx))).unwrap_or(Err(StoreError::Panicked))
}

/// Runs one job under its savepoint. The outer error means that the whole transaction is lost.
fn run_one(connection: &Connection, job: &mut dyn Job) -> Result<Result<(), StoreError>, StoreError> {
    run(connection, "SAVEPOINT job")?;
    let result = attempt(connection, job);
    if connection.is_autocommit() {
        // SQLite gave up the whole transaction by itself, as it may when the disk is full.
        return Err(result.err().unwrap_or(StoreError::Panicked));
    }
    match result {
        Ok(()) => run(connection, "RELEASE job")?,
        Err(ref error) if error.is_lasting() => return Err(error.clone()),
        Err(_) => {
            run(connection, "ROLLBACK TO job")?;
            run(connection, "RELEASE job")?;
        }
    }
    Ok(result)
}

#[cfg(test)]
mod tests;
