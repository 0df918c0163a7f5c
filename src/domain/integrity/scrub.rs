//! The verification in the background: one pass after the other, so slowly that nobody notices, and
//! going on where it was after a restart.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::findings::{Checked, MAX_KEPT_FINDINGS, Tally};
use super::walk::{Pace, Walk};
use crate::domain::Domain;
use crate::domain::engine::single_flight::open;
use crate::domain::error::Error;
use crate::model::clock::{self, Timestamp};
use crate::model::scrub::{PassUnderWay, Scrub};

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

/// What is known of the passes, beside what is in the database.
#[derive(Default)]
pub(super) struct State {
    under_way: Option<UnderWay>,
    last: Option<LastPass>,
}

#[derive(Clone, Copy)]
struct UnderWay {
    started_at: Timestamp,
    checked: Checked,
    versions: u64,
}

/// What the last whole pass came to.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct LastPass {
    /// When it began.
    pub started_at: Timestamp,
    /// When it was through.
    pub finished_at: Timestamp,
    /// How many versions it looked at.
    pub versions: u64,
    /// How many of them it could not read.
    pub damaged_versions: u64,
    /// How many findings there were, these among them.
    pub found: u64,
}

/// How the background verification is; nothing about single states.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ScrubReport {
    /// How many seconds lie between the beginnings of two passes; none when it is turned off.
    pub every: Option<u64>,
    /// When the pass under way began.
    pub started_at: Option<Timestamp>,
    /// How many versions it has looked at.
    pub checked: u64,
    /// How many there were when it began, or went on.
    pub of: u64,
    /// What the last whole pass came to.
    pub last: Option<LastPass>,
    /// How many versions are known to be damaged, whoever found it.
    pub damaged_versions: u64,
}

impl super::Verifications {
    pub(super) fn scrub_progress(&self, checked: &Checked) {
        if let Some(under_way) = open(&self.scrub).under_way.as_mut() {
            under_way.checked = *checked;
        }
    }
}

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

/// Verifies in the background, and looks whether damaged versions have been mended. Runs until it
/// is dropped.
pub(in crate::domain) async fn scrub(domain: Arc<Domain>) {
    let passes = async {
        let Some(every) = domain.limits.scrub_every else {
            return;
        };
        domain.remember_last_pass().await;
        tokio::time::sleep(BEGIN_AFTER.min(every)).await;
        loop {
            tokio::time::sleep(domain.until_next_pass(every)).await;
            if let Err(error) = domain.pass(every).await {
                tracing::warn!(%error, "the background verification was interrupted; it goes on later");
                tokio::time::sleep(TRY_AGAIN_AFTER.min(every)).await;
            }
        }
    };
    let mended = async {
        for turn in 0.. {
            tokio::time::sleep(LOOK_AGAIN_EVERY).await;
            domain.look_at_damaged_again(turn).await;
        }
    };
    tokio::join!(passes, mended);
}

impl Domain {
    /// How the background verification is.
    pub(in crate::domain) fn scrub_report(&self) -> ScrubReport {
        let state = open(&self.integrity.scrub);
        let under_way = state.under_way;
        ScrubReport {
            every: self.limits.scrub_every.map(|every| every.as_secs()),
            started_at: under_way.map(|pass| pass.started_at),
            checked: under_way.map_or(0, |pass| pass.checked.versions),
            of: under_way.map_or(0, |pass| pass.versions),
            last: state.last,
            damaged_versions: self.damaged.count(),
        }
    }

    async fn remember_last_pass(&self) {
        match self.store.read(|view| Ok(view.scrub()?.last)).await {
            Ok(last) => open(&self.integrity.scrub).last = last.as_ref().map(last_pass),
            Err(error) => tracing::warn!(%error, "when the last verification was cannot be read"),
        }
    }

    /// From the beginning of the last pass, so that passes come as often as they are wanted,
    /// however long they take. A clock that was set back does not put the next one off.
    fn until_next_pass(&self, every: Duration) -> Duration {
        let Some(last) = open(&self.integrity.scrub).last else {
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
        open(&self.integrity.scrub).under_way = Some(UnderWay {
            started_at,
            checked,
            versions,
        });
        let pace = Pace::Slowly {
            started_at,
            least,
            saved: clock::monotonic(),
        };
        let mut walk = Walk::new(self, false, MAX_KEPT_FINDINGS, pace);
        let walked = match resumed {
            None => walk.whole().await,
            Some((_, (state, number), so_far)) => walk.rest_of_it(state, number, so_far).await,
        };
        open(&self.integrity.scrub).under_way = None;
        walked?;
        self.end_pass(started_at, &walk.tally).await
    }

    async fn end_pass(&self, started_at: Timestamp, tally: &Tally) -> Result<(), Error> {
        let finished_at = clock::now();
        let came_to =
            serde_json::to_string(tally).map_err(|error| Error::Internal(error.to_string()))?;
        let last = (started_at, finished_at, came_to);
        open(&self.integrity.scrub).last = Some(last_pass(&last));
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
        Ok(self
            .store
            .write(0, move |tx| {
                tx.save_scrub(&Scrub {
                    under_way: None,
                    last: Some(last.clone()),
                })
            })
            .await?)
    }

    /// Writes down how far the pass under way is. When that fails, a restart begins further back.
    pub(in crate::domain) async fn save_pass(&self, pass: PassUnderWay) {
        let saved = self.store.write(0, move |tx| {
            let last = tx.scrub()?.last;
            tx.save_scrub(&Scrub {
                under_way: Some(pass.clone()),
                last,
            })
        });
        if let Err(error) = saved.await {
            tracing::debug!(%error, "how far the background verification is could not be written down");
        }
    }
}
