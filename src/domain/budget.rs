//! The memory that all bodies under way may take together, so that no number of clients can take the server down.
//!
//! Small bodies have a part of their own: however many states are on their way, locks can be taken and given back.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::Error;
use crate::config::{COPIES_OF_A_BODY, MIB};

/// The budget is counted in units of this many bytes.
const UNIT: u64 = 1024;
/// Bodies up to this many bytes are small; locks and the calls of the API are.
const SMALL: u64 = 64 * 1024;
/// The bytes that small bodies may take together, beside the budget for all others.
const FOR_SMALL: u64 = 32 * MIB;

/// A number of bytes that is lent out and comes back by itself.
pub struct Budget {
    small: Arc<Semaphore>,
    large: Arc<Semaphore>,
}

fn pool(bytes: u64) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(usize::try_from(bytes / UNIT).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS)))
}

/// How many units a body of this size needs.
fn units(body: u64) -> usize {
    usize::try_from(body.saturating_mul(COPIES_OF_A_BODY).div_ceil(UNIT)).unwrap_or(usize::MAX)
}

fn lend(pool: &Arc<Semaphore>, units: usize) -> Result<OwnedSemaphorePermit, Error> {
    let units = u32::try_from(units).map_err(|_| Error::OverBudget)?;
    Arc::clone(pool).try_acquire_many_owned(units).map_err(|_| Error::OverBudget)
}

impl Budget {
    /// A budget of so many bytes for bodies that are not small.
    pub(super) fn new(bytes: u64) -> Self {
        Self { small: pool(FOR_SMALL), large: pool(bytes) }
    }

    /// Lends what a body of this size needs, or says at once that there is not enough.
    pub fn reserve(&self, body: u64) -> Result<Reserved, Error> {
        Ok(Reserved { permit: lend(self.pool(body), units(body))?, body })
    }

    fn pool(&self, body: u64) -> &Arc<Semaphore> {
        if body <= SMALL { &self.small } else { &self.large }
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
        if body <= self.body {
            return Ok(());
        }
        if self.body <= SMALL && body > SMALL {
            *self = budget.reserve(body)?;
            return Ok(());
        }
        // Counted from the whole, so that a body in many small pieces costs no more than one in a piece.
        let missing = units(body).saturating_sub(self.permit.num_permits());
        self.permit.merge(lend(budget.pool(body), missing)?);
        self.body = body;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lends_no_more_than_it_has_and_gets_it_back() {
        let budget = Budget::new(8 * SMALL);
        let mut first = budget.reserve(2 * SMALL).unwrap();
        assert!(budget.reserve(2 * SMALL + 1).is_err());
        assert!(first.grow(&budget, 4 * SMALL).is_ok());
        assert!(first.grow(&budget, 4 * SMALL + 1).is_err());
        assert!(budget.reserve(SMALL + 1).is_err());
        assert!(budget.reserve(SMALL).is_ok(), "a lock can be taken all the same");
        drop(first);
        assert!(budget.reserve(4 * SMALL).is_ok());
    }

    #[test]
    fn a_body_that_grows_out_of_the_small_ones_gives_their_part_back() {
        let budget = Budget::new(8 * SMALL);
        let mut body = budget.reserve(0).unwrap();
        for size in (0..=SMALL).chain([SMALL + 1, 2 * SMALL]) {
            body.grow(&budget, size).unwrap();
        }
        assert_eq!(budget.small.available_permits() as u64, FOR_SMALL / UNIT);
        assert_eq!(budget.large.available_permits() as u64, 4 * SMALL / UNIT);
    }

    #[test]
    fn a_body_of_announced_size_needs_no_more_while_it_comes() {
        let budget = Budget::new(8 * SMALL);
        let mut body = budget.reserve(2 * SMALL).unwrap();
        let left = budget.large.available_permits();
        for size in [0, 1, SMALL, SMALL + 1, 2 * SMALL] {
            body.grow(&budget, size).unwrap();
        }
        assert_eq!(budget.large.available_permits(), left);
    }

    #[test]
    fn small_bodies_are_bounded_too() {
        let budget = Budget::new(8 * SMALL);
        let all: Vec<_> = std::iter::from_fn(|| budget.reserve(SMALL).ok()).collect();
        assert_eq!(all.len() as u64, FOR_SMALL / (SMALL * COPIES_OF_A_BODY));
    }
}
