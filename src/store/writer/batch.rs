//! A batch of jobs in one transaction: what each comes to, and how the failure of one is kept from
//! its neighbours.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use rusqlite::Connection;

use super::job::Job;
use super::taken::Batch;
use crate::metrics::Metrics;
use crate::model::clock::{self, Timestamp};
use crate::model::commit::Commit;
use crate::sabotage::{self, Fault};
use crate::store::checkpoint::Room;
use crate::store::error::StoreError;
use crate::store::memo::Commits;
use crate::store::seals::DirectoryKeys;
use crate::store::statements::{self, Prepare as _};
use crate::store::tables;
use crate::store::touches::Touches;
use crate::store::tx::{Data, Pending, Tx};

/// The connection that writes, and what is counted of its transactions.
pub(super) struct Transactions {
    pub(super) connection: Connection,
    keys: Arc<DirectoryKeys>,
    pub(super) commits: Commits,
    pending: Pending,
    /// The last event from before the chain of events.
    events_begun: i64,
    /// The last commit that changed anything.
    last: Cell<Commit>,
    metrics: Arc<Metrics>,
}

/// What jobs that run one after the other see alike. Those that join a transaction later see a
/// later time: nobody acts before they asked.
#[derive(Clone, Copy)]
struct Circumstances<'r> {
    room: &'r Room,
    now: Timestamp,
}

impl<'r> Circumstances<'r> {
    fn now(room: &'r Room) -> Self {
        Self {
            room,
            now: clock::now(),
        }
    }
}

