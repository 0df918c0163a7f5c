//! The memory that all bodies, answers and working copies under way may take together, so that no
//! number of clients can take the server down.
//!
//! Small bodies have a part of their own: however many states are on their way, locks can be taken
//! and given back.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};

use crate::config::{COPIES_OF_A_BODY, MIB};
use crate::domain::error::Error;

/// The budget is counted in units of this many bytes.
const UNIT: u64 = 1024;
/// Bodies up to this many bytes are small; locks and the calls of the API are.
pub const SMALL: u64 = 64 * 1024;
/// The bytes that small bodies may take together, beside the budget for all others.
const FOR_SMALL: u64 = 32 * MIB;
/// The bytes that small bodies of the operator may take together, so that no client keeps the
/// operator from revoking and unlocking.
const FOR_THE_OPERATOR: u64 = 4 * MIB;
/// How long a read waits for its copy before the client is asked to come again.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a reservation does if the budget is used up.
#[derive(Clone, Copy)]
pub(in crate::domain) enum WhenFull {
    /// It waits for a while.
    Wait,
    /// It fails at once.
    Fail,
}

/// Memory that is kept in case it is needed again, and given back when others need it now.
pub(in crate::domain) trait Spare: Send + Sync {
    /// Gives all of it back; false if there was none.
    fn give_back(&self) -> bool;
}

/// A number of bytes that is reserved and comes back by itself.
pub struct Budget {
    small: Pool,
    operator: Pool,
    large: Pool,
}

/// One part of the budget.
struct Pool {
    free: Arc<Semaphore>,
    units: usize,
}

impl Pool {
    fn new(bytes: u64) -> Self {
        let units = usize::try_from(bytes / UNIT)
            .unwrap_or(usize::MAX)
            .min(Semaphore::MAX_PERMITS);
        Self {
            free: Arc::new(Semaphore::new(units)),
            units,
        }
    }

    fn reserve(&self, units: usize) -> Result<Reservation, Error> {
        let units = u32::try_from(units).map_err(|_| Error::OverBudget)?;
        let reserved = Arc::clone(&self.free).try_acquire_many_owned(units);
        reserved
            .map(|permit| Reservation { permit })
            .map_err(|error| match error {
                TryAcquireError::NoPermits => Error::OverBudget,
                TryAcquireError::Closed => Error::ShuttingDown,
            })
    }

    async fn reserve_soon(&self, units: usize) -> Result<Reservation, Error> {
        let units = u32::try_from(units).map_err(|_| Error::OverBudget)?;
        let reserved =
            tokio::time::timeout(PATIENCE, Arc::clone(&self.free).acquire_many_owned(units)).await;
        reserved
            .map_err(|_| Error::OverBudget)?
            .map(|permit| Reservation { permit })
            .map_err(|_| Error::ShuttingDown)
    }

    fn reserved(&self) -> u64 {
        self.units.saturating_sub(self.free.available_permits()) as u64 * UNIT
    }
}

/// How many units so many bytes need.
fn units(bytes: u64) -> usize {
    usize::try_from(bytes.div_ceil(UNIT)).unwrap_or(usize::MAX)
}

fn units_of_body(body: u64) -> usize {
    units(body.saturating_mul(COPIES_OF_A_BODY))
}

impl Budget {
    /// A budget of so many bytes for all that is not small.
    pub(in crate::domain) fn new(bytes: u64) -> Self {
        Self {
            small: Pool::new(FOR_SMALL),
            operator: Pool::new(FOR_THE_OPERATOR),
            large: Pool::new(bytes),
        }
    }

    /// Reserves what a body of this size needs, or says at once that there is not enough.
    pub(in crate::domain) fn for_body(&self, body: u64) -> Result<Reservation, Error> {
        self.pool_of_body(body).reserve(units_of_body(body))
    }

    /// Reserves what a body of the operator needs, as long as it is small.
    pub(in crate::domain) fn for_the_operator(&self) -> Result<Reservation, Error> {
        self.operator.reserve(0)
    }

    /// Reserves more to a body that turns out to be of this size.
    pub(in crate::domain) fn grow(
        &self,
        reservation: &mut Reservation,
        body: u64,
    ) -> Result<(), Error> {
        let is_operators = Arc::ptr_eq(&self.operator.free, reservation.permit.semaphore());
        let needed = units_of_body(body);
        let pool = if is_operators && body <= SMALL {
            &self.operator
        } else {
            self.pool_of_body(body)
        };
        if !Arc::ptr_eq(&pool.free, reservation.permit.semaphore()) {
            *reservation = pool.reserve(needed)?;
        } else if let Some(missing) = needed.checked_sub(reservation.permit.num_permits()) {
            reservation.permit.merge(pool.reserve(missing)?.permit);
        }
        Ok(())
    }

    /// Reserves what a working copy of this size needs, or says at once that there is not enough.
    pub(in crate::domain) fn for_copy(&self, bytes: u64) -> Result<Reservation, Error> {
        let reserved = self.large.reserve(self.units_of_copy(bytes));
        if bytes <= SMALL {
            reserved.or_else(|_| self.small.reserve(units(bytes)))
        } else {
            reserved
        }
    }

