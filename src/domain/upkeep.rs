//! What the server does by itself: writes down gathered events, removes what has ended, gives memory back, settles versions, erases what was purged,
//! and verifies what it holds.

use std::sync::Arc;
use std::time::Duration;

use super::{Domain, integrity};
use crate::model::clock;

/// How long events are gathered before they are written; a second after its read at the latest, an event is on disk.
const GATHER_FOR: Duration = Duration::from_millis(500);
/// How often ended tokens and old events are removed.
const SWEEP_EVERY: Duration = Duration::from_mins(1);
/// How often decoded versions that nobody reads any more are forgotten.
const COOL_EVERY: Duration = Duration::from_secs(10);
/// How many rows one sweep removes of each, so that it never holds writes up for long.
const ROWS_PER_SWEEP: u32 = 1_000;

/// Runs until it is dropped.
pub async fn run(domain: Arc<Domain>) {
    let gather = async {
        loop {
            domain.something_gathered().await;
            tokio::time::sleep(GATHER_FOR).await;
            domain.flush_gathered().await;
        }
    };
    let sweep = async {
        loop {
            domain.sweep().await;
            tokio::time::sleep(SWEEP_EVERY).await;
        }
    };
    let cool = async {
        loop {
            tokio::time::sleep(COOL_EVERY).await;
            domain.hot.forget_unread();
        }
    };
    tokio::join!(gather, sweep, cool, domain.settle(), domain.go_on_erasing(), integrity::scrub(Arc::clone(&domain)));
}

impl Domain {
    async fn sweep(&self) {
        let health = self.status().health().await;
        for problem in health.problems {
            tracing::warn!(code = problem.code, detail = problem.detail, "the server has a problem");
        }
        let now = clock::now();
        let oldest = now - self.limits.event_retention;
        let swept = self.store.write(0, move |tx| {
            tx.remove_ended_tokens(now, ROWS_PER_SWEEP)?;
            tx.remove_events(oldest, ROWS_PER_SWEEP)
        });
        match swept.await {
            Ok(0) => {}
            Ok(events) => tracing::info!(events, "removed events that are older than --event-retention"),
            Err(error) => tracing::warn!(%error, "could not remove what has ended; trying again in a minute"),
        }
    }
}