impl Transactions {
    pub(super) fn new(
        (connection, keys): (Connection, Arc<DirectoryKeys>),
        (last, events_begun): (Commit, i64),
        commits: Commits,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            connection,
            keys,
            commits,
            pending: Pending {
                events: Cell::new(last.events),
                ..Pending::default()
            },
            events_begun,
            last: Cell::new(last),
            metrics,
        }
    }

    /// The last commit, which is on disk.
    pub(super) const fn last(&self) -> Commit {
        self.last.get()
    }

    /// Runs a batch in one transaction: what each job came to, or why none of them is on disk.
    pub(super) fn commit(
        &self,
        batch: &mut Batch<'_>,
        room: &Room,
    ) -> Result<Vec<Result<(), StoreError>>, StoreError> {
        let connection = &self.connection;
        self.begin()?;
        let before = connection.total_changes();
        let outcome = self.run_all(batch, room).and_then(|results| {
            let batch = batch.jobs();
            let commit = self.number(before, clock::now())?;
            let started = clock::monotonic();
            // Counted even when it fails: what the disk holds then is not known.
            let counted = (
                self.commits.all.begin(),
                self.pending
                    .changes_credentials
                    .take()
                    .then(|| self.commits.of_credentials.begin()),
            );
            let outcome = if sabotage::is(Fault::AnswerBeforeCommit) && is_of_states(batch) {
                Ok(())
            } else {
                run(connection, "COMMIT")
            };
            drop(counted);
            outcome?;
            self.last.set(commit);
            self.note_touched(batch, &results);
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

    fn begin(&self) -> Result<(), StoreError> {
        self.pending.events.set(self.last.get().events);
        Ok(run(&self.connection, "BEGIN IMMEDIATE")?)
    }

    /// Writes the number of this commit into it, and its last event, unless it changes nothing.
    fn number(&self, before: u64, now: Timestamp) -> Result<Commit, StoreError> {
        let (last, events) = (self.last.get(), self.pending.events.get());
        if self.connection.total_changes() == before {
            return Ok(last);
        }
        if events != last.events {
            tables::event_chain::write_head(
                &self.connection,
                &self.keys.rows,
                &events,
                self.events_begun,
            )?;
        }
        let next = Commit {
            events,
            ..last.next(now)
        };
        Ok(tables::commits::write(&self.connection, next)?)
    }

    /// Commits what a sabotaged server has answered already.
    pub(super) fn commit_too_late(&self) {
        if sabotage::is(Fault::AnswerBeforeCommit) && !self.connection.is_autocommit() {
            std::thread::sleep(std::time::Duration::from_millis(20));
            let counted = (
                self.commits.all.begin(),
                self.commits.of_credentials.begin(),
            );
            let _ = run(&self.connection, "COMMIT");
            drop(counted);
        }
    }

    fn note_touched(&self, batch: &[Box<dyn Job>], results: &[Result<(), StoreError>]) {
        let done = batch
            .iter()
            .zip(results)
            .filter(|(_, result)| result.is_ok());
        done.for_each(|(job, _)| self.commits.touched.note(job.touches()));
    }

    /// Runs all jobs, and those that queue meanwhile. Nearly always all of them succeed, and a
    /// savepoint costs a copy of each page that is changed under it: so they first run without any.
    /// When one fails, all is undone, and they run once more, each under its own. A job that meets
    /// damage fails alone. The outer error means that the transaction is lost.
    fn run_all(
        &self,
        batch: &mut Batch<'_>,
        room: &Room,
    ) -> Result<Vec<Result<(), StoreError>>, StoreError> {
        let attempted = self
            .attempt_all(batch.jobs(), room)
            .and_then(|()| self.attempt_all(batch.join(), room));
        let batch = batch.jobs();
        match attempted {
            Ok(()) => return Ok(batch.iter().map(|_| Ok(())).collect()),
            Err(error) if error.is_lasting() || self.connection.is_autocommit() => {
                return Err(error);
            }
            Err(_) => {}
        }
        let mut met_damage = vec![None; batch.len()];
        loop {
            run(&self.connection, "ROLLBACK")?;
            self.begin()?;
            let results = self.run_each(batch, &met_damage, Circumstances::now(room))?;
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

    /// Runs jobs until one fails.
    fn attempt_all(&self, jobs: &mut [Box<dyn Job>], room: &Room) -> Result<(), StoreError> {
        let at = Circumstances::now(room);
        jobs.iter_mut()
            .try_for_each(|job| self.attempt(job.as_mut(), at))
    }

    fn run_each(
        &self,
        batch: &mut [Box<dyn Job>],
        met_damage: &[Option<StoreError>],
        at: Circumstances<'_>,
    ) -> Result<Vec<Result<(), StoreError>>, StoreError> {
        let run = |(job, met): (&mut Box<dyn Job>, &Option<StoreError>)| match met {
            Some(error) => Ok(Err(error.clone())),
            None => self.run_one(job.as_mut(), at),
        };
        batch.iter_mut().zip(met_damage).map(run).collect()
    }

    fn attempt(&self, job: &mut dyn Job, at: Circumstances<'_>) -> Result<(), StoreError> {
        let touches = job.touches().clone();
        let data = Data {
            connection: &self.connection,
            keys: &self.keys,
        };
        let tx = Tx::new(data, &touches, at.room, &self.pending, at.now);
        let result =
            catch_unwind(AssertUnwindSafe(|| job.run(&tx))).unwrap_or(Err(StoreError::Panicked));
        let is_of_a_client = job.lane().is_some();
        statements::tell_steps(if is_of_a_client { "write" } else { "own write" });
        result
    }

    /// Runs one job under its savepoint. The outer error means that the whole transaction is lost.
    fn run_one(
        &self,
        job: &mut dyn Job,
        at: Circumstances<'_>,
    ) -> Result<Result<(), StoreError>, StoreError> {
        let connection = &self.connection;
        let events = self.pending.events.get();
        run(connection, "SAVEPOINT job")?;
        let result = self.attempt(job, at);
        if connection.is_autocommit() {
            // SQLite gave up the whole transaction by itself, as it may when the disk is full.
            return Err(result.err().unwrap_or(StoreError::Panicked));
        }
        match result {
            Ok(()) => run(connection, "RELEASE job")?,
            Err(ref error) if error.is_lasting() => return Err(error.clone()),
            Err(_) => {
                self.pending.events.set(events);
                run(connection, "ROLLBACK TO job")?;
                run(connection, "RELEASE job")?;
            }
        }
        Ok(result)
    }
}

/// Whether a batch changes states, and not what a start waits for.
fn is_of_states(batch: &[Box<dyn Job>]) -> bool {
    batch
        .iter()
        .all(|job| !matches!(job.touches(), Touches::NoState))
}

/// Runs a statement that begins or ends something.
fn run(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepared(sql)?.execute([]).map(drop)
}
