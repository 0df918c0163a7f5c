//! The verification in the background: one pass after the other, so slowly that nobody notices, and
//! going on where it was after a restart.

use std::time::Duration;

use crate::domain::error::Error;
use crate::domain::integrity::Integrity;
use crate::domain::integrity::findings::{Checked, MAX_KEPT_FINDINGS, Tally};
use crate::domain::integrity::verifications::{LastPass, RunningPass};
use crate::domain::integrity::walk;
use crate::domain::integrity::walk::step::{Pace, Walk};
use crate::model::clock::{self, Timestamp};
use crate::model::scrub::Scrub;
use crate::store::Touches;

/// It begins so long after the start of the server, or sooner where a pass is to come more often
/// than that.
const BEGIN_AFTER: Duration = Duration::from_mins(5);
/// A pass is spread over this part of the time between two of them, so that it is through when the
/// next is due.
const SPREAD_OVER: u32 = 2;
/// The longest rest after a version: so that the last versions of a long pass are not forgotten.
const LONGEST_REST: Duration = Duration::from_hours(1);
/// How long it waits after a pass that could not be made.
const TRY_AGAIN_AFTER: Duration = Duration::from_mins(10);
/// How often it is looked whether damaged versions can be read again.
const LOOK_AGAIN_EVERY: Duration = Duration::from_mins(1);

fn last_pass((started_at, finished_at, came_to): &(Timestamp, Timestamp, String)) -> LastPass {
    let tally: Tally = serde_json::from_str(came_to).unwrap_or_default();
    LastPass {
        started_at: *started_at,
        finished_at: *finished_at,
        versions: tally.checked.versions,
        damaged_versions: tally.damaged_versions,
        found: tally.found,
    }
}

impl Integrity<'_> {
    /// Verifies in the background, and looks whether damaged versions have been mended. Runs until
    /// it is dropped.
    pub(in crate::domain) async fn scrub(&self) {
        let mended = async {
            for turn in 0.. {
                tokio::time::sleep(LOOK_AGAIN_EVERY).await;
                self.content.look_at_damaged_again(turn).await;
            }
        };
        tokio::join!(self.passes(), mended);
    }

    /// One pass after the other, if there are to be any.
    async fn passes(&self) {
        let Some(every) = self.engine.limits.scrub_every else {
            return;
        };
        self.remember_last_pass().await;
        tokio::time::sleep(BEGIN_AFTER.min(every)).await;
        loop {
            tokio::time::sleep(self.until_next_pass(every)).await;
            if let Err(error) = self.pass(every).await {
                tracing::warn!(
                    %error,
                    "the background verification was interrupted; it continues later"
                );
                tokio::time::sleep(TRY_AGAIN_AFTER.min(every)).await;
            }
        }
    }

    async fn remember_last_pass(&self) {
        match self.engine.store.read(|view| Ok(view.scrub()?.last)).await {
            Ok(last) => self.verifications.passes.lock().last = last.as_ref().map(last_pass),
            Err(error) => tracing::warn!(%error, "when the last verification was cannot be read"),
        }
    }

    /// From the beginning of the last pass, so that passes come as often as they are wanted,
    /// however long they take. A clock that was set back does not put the next one off.
    fn until_next_pass(&self, every: Duration) -> Duration {
        let Some(last) = self.verifications.passes.lock().last else {
            return Duration::ZERO;
        };
        let now = clock::now();
        if last.started_at > now {
            Duration::ZERO
        } else {
            every.saturating_sub(now.since(last.started_at))
        }
    }

    /// Makes a whole pass, or what is left of one that an end of the server has interrupted.
    async fn pass(&self, every: Duration) -> Result<(), Error> {
        let (found, versions) = self
            .engine
            .store
            .read(|view| Ok((view.scrub()?, view.counts()?.versions)))
            .await?;
        let resumed = found.under_way.and_then(|pass| {
            Some((
                pass.started_at,
                pass.at?,
                serde_json::from_str::<Tally>(&pass.so_far).ok()?,
            ))
        });
        let started_at = resumed
            .as_ref()
            .map_or_else(clock::now, |(started_at, ..)| *started_at);
        let parts = u32::try_from(versions.max(1)).unwrap_or(u32::MAX);
        let least = (every / SPREAD_OVER / parts).min(LONGEST_REST);
        let checked = resumed
            .as_ref()
            .map_or_else(Checked::default, |(.., tally)| tally.checked);
        self.verifications.passes.lock().under_way = Some(RunningPass {
            started_at,
            checked,
            versions,
        });
        let pace = Pace::Slowly {
            started_at,
            least,
            saved: clock::monotonic(),
        };
        let mut walk = Walk::new(*self, false, MAX_KEPT_FINDINGS, pace);
        let walked = match resumed {
            None => walk::whole(&mut walk).await,
            Some((_, (state, number), so_far)) => {
                walk::rest_of_it(&mut walk, state, number, so_far).await
            }
        };
        self.verifications.passes.lock().under_way = None;
        walked?;
        self.end_pass(started_at, &walk.tally).await
    }

    async fn end_pass(&self, started_at: Timestamp, tally: &Tally) -> Result<(), Error> {
        let finished_at = clock::now();
        let came_to =
            serde_json::to_string(tally).map_err(|error| Error::Internal(error.to_string()))?;
        let last = (started_at, finished_at, came_to);
        let in_short = last_pass(&last);
        let (versions, bytes, found) = (tally.checked.versions, tally.checked.bytes, tally.found);
        if found > 0 {
            tracing::error!(
                versions,
                bytes,
                found,
                "verified everything and found what needs a person: `statekeep verify` says what"
            );
        } else {
            tracing::info!(versions, bytes, "verified everything: all is well");
        }
        let saved = self.engine.store.write(Touches::NoState, 0, move |tx| {
            tx.save_scrub(&Scrub {
                under_way: None,
                last: Some(last.clone()),
            })
        });
        let saved = saved.await;
        // Only now: who is told of a pass finds its findings as well.
        self.verifications.passes.lock().last = Some(in_short);
        Ok(saved?)
    }
}
