//! The one thread that writes.
//!
//! It drains what has queued, opens a transaction, runs each job under a savepoint of its own, commits once, and only then answers all of them.
//! A batch is whatever arrived while the last commit ran: a lone write waits for nobody, a crowd shares one fsync. A job that fails or panics
//! leaves nothing behind and its neighbours commit; a commit that fails is a failure for each of its jobs. After a failed sync or write the
//! disk's content is unknown, and the next commit could falsely succeed: so nothing is written any more until the process starts again.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::sync::{Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::{oneshot, watch};

use super::error::{OpenError, StoreError};
use super::tx::{Tx, View};

/// The most jobs that may wait; beyond, a caller is told that the server is busy.
const MAX_QUEUED: usize = 4_096;
/// The most jobs in one transaction.
const MAX_BATCH_JOBS: usize = 256;
/// A transaction takes no further job once its jobs come to this many bytes.
const MAX_BATCH_BYTES: usize = 16 * 1024 * 1024;

/// One thing to write, whose answer somebody waits for.
trait Job: Send {
    /// About how many bytes it adds.
    fn bytes(&self) -> usize;
    /// Does it, and keeps the outcome to itself.
    fn run(&mut self, tx: &Tx<'_>) -> Result<(), StoreError>;
    /// Answers: with the outcome when the commit is on disk, else with why not.
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
}

struct JobOf<T, F> {
    bytes: usize,
    work: F,
    outcome: Option<Result<T, StoreError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T: Send, F: FnMut(&Tx<'_>) -> Result<T, StoreError> + Send> Job for JobOf<T, F> {
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
        let _ = reply.send(committed.and_then(|()| outcome.unwrap_or(Err(StoreError::Panicked))));
    }
}

enum Message {
    Job(Box<dyn Job>),
    Close(oneshot::Sender<()>),
}

/// The handle to the writing thread.
pub(super) struct Writer {
    queue: SyncSender<Message>,
    fault: watch::Receiver<Option<StoreError>>,
    thread: Mutex<Option<std::thread::JoinHandle<()>>>,
}

impl Writer {
    /// Starts the thread.
    pub(super) fn start(connection: Connection) -> Result<Self, OpenError> {
        let (queue, jobs) = sync_channel(MAX_QUEUED);
        let (announce, fault) = watch::channel(None);
        let run = move || Loop { connection, announce }.run(&jobs);
        let thread = std::thread::Builder::new()
            .name("writer".to_owned())
            .spawn(run)
            .map_err(|source| OpenError::File { path: "the writer's thread".into(), source })?;
        Ok(Self { queue, fault, thread: Mutex::new(Some(thread)) })
    }

    pub(super) async fn write<T: Send + 'static>(
        &self,
        bytes: usize,
        work: impl FnMut(&Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.enqueue(Box::new(JobOf { bytes, work, outcome: None, reply }))?;
        answer.await.unwrap_or(Err(StoreError::Closed))
    }

    pub(super) fn post(&self, work: impl FnMut(&Tx<'_>) -> Result<(), StoreError> + Send + 'static) {
        let (reply, _) = oneshot::channel();
        let _ = self.enqueue(Box::new(JobOf { bytes: 0, work, outcome: None, reply }));
    }

    fn enqueue(&self, job: Box<dyn Job>) -> Result<(), StoreError> {
        self.queue.try_send(Message::Job(job)).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::Busy,
            TrySendError::Disconnected(_) => StoreError::Closed,
        })
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
        let queue = self.queue.clone();
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
            if let Some(done) = closing {
                return self.close(done);
            }
        }
    }

    fn write(&mut self, mut batch: Vec<Box<dyn Job>>) {
        let lasting = self.announce.borrow().clone();
        let results = match lasting {
            Some(fault) => Err(fault),
            None => self.commit(&mut batch),
        };
        if let Err(error) = &results
            && error.is_lasting()
        {
            self.announce.send_if_modified(|fault| {
                let is_first = fault.is_none();
                fault.get_or_insert_with(|| error.clone());
                is_first
            });
        }
        match results {
            Ok(results) => batch.into_iter().zip(results).for_each(|(job, result)| job.answer(result)),
            Err(error) => batch.into_iter().for_each(|job| job.answer(Err(error.clone()))),
        }
    }

    /// Runs a batch in one transaction: what each job came to, or why none of them is on disk.
    fn commit(&self, batch: &mut [Box<dyn Job>]) -> Result<Vec<Result<(), StoreError>>, StoreError> {
        let connection = &self.connection;
        connection.execute_batch("BEGIN IMMEDIATE")?;
        let outcome = run_all(connection, batch).and_then(|results| {
            connection.execute_batch("COMMIT")?;
            Ok(results)
        });
        if outcome.is_err() && !connection.is_autocommit() {
            // Nothing of the batch may stay, and the next one has to find a connection without a transaction.
            connection.execute_batch("ROLLBACK")?;
        }
        outcome
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

fn run_all(connection: &Connection, batch: &mut [Box<dyn Job>]) -> Result<Vec<Result<(), StoreError>>, StoreError> {
    batch.iter_mut().map(|job| run_one(connection, job.as_mut())).collect()
}

/// Runs one job under its savepoint. The outer error means that the whole transaction is lost.
fn run_one(connection: &Connection, job: &mut dyn Job) -> Result<Result<(), StoreError>, StoreError> {
    connection.execute_batch("SAVEPOINT job")?;
    let tx = Tx(View { connection });
    let result = catch_unwind(AssertUnwindSafe(|| job.run(&tx))).unwrap_or(Err(StoreError::Panicked));
    if connection.is_autocommit() {
        // SQLite gave up the whole transaction by itself, as it may when the disk is full.
        return Err(result.err().unwrap_or(StoreError::Panicked));
    }
    match result {
        Ok(()) => connection.execute_batch("RELEASE job")?,
        Err(ref error) if error.is_lasting() => return Err(error.clone()),
        Err(_) => connection.execute_batch("ROLLBACK TO job; RELEASE job")?,
    }
    Ok(result)
}

#[cfg(test)]
mod tests;
