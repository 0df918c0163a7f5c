//! The jobs of one transaction: those that had queued when it began, and those that queue while it
//! runs them. A job that comes amid long work of the server's own then waits for one commit and not
//! for two.
//!
//! Whoever came first waits for those who join, so they join once, and within the bounds of one
//! transaction.

use std::sync::mpsc::TryRecvError;

use super::job::{Job, Message};
use super::lanes::Exit;
use crate::metrics::Metrics;
use crate::model::clock;
use crate::sabotage::{self, Fault};

/// The most jobs in one transaction.
const MAX_JOBS: usize = 256;
/// A transaction takes no further job once its jobs come to this many bytes.
const MAX_BYTES: usize = 16 * 1024 * 1024;
/// How many jobs a sabotaged writer takes at once.
const MAX_JOBS_OF_A_SLOW_BATCH: usize = 4;

/// The jobs of one transaction.
pub(super) struct Batch<'q> {
    jobs: Vec<Box<dyn Job>>,
    bytes: usize,
    /// Where further ones queue; none if no others are taken.
    queue: Option<&'q Exit>,
    /// What was queued behind them and is no job.
    behind: Option<Message>,
    metrics: &'q Metrics,
}

impl<'q> Batch<'q> {
    /// This job and what has queued behind it.
    pub(super) fn from(first: Box<dyn Job>, queue: &'q Exit, metrics: &'q Metrics) -> Self {
        let mut batch = Self {
            queue: Some(queue),
            ..Self::only(Vec::new(), metrics)
        };
        batch.add(first);
        batch.join();
        batch
    }

    /// This job alone.
    pub(super) fn alone(job: Box<dyn Job>, metrics: &'q Metrics) -> Self {
        let mut batch = Self::only(Vec::new(), metrics);
        batch.add(job);
        batch
    }

    /// These jobs, which were taken before, and no others.
    pub(super) const fn only(jobs: Vec<Box<dyn Job>>, metrics: &'q Metrics) -> Self {
        Self {
            jobs,
            bytes: 0,
            queue: None,
            behind: None,
            metrics,
        }
    }

    /// All that were taken so far.
    pub(super) fn jobs(&mut self) -> &mut [Box<dyn Job>] {
        &mut self.jobs
    }

    /// Takes what has queued by now, up to the bounds of one transaction or something that is no
    /// job. Gives only those.
    pub(super) fn join(&mut self) -> &mut [Box<dyn Job>] {
        let before = self.jobs.len();
        let most = if sabotage::is(Fault::SlowBatches) {
            MAX_JOBS_OF_A_SLOW_BATCH
        } else {
            MAX_JOBS
        };
        while self.behind.is_none() && self.jobs.len() < most && self.bytes < MAX_BYTES {
            match self.queue.map_or(Err(TryRecvError::Empty), Exit::try_recv) {
                Ok(Message::Job(job)) => self.add(job),
                Ok(other) => self.behind = Some(other),
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
            }
        }
        self.jobs.get_mut(before..).unwrap_or_default()
    }

    fn add(&mut self, job: Box<dyn Job>) {
        let waited = clock::monotonic().duration_since(job.since());
        self.metrics.queue_seconds.observe(waited.as_secs_f64());
        self.bytes += job.bytes();
        self.jobs.push(job);
    }

    /// The jobs, and what was queued behind them.
    pub(super) fn into_parts(self) -> (Vec<Box<dyn Job>>, Option<Message>) {
        (self.jobs, self.behind)
    }
}
