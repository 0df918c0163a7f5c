//! The work of sealing: content that is in the clear, or sealed by an earlier key, is sealed by the
//! newest one. What a kill leaves, the next start goes on with.
//!
//! Nobody waits long for it: frames are read on a connection that reads, sealed on the background's
//! thread, and only put in their places by the writer. A step has the writer for about two
//! milliseconds, lets writes go first, and rests until all steps together are no faster than a pace
//! that leaves the disk to others.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::Notify;

use crate::config::MIB;
use crate::domain::content::Content;
use crate::domain::content::compaction::run::pause_after;
use crate::domain::engine::budget::WhenFull;
use crate::domain::error::Error;
use crate::model::clock;
use crate::store::{Reading, Touches, Tx, View};

/// How long there is until the next try where the database is damaged.
const AFTER_DAMAGE: Duration = Duration::from_hours(1);
/// For about how long a step has the writer, beside the commit.
const STEP_TIME: Duration = Duration::from_millis(2);
/// How many bytes of frames a step has at least, if there are so many.
const LEAST_BYTES: u64 = 64 * 1024;
/// How many bytes it has at most.
const MOST_BYTES: u64 = 512 * 1024;
/// How many bytes the first step has.
const FIRST_BYTES: u64 = 128 * 1024;
/// How many bytes are sealed in a second beside others, at most.
const PACE: u64 = 24 * MIB;
/// How many copies of its frames a step has: as they are opened, and as they are sealed.
const COPIES: u64 = 2;
/// How long a step waits for writes that queue, at most, and how often it looks.
const PATIENCE: Duration = Duration::from_millis(20);
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// How long there is until the next try.
fn pause(error: &Error) -> Duration {
    // Damage does not pass by itself.
    let is_damage = matches!(error, Error::Damaged(_));
    if is_damage {
        AFTER_DAMAGE
    } else {
        pause_after(error)
    }
}

impl Content {
    /// Is to be woken when there is content to be sealed.
    pub(in crate::domain) fn seal_more(&self) -> Arc<Notify> {
        Arc::clone(&self.sealing.more)
    }

    /// Seals what is to be sealed, then waits for more. It never ends.
    pub(in crate::domain) async fn go_on_sealing(&self) {
        self.sealing.is_by_itself.store(true, Ordering::Release);
        loop {
            match self.seal_all().await {
                Ok(()) => self.sealing.more.notified().await,
                Err(error) => {
                    let pause = pause(&error);
                    tracing::warn!(%error, ?pause, "content cannot be sealed; trying again");
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }

    /// Seals what is to be sealed where no task does it, and erases what stood in the clear.
    pub(in crate::domain) async fn seal_if_alone(&self) -> Result<(), Error> {
        if !self.sealing.is_by_itself.load(Ordering::Acquire) {
            self.seal_all().await?;
            self.erased_soon().await;
        }
        Ok(())
    }

    async fn seal_all(&self) -> Result<(), Error> {
        #[expect(
            clippy::redundant_closure_for_method_calls,
            reason = "the method itself is not general enough in its lifetimes"
        )]
        let facts = self.engine.store.read_inline(|view| view.seal_facts());
        if facts.await?.is_none_or(|facts| facts.pending.is_none()) {
            return Ok(());
        }
        let (mut most, mut is_first) = (FIRST_BYTES, true);
        loop {
            let began = clock::monotonic();
            let Some(step) = self.seal_some(most).await? else {
                break;
            };
            most = step.next_bytes();
            if std::mem::take(&mut is_first) {
                // The first step may have emptied the search index.
                self.words.more.notify_one();
            }
            if self.sealing.is_by_itself.load(Ordering::Acquire) {
                tokio::time::sleep(step.rest(began.elapsed())).await;
            }
        }
        self.engine.store.copy_data_keys().await?;
        tracing::info!("all content is sealed; what stood in the clear leaves the disk now");
        self.removed().notify_one();
        Ok(())
    }

    /// Seals some frames of so many bytes; none if nothing is left.
    async fn seal_some(&self, most: u64) -> Result<Option<Step>, Error> {
        let store = &self.engine.store;
        let Some(plan) = store
            .read_briefly(move |view| view.next_to_seal(most))
            .await?
        else {
            return Ok(None);
        };
        let bytes = plan.bytes();
        let copies = (bytes * COPIES).min(self.engine.limits.max_in_flight);
        let reserved = self
            .engine
            .reserve_for_copies(copies, WhenFull::Wait)
            .await?;
        let reading = if bytes > MOST_BYTES {
            Reading::Large
        } else {
            Reading::Brief
        };
        let read = move |view: &View<'_>| view.frames_to_seal(plan);
        let frames = store.read_then(reading, read, |frames| frames).await?;
        let seal = move |reserved| (frames.seal(), reserved);
        let (sealed, reserved) = self.engine.in_background(reserved, seal).await?;
        let sealed = sealed?;
        self.let_writes_go_first().await;
        let (room, began) = (self.engine.limits.min_free_space, clock::monotonic());
        let put = move |tx: &Tx<'_>| {
            let began = clock::monotonic();
            tx.needs_room(room)?;
            let bytes = tx.put_sealed(&sealed, STEP_TIME)?;
            Ok((bytes, began.elapsed()))
        };
        let in_batch = usize::try_from(bytes).unwrap_or(usize::MAX);
        let put = store.write(Touches::NoState, in_batch, put).await;
        drop(reserved);
        let (bytes, worked) = put?;
        Ok(bytes.map(|bytes| Step {
            bytes,
            worked,
            waited: began.elapsed(),
        }))
    }

    /// Waits while others write, but not for ever: beside writes that never pause it gets on too.
    async fn let_writes_go_first(&self) {
        let began = clock::monotonic();
        while self.engine.metrics.queue_jobs.get() > 0 && began.elapsed() < PATIENCE {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

/// What a step took.
struct Step {
    /// How many bytes of frames were put in their places.
    bytes: u64,
    /// How long the writer was at it.
    worked: Duration,
    /// How long it took until that was on disk.
    waited: Duration,
}

impl Step {
    /// How many bytes the next one should have.
    fn next_bytes(&self) -> u64 {
        let worked = u64::try_from(self.worked.as_micros())
            .unwrap_or(u64::MAX)
            .max(1);
        let step = u64::try_from(STEP_TIME.as_micros()).unwrap_or(u64::MAX);
        let fits = self.bytes.saturating_mul(step) / worked;
        fits.min(self.bytes.saturating_mul(2))
            .clamp(LEAST_BYTES, MOST_BYTES)
    }

    /// How long to rest after it, if it took so long in all. Half of the time is for writers.
    fn rest(&self, took: Duration) -> Duration {
        let paced = Duration::from_micros(self.bytes.saturating_mul(1_000_000) / PACE);
        paced.saturating_sub(took).max(self.waited)
    }
}
