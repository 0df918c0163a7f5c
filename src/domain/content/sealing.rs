//! The work of sealing: content that is in the clear, or sealed by an earlier key, is sealed by the
//! newest one. In small steps beside all writers; what a kill leaves, the next start goes on with.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::Notify;

use crate::domain::content::Content;
use crate::domain::content::compaction::run::pause_after;
use crate::domain::error::Error;
use crate::model::clock;
use crate::store::{Touches, Tx};

/// How long there is until the next try where the database is damaged.
const AFTER_DAMAGE: Duration = Duration::from_hours(1);
/// About how many bytes one step writes.
const STEP: usize = 256 * 1024;

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
        let room = self.engine.limits.min_free_space;
        let mut is_first = true;
        loop {
            let began = clock::monotonic();
            let step = move |tx: &Tx<'_>| {
                tx.needs_room(room)?;
                tx.seal_some()
            };
            let is_done = self
                .engine
                .store
                .write(Touches::NoState, STEP, step)
                .await?;
            if is_done {
                break;
            }
            if std::mem::take(&mut is_first) {
                // The first step may have emptied the search index.
                self.words.more.notify_one();
            }
            // Half of the time is for writers.
            tokio::time::sleep(began.elapsed()).await;
        }
        self.engine.store.copy_data_keys().await?;
        tracing::info!("all content is sealed; what stood in the clear leaves the disk now");
        self.removed().notify_one();
        Ok(())
    }
}
