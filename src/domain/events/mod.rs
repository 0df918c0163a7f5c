//! The event log: who did what, when and from where.

pub mod acknowledge;
pub mod bounds;
pub mod buffer;
mod damage;
pub mod file;
pub(in crate::domain) mod noted;
pub mod reads;
mod shares;
pub mod syslog;

use std::sync::Arc;

use serde::Serialize;

use crate::domain::access::{act, authorize_somewhere, narrow};
use crate::domain::engine::Engine;
use crate::domain::error::Error;
use crate::domain::events::buffer::EventBuffer;
use crate::model::actor::{Actor, Origin};
use crate::model::caller::{Caller, LiveCaller};
use crate::model::clock;
use crate::model::consumer::{ReadCount, ReaderDay, UtcDay, WhatWasRead};
use crate::model::event::{EventFilter, EventKind, EventPage, GatherKey, Gathered, NewEvent};
use crate::model::event_head::EventHead;
use crate::model::key::KeyId;
use crate::model::name::StateName;
use crate::model::permission::Permission;
use crate::model::signed_head::SignedHead;
use crate::model::state::StateId;
use crate::store::{StoreError, Touches, Tx, View};

/// The last event, as it is shown.
#[derive(Debug, Serialize)]
pub struct ShownHead {
    /// Its number and its hash.
    #[serde(flatten)]
    pub head: EventHead,
    /// The same, signed; none if the server has no key for that.
    pub signed: Option<SignedHead>,
}

/// The event log.
#[derive(Clone, Copy)]
pub struct Events<'a> {
    engine: &'a Engine,
    pub(in crate::domain) buffer: &'a Arc<EventBuffer>,
}

impl<'a> Events<'a> {
    pub(in crate::domain) const fn new(engine: &'a Engine, buffer: &'a Arc<EventBuffer>) -> Self {
        Self { engine, buffer }
    }
}

