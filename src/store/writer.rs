//! The one thread that writes.
//!
//! It drains what has queued, opens a transaction, runs all jobs, commits once, and only then
//! answers all of them. A batch is whatever arrived while the last commit ran: a lone write waits
//! for nobody, a crowd shares one fsync. A job that fails or panics leaves nothing behind and its
//! neighbours commit; a commit that fails is a failure for each of its jobs. After a failed sync or
//! write the disk's content is unknown, and the next commit could falsely succeed: so nothing is
//! written any more until the process starts again. Where the disk is full, all that is in the
//! write-ahead log is moved first and the job tried once more.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{
    Receiver, RecvError, RecvTimeoutError, SyncSender, TryRecvError, TrySendError, sync_channel,
};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::{oneshot, watch};

use super::checkpoint::Checkpoints;
use super::connection;
use super::erasing;
use super::error::{OpenError, StoreError};
use super::memo::Commits;
use super::tx::Tx;
use crate::metrics::Metrics;
use crate::model::clock;

/// The most jobs in one transaction.
const MAX_BATCH_JOBS: usize = 256;
/// A transaction takes no further job once its jobs come to this many bytes.
const MAX_BATCH_BYTES: usize = 16 * 1024 * 1024;

/// After so long without a write, there is time for the write-ahead log.
const PAUSE: Duration = Duration::from_millis(200);
/// And after so long, the memory that makes writes faster is given back.
const LONG_PAUSE: Duration = Duration::from_secs(30);

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

struct JobOf<T, F, R>
where
    R: FnOnce(Result<T, StoreError>),
{
    since: Instant,
    bytes: usize,
    work: Option<F>,
    outcome: Option<Result<T, StoreError>>,
    /// None once it has been answered.
    reply: Option<R>,
}

impl<T, F, R> Job for JobOf<T, F, R>
where
    T: Send,
    F: FnMut(&Tx<'_>) -> Result<T, StoreError> + Send,
    R: FnOnce(Result<T, StoreError>) + Send,
{
    fn since(&self) -> Instant {
        self.since
    }

    fn bytes(&self) -> usize {
        self.bytes
    }

    fn run(&mut self, tx: &Tx<'_>) -> Result<(), StoreError> {
        let outcome = self
            .work
            .as_mut()
            .map_or(Err(StoreError::Panicked), |work| work(tx));
        let done = outcome.as_ref().map(|_| ()).map_err(Clone::clone);
        self.outcome = Some(outcome);
        done
    }

    fn answer(mut self: Box<Self>, committed: Result<(), StoreError>) {
        // Whatever it holds, such as memory that is reserved, is back before anybody hears of it.
        drop(self.work.take());
        let outcome = self.outcome.take();
        if let Some(reply) = self.reply.take() {
            reply(committed.and_then(|()| outcome.unwrap_or(Err(StoreError::Panicked))));
        }
    }
}

/// What is queued behind the end of the writer is never run, and told so: nobody takes that for a
/// fault.
impl<T, F, R> Drop for JobOf<T, F, R>
where
    R: FnOnce(Result<T, StoreError>),
{
    fn drop(&mut self) {
        drop(self.work.take());
        if let Some(reply) = self.reply.take() {
            reply(Err(StoreError::Closed));
        }
    }
}

enum Message {
    Job(Box<dyn Job>),
    Erase(Erasure, oneshot::Sender<Result<bool, StoreError>>),
    Close(oneshot::Sender<()>),
}

/// How what was removed leaves the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Erasure {
    /// The file is written anew, without anything that no row has any more, and then the log
    /// emptied.
    Rewrite,
    /// The log is emptied.
    EmptyLog,
}

/// Where jobs wait for the writing thread.
#[derive(Clone)]
pub struct Queue {
    sender: SyncSender<Message>,
    metrics: Arc<Metrics>,
}

