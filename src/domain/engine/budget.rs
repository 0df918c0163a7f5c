//! The memory that all bodies, answers and working copies under way may take together, so that no
//! number of clients can take the server down.
//!
//! Small bodies have a part of their own: however many states are on their way, locks can be taken
//! and given back. Larger ones are reserved as they arrive, each in its key's and its workspace's
//! [share](super::shares).

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};

use crate::config::{COPIES_OF_A_BODY, MIB};
use crate::domain::engine::bell::{Bell, RingsAtEnd};
use crate::domain::engine::shares::{Holder, ShareHold, Shares};
use crate::domain::error::Error;
use crate::model::clock;
use crate::model::digest::Digest;
use crate::sabotage::{self, Fault};

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
    bell: Arc<Bell>,
}

/// One part of the budget.
struct Pool {
    free: Arc<Semaphore>,
    units: usize,
    shares: Arc<Shares>,
    bell: Arc<Bell>,
}

impl Pool {
    fn new(bytes: u64, bell: &Arc<Bell>) -> Self {
        let units = usize::try_from(bytes / UNIT)
            .unwrap_or(usize::MAX)
            .min(Semaphore::MAX_PERMITS);
        Self {
            free: Arc::new(Semaphore::new(units)),
            units,
            shares: Shares::of(bytes, Arc::clone(bell)),
            bell: Arc::clone(bell),
        }
    }

    fn reservation(&self, permit: OwnedSemaphorePermit) -> Reservation {
        Reservation {
            permit,
            hold: None,
            rings: RingsAtEnd(Arc::clone(&self.bell)),
        }
    }

    fn reserve(&self, units: usize) -> Result<Reservation, Error> {
        let units = u32::try_from(units).map_err(|_| Error::OverBudget)?;
        let reserved = Arc::clone(&self.free).try_acquire_many_owned(units);
        reserved
            .map(|permit| self.reservation(permit))
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
            .map(|permit| self.reservation(permit))
            .map_err(|_| Error::ShuttingDown)
    }

    /// Says if there are not so many units. An attempt that gives nothing back wakes nobody who
    /// waits for what comes back.
    fn check(&self, units: usize) -> Result<(), Error> {
        if units > self.free.available_permits() {
            return Err(Error::OverBudget);
        }
        Ok(())
    }

    fn free(&self) -> u64 {
        self.free.available_permits() as u64 * UNIT
    }

    fn reserved(&self) -> u64 {
        self.units.saturating_sub(self.free.available_permits()) as u64 * UNIT
    }
}

/// How many units so many bytes need.
fn units(bytes: u64) -> usize {
    usize::try_from(bytes.div_ceil(UNIT)).unwrap_or(usize::MAX)
}

impl Budget {
    /// A budget of so many bytes for all that is not small.
    pub(in crate::domain) fn new(bytes: u64) -> Self {
        let bell = Arc::<Bell>::default();
        Self {
            small: Pool::new(FOR_SMALL, &bell),
            operator: Pool::new(FOR_THE_OPERATOR, &bell),
            large: Pool::new(bytes, &bell),
            bell,
        }
    }

    /// Says at once if a body of this size could not be taken now. Nothing is reserved.
    pub(in crate::domain) fn check_body(&self, holder: &Holder, body: u64) -> Result<(), Error> {
        if body <= SMALL {
            return Ok(());
        }
        let free = self.large.free();
        if body.saturating_mul(COPIES_OF_A_BODY) > free {
            return Err(Error::OverBudget);
        }
        self.large.shares.check(holder, body, free)
    }

    /// Where a body of this size belongs, and how many bytes it takes there: a small one has its
    /// compressed copy from the start. Small ones of the operator have a part of their own.
    fn place_of_body(&self, holder: &Holder, body: u64) -> (&Pool, u64) {
        let small = if sabotage::is(Fault::SmallPart) {
            &self.large
        } else if holder.is_nobody() && !sabotage::is(Fault::Logins) {
            &self.operator
        } else {
            &self.small
        };
        if body <= SMALL {
            (small, body * COPIES_OF_A_BODY)
        } else if sabotage::is(Fault::Announced) {
            (&self.large, body * COPIES_OF_A_BODY)
        } else {
            (&self.large, body)
        }
    }