impl Events<'_> {
    /// The events that fit and that the caller may see, newest first, as far as one page reads.
    pub async fn list(&self, caller: &Caller, mut filter: EventFilter) -> Result<EventPage, Error> {
        authorize_somewhere(caller, Permission::Events)?;
        if !narrow(
            &caller.grant.scope,
            &mut filter.workspace,
            &mut filter.block,
        ) {
            return Ok(EventPage::default());
        }
        let list = move |view: &View<'_>| view.events(&filter);
        let page = self.engine.store.read(list).await?;
        self.engine.store.note_damaged(&page.events.damaged);
        Ok(page)
    }

    /// The last event and its hash, which is made of all events before. Who may see events may see
    /// it.
    pub async fn head(&self, caller: &Caller) -> Result<ShownHead, Error> {
        authorize_somewhere(caller, Permission::Events)?;
        let head = |view: &View<'_>| view.event_head();
        let head = self.engine.store.read_inline(head);
        let head = head.await?;
        Ok(ShownHead {
            head,
            signed: self.engine.store.sign(head),
        })
    }

    /// Counts an act that good credentials did not allow, and why; with the state that was asked
    /// for, if one was.
    pub fn note_denied(
        &self,
        actor: Option<&Actor>,
        origin: &Origin,
        name: Option<&StateName>,
        reason: &'static str,
    ) {
        let said = ("reason", reason.to_owned());
        self.count_refused(EventKind::AccessRefused, (actor, origin), name, said);
    }

    /// Counts requests whose credentials were good at first, and not any more when they were looked
    /// at again.
    pub fn note_lapsed(&self, actor: &Actor, origin: &Origin, reason: &'static str) {
        self.count_bad_credentials(Some(actor), origin, reason);
    }

    /// Counts requests that a redirect brought here; `from` is the address that was asked first.
    pub fn note_redirected(
        &self,
        actor: Option<&Actor>,
        origin: &Origin,
        name: &StateName,
        from: &str,
    ) {
        let said = ("from", from.to_owned());
        self.count_refused(
            EventKind::RequestRedirected,
            (actor, origin),
            Some(name),
            said,
        );
    }

    /// Counts a read of the current version of a state, also for the list of who reads it.
    pub(in crate::domain) fn count_current_read(
        &self,
        caller: &Caller,
        (name, state): (&StateName, StateId),
        version: u64,
        what: WhatWasRead,
    ) {
        let (at, actor) = (clock::now(), &caller.actor);
        let key = ReaderDay {
            state,
            reader: actor.id.clone(),
            day: UtcDay::of(at),
        };
        let read = ReadCount::one(&actor.name, at, what, version);
        self.buffer.reads.add(key, read);
        self.count_read(caller, name, Some(version));
    }

    /// Counts a read of a state.
    pub(in crate::domain) fn count_read(
        &self,
        caller: &Caller,
        name: &StateName,
        version: Option<u64>,
    ) {
        let at = clock::now();
        let key = GatherKey {
            kind: EventKind::StateRead,
            actor: Some((caller.actor.id.clone(), caller.actor.name.clone())),
            address: caller.origin.address.clone(),
            name: Some(name.clone()),
            version,
            said: None,
            minute: at.minute(),
        };
        self.buffer.add(key, at);
    }

    /// Counts refused credentials.
    pub(in crate::domain) fn count_bad_credentials(
        &self,
        key: Option<&Actor>,
        origin: &Origin,
        reason: &'static str,
    ) {
        let said = ("reason", reason.to_owned());
        self.count_refused(EventKind::CredentialsRefused, (key, origin), None, said);
    }

    fn count_refused(
        &self,
        kind: EventKind,
        (actor, origin): (Option<&Actor>, &Origin),
        name: Option<&StateName>,
        said: (&'static str, String),
    ) {
        let at = clock::now();
        let key = GatherKey {
            kind,
            actor: actor.map(|actor| (actor.id.clone(), actor.name.clone())),
            address: origin.address.clone(),
            name: name.cloned(),
            version: None,
            said: Some(said),
            minute: at.minute(),
        };
        self.buffer.add(key, at);
    }

    /// Notes that a key or a trust was used.
    pub(in crate::domain) fn count_use(&self, id: KeyId) {
        self.buffer.add_use(id, clock::now());
    }

    /// Writes down that a caller is shown secrets in clear. They are not if this fails.
    pub(in crate::domain) async fn record_reveal(
        &self,
        caller: &Caller,
        name: &StateName,
        version: u64,
        detail: serde_json::Value,
    ) -> Result<(), Error> {
        let name = name.clone();
        let record = move |tx: &Tx<'_>, by: LiveCaller<'_>| {
            let event = NewEvent::new(EventKind::StateReveal, by, clock::now());
            let event = event.on(&name).version(version);
            tx.record(&event.detail(detail.clone()))?;
            Ok(Ok(()))
        };
        act(self.engine, caller, (Touches::NoState, 0), record).await
    }

    /// Writes the buffered events. Those that cannot be written stay for the next time. The caller
    /// may go away meanwhile.
    pub(in crate::domain) async fn flush(&self) {
        self.write_down_damage().await;
        let Some(taken) = self.buffer.take() else {
            return;
        };
        let taken = Arc::new(taken);
        let reads = Arc::new(self.buffer.reads.take());
        let to_count = Arc::clone(&reads);
        let (to_write, known) = (Arc::clone(&taken), Arc::clone(self.buffer));
        let job = move |tx: &Tx<'_>| {
            let row = |(key, counted): &(GatherKey, Gathered)| {
                tx.record_gathered(key, *counted, known.place(key))
            };
            let places = to_write.counts.iter().map(row);
            let places = places.collect::<Result<Vec<u64>, StoreError>>()?;
            to_write
                .uses
                .iter()
                .try_for_each(|(id, at)| tx.note_use(*id, *at))?;
            let mut counts = to_count.iter();
            counts.try_for_each(|(key, count)| tx.count_reads(key, count))?;
            Ok(places)
        };
        let buffer = Arc::clone(self.buffer);
        let give_back = move |written: &Result<Vec<u64>, StoreError>| match written {
            Ok(places) => {
                buffer.note_places(&taken, places);
                buffer.reads.note_written();
            }
            Err(error) => {
                tracing::debug!(%error, "buffered events wait for the next flush");
                buffer.reads.take_back(&reads);
                buffer.take_back(&taken);
            }
        };
        let written = self
            .engine
            .store
            .write_then(Touches::NoState, 0, job, give_back);
        if written.await.is_ok() {
            self.buffer.forget_used();
        }
    }
}
