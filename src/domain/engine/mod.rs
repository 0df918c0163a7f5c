//! The engine: the store, the limits, the memory budget, the threads and the data directory. It
//! knows no caller and no state.

pub mod aside;
pub mod background;
pub mod bell;
pub mod budget;
pub mod cores;
pub mod data_dir;
pub mod leased_bytes;
pub mod places;
pub mod shares;
pub mod single_flight;
pub mod start_preview;
pub mod trust;
pub mod waiters;

use std::sync::Arc;

use crate::config::Limits;
use crate::domain::engine::aside::{AsidePlace, AsideThread, AsideTurn};
use crate::domain::engine::background::Worker;
use crate::domain::engine::budget::{Budget, Reservation, Reserved, Spare, WhenFull};
use crate::domain::engine::cores::Cores;
use crate::domain::engine::data_dir::DirLock;
use crate::domain::engine::leased_bytes::LeasedBytes;
use crate::domain::engine::places::{KeyPlaces, TakenPlace};
use crate::domain::engine::shares::{Holder, ShareHold};
use crate::domain::engine::trust::Trust;
use crate::domain::engine::waiters::Waiters;
use crate::domain::error::Error;
use crate::metrics::Metrics;
use crate::model::caller::Caller;
use crate::model::clock::Timestamp;
use crate::model::digest::Digest;
use crate::sabotage::{self, Fault};
use crate::store::{OpenError, Store};

/// What all areas work with. There is one for each process and data directory.
pub struct Engine {
    pub(in crate::domain) store: Store,
    pub(in crate::domain) limits: Arc<Limits>,
    pub(in crate::domain) metrics: Arc<Metrics>,
    budget: Budget,
    spare: Arc<dyn Spare>,
    requests: Arc<KeyPlaces>,
    queued: Arc<KeyPlaces>,
    cores: Cores,
    aside: AsideThread,
    background: Worker,
    /// Whether the clock can be believed.
    pub(in crate::domain) trust: Arc<Trust>,
    /// Which locks were turned away, and so who waits.
    pub(in crate::domain) waiters: Arc<Waiters>,
    /// Held for as long as the store is open, and so the last to be dropped.
    pub(in crate::domain) dir: DirLock,
}

impl Engine {
    /// Opens a data directory that this process has locked. `spare` gives memory back when a
    /// reservation finds the budget used up.
    pub(in crate::domain) fn open(
        dir: DirLock,
        limits: Limits,
        spare: Arc<dyn Spare>,
    ) -> Result<Self, OpenError> {
        let metrics = Arc::new(Metrics::default());
        let confirmed = dir.confirmed();
        let allowed = (confirmed, limits.storage_keys.as_slice());
        let store = Store::open_confirmed(dir.path(), limits.max_queue, &metrics, allowed)?;
        Ok(Self {
            trust: Arc::new(Trust::at_start(&store, limits.max_clock_jump)),
            store,
            budget: Budget::new(limits.max_in_flight),
            spare,
            requests: KeyPlaces::of(limits.max_connections),
            queued: KeyPlaces::of(limits.max_queue),
            cores: Cores::start()?,
            aside: AsideThread::start()?,
            background: Worker::in_the_background()?,
            waiters: Arc::default(),
            metrics,
            limits: Arc::new(limits),
            dir,
        })
    }

    /// The limits that are in force.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The time by which keys, secrets and tokens end. It never goes back, unless a person says
    /// that the clock is right.
    pub fn time_for_ends(&self) -> Timestamp {
        self.trust.latest()
    }

    /// The counters and measures of the process.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Fails at once if a body of this size in bytes could not be taken now. Nothing is reserved.
    pub fn check_body(&self, holder: &Holder, body: u64) -> Result<(), Error> {
        self.making_room(|| self.budget.check_body(holder, body))
    }

    /// Reserves memory for the first bytes of a body.
    pub async fn reserve_for_body(&self, holder: &Holder, body: u64) -> Result<Reservation, Error> {
        let reserve = || self.making_room(|| self.budget.for_body(holder, body));
        self.budget.soon(reserve).await
    }

    /// Reserves more memory for a body of which so many bytes have come.
    pub async fn reserve_more(
        &self,
        reservation: &mut Reservation,
        holder: &Holder,
        body: u64,
    ) -> Result<(), Error> {
        let mut grow = || self.budget.grow(reservation, holder, body);
        let reserve = || self.making_room(&mut grow);
        self.budget.soon(reserve).await
    }

    /// Reserves memory for the first bytes of a body only if it is free now.
    pub fn reserve_if_free_for_body(&self, holder: &Holder, body: u64) -> Option<Reservation> {
        self.budget.for_body(holder, body).ok()
    }

