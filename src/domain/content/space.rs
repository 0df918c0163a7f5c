//! Space that nothing in the database needs any more: measured, and given back to the disk in
//! steps.

use std::time::Duration;

use crate::domain::content::Content;
use crate::domain::error::Error;
use crate::model::retention::Space;

/// How many pages of 4 KiB one transaction cuts off the end of the database.
const PAGES_PER_STEP: u32 = 1_000;
/// For how long it does that.
const TIME_PER_STEP: Duration = Duration::from_millis(20);

impl Content {
    /// How large the database is, and how much of that is free.
    pub(in crate::domain) async fn space(&self) -> Result<Space, Error> {
        #[expect(
            clippy::redundant_closure_for_method_calls,
            reason = "the method itself is not general enough in its lifetimes"
        )]
        Ok(self.engine.store.read_briefly(|view| view.space()).await?)
    }

    /// Cuts some free space off the end of the database, and measures the rest.
    pub(in crate::domain) async fn give_some_space_back(&self) -> Result<Space, Error> {
        self.engine.store.wal_is_moved().await;
        // A neighbour could use such a page again before it is cut off, with what it held.
        let step = self
            .engine
            .store
            .write_alone(|tx| tx.give_back(PAGES_PER_STEP, TIME_PER_STEP));
        Ok(step.await?)
    }

    /// Cuts all free space off the end of the database, and measures the rest.
    pub(in crate::domain) async fn give_space_back(&self) -> Result<Space, Error> {
        let mut left = self.space().await?;
        while left.free > 0 {
            let after = self.give_some_space_back().await?;
            if after.free >= left.free {
                return Ok(after);
            }
            left = after;
        }
        Ok(left)
    }
}
