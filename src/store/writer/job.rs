//! One thing to write, and what else the writing thread is told. Each job is answered exactly once,
//! also if it fails.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::oneshot;

use crate::model::clock;
use crate::model::key::KeyId;
use crate::store::error::StoreError;
use crate::store::made::{self, Made};
use crate::store::seen_damage::SeenDamage;
use crate::store::touches::Touches;
use crate::store::tx::Tx;

/// Whose job it is; nobody's if it is the operator's or the server's own.
pub(super) type Lane = Option<KeyId>;

/// One thing to write.
pub(super) trait Job: Send {
    /// Whose it is.
    fn lane(&self) -> Lane;
    /// When it was queued.
    fn since(&self) -> Instant;
    /// About how many bytes it adds.
    fn bytes(&self) -> usize;
    /// Which addresses it touches.
    fn touches(&self) -> &Touches;
    /// Does it, and keeps the outcome to itself.
    fn run(&mut self, tx: &Tx<'_>) -> Result<(), StoreError>;
    /// Answers: with the outcome when the commit is on disk, else with why not.
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
}

/// What a job does; it may be done more than once.
pub(in crate::store) type Work = Box<dyn FnMut(&Tx<'_>) -> Result<Made, StoreError> + Send>;

/// Who gets what came of a job.
pub(super) type Reply = Box<dyn FnOnce(Result<Made, StoreError>) + Send>;

/// Looks at what came of a job before who asked gets it.
pub(in crate::store) type Afterwards =
    Box<dyn FnOnce(Result<Made, StoreError>) -> Result<Made, StoreError> + Send>;

/// What a job does, without the type of what it makes.
pub(in crate::store) fn work<T: Send + 'static>(
    mut work: impl FnMut(&Tx<'_>) -> Result<T, StoreError> + Send + 'static,
) -> Work {
    Box::new(move |tx| work(tx).map(made::hidden))
}

/// A job that does `work` and answers with `reply`.
pub(super) struct WorkJob {
    lane: Lane,
    since: Instant,
    bytes: usize,
    touches: Touches,
    damage: Arc<SeenDamage>,
    work: Option<Work>,
    outcome: Option<Result<Made, StoreError>>,
    /// None once it has been answered.
    reply: Option<Reply>,
}

impl WorkJob {
    /// Begins to wait now.
    pub(super) fn new(
        lane: Lane,
        (touches, bytes): (Touches, usize),
        damage: Arc<SeenDamage>,
        work: Work,
        reply: Reply,
    ) -> Self {
        Self {
            lane,
            since: clock::monotonic(),
            bytes,
            touches,
            damage,
            work: Some(work),
            outcome: None,
            reply: Some(reply),
        }
    }
}

impl Job for WorkJob {
    fn lane(&self) -> Lane {
        self.lane
    }

    fn since(&self) -> Instant {
        self.since
    }

    fn bytes(&self) -> usize {
        self.bytes
    }

    fn touches(&self) -> &Touches {
        &self.touches
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
        // The job gives back what it holds, such as reserved memory, before its answer is sent.
        drop(self.work.take());
        let outcome = self.outcome.take();
        if let Some(reply) = self.reply.take() {
            let outcome = committed.and_then(|()| outcome.unwrap_or(Err(StoreError::Panicked)));
            reply(self.damage.look_at(outcome));
        }
    }
}

/// A job that is queued behind the end of the writer never runs. It is answered that the store is
/// closed, which is no fault.
impl Drop for WorkJob {
    fn drop(&mut self) {
        drop(self.work.take());
        if let Some(reply) = self.reply.take() {
            reply(Err(StoreError::Closed));
        }
    }
}

/// What the writing thread is told.
pub(super) enum Message {
    /// To do this; it shares a transaction with its neighbours.
    Job(Box<dyn Job>),
    /// To do this in a transaction of its own.
    Alone(Box<dyn Job>),
    /// To have what was removed leave the disk.
    Erase(Erasure, oneshot::Sender<Result<bool, StoreError>>),
    /// To end, once all that is queued is done.
    Close(oneshot::Sender<()>),
}

/// A step in which what was removed leaves the disk, between two transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Erasure {
    /// From now on, the pages that change are noted.
    WatchPages,
    /// They are no more: nothing remains in the file's pages, and only the WAL has older ones.
    NoteSwept,
    /// The WAL is emptied.
    TruncateWal,
}
