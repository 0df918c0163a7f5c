//! The loop of compaction: it waits for writes, then until the writers are not busy, and compacts
//! the states that were written.

use std::collections::HashSet;
use std::time::Duration;

use crate::domain::content::Content;
use crate::domain::content::compaction::deltas::Outbox;
use crate::domain::content::compaction::queue::Remembered;
use crate::domain::error::Error;
use crate::model::name::StateName;
use crate::model::state::{Lookup, StateId};
use crate::store::View;

/// How long writes are buffered before they are compacted: each state is then compacted once for
/// all of them, and commits are few.
const GATHER_FOR: Duration = Duration::from_secs(1);
/// Where commits take at least this part of the time, writers need the processors and the disk
/// more, and compaction waits as long again.
const BUSY: f64 = 0.25;
/// How often it waits at most. What is not compacted takes room: some 250 MB in ten seconds with
/// 3,000 states of 60 kB a second.
const MOST_WAITS: usize = 10;
/// How long there is a pause where memory or the writer's queue has no room for this.
const PAUSE: Duration = Duration::from_secs(5);
/// How long where the disk has none: that does not pass by itself.
const LONG_PAUSE: Duration = Duration::from_mins(1);
/// How often all states are looked through.
const LOOK_THROUGH_ALL_EVERY: Duration = Duration::from_hours(1);
/// How many bytes without content stay in the database for the next writes.
const KEPT_FREE: u64 = 16 * 1024;
/// How many states are looked up at a time.
const STATES_AT_A_TIME: u32 = 500;

/// How long there is a pause after a failure.
pub(in crate::domain::content) const fn pause_after(error: &Error) -> Duration {
    if matches!(error, Error::DiskFull) {
        LONG_PAUSE
    } else {
        PAUSE
    }
}

/// Waits until writers are not busy any more, or have been for too long. `commits` says how many
/// seconds commits have taken so far.
pub(in crate::domain::content) async fn buffer(wait: Duration, commits: impl Fn() -> f64) {
    for _ in 0..MOST_WAITS {
        let before = commits();
        tokio::time::sleep(wait).await;
        if commits() - before < BUSY * wait.as_secs_f64() {
            break;
        }
    }
}

impl Content {
    /// Compacts each state that is written, until it is dropped.
    pub(in crate::domain) async fn compact(&self) {
        loop {
            self.compaction.look_through_all();
            // A state that is written is remembered even if its caller goes away; one that was not
            // compacted may be compacted later.
            let _ = tokio::time::timeout(LOOK_THROUGH_ALL_EVERY, self.compact_recent()).await;
        }
    }

    async fn compact_recent(&self) {
        loop {
            self.compaction.wait().await;
            buffer(GATHER_FOR, || {
                self.engine.metrics.commit_seconds.get_sample_sum()
            })
            .await;
            let Remembered { states, and_others } = self.compaction.take();
            let mut done = self.compact_these(&states).await;
            if and_others && done.is_ok() {
                done = self.compact_all().await;
            }
            if done.is_ok() {
                done = self.give_back_what_is_free().await;
            }
            if let Err(error) = done {
                tracing::debug!(%error, "not all versions could be compacted; trying again soon");
                self.compaction.look_through_all();
                tokio::time::sleep(pause_after(&error)).await;
            }
        }
    }

    /// Frames that were replaced leave room. While others write, that is for them; later it goes
    /// back to the disk.
    async fn give_back_what_is_free(&self) -> Result<(), Error> {
        let mut left = self.space().await?.free;
        while left > KEPT_FREE && self.compaction.is_idle() {
            let after = self.give_some_space_back().await?.free;
            if after >= left {
                break;
            }
            left = after;
        }
        Ok(())
    }

    async fn compact_these(&self, states: &HashSet<StateName>) -> Result<(), Error> {
        let mut outbox = Outbox::default();
        for name in states {
            self.compact_if_sound(name, None, &mut outbox).await?;
        }
        self.write_all_out(outbox).await
    }

    /// Writes down what is left to be, and remembers that there are states which were held up.
    async fn write_all_out(&self, mut outbox: Outbox) -> Result<(), Error> {
        self.write_out(&mut outbox).await?;
        if outbox.has_held_up() {
            self.compaction.look_through_all();
        }
        Ok(())
    }

    /// Compacts a state. One whose rows are damaged is passed over, so that it keeps no other from
    /// being compacted.
    async fn compact_if_sound(
        &self,
        name: &StateName,
        id: Option<StateId>,
        outbox: &mut Outbox,
    ) -> Result<(), Error> {
        let compact = async {
            // It may have moved since it was written.
            let find = |view: &View<'_>| match view.lookup(name)? {
                Lookup::Moved(to) => Ok(view.lookup(&to)?.id()),
                lookup @ (Lookup::State { .. } | Lookup::Free) => Ok(lookup.id()),
            };
            let id = match id {
                Some(id) => Some(id),
                None => self.engine.store.read_inline(find).await?,
            };
            match id {
                Some(id) => self.compact_state(id, outbox).await,
                None => Ok(()),
            }
        };
        match compact.await {
            Err(Error::Damaged(why)) => {
                tracing::debug!(state = %name, why, "a state is damaged and stays as it is");
                Ok(())
            }
            done => done,
        }
    }

    /// Compacts all states that are not, by their ids, and removes blobs that are only kept as a
    /// delta base and are none any more.
    async fn compact_all(&self) -> Result<(), Error> {
        let mut outbox = Outbox::default();
        let mut after: Option<StateId> = None;
        loop {
            let states = self
                .engine
                .store
                .read(move |view| view.uncompacted(after, STATES_AT_A_TIME))
                .await?;
            let Some((last, _)) = states.last() else {
                break;
            };
            after = Some(*last);
            for (id, name) in states {
                self.compact_if_sound(&name, Some(id), &mut outbox).await?;
            }
        }
        self.write_all_out(outbox).await?;
        self.release_bases().await
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// How often it is waited while commits take `part` of the time, for `busy` waits.
    fn waits(part: f64, busy: usize) -> usize {
        let wait = Duration::from_millis(1);
        let looks = Cell::new(0);
        let commits = || {
            // Looked at before and after each wait.
            let waited = usize::midpoint(looks.replace(looks.get() + 1), 1);
            f64::from(u32::try_from(waited.min(busy)).unwrap()) * part * wait.as_secs_f64()
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        runtime.block_on(buffer(wait, &commits));
        looks.get() / 2
    }

    #[test]
    fn compaction_waits_for_writers_who_are_busy_and_not_for_ever() {
        assert_eq!(waits(0.0, 0), 1, "nobody writes");
        assert_eq!(waits(0.2, usize::MAX), 1, "now and then somebody does");
        assert_eq!(
            waits(0.5, 3),
            4,
            "many did, and the fourth time they did not any more"
        );
        assert_eq!(waits(0.5, usize::MAX), MOST_WAITS, "they never stop");
    }
}
