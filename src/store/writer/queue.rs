//! Where jobs are queued for the writing thread.

use std::sync::Arc;

use super::job::{Job, JobOf};
use super::lanes::{Entrance, Lane};
use crate::metrics::Metrics;
use crate::model::key::KeyId;
use crate::store::error::StoreError;
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
        self.metrics.queue_jobs.inc();
        let damage = Arc::clone(&self.damage);
        let job = Box::new(JobOf::new((touches, bytes), damage, work, reply));
        if let Err((error, job)) = self.entrance.try_send(self.lane, job) {
            self.metrics.queue_jobs.dec();
            job.answer(Err(error));
        }
    }

    /// A job of the server's own that touches no address, counted as one that waits.
    pub(super) fn own_job<T: Send + 'static>(
        &self,
        work: impl FnMut(&Tx<'_>) -> Result<T, StoreError> + Send + 'static,
        reply: impl FnOnce(Result<T, StoreError>) + Send + 'static,
    ) -> Box<dyn Job> {
        self.metrics.queue_jobs.inc();
        let damage = Arc::clone(&self.damage);
        Box::new(JobOf::new((Touches::NoState, 0), damage, work, reply))
    }
}
