//! Events: who did what, when, to which state, from where.

use serde::Serialize;
use serde_json::Value;

use super::acknowledgement::Acknowledgement;
use super::actor::Actor;
use super::caller::LiveCaller;
use super::clock::Timestamp;
use super::digest::Digest;
use super::event_class::EventClass;
pub use super::event_kind::EventKind;
use super::name::StateName;
use super::page::ListPage;
use super::permission::Scope;

/// An event that is to be recorded in the transaction of its act.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// What happened.
    pub kind: EventKind,
    /// When.
    pub at: Timestamp,
    /// Since when, if it took its time.
    pub since: Option<Timestamp>,
    /// Who did it.
    pub actor: Actor,
    /// From which client address.
    pub address: String,
    /// In which request.
    pub request_id: String,
    /// The workspace that it concerns.
    pub workspace: Option<String>,
    /// The building block that it concerns.
    pub block: Option<String>,
    /// The version that it concerns.
    pub version: Option<u64>,
    /// The lock that it concerns.
    pub lock_id: Option<String>,
    /// Whether a person should look at it.
    pub attention: bool,
    /// What else there is to say; never a secret.
    pub detail: Value,
}

impl NewEvent {
    /// An act of a caller, whose credentials were looked at in the transaction of the act.
    pub fn new(kind: EventKind, caller: LiveCaller<'_>, at: Timestamp) -> Self {
        Self {
            kind,
            at,
            since: None,
            actor: caller.actor.clone(),
            address: caller.origin.address.clone(),
            request_id: caller.origin.request_id.clone(),
            workspace: None,
            block: None,
            version: None,
            lock_id: None,
            attention: false,
            detail: Value::Null,
        }
    }

    /// Something that the server did or found by itself.
    pub fn by_the_server(kind: EventKind, at: Timestamp) -> Self {
        Self {
            kind,
            at,
            since: None,
            actor: Actor::server(),
            address: String::new(),
            request_id: String::new(),
            workspace: None,
            block: None,
            version: None,
            lock_id: None,
            attention: false,
            detail: Value::Null,
        }
    }

    /// Lasting are some kinds, what a person should look at, and what was done by force.
    pub fn class(&self) -> EventClass {
        let is_forced = self.detail.get("forced") == Some(&Value::Bool(true));
        EventClass::of(self.kind.is_lasting() || self.attention || is_forced)
    }

    /// It concerns this state.
    #[must_use]
    pub fn on(mut self, name: &StateName) -> Self {
        self.workspace = Some(name.workspace.to_string());
        self.block = Some(name.block.to_string());
        self
    }

    /// It concerns what a key or token of this scope reaches.
    #[must_use]
    pub fn within(mut self, scope: &Scope) -> Self {
        self.workspace = scope.workspace().map(str::to_owned);
        self.block = scope.block().map(str::to_owned);
        self
    }

    /// It concerns this version.
    #[must_use]
    pub fn version(mut self, number: u64) -> Self {
        self.version = Some(number);
        self
    }

    /// It concerns this lock.
    #[must_use]
    pub fn lock(mut self, id: &str) -> Self {
        self.lock_id = Some(id.to_owned());
        self
    }

    /// It began at this time, and ends now.
    #[must_use]
    pub fn since(mut self, began_at: Timestamp) -> Self {
        self.since = Some(began_at);
        self
    }

    /// A person should look at it, if `needed`.
    #[must_use]
    pub fn attention(mut self, needed: bool) -> Self {
        self.attention = needed;
        self
    }

    /// What else there is to say.
    #[must_use]
    pub fn detail(mut self, detail: Value) -> Self {
        self.detail = detail;
        self
    }
}

/// What gathered events have in common within one minute: one row for each of these.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GatherKey {
    /// Reads of states, or what was refused.
    pub kind: EventKind,
    /// Who; for refused credentials the key that was named, where one was.
    pub actor: Option<(String, String)>,
    /// From which client address; empty where too many were seen to tell them apart.
    pub address: String,
    /// Which state.
    pub name: Option<StateName>,
    /// Which version.
    pub version: Option<u64>,
    /// What else there is to say, as one member of the detail; without spaces, and never a secret.
    pub said: Option<(&'static str, String)>,
    /// The minute since 1970.
    pub minute: i64,
}

impl GatherKey {
    /// Whether a person should look at it. What strangers do without credentials is not for that,
    /// or they could bury the rest.
    pub fn needs_person(&self) -> bool {
        self.kind == EventKind::RequestRedirected && self.actor.is_some()
    }

    /// What a person should look at lasts. What strangers do does not, or they could fill the rows
    /// of what does.
    pub fn class(&self) -> EventClass {
        EventClass::of(self.kind.is_lasting() || self.needs_person())
    }
}

/// How often something gathered happened since it was last written down.
#[derive(Clone, Copy, Debug)]
pub struct Gathered {
    /// How often.
    pub count: u64,
    /// The first of these times.
    pub first_at: Timestamp,
    /// The last of these times.
    pub last_at: Timestamp,
}

/// An event as it is shown.
#[derive(Clone, Debug, Serialize)]
pub struct Event {
    /// Its place in the log.
    pub seq: u64,
    /// When it happened, or happened first.
    pub at: Timestamp,
    /// What happened.
    pub kind: String,
    /// Who did it.
    pub actor: Option<Actor>,
    /// From which client address.
    pub address: String,
    /// In which request.
    pub request_id: Option<String>,
    /// The workspace that it concerns.
    pub workspace: Option<String>,
    /// The building block that it concerns.
    #[serde(rename = "buildingBlock")]
    pub block: Option<String>,
    /// The version that it concerns.
    pub version: Option<u64>,
    /// The lock that it concerns.
    pub lock_id: Option<String>,
    /// How often, for gathered events; else 1.
    pub count: u64,
    /// When it last happened.
    pub last_at: Timestamp,
    /// Whether a person should look at it.
    pub attention: bool,
    /// That a person has; null for an event that nobody has acknowledged, or that has happened
    /// again since.
    pub acknowledged: Option<Acknowledgement>,
    /// What else there is to say.
    pub detail: Value,
    /// The SHA-256 of the hash of the event before and of this one; none in events from before
    /// there was a chain.
    pub hash: Option<Digest>,
}

/// A page of the event log.
#[derive(Clone, Debug, Default)]
pub struct EventPage {
    /// The events that fit, newest first.
    pub events: ListPage<Event>,
    /// Before which place the next page goes on; none where there are no more.
    pub next: Option<u64>,
}

/// Which events are asked for.
#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    /// Of this workspace.
    pub workspace: Option<String>,
    /// Of this building block.
    pub block: Option<String>,
    /// By this key.
    pub key: Option<String>,
    /// Of this kind, or of this family when it ends in `.*`.
    pub kind: Option<String>,
    /// Only those that a person should look at, or only those that not.
    pub attention: Option<bool>,
    /// Only those that a person has acknowledged, or only those that nobody has.
    pub acknowledged: Option<bool>,
    /// Not before.
    pub since: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
    /// Before this place in the log.
    pub before: Option<u64>,
    /// At most so many.
    pub limit: u32,
}
