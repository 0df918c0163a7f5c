//! Work that takes long and that only its own client waits for: comparisons, outputs of large
//! states, detections.
//!
//! It runs on one thread of a lower priority, aside of the cores, and so holds up no write. Each
//! key has its turns one after the other: a key with many requests waits for itself, and others do
//! not wait for it. What is more than a few of them is refused at once.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::domain::engine::background::Worker;
use crate::domain::engine::budget::{Reservation, Reserved};
use crate::domain::error::Error;
use crate::model::key::KeyId;
use crate::sabotage::{self, Fault};
use crate::store::OpenError;

/// How many a key has at the same time: one at work, and the others wait.
const MAX_OF_A_KEY: usize = 4;

/// The thread, and who waits for it.
pub(in crate::domain) struct AsideThread {
    worker: Worker,
    alone: Arc<Semaphore>,
    lanes: Arc<Mutex<HashMap<KeyId, Lane>>>,
}

/// The work of one key.
struct Lane {
    places: usize,
    turn: Arc<Semaphore>,
}

impl AsideThread {
    pub(in crate::domain) fn start() -> Result<Self, OpenError> {
        Ok(Self {
            worker: Worker::aside()?,
            alone: Arc::new(Semaphore::new(1)),
            lanes: Arc::default(),
        })
    }

    /// A place for one more piece of work of a key, or its refusal. The operator's are not counted.
    pub(in crate::domain) fn place(&self, key: Option<KeyId>) -> Result<AsidePlace, Error> {
        let mut place = AsidePlace {
            lanes: Arc::clone(&self.lanes),
            key: None,
            turn: Arc::new(Semaphore::new(1)),
        };
        let Some(key) = key.filter(|_| !sabotage::is(Fault::Aside)) else {
            return Ok(place);
        };
        let mut lanes = self.lanes.lock();
        let lane = lanes.entry(key).or_insert_with(|| Lane {
            places: 0,
            turn: Arc::clone(&place.turn),
        });
        if lane.places >= MAX_OF_A_KEY {
            return Err(Error::TooManyAtOnce(MAX_OF_A_KEY));
        }
        lane.places += 1;
        (place.key, place.turn) = (Some(key), Arc::clone(&lane.turn));
        drop(lanes);
        Ok(place)
    }

    /// Runs some work that needs no memory of its own on the thread, while its caller has the turn.
    pub(in crate::domain) async fn measure<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        self.worker.run((), |()| work()).await
    }

    /// The one permission to hold memory for work on the thread.
    pub(in crate::domain) async fn alone(&self) -> Result<OwnedSemaphorePermit, Error> {
        let alone = Arc::clone(&self.alone).acquire_owned().await;
        alone.map_err(|_| Error::ShuttingDown)
    }

    /// Runs the first part of some work on the thread: its caller keeps the turn and the memory.
    pub(in crate::domain) async fn begin<T: Send + 'static>(
        &self,
        ((turn, alone), reservation): TurnWithMemory,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<(TurnWithMemory, T), Error> {
        let at_work = AtWork {
            turn,
            alone,
            reservation,
        };
        let run = move |at_work: AtWork| {
            let done = work();
            (((at_work.turn, at_work.alone), at_work.reservation), done)
        };
        self.worker.run(at_work, run).await
    }

    /// Runs some work on the thread. Its turn ends with it, also if nobody waits for it any more.
    pub(in crate::domain) async fn run<T: Send + 'static>(
        &self,
        (turn, alone): (AsideTurn, OwnedSemaphorePermit),
        reservation: Reservation,
        work: impl FnOnce(Reservation) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let at_work = AtWork {
            turn,
            alone,
            reservation,
        };
        let run = move |at_work: AtWork| {
            let AtWork {
                turn,
                alone,
                reservation,
            } = at_work;
            let done = work(reservation);
            drop((turn, alone));
            done
        };
        self.worker.run(at_work, run).await
    }
}

/// What somebody has who is at work: the turn, the permission to hold memory, and that memory.
pub(in crate::domain) type TurnWithMemory = ((AsideTurn, OwnedSemaphorePermit), Reservation);

struct AtWork {
    turn: AsideTurn,
    alone: OwnedSemaphorePermit,
    reservation: Reservation,
}

impl Reserved for AtWork {}

/// A place among the work of a key. It is free again when this is dropped.
pub struct AsidePlace {
    lanes: Arc<Mutex<HashMap<KeyId, Lane>>>,
    key: Option<KeyId>,
    turn: Arc<Semaphore>,
}

impl AsidePlace {
    /// Waits until no other work of the key is under way.
    pub async fn turn(self) -> Result<AsideTurn, Error> {
        let turn = Arc::clone(&self.turn).acquire_owned().await;
        Ok(AsideTurn {
            _turn: turn.map_err(|_| Error::ShuttingDown)?,
            _place: self,
        })
    }
}

impl Drop for AsidePlace {
    fn drop(&mut self) {
        let Some(key) = self.key else {
            return;
        };
        let mut lanes = self.lanes.lock();
        if let Some(lane) = lanes.get_mut(&key) {
            lane.places -= 1;
            if lane.places == 0 {
                lanes.remove(&key);
            }
        }
    }
}

/// The turn of one piece of work of a key.
pub struct AsideTurn {
    _turn: OwnedSemaphorePermit,
    _place: AsidePlace,
}
