//! The versions that are known to be damaged: told once each, by an event, whether a reader or the
//! server itself found them.
//!
//! The database holds what is known. A copy of it in memory spares the writer a job for each
//! further read of a damaged version.

use std::collections::HashSet;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::domain::engine::Engine;
use crate::model::clock;
use crate::model::event::{EventKind, NewEvent};
use crate::model::name::StateName;
use crate::model::state::StateId;
use crate::store::{StoreError, Touches, Tx};

/// How many damaged versions are remembered in memory. Each read of a further one asks the
/// database.
const MAX_REMEMBERED: usize = 10_000;

/// The versions that are known to be damaged.
pub(in crate::domain) struct Damaged {
    engine: Arc<Engine>,
    known: Arc<Known>,
}

#[derive(Default)]
struct Known(Mutex<HashSet<(StateId, u64)>>);

impl Known {
    /// Adds a version; says whether the database is known to have it already.
    fn add(&self, state: StateId, number: u64) -> bool {
        let mut known = self.0.lock();
        known.contains(&(state, number))
            || (known.len() < MAX_REMEMBERED && !known.insert((state, number)))
    }

    fn has(&self, state: StateId, number: u64) -> bool {
        self.0.lock().contains(&(state, number))
    }

    fn remove(&self, state: StateId, number: u64) {
        self.0.lock().remove(&(state, number));
    }
}

impl Damaged {
    /// Reads what an earlier run of the server knew. If that cannot be read, it is found anew.
    pub(in crate::domain) fn load(engine: Arc<Engine>) -> Self {
        let read = engine
            .store
            .read_at_start(|view| view.damaged_versions(MAX_REMEMBERED));
        let known = read.unwrap_or_else(|error| {
            tracing::warn!(%error, "which versions are damaged cannot be read; it will be found \
                anew");
            Vec::new()
        });
        let known = Known(Mutex::new(known.into_iter().collect()));
        Self {
            engine,
            known: Arc::new(known),
        }
    }

    /// How many there are.
    pub(in crate::domain) fn count(&self) -> u64 {
        self.known.0.lock().len() as u64
    }

    /// Some of them, from a place on that may lie beyond the last one: then it starts over.
    pub(super) fn some(&self, from: usize, most: usize) -> Vec<(StateId, u64)> {
        let known = self.known.0.lock();
        let from = from % known.len().max(1);
        known.iter().copied().skip(from).take(most).collect()
    }

    /// Writes down that a version cannot be read, unless that is known.
    pub(in crate::domain) async fn note_damaged(
        &self,
        name: &StateName,
        state: StateId,
        number: u64,
    ) {
        if self.known.add(state, number) {
            return;
        }
        let at = clock::now();
        let event = NewEvent::by_the_server(EventKind::VersionDamaged, at)
            .on(name)
            .version(number)
            .attention(true);
        let note = move |tx: &Tx<'_>| {
            if tx.note_damaged(state, number, at)? {
                tx.record(&event)
            } else {
                Ok(())
            }
        };
        let known = Arc::clone(&self.known);
        // Its reader may have gone away. The next read tells it then.
        let forget = move |noted: &Result<(), StoreError>| {
            if let Err(error) = noted {
                tracing::warn!(%error, "that a version is damaged could not be written down; its \
                    next read tries again");
                known.remove(state, number);
            }
        };
        let _ = self
            .engine
            .store
            .write_then(Touches::State(state), 0, note, forget)
            .await;
    }

    /// Forgets that a version cannot be read, if that was known.
    pub(in crate::domain) async fn note_readable(
        &self,
        name: &StateName,
        state: StateId,
        number: u64,
    ) {
        if !self.known.has(state, number) {
            return;
        }
        match self.forget(state, number).await {
            Ok(()) => {
                tracing::info!(state = %name, version = number, "a version that was damaged can be \
                    read again");
            }
            Err(error) => {
                tracing::warn!(%error, "that a version can be read again could not be written \
                    down");
            }
        }
    }

    /// Forgets a version once the database has forgotten it.
    pub(super) async fn forget(&self, state: StateId, number: u64) -> Result<(), StoreError> {
        let known = Arc::clone(&self.known);
        let forget = move |done: &Result<(), StoreError>| {
            if done.is_ok() {
                known.remove(state, number);
            }
        };
        self.engine
            .store
            .write_then(
                Touches::State(state),
                0,
                move |tx| tx.forget_damaged(state, number),
                forget,
            )
            .await
    }
}