    /// Reserves what has come of a body, which is small until it is more than that. It is in its
    /// holder's share.
    pub(in crate::domain) fn for_body(
        &self,
        holder: &Holder,
        body: u64,
    ) -> Result<Reservation, Error> {
        let (pool, bytes) = self.place_of_body(holder, body);
        pool.check(units(bytes))?;
        let hold = pool.shares.take(holder, (None, bytes), pool.free())?;
        let mut reservation = pool.reserve(units(bytes))?;
        reservation.hold = Some(hold);
        Ok(reservation)
    }

    /// Reserves more to a body that turns out to be of this size.
    pub(in crate::domain) fn grow(
        &self,
        reservation: &mut Reservation,
        holder: &Holder,
        body: u64,
    ) -> Result<(), Error> {
        let is_in = |pool: &Pool| Arc::ptr_eq(&pool.free, reservation.permit.semaphore());
        let is_small = is_in(&self.small) || is_in(&self.operator);
        if body > SMALL && is_small {
            *reservation = self.for_body(holder, body)?;
            return Ok(());
        }
        // A large one stays so.
        let (pool, bytes) = if is_small {
            self.place_of_body(holder, body)
        } else {
            (&self.large, body)
        };
        let Some(missing) = units(bytes).checked_sub(reservation.permit.num_permits()) else {
            return Ok(());
        };
        pool.check(missing)?;
        if let Some(hold) = &mut reservation.hold {
            hold.grow(bytes, pool.free())?;
        }
        reservation.merge(pool.reserve(missing)?);
        Ok(())
    }

    /// Reserves what else a body of this size needs while it is compressed. It is in nobody's
    /// share, for it comes back soon.
    pub(in crate::domain) fn to_compress(
        &self,
        reservation: &mut Reservation,
        body: u64,
    ) -> Result<(), Error> {
        let needed = units(body.saturating_mul(COPIES_OF_A_BODY));
        let missing = needed.saturating_sub(reservation.permit.num_permits());
        if missing > 0 {
            reservation.merge(self.large.reserve(missing)?);
        }
        Ok(())
    }

    /// Takes an answer of so many bytes into its reader's share, as soon as there is room in it. A
    /// version that several connections read is there once.
    pub(in crate::domain) async fn hold_answer(
        &self,
        holder: &Holder,
        version: Option<Digest>,
        bytes: u64,
    ) -> Result<Option<ShareHold>, Error> {
        if bytes <= SMALL {
            return Ok(None);
        }
        let take = || {
            let taken = self
                .large
                .shares
                .take(holder, (version, bytes), self.large.free());
            taken.map(Some)
        };
        self.soon(take).await
    }

    /// Tries something each time that memory comes back, for a while.
    pub(in crate::domain) async fn soon<T>(
        &self,
        mut attempt: impl FnMut() -> Result<T, Error>,
    ) -> Result<T, Error> {
        let end = tokio::time::Instant::from_std(clock::monotonic() + PATIENCE);
        loop {
            let came_back = self.bell.rings();
            match attempt() {
                Ok(done) => return Ok(done),
                Err(error) => {
                    let in_time = tokio::time::timeout_at(end, came_back).await;
                    in_time.map_err(|_| error)?;
                }
            }
        }
    }

