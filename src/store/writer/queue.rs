//! Where jobs are queued for the writing thread.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::job::{self, Afterwards, Job, Lane, Reply, Work, WorkJob};
use super::lanes::Entrance;
use crate::metrics::Metrics;
use crate::model::key::KeyId;
use crate::store::error::StoreError;
use crate::store::made::{self, Made};
use crate::store::seen_damage::SeenDamage;
use crate::store::touches::Touches;
use crate::store::tx::Tx;

/// Where jobs wait for the writing thread.
#[derive(Clone)]
pub struct Queue {
    pub(super) entrance: Entrance,
    /// Whose jobs this handle queues.
    lane: Lane,
    metrics: Arc<Metrics>,
    damage: Arc<SeenDamage>,
}

impl Queue {
    /// A queue whose jobs go in at this end, and are the server's own.
    pub(super) const fn new(
        entrance: Entrance,
        metrics: Arc<Metrics>,
        damage: Arc<SeenDamage>,
    ) -> Self {
        Self {
            entrance,
            lane: None,
            metrics,
            damage,
        }
    }

    /// The same queue, for jobs of this key.
    #[must_use]
    pub fn of(self, key: Option<KeyId>) -> Self {
        Self { lane: key, ..self }
    }

    /// Queues a job; see [`Store::write`](crate::store::Store::write). A full queue refuses it at
    /// once. It is written whether or not anybody waits.
    ///
    /// `reply` gets the answer, always and once, on the thread that writes: it has to be brief.
    /// What has to be done whether or not the caller still waits belongs there.
    pub fn write<T: Send + 'static>(
        &self,
        touches: Touches,
        bytes: usize,
        work: impl FnMut(&Tx<'_>) -> Result<T, StoreError> + Send + 'static,
        reply: impl FnOnce(Result<T, StoreError>) + Send + 'static,
    ) {
        let reply = |outcome: Result<Made, _>| reply(outcome.and_then(made::shown));
        self.push((touches, bytes), job::work(work), Box::new(reply));
    }

    /// Queues a job and waits for its answer. `then` is done with what came of it whether or not
    /// the caller still waits.
    pub(in crate::store) async fn answer(
        &self,
        size: (Touches, usize),
        work: Work,
        then: Option<Afterwards>,
    ) -> Result<Made, StoreError> {
        let (reply, answer) = oneshot::channel();
        let reply = move |outcome| {
            let outcome = match then {
                Some(then) => then(outcome),
                None => outcome,
            };
            // The caller may have gone away; what was written stays written.
            let _ = reply.send(outcome);
        };
        self.push(size, work, Box::new(reply));
        answer.await.unwrap_or(Err(StoreError::Closed))
    }

    fn push(&self, size: (Touches, usize), work: Work, reply: Reply) {
        self.metrics.queue_jobs.inc();
        let damage = Arc::clone(&self.damage);
        let job = Box::new(WorkJob::new(self.lane, size, damage, work, reply));
        if let Err((error, job)) = self.entrance.try_send(job) {
            self.metrics.queue_jobs.dec();
            job.answer(Err(error));
        }
    }

    /// A job of the server's own that touches no address, counted as one that waits.
    pub(super) fn own_job(&self, work: Work, reply: Reply) -> Box<dyn Job> {
        self.metrics.queue_jobs.inc();
        let damage = Arc::clone(&self.damage);
        Box::new(WorkJob::new(
            None,
            (Touches::NoState, 0),
            damage,
            work,
            reply,
        ))
    }
}
