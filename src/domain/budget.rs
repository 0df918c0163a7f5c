//! The memory that all bodies under way may take together, so that no number of clients can take the server down.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::Error;
use crate::config::COPIES_OF_A_BODY;

/// The budget is counted in units of this many bytes.
const UNIT: u64 = 1024;

/// A number of bytes that is lent out and comes back by itself.
pub struct Budget {
    units: Arc<Semaphore>,
}

impl Budget {
    /// A budget of so many bytes.
    pub(super) fn new(bytes: u64) -> Self {
        let units = usize::try_from(bytes / UNIT).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        Self { units: Arc::new(Semaphore::new(units)) }
    }

    /// Lends what a body of this size needs, or says at once that there is not enough.
    pub fn reserve(&self, body: u64) -> Result<Reserved, Error> {
        let units = u32::try_from(body.saturating_mul(COPIES_OF_A_BODY).div_ceil(UNIT)).map_err(|_| Error::OverBudget)?;
        let permit = Arc::clone(&self.units).try_acquire_many_owned(units).map_err(|_| Error::OverBudget)?;
        Ok(Reserved { permit, body })
    }
}

/// Bytes that are lent; they come back when this is dropped.
pub struct Reserved {
    permit: OwnedSemaphorePermit,
    body: u64,
}

impl Reserved {
    /// Lends more, so that a body of this size fits.
    pub fn grow(&mut self, budget: &Budget, body: u64) -> Result<(), Error> {
        if body > self.body {
            self.permit.merge(budget.reserve(body - self.body)?.permit);
            self.body = body;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lends_no_more_than_it_has_and_gets_it_back() {
        let budget = Budget::new(8 * UNIT);
        let mut first = budget.reserve(2 * UNIT).unwrap();
        assert!(budget.reserve(2 * UNIT + 1).is_err());
        assert!(first.grow(&budget, 4 * UNIT).is_ok());
        assert!(first.grow(&budget, 4 * UNIT + 1).is_err());
        assert!(budget.reserve(1).is_err());
        drop(first);
        assert!(budget.reserve(4 * UNIT).is_ok());
    }
}