    /// Reserves what a working copy of this size needs, or says at once that there is not enough.
    pub(in crate::domain) fn for_copy(&self, bytes: u64) -> Result<Reservation, Error> {
        let reserved = self.large.reserve(self.units_of_copy(bytes));
        if bytes <= SMALL && !sabotage::is(Fault::SmallPart) {
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
}

/// What work on a core takes along: memory that is reserved, or something that holds it. So it
/// comes back when the work is done, and not when nobody waits for that any more.
pub trait Reserved: Send + 'static {}

impl Reserved for Reservation {}
/// For work that needs no memory of its own.
impl Reserved for () {}
impl<A: Reserved> Reserved for (A, Reservation) {}

/// Bytes that are reserved; they come back when this is dropped.
pub struct Reservation {
    permit: OwnedSemaphorePermit,
    /// The share that they are in; none if they are in nobody's.
    hold: Option<ShareHold>,
    rings: RingsAtEnd,
}

impl Reservation {
    /// Gives back what is more than this.
    pub(in crate::domain) fn keep_only(&mut self, bytes: u64) {
        let spare = self.permit.num_permits().saturating_sub(units(bytes));
        drop(self.permit.split(spare));
        if let Some(hold) = &mut self.hold {
            hold.keep_only(bytes);
        }
        self.rings.0.ring();
    }

    /// Takes another one of the same pool into this one.
    fn merge(&mut self, other: Self) {
        let Self { permit, .. } = other;
        self.permit.merge(permit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nobody() -> Holder {
        Holder::server()
    }

    #[test]
    fn lends_no_more_than_it_has_and_gets_it_back() {
        let budget = Budget::new(8 * SMALL);
        let mut first = budget.for_body(&nobody(), 4 * SMALL).unwrap();
        assert!(budget.for_body(&nobody(), 4 * SMALL + 1).is_err());
        assert!(budget.check_body(&nobody(), 2 * SMALL).is_ok());
        assert!(budget.check_body(&nobody(), 2 * SMALL + 1).is_err());
        assert!(budget.grow(&mut first, &nobody(), 8 * SMALL).is_ok());
        assert!(budget.grow(&mut first, &nobody(), 8 * SMALL + 1).is_err());
        assert!(budget.for_body(&nobody(), SMALL + 1).is_err());
        assert!(budget.for_copy(SMALL + 1).is_err());
        assert!(
            budget.for_body(&nobody(), SMALL).is_ok(),
            "a lock can be taken all the same"
        );
        assert!(
            budget.for_copy(SMALL).is_ok(),
            "a small state can be read all the same"
        );
        first.keep_only(SMALL);
        assert!(budget.for_copy(7 * SMALL).is_ok());
        drop(first);
        assert!(budget.for_body(&nobody(), 8 * SMALL).is_ok());
        assert_eq!(budget.in_flight().0, 0);
    }

    #[test]
    fn a_body_that_grows_out_of_the_small_ones_gives_their_part_back() {
        let budget = Budget::new(8 * SMALL);
        let mut body = budget.for_body(&nobody(), 0).unwrap();
        for size in (0..=SMALL).chain([SMALL + 1, 2 * SMALL]) {
            budget.grow(&mut body, &nobody(), size).unwrap();
        }
        assert_eq!(budget.small.reserved(), 0);
        assert_eq!(budget.large.reserved(), 2 * SMALL);
    }

    #[test]
    fn small_bodies_are_bounded_too() {
        let budget = Budget::new(8 * SMALL);
        let client = Holder::client(1, "team");
        let all: Vec<_> = std::iter::from_fn(|| budget.for_body(&client, SMALL).ok()).collect();
        let of_a_key = FOR_SMALL / 4;
        assert_eq!(all.len() as u64, of_a_key / (SMALL * COPIES_OF_A_BODY));
    }

    #[test]
    fn the_operator_has_memory_that_clients_cannot_take() {
        let budget = Budget::new(8 * SMALL);
        let copies: Vec<_> = std::iter::from_fn(|| budget.for_copy(SMALL).ok()).collect();
        assert!(!copies.is_empty());
        let client = Holder::client(1, "team");
        assert!(budget.for_body(&client, SMALL).is_err(), "all is taken");
        let mut body = budget.for_body(&nobody(), 0).unwrap();
        for size in [1, SMALL / 2, SMALL] {
            budget.grow(&mut body, &nobody(), size).unwrap();
        }
        assert_eq!(budget.operator.reserved(), SMALL * COPIES_OF_A_BODY);
        drop(copies);
        budget.grow(&mut body, &nobody(), 2 * SMALL).unwrap();
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
