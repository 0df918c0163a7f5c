//! The versions that are known to be damaged: told once each, by an event, whether somebody read
//! them or the server found them by itself.
//!
//! What is known is in the database; a copy of it in memory spares the writer a job for each
//! further read of a damaged version.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use crate::domain::Domain;
use crate::domain::engine::single_flight::open;
use crate::domain::error::Error;
use crate::model::clock;
use crate::model::event::{EventKind, NewEvent};
use crate::model::name::StateName;
use crate::model::state::StateId;
use crate::model::version::Version;
use crate::store::{Store, StoreError, Tx};

/// How many damaged versions are remembered in memory; of those beyond, each read asks the
/// database.
const MAX_REMEMBERED: usize = 10_000;
/// How many of them are looked at again in one go.
const MAX_LOOKED_AT_AGAIN: usize = 10;

/// The versions that are known to be damaged.
#[derive(Default)]
pub(in crate::domain) struct Damaged(Mutex<HashSet<(StateId, u64)>>);

impl Damaged {
    /// What an earlier run of the server knew. Where that cannot be read, it is found anew.
    pub(in crate::domain) fn load(store: &Store) -> Self {
        let known = store.look(|view| view.damaged_versions(MAX_REMEMBERED)).unwrap_or_else(|error| {
            tracing::error!(%error, "which versions are damaged cannot be read; it will be found anew");
            Vec::new()
        });
        Self(Mutex::new(known.into_iter().collect()))
    }

    /// How many there are.
    pub(in crate::domain) fn count(&self) -> u64 {
        open(&self.0).len() as u64
    }

    fn add(&self, state: StateId, number: u64) -> bool {
        let mut known = open(&self.0);
        known.contains(&(state, number))
            || (known.len() < MAX_REMEMBERED && !known.insert((state, number)))
    }

    fn has(&self, state: StateId, number: u64) -> bool {
        open(&self.0).contains(&(state, number))
    }

    fn remove(&self, state: StateId, number: u64) {
        open(&self.0).remove(&(state, number));
    }

    fn some(&self, from: usize) -> Vec<(StateId, u64)> {
        let known = open(&self.0);
        let from = from % known.len().max(1);
        known
            .iter()
            .copied()
            .skip(from)
            .take(MAX_LOOKED_AT_AGAIN)
            .collect()
    }
}

impl Domain {
    /// Writes down that a version cannot be read, unless that is known.
    pub(in crate::domain) async fn note_damaged(
        &self,
        name: &StateName,
        state: StateId,
        number: u64,
    ) {
        if self.damaged.add(state, number) {
            return;
        }
        let (at, event) = (
            clock::now(),
            NewEvent::by_the_server(EventKind::VersionDamaged, clock::now()),
        );
        let event = event.on(name).version(number).attention(true);
        let note = move |tx: &Tx<'_>| {
            if tx.note_damaged(state, number, at)? {
                tx.record(&event)
            } else {
                Ok(())
            }
        };
        let damaged = Arc::clone(&self.damaged);
        // Whoever read it may have gone away: the next read tells it then.
        let forget = move |noted: &Result<(), StoreError>| {
            if let Err(error) = noted {
                tracing::warn!(%error, "that a version is damaged could not be written down; its \
                    next read tries again");
                damaged.remove(state, number);
            }
        };
        let _ = self.store.write_then(0, note, forget).await;
    }

    /// Forgets that a version cannot be read, where that was known.
    pub(in crate::domain) async fn note_readable(
        &self,
        name: &StateName,
        state: StateId,
        number: u64,
    ) {
        if !self.damaged.has(state, number) {
            return;
        }
        match self.forget_damaged(state, number).await {
            Ok(()) => {
                tracing::info!(state = %name, version = number, "a version that was damaged can be \
                    read again")
            }
            Err(error) => {
                tracing::warn!(%error, "that a version can be read again could not be written down")
            }
        }
    }

    async fn forget_damaged(&self, state: StateId, number: u64) -> Result<(), StoreError> {
        let damaged = Arc::clone(&self.damaged);
        let forget = move |done: &Result<(), StoreError>| {
            if done.is_ok() {
                damaged.remove(state, number);
            }
        };
        self.store
            .write_then(0, move |tx| tx.forget_damaged(state, number), forget)
            .await
    }

    /// Looks whether some of the damaged versions can be read again, because somebody wrote their
    /// bytes once more, or are gone; `turn` says which.
    pub(in crate::domain) async fn look_at_damaged_again(&self, turn: usize) {
        for (state, number) in self.damaged.some(turn.wrapping_mul(MAX_LOOKED_AT_AGAIN)) {
            let found = self
                .store
                .read(move |view| Ok(view.name_of(state)?.zip(view.version(state, number)?)))
                .await;
            match found {
                Ok(Some((name, version))) if !version.purged => {
                    drop(self.prove(&name, state, &version).await)
                }
                Ok(Some(_) | None) => drop(self.forget_damaged(state, number).await),
                Err(_) => {}
            }
        }
    }

    /// Decodes and hashes a version for nobody: what comes out is thrown away, and no reader is
    /// counted. Damage is noted, and so is its end.
    ///
    /// It asks for memory without waiting for it, so that it stands in nobody's way.
    pub(in crate::domain) async fn prove(
        &self,
        name: &StateName,
        state: StateId,
        version: &Version,
    ) -> Result<(), Error> {
        let proven = self.check_readable(name, state, version).await;
        match &proven {
            Ok(()) => self.note_readable(name, state, version.number).await,
            Err(Error::Damaged(_)) => self.note_damaged(name, state, version.number).await,
            Err(_) => {}
        }
        proven
    }
}