    /// Reserves more memory for a body only if it is free now.
    pub fn reserve_more_if_free(
        &self,
        reservation: &mut Reservation,
        holder: &Holder,
        body: u64,
    ) -> Option<()> {
        self.budget.grow(reservation, holder, body).ok()
    }

    /// Reserves the memory that a body needs beside itself while it is compressed.
    pub(in crate::domain) async fn reserve_to_compress(
        &self,
        reservation: &mut Reservation,
        body: u64,
    ) -> Result<(), Error> {
        let mut compress = || self.budget.to_compress(reservation, body);
        self.budget.soon(|| self.making_room(&mut compress)).await
    }

    /// Takes a version of so many bytes into the share of a caller who is about to read it.
    pub(in crate::domain) async fn hold_version(
        &self,
        holder: &Holder,
        (version, bytes): (Digest, u64),
    ) -> Result<Option<ShareHold>, Error> {
        let held = self.budget.hold_answer(holder, Some(version), bytes);
        held.await
    }

    /// Takes an answer that was made into its reader's share.
    pub async fn hold_answer(
        &self,
        holder: &Holder,
        bytes: u64,
    ) -> Result<Option<ShareHold>, Error> {
        self.budget.hold_answer(holder, None, bytes).await
    }

    /// Counts an act that a quota kept out.
    pub(in crate::domain) fn note_quota<T>(&self, done: &Result<T, Error>) {
        if let Err(error) = done {
            self.note_refusal(error);
        }
    }

    fn note_refusal(&self, error: &Error) {
        let quota = if let Error::QuotaExceeded { kind, .. } = error {
            kind.name()
        } else if matches!(error, Error::RateExceeded { .. }) {
            "rate"
        } else {
            return;
        };
        self.metrics
            .quota_refusals
            .with_label_values(&[quota])
            .inc();
    }

    /// Reserves memory for an answer that was made, or fails at once.
    pub fn reserve_for_answer(&self, bytes: Vec<u8>) -> Result<Arc<LeasedBytes>, Error> {
        let reservation = self.making_room(|| self.budget.for_copy(bytes.len() as u64))?;
        Ok(LeasedBytes::new(bytes, reservation))
    }

    /// Reserves memory for working copies of so many bytes.
    pub(in crate::domain) async fn reserve_for_copies(
        &self,
        bytes: u64,
        when_full: WhenFull,
    ) -> Result<Reservation, Error> {
        match (self.making_room(|| self.budget.for_copy(bytes)), when_full) {
            (Err(_), WhenFull::Wait) => self.budget.for_copy_soon(bytes).await,
            (reserved, WhenFull::Wait | WhenFull::Fail) => reserved,
        }
    }

    /// Reserves memory for working copies only if it is free now: nothing is given up for it.
    pub(in crate::domain) fn reserve_if_free(&self, bytes: u64) -> Option<Reservation> {
        self.budget.for_copy(bytes).ok()
    }

    /// The bytes that are reserved, and all that can be.
    pub(in crate::domain) fn in_flight(&self) -> (u64, u64) {
        self.budget.in_flight()
    }

    fn making_room<T>(&self, mut reserve: impl FnMut() -> Result<T, Error>) -> Result<T, Error> {
        reserve().or_else(|error| {
            if self.spare.give_back() {
                reserve()
            } else {
                Err(error)
            }
        })
    }