impl Queue {
    /// Queues a job; see [`Store::write`](super::Store::write). A full queue refuses it at once. It
    /// is written whether or not anybody waits.
    ///
    /// `reply` gets the answer, always and once, on the thread that writes: it has to be brief.
    /// What has to be done whether or not the caller still waits belongs there.
    pub fn write<T: Send + 'static>(
        &self,
        bytes: usize,
        work: impl FnMut(&Tx<'_>) -> Result<T, StoreError> + Send + 'static,
        reply: impl FnOnce(Result<T, StoreError>) + Send + 'static,
    ) {
        self.metrics.queue_jobs.inc();
        let job = Box::new(JobOf {
            since: clock::monotonic(),
            bytes,
            work: Some(work),
            outcome: None,
            reply: Some(reply),
        });
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
        self.write(0, work, drop);
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
    pub(super) fn start(
        connection: Connection,
        path: &Path,
        max_queue: usize,
        commits: Commits,
        metrics: Arc<Metrics>,
    ) -> Result<Self, OpenError> {
        let (sender, jobs) = sync_channel(max_queue);
        let (announce, fault) = watch::channel(None);
        let announce = Announce(announce);
        let queue = Queue {
            sender,
            metrics: Arc::clone(&metrics),
        };
        let announcing = announce.clone();
        let checkpoints = Checkpoints::start(path, Arc::clone(&metrics), move |error| {
            announcing.note(error)
        })?;
        let temporary = path.parent().unwrap_or(Path::new(".")).to_owned();
        let run = move || {
            Loop {
                connection,
                temporary,
                checkpoints,
                announce,
                commits,
                changes_credentials: Cell::new(false),
                metrics,
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
            thread: Mutex::new(Some(thread)),
        })
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

    /// Has what was removed leave the disk; see [`Erasure`].
    pub(super) async fn erase(&self, erasure: Erasure) -> Result<bool, StoreError> {
        let (reply, done) = oneshot::channel();
        let queue = self.queue.sender.clone();
        // The queue may be full: waiting for a place is left to a thread that may wait.
        let sent =
            tokio::task::spawn_blocking(move || queue.send(Message::Erase(erasure, reply)).is_ok())
                .await;
        if sent.unwrap_or(false) {
            done.await.unwrap_or(Err(StoreError::Closed))
        } else {
            Err(StoreError::Closed)
        }
    }

    pub(super) async fn close(&self) {
        let (reply, done) = oneshot::channel();
        let queue = self.queue.sender.clone();
        // The queue may be full: waiting for a place is left to a thread that may wait.
        let sent =
            tokio::task::spawn_blocking(move || queue.send(Message::Close(reply)).is_ok()).await;
        if sent.unwrap_or(false) {
            let _ = done.await;
        }
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
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
    connection: Connection,
    /// Where temporary files go.
    temporary: PathBuf,
    checkpoints: Checkpoints,
    announce: Announce,
    commits: Commits,
    /// Whether something since the last commit may have changed a key or a token.
    changes_credentials: Cell<bool>,
    metrics: Arc<Metrics>,
}

impl Loop {
    fn run(mut self, queue: &Receiver<Message>) {
        let mut taken = None;
        while let Some(message) = taken.take().or_else(|| self.next(queue).ok()) {
            match message {
                Message::Job(first) => {
                    let (batch, other) = drain(first, queue);
                    self.write(batch);
                    self.look_at_the_log(Checkpoints::after_commit);
                    taken = other;
                }
                Message::Erase(erasure, reply) => {
                    let _ = reply.send(self.erase(erasure));
                }
                Message::Close(done) => return self.close(done),
            }
        }
    }

    /// Says whether it is done; not while a reader still needs something of the log.
    fn erase(&mut self, erasure: Erasure) -> Result<bool, StoreError> {
        if let Some(fault) = self.announce.fault() {
            return Err(fault);
        }
        self.checkpoints.wait_until_moved();
        if erasure == Erasure::Rewrite {
            // The pages are other ones, though they say the same.
            let counted = self.commits.all.begin();
            let rewritten =
                erasing::vacuum(&self.connection, &self.temporary, self.checkpoints.room());
            drop(counted);
            if let Err(error) = rewritten {
                self.announce.note(&error);
                // What it wrote into the log until then would take the room that others need.
                self.look_at_the_log(|_, connection| erasing::truncate_wal(connection).map(drop));
                return Err(error);
            }
        }
        let done = erasing::truncate_wal(&self.connection);
        if let Err(error) = &done {
            self.announce.note(error);
        }
        done
    }

    /// The next message. The first pause after a write is used for the write-ahead log.
    fn next(&mut self, queue: &Receiver<Message>) -> Result<Message, RecvError> {
        match queue.recv_timeout(PAUSE) {
            Err(RecvTimeoutError::Timeout) => self.look_at_the_log(Checkpoints::in_a_pause),
            next => return next.map_err(|_| RecvError),
        }
        match queue.recv_timeout(LONG_PAUSE) {
            Err(RecvTimeoutError::Timeout) => connection::give_back_memory(&self.connection),
            next => return next.map_err(|_| RecvError),
        }
        queue.recv()
    }

    fn write(&mut self, batch: Vec<Box<dyn Job>>) {
        let started = clock::monotonic();
        for job in &batch {
            self.metrics
                .queue_seconds
                .observe(started.duration_since(job.since()).as_secs_f64());
        }
        let jobs = batch.len();
        let without_room = self.write_and_answer(batch, |error| matches!(error, StoreError::Full));
        if !without_room.is_empty() {
            self.look_at_the_log(Checkpoints::make_room);
            self.write_and_answer(without_room, |_| false);
        }
        self.metrics
            .queue_jobs
            .sub(i64::try_from(jobs).unwrap_or(i64::MAX));
    }

    /// Answers all jobs but those that are to be tried again, which come back.
    fn write_and_answer(
        &mut self,
        mut batch: Vec<Box<dyn Job>>,
        try_again: impl Fn(&StoreError) -> bool,
    ) -> Vec<Box<dyn Job>> {
        let results = match self.announce.fault() {
            Some(fault) => Err(fault),
            None => self.commit(&mut batch),
        };
        if let Err(error) = &results {
            self.announce.note(error);
        }
        let results = results.unwrap_or_else(|error| vec![Err(error); batch.len()]);
        let mut again = Vec::new();
        for (job, result) in batch.into_iter().zip(results) {
            if result.as_ref().is_err_and(&try_again) {
                again.push(job)
            } else {
                job.answer(result)
            }
        }
        again
    }

    /// Runs a batch in one transaction: what each job came to, or why none of them is on disk.
    fn commit(
        &self,
        batch: &mut [Box<dyn Job>],
    ) -> Result<Vec<Result<(), StoreError>>, StoreError> {
        let connection = &self.connection;
        run(connection, "BEGIN IMMEDIATE")?;
        let outcome = self.run_all(batch).and_then(|results| {
            let started = clock::monotonic();
            // Counted even when it fails: what the disk holds then is not known.
            let counted = (
                self.commits.all.begin(),
                self.changes_credentials
                    .take()
                    .then(|| self.commits.of_credentials.begin()),
            );
            let outcome = run(connection, "COMMIT");
            drop(counted);
            outcome?;
            self.metrics
                .commit_seconds
                .observe(started.elapsed().as_secs_f64());
            self.metrics
                .commit_jobs
                .observe(f64::from(u32::try_from(results.len()).unwrap_or(u32::MAX)));
            Ok(results)
        });
        if outcome.is_err() && !connection.is_autocommit() {
            // Nothing of the batch may stay, and the next one has to find a connection without a
            // transaction.
            run(connection, "ROLLBACK")?;
        }
        outcome
    }

    /// Runs all jobs. Nearly always all of them succeed, and a savepoint costs a copy of each page
    /// that is changed under it: so they first run without any. When one fails, all is undone, and
    /// they run once more, each under its own. A job that meets damage stands alone with that. The
    /// outer error means that the transaction is lost.
    fn run_all(
        &self,
        batch: &mut [Box<dyn Job>],
    ) -> Result<Vec<Result<(), StoreError>>, StoreError> {
        match batch
            .iter_mut()
            .try_for_each(|job| self.attempt(job.as_mut()))
        {
            Ok(()) => return Ok(batch.iter().map(|_| Ok(())).collect()),
            Err(error) if error.is_lasting() || self.connection.is_autocommit() => {
                return Err(error);
            }
            Err(_) => {}
        }
        let mut met_damage = vec![None; batch.len()];
        loop {
            run(&self.connection, "ROLLBACK")?;
            run(&self.connection, "BEGIN IMMEDIATE")?;
            let results = self.run_each(batch, &met_damage)?;
            let damaged = |result: &Result<(), StoreError>| {
                result
                    .as_ref()
                    .err()
                    .filter(|error| error.is_damage())
                    .cloned()
            };
            let met: Vec<Option<StoreError>> = results.iter().map(damaged).collect();
            if met.iter().flatten().count() == met_damage.iter().flatten().count() {
                return Ok(results);
            }
            // SQLite commits no transaction of which a statement has met damage: the others run
            // once more, without those jobs.
            met_damage = met;
        }
    }

    fn run_each(
        &self,
        batch: &mut [Box<dyn Job>],
        met_damage: &[Option<StoreError>],
    ) -> Result<Vec<Result<(), StoreError>>, StoreError> {
        let run = |(job, met): (&mut Box<dyn Job>, &Option<StoreError>)| match met {
            Some(error) => Ok(Err(error.clone())),
            None => self.run_one(job.as_mut()),
        };
        batch.iter_mut().zip(met_damage).map(run).collect()
    }

    fn attempt(&self, job: &mut dyn Job) -> Result<(), StoreError> {
        let tx = Tx::new(
            &self.connection,
            self.checkpoints.room(),
            &self.changes_credentials,
        );
        catch_unwind(AssertUnwindSafe(|| job.run(&tx))).unwrap_or(Err(StoreError::Panicked))
    }

    /// Runs one job under its savepoint. The outer error means that the whole transaction is lost.
    fn run_one(&self, job: &mut dyn Job) -> Result<Result<(), StoreError>, StoreError> {
        let connection = &self.connection;
        run(connection, "SAVEPOINT job")?;
        let result = self.attempt(job);
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

    /// After the answers, so that nobody waits for it but the next batch.
    fn look_at_the_log(
        &mut self,
        look: impl FnOnce(&mut Checkpoints, &Connection) -> Result<(), StoreError>,
    ) {
        if self.announce.fault().is_none()
            && let Err(error) = look(&mut self.checkpoints, &self.connection)
        {
            self.announce.note(&error);
        }
    }

    fn close(mut self, done: oneshot::Sender<()>) {
        self.checkpoints.end();
        if self.announce.fault().is_none() {
            // Best effort: what is in the write-ahead log is safe there too.
            let _ = self
                .connection
                .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        }
        drop(self.connection);
        let _ = done.send(());
    }
}

/// What has queued behind a job, up to the bounds of one transaction or something that is no job.
fn drain(first: Box<dyn Job>, queue: &Receiver<Message>) -> (Vec<Box<dyn Job>>, Option<Message>) {
    let mut bytes = first.bytes();
    let mut batch = vec![first];
    while batch.len() < MAX_BATCH_JOBS && bytes < MAX_BATCH_BYTES {
        match queue.try_recv() {
            Ok(Message::Job(job)) => {
                bytes += job.bytes();
                batch.push(job);
            }
            Ok(other) => return (batch, Some(other)),
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
        }
    }
    (batch, None)
}

/// Runs a statement that begins or ends something.
fn run(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute([]).map(drop)
}

#[cfg(test)]
mod tests;