    /// Reserves what a working copy of this size needs, as soon as there is enough.
    pub(in crate::domain) async fn for_copy_soon(&self, bytes: u64) -> Result<Reservation, Error> {
        self.large.reserve_soon(self.units_of_copy(bytes)).await
    }

    /// A version may be larger than what is taken today, and has to be readable all the same.
    fn units_of_copy(&self, bytes: u64) -> usize {
        units(bytes).min(self.large.units)
    }

    /// The bytes that are reserved, and all that there are.
    pub(in crate::domain) fn in_flight(&self) -> (u64, u64) {
        (
            self.small.reserved() + self.large.reserved(),
            (self.small.units + self.large.units) as u64 * UNIT,
        )
    }

    fn pool_of_body(&self, body: u64) -> &Pool {
        if body <= SMALL {
            &self.small
        } else {
            &self.large
        }
    }
}

/// What work on a core takes along: memory that is reserved, or something that holds it. So it
/// comes back when the work is done, and not when nobody waits for that any more.
pub trait Reserved: Send + 'static {}

impl Reserved for Reservation {}
impl<A: Reserved> Reserved for (A, Reservation) {}

/// Bytes that are reserved; they come back when this is dropped.
pub struct Reservation {
    permit: OwnedSemaphorePermit,
}

impl Reservation {
    /// Gives back what is more than this.
    pub(in crate::domain) fn keep_only(&mut self, bytes: u64) {
        let spare = self.permit.num_permits().saturating_sub(units(bytes));
        drop(self.permit.split(spare));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lends_no_more_than_it_has_and_gets_it_back() {
        let budget = Budget::new(8 * SMALL);
        let mut first = budget.for_body(2 * SMALL).unwrap();
        assert!(budget.for_body(2 * SMALL + 1).is_err());
        assert!(budget.grow(&mut first, 4 * SMALL).is_ok());
        assert!(budget.grow(&mut first, 4 * SMALL + 1).is_err());
        assert!(budget.for_body(SMALL + 1).is_err());
        assert!(budget.for_copy(SMALL + 1).is_err());
        assert!(
            budget.for_body(SMALL).is_ok(),
            "a lock can be taken all the same"
        );
        assert!(
            budget.for_copy(SMALL).is_ok(),
            "a small state can be read all the same"
        );
        first.keep_only(SMALL);
        assert!(budget.for_copy(7 * SMALL).is_ok());
        drop(first);
        assert!(budget.for_body(4 * SMALL).is_ok());
        assert_eq!(budget.in_flight().0, 0);
    }

    #[test]
    fn a_body_that_grows_out_of_the_small_ones_gives_their_part_back() {
        let budget = Budget::new(8 * SMALL);
        let mut body = budget.for_body(0).unwrap();
        for size in (0..=SMALL).chain([SMALL + 1, 2 * SMALL]) {
            budget.grow(&mut body, size).unwrap();
        }
        assert_eq!(budget.small.reserved(), 0);
        assert_eq!(budget.large.reserved(), 4 * SMALL);
    }

    #[test]
    fn a_body_of_announced_size_needs_no_more_while_it_comes() {
        let budget = Budget::new(8 * SMALL);
        let mut body = budget.for_body(2 * SMALL).unwrap();
        for size in [SMALL + 1, 2 * SMALL] {
            budget.grow(&mut body, size).unwrap();
            assert_eq!(budget.large.reserved(), 4 * SMALL);
        }
    }

    #[test]
    fn small_bodies_are_bounded_too() {
        let budget = Budget::new(8 * SMALL);
        let all: Vec<_> = std::iter::from_fn(|| budget.for_body(SMALL).ok()).collect();
        assert_eq!(all.len() as u64, FOR_SMALL / (SMALL * COPIES_OF_A_BODY));
    }

    #[test]
    fn the_operator_has_memory_that_clients_cannot_take() {
        let budget = Budget::new(8 * SMALL);
        let clients: Vec<_> = std::iter::from_fn(|| budget.for_body(SMALL).ok()).collect();
        assert!(!clients.is_empty());
        let mut body = budget.for_the_operator().unwrap();
        for size in [1, SMALL / 2, SMALL] {
            budget.grow(&mut body, size).unwrap();
        }
        assert_eq!(budget.operator.reserved(), SMALL * COPIES_OF_A_BODY);
        budget.grow(&mut body, 2 * SMALL).unwrap();
        assert_eq!(
            budget.operator.reserved(),
            0,
            "a large one is like any other"
        );
    }

    #[test]
    fn a_copy_that_is_larger_than_everything_needs_everything() {
        let budget = Budget::new(8 * SMALL);
        let copy = budget.for_copy(u64::MAX).unwrap();
        assert!(budget.for_copy(SMALL + 1).is_err());
        drop(copy);
        assert!(budget.for_copy(8 * SMALL).is_ok());
    }
}