    /// Runs work on so many bytes off the request threads.
    pub async fn on_a_core<L: Reserved, T: Send + 'static>(
        &self,
        bytes: u64,
        reserved: L,
        work: impl FnOnce(L) -> T + Send + 'static,
    ) -> Result<T, Error> {
        self.cores.run(bytes, reserved, work).await
    }

    /// The same without waiting for its end.
    pub(in crate::domain) fn begin_on_a_core(
        &self,
        bytes: u64,
        work: impl FnOnce() + Send + 'static,
    ) {
        self.cores.begin(bytes, work);
    }

    /// A place among the requests that a caller's key may have under way, or the refusal of one
    /// more.
    pub fn place_of_request(&self, caller: &Caller) -> Result<TakenPlace, Error> {
        let place = self.requests.take(caller.key());
        place.ok_or_else(|| Error::TooManyRequests(self.requests.most()))
    }

    /// A place among the acts of a caller's key that may wait for the writer, or the refusal of one
    /// more.
    pub(in crate::domain) fn place_in_queue(&self, caller: &Caller) -> Result<TakenPlace, Error> {
        self.queued.take(caller.key()).ok_or(Error::QueueFull)
    }

    /// A place among the work aside that a caller may have at the same time, or the refusal of one
    /// more.
    pub fn place_aside(&self, caller: &Caller) -> Result<AsidePlace, Error> {
        self.aside.place(caller.key())
    }

    /// Looks at something for as long as that takes, aside of the cores. It needs no memory.
    pub async fn look_aside<T: Send + 'static>(
        &self,
        _turn: &AsideTurn,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        self.aside.measure(work).await
    }

    /// Runs work that takes long and that only its client waits for, aside of the cores, which
    /// writes use. It has so many bytes for working copies.
    pub async fn aside<T: Send + 'static>(
        &self,
        turn: AsideTurn,
        bytes: u64,
        work: impl FnOnce(Reservation) -> T + Send + 'static,
    ) -> Result<T, Error> {
        if sabotage::is(Fault::Aside) {
            let reservation = self.reserve_for_copies(bytes, WhenFull::Wait).await?;
            return self.cores.run(0, reservation, work).await;
        }
        // Of all that waits for the thread, one thing holds memory.
        let alone = self.aside.alone().await?;
        let reservation = self.reserve_for_copies(bytes, WhenFull::Wait).await?;
        self.aside.run((turn, alone), reservation, work).await
    }

    /// The same for work whose first part tells what the second one needs: that gets so many bytes
    /// more, which come back with its end, and what was measured.
    pub(in crate::domain) async fn aside_measured<M: Send + 'static, T: Send + 'static>(
        &self,
        turn: AsideTurn,
        bytes: u64,
        measure: impl FnOnce() -> (u64, M) + Send + 'static,
        work: impl FnOnce(M, Reservation) -> T + Send + 'static,
    ) -> Result<T, Error> {
        if sabotage::is(Fault::Aside) {
            let reservation = self.reserve_for_copies(bytes, WhenFull::Wait).await?;
            let both = move |reservation| work(measure().1, reservation);
            return self.cores.run(0, reservation, both).await;
        }
        let alone = self.aside.alone().await?;
        let reservation = self.reserve_for_copies(bytes, WhenFull::Wait).await?;
        let held = ((turn, alone), reservation);
        let (held, (more, measured)) = self.aside.begin(held, measure).await?;
        let more = self.reserve_for_copies(more, WhenFull::Wait).await?;
        let work = move |reservation| {
            let done = work(measured, reservation);
            drop(more);
            done
        };
        self.aside.run(held.0, held.1, work).await
    }

    /// Runs long work that nobody waits for, on a thread that gives way to all others.
    pub(in crate::domain) async fn in_background<L: Reserved, T: Send + 'static>(
        &self,
        reserved: L,
        work: impl FnOnce(L) -> T + Send + 'static,
    ) -> Result<T, Error> {
        self.background.run(reserved, work).await
    }

    /// Waits until the writer has come by all that is queued now; `false` when it has ended.
    pub async fn writer_comes_by(&self) -> bool {
        self.store.writer_comes_by().await
    }

    /// Why the store cannot write any more, if it cannot.
    pub fn fault(&self) -> Option<String> {
        self.store.fault().map(|error| error.to_string())
    }

    /// Waits until the store cannot write for good and the process has to end, and returns the
    /// reason.
    pub async fn broken(&self) -> String {
        self.store.faulted().await.to_string()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;
    use crate::model::clock;

    struct NothingSpare;

    impl Spare for NothingSpare {
        fn give_back(&self) -> bool {
            false
        }
    }

    #[test]
    fn memory_stays_reserved_for_as_long_as_there_is_work_that_nobody_waits_for() {
        let dir = tempfile::tempdir().unwrap();
        let lock = DirLock::take(dir.path()).unwrap();
        let engine = Engine::open(lock, Limits::default(), Arc::new(NothingSpare)).unwrap();
        let (begun, may_end) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let reserved = || engine.in_flight().0;
        let (at_work, ending) = (Arc::clone(&begun), Arc::clone(&may_end));
        let work = move |reservation: Reservation| {
            at_work.wait();
            ending.wait();
            drop(reservation);
        };
        let megabyte = engine.reserve_if_free(1024 * 1024).unwrap();
        let mut waiting = Box::pin(engine.on_a_core(0, megabyte, work));
        runtime.block_on(std::future::poll_fn(|context| {
            assert!(waiting.as_mut().poll(context).is_pending());
            std::task::Poll::Ready(())
        }));
        begun.wait();
        drop(waiting);
        assert_eq!(reserved(), 1024 * 1024);
        may_end.wait();
        let until = clock::monotonic() + std::time::Duration::from_mins(1);
        while reserved() > 0 {
            assert!(
                clock::monotonic() < until,
                "it comes back when the work is done"
            );
            std::thread::yield_now();
        }
        runtime.block_on(engine.store.close());
    }
}
