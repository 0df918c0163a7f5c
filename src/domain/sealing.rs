//! Sealed content: how it is sealed, and the two acts of a person: to seal what is there, and to go
//! over to another key. Both only ask; the work is done beside everything else.

use serde::Serialize;

use crate::domain::access::{Acted, act_adding, act_then, authorize_everywhere};
use crate::domain::content::Content;
use crate::domain::engine::Engine;
use crate::domain::error::Error;
use crate::model::caller::{Caller, LiveCaller};
use crate::model::clock::Timestamp;
use crate::model::error_code::ErrorCode;
use crate::model::event::{EventKind, NewEvent};
use crate::model::permission::Permission;
use crate::seal::Keyring;
use crate::store::{SealFacts, Touches, Tx};

/// Sealed content.
pub struct Sealing<'a> {
    engine: &'a Engine,
    content: &'a Content,
}

/// How content is kept.
#[derive(Clone, Debug, Serialize)]
pub struct SealReport {
    /// Whether what is written is sealed.
    pub sealed: bool,
    /// The mark of the storage key that is needed to open it; none where nothing is sealed.
    pub storage_key: Option<String>,
    /// The number of the data key that seals; none where nothing is sealed.
    pub data_key: Option<u32>,
    /// Since when.
    pub since: Option<Timestamp>,
    /// If content is still to be sealed by that key: how far that is.
    pub pending: Option<SealProgress>,
    /// Files of this server that may hold content in the clear, or sealed by an earlier key.
    pub copies: Vec<String>,
}

/// The same in short, for who may know how the server is.
#[derive(Clone, Debug, Serialize)]
pub struct SealStatus {
    /// Whether what is written is sealed.
    pub sealed: bool,
    /// The mark of the storage key that is needed to open it; none where nothing is sealed.
    pub storage_key: Option<String>,
    /// If content is still to be sealed by that key: how far that is.
    pub pending: Option<SealProgress>,
}

impl SealStatus {
    /// What is known of sealed content; none where nothing is sealed.
    pub(in crate::domain) fn of(facts: Option<SealFacts>) -> Self {
        let pending = facts.as_ref().and_then(|facts| facts.pending);
        Self {
            sealed: facts.is_some(),
            storage_key: facts.map(|facts| facts.storage_key),
            pending: pending.map(SealProgress::of),
        }
    }
}

/// How far content is sealed.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct SealProgress {
    /// Since when.
    pub asked_at: Timestamp,
    /// How many pieces of content were looked at.
    pub done: u64,
    /// About how many there are.
    pub of: u64,
}

impl SealProgress {
    fn of((asked_at, done, of): (Timestamp, u64, u64)) -> Self {
        Self { asked_at, done, of }
    }
}

impl<'a> Sealing<'a> {
    pub(in crate::domain) const fn new(engine: &'a Engine, content: &'a Content) -> Self {
        Self { engine, content }
    }

    /// How content is kept.
    pub async fn report(&self, caller: &Caller) -> Result<SealReport, Error> {
        authorize_everywhere(caller, Permission::Operate)?;
        self.facts().await
    }

    async fn facts(&self) -> Result<SealReport, Error> {
        #[expect(
            clippy::redundant_closure_for_method_calls,
            reason = "the method itself is not general enough in its lifetimes"
        )]
        let facts = self.engine.store.read_inline(|view| view.seal_facts());
        let facts: Option<SealFacts> = facts.await?;
        let pending = facts.as_ref().and_then(|facts| facts.pending);
        Ok(SealReport {
            sealed: facts.is_some(),
            data_key: facts.as_ref().map(|facts| facts.data_key),
            since: facts.as_ref().map(|facts| facts.since),
            storage_key: facts.map(|facts| facts.storage_key),
            pending: pending.map(SealProgress::of),
            copies: self.content.upgrade_copies(),
        })
    }

    /// Asks for all content to be sealed.
    pub async fn encrypt(&self, caller: &Caller) -> Result<SealReport, Error> {
        authorize_everywhere(caller, Permission::Operate)?;
        let encrypt = |tx: &Tx<'_>, by: LiveCaller<'_>| {
            if !tx.ask_for_sealing()? {
                return Ok(Err(no_key()));
            }
            tx.record(&NewEvent::new(EventKind::StorageEncrypt, by, tx.now()))?;
            Ok(Ok(()))
        };
        act_adding(self.engine, caller, (Touches::NoState, 0), encrypt).await?;
        self.content.seal_more().notify_one();
        self.content.seal_if_alone().await?;
        self.facts().await
    }

    /// Makes a new data key, has the data keys sealed by the first storage key that the server was
    /// given, and asks for all content to be sealed by the new one.
    pub async fn rekey(&self, caller: &Caller) -> Result<SealReport, Error> {
        authorize_everywhere(caller, Permission::Operate)?;
        let storage_key = self.engine.limits.storage_keys.first();
        let storage_key = storage_key.cloned().ok_or_else(no_key)?;
        let room = self.engine.limits.room_for_removing();
        let rekey = move |tx: &Tx<'_>, by: LiveCaller<'_>| {
            tx.needs_room(room)?;
            let Some(ring) = tx.change_storage_key(&storage_key)? else {
                return Ok(Err(no_key()));
            };
            let detail = serde_json::json!({
                "storage_key": storage_key.mark().to_string(),
                "data_key": ring.newest().number(),
            });
            let event = NewEvent::new(EventKind::StorageRekey, by, tx.now());
            tx.record(&event.detail(detail))?;
            Ok(Ok(ring))
        };
        let install = self.engine.store.keyring_setter();
        let (touches, more) = ((Touches::NoState, 0), self.content.seal_more());
        let then = move |done: &Acted<Keyring>| {
            if let Ok(Ok(ring)) = done {
                install(ring);
                more.notify_one();
            }
        };
        act_then(self.engine, caller, touches, rekey, then).await?;
        self.engine.store.copy_data_keys().await?;
        self.content.seal_if_alone().await?;
        self.facts().await
    }
}

fn no_key() -> Error {
    Error::invalid(
        ErrorCode::NotSealed,
        "this server has no storage key, so nothing can be sealed: make one by `statekeep key \
            new-storage FILE`, and start the server with --storage-key-file FILE",
    )
}
