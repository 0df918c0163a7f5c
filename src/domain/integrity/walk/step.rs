//! One step of a verification: a bounded read at one moment, then a rest if it is slow.

use std::time::{Duration, Instant};

use crate::domain::error::Error;
use crate::domain::integrity::Integrity;
use crate::domain::integrity::findings::{Code, Finding, RowAddress, Tally};
use crate::model::clock::{self, Timestamp};
use crate::store::{StoreError, View};

/// A slow verification rests so many times as long as each step took: it takes at most 5 % of a
/// core.
const RESTS: u32 = 19;

/// How fast it goes.
pub(in crate::domain::integrity) enum Pace {
    /// As fast as it can.
    AtOnce,
    /// Beside a server that works: it rests as long as each step took.
    Beside,
    /// As the background does.
    Slowly {
        /// When the pass began.
        started_at: Timestamp,
        /// The least rest after each version.
        least: Duration,
        /// When it was last written down how far it is.
        saved: Instant,
    },
}

/// A verification under way.
pub(in crate::domain::integrity) struct Walk<'a> {
    pub(super) on: Integrity<'a>,
    pub(super) quick: bool,
    pub(super) most: usize,
    pub(super) pace: Pace,
    pub(in crate::domain::integrity) tally: Tally,
}

impl<'a> Walk<'a> {
    /// One that tells at most so many findings.
    pub(in crate::domain::integrity) fn new(
        on: Integrity<'a>,
        quick: bool,
        most: usize,
        pace: Pace,
    ) -> Self {
        Self {
            on,
            quick,
            most,
            pace,
            tally: Tally::default(),
        }
    }

    pub(super) fn find(&mut self, code: Code, detail: &str) {
        self.find_in(code, None, None, detail);
    }

    pub(super) fn find_in(
        &mut self,
        code: Code,
        address: Option<&RowAddress>,
        version: Option<u64>,
        detail: &str,
    ) {
        tracing::error!(
            ?code,
            state = address.map(|address| format!("{}/{}", address.workspace, address.block)),
            version,
            detail,
            "a verification has found something"
        );
        self.tally
            .find(self.most, Finding::new(code, address, version, detail));
    }

    /// Reads one step. If it cannot be read, that is a finding about `what`, and there is nothing
    /// to go on with.
    pub(super) async fn step<T: Send + 'static>(
        &mut self,
        what: &str,
        job: impl FnOnce(&View<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<Option<T>, Error> {
        let began = clock::monotonic();
        let read = self.on.engine.store.read(job).await;
        self.rest(began.elapsed(), false).await;
        match read {
            Ok(value) => Ok(Some(value)),
            Err(error @ (StoreError::Damaged(_) | StoreError::BadRow(_))) => {
                self.find(
                    Code::Structure,
                    &format!(
                        "{what} cannot be read to their end, and what is left of them was not \
                        looked at: {error}"
                    ),
                );
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    pub(super) async fn rest(&self, took: Duration, after_a_version: bool) {
        let rest = match self.pace {
            Pace::AtOnce => return,
            Pace::Beside => took,
            Pace::Slowly { least, .. } if after_a_version => rest_after(took, least),
            Pace::Slowly { .. } => rest_after(took, Duration::ZERO),
        };
        tokio::time::sleep(rest).await;
    }
}

/// How long a slow verification rests after a step that took so long.
fn rest_after(took: Duration, least: Duration) -> Duration {
    took.saturating_mul(RESTS).max(least)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_verification_takes_at_most_a_twentieth_of_a_core() {
        for millis in [0, 1, 7, 1_000, 100_000] {
            let took = Duration::from_millis(millis);
            for least in [Duration::ZERO, Duration::from_secs(3)] {
                let rest = rest_after(took, least);
                assert!(
                    took * 20 <= took + rest && rest >= least,
                    "{took:?} {rest:?}"
                );
            }
        }
    }
}
