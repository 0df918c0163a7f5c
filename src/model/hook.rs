//! Webhooks: whom the server tells of which events, and what came of each delivery.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};
use uuid::Uuid;

use super::actor::Actor;
use super::clock::Timestamp;
use super::event::{Event, NewEvent};
use super::event_growth::Growth;
use super::event_kind::EventKind;
use super::secret::Secret;

/// The word for events that a person should look at.
const ATTENTION: &str = "attention";
/// The word for all events.
const ALL: &str = "all";

/// What `version` is short for: another version is current.
const VERSION: [&str; 4] = [
    "state.write",
    "state.import",
    "state.rollback",
    "state.restore",
];
/// What `backup_failed` is short for.
const BACKUP_FAILED: [&str; 1] = ["backup.fail"];

/// The id of a hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HookId(pub Uuid);

impl FromStr for HookId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        Uuid::try_parse(text).map(Self)
    }
}

impl fmt::Display for HookId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl Serialize for HookId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What `lock_died` is short for.
const LOCK_DIED: [&str; 1] = ["lock.died"];

/// Which events a hook is told of: kinds, families of kinds, those for a person, or all. Events
/// that are counted by the minute are never among them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookKinds(Vec<String>);

/// Why a word names no events that a hook can be told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadHookKind {
    /// No event has this kind.
    Unknown,
    /// All that it names are counted by the minute.
    Counted,
}

impl HookKinds {
    /// Reads words, each once. `version`, `backup_failed` and `lock_died` are short for others.
    pub fn parse<'w>(
        words: impl IntoIterator<Item = &'w str>,
    ) -> Result<Self, (String, BadHookKind)> {
        let mut kinds: Vec<String> = Vec::new();
        let spelt_out = |word: &'w str| match word {
            "version" => &VERSION[..],
            "backup_failed" => &BACKUP_FAILED[..],
            "lock_died" => &LOCK_DIED[..],
            _ => &[],
        };
        let all = words.into_iter().flat_map(|word| match spelt_out(word) {
            [] => vec![word],
            others => others.to_vec(),
        });
        for word in all {
            let is_word = word == ATTENTION || word == ALL;
            if !is_word && !EventKind::is_filter(word) {
                return Err((word.to_owned(), BadHookKind::Unknown));
            }
            let mut named = EventKind::ALL
                .iter()
                .filter(|kind| names(word, kind.name()));
            if !is_word && named.all(|kind| Growth::of(*kind) == Growth::Counted) {
                return Err((word.to_owned(), BadHookKind::Counted));
            }
            if !kinds.iter().any(|known| known == word) {
                kinds.push(word.to_owned());
            }
        }
        Ok(Self(kinds))
    }

    /// The words.
    pub fn words(&self) -> &[String] {
        &self.0
    }

    /// Whether an event is among them.
    pub fn include(&self, event: &Event) -> bool {
        let is_wanted = |word: &String| match word.as_str() {
            ALL => true,
            ATTENTION => event.attention,
            word => names(word, &event.kind),
        };
        Growth::of_name(&event.kind) != Growth::Counted && self.0.iter().any(is_wanted)
    }
}

/// Whether a kind or a family names a kind.
fn names(word: &str, kind: &str) -> bool {
    word.strip_suffix('*')
        .map_or(word == kind, |family| kind.starts_with(family))
}

/// Whom the server tells of which events.
#[derive(Clone, Debug)]
pub struct Hook {
    /// Its id.
    pub id: HookId,
    /// Where deliveries go.
    pub url: String,
    /// Of which events.
    pub kinds: HookKinds,
    /// Of which workspace; none for all.
    pub workspace: Option<String>,
    /// Whether the host of the address may have a private address.
    pub may_be_private: bool,
    /// With which deliveries are signed.
    pub secret: Secret,
    /// Whether there are deliveries.
    pub enabled: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// By whom.
    pub created_by: Actor,
}

impl Hook {
    /// Whether it is told of an event. None is told that it fails itself.
    pub fn wants(&self, event: &Event) -> bool {
        let is_elsewhere = self
            .workspace
            .as_ref()
            .is_some_and(|wanted| event.workspace.as_ref() != Some(wanted));
        let is_about_itself =
            event.kind == EventKind::HookFail.name() && event.detail["hook"] == self.id.to_string();
        !is_elsewhere && !is_about_itself && self.kinds.include(event)
    }
}

impl NewEvent {
    /// It is about a hook. If that is told of one workspace alone, it is an event of it: who looks
    /// after the workspace has to know who is told. The address may hold a secret, so only its host
    /// is named.
    #[must_use]
    pub fn of_hook(mut self, hook: &Hook) -> Self {
        let host = hook.url.split_once("://").map(|(_, rest)| rest);
        let host = host.and_then(|rest| rest.split(['/', '?']).next());
        self.workspace.clone_from(&hook.workspace);
        self.detail(serde_json::json!({
            "hook": hook.id,
            "host": host,
            "on": hook.kinds.words(),
            "allow_private": hook.may_be_private,
        }))
    }
}

/// How far a hook is in the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HookProgress {
    /// The last event that is done.
    pub place: u64,
    /// How many events were gone before it was their turn; at most so many were the hook's.
    pub missed: u64,
    /// When an event last told that the hook fails.
    pub told_at: Option<Timestamp>,
}

/// What became of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryOutcome {
    /// It failed, and is tried again.
    Retrying,
    /// The receiver has it.
    Delivered,
    /// It failed too often or for too long.
    GivenUp,
}

impl DeliveryOutcome {
    /// Its name on the wire and in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Retrying => "retrying",
            Self::Delivered => "delivered",
            Self::GivenUp => "given_up",
        }
    }

    /// The outcome of a name.
    pub fn of_name(name: &str) -> Option<Self> {
        let all = [Self::Retrying, Self::Delivered, Self::GivenUp];
        all.into_iter().find(|outcome| outcome.name() == name)
    }
}

/// One delivery, with all its tries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Delivery {
    /// The place of the event in the log.
    pub event: u64,
    /// Its kind.
    pub kind: String,
    /// What became of it.
    pub outcome: DeliveryOutcome,
    /// How often it was tried.
    pub tries: u32,
    /// How many of these tries the receiver refused.
    #[serde(skip)]
    pub refusals: u32,
    /// The first try.
    pub first_at: Timestamp,
    /// The last one.
    pub last_at: Timestamp,
    /// The status of the last answer.
    pub status: Option<u16>,
    /// Why there was none.
    pub error: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_kinds_families_and_two_of_their_own() {
        let words = ["state.*", "lock.break", "attention", "all", "state.*"];
        let kinds = HookKinds::parse(words).unwrap();
        assert_eq!(kinds.words(), &words[..4]);
        let short =
            HookKinds::parse(["backup_failed", "version", "lock_died", "state.write"]).unwrap();
        let long = [
            "backup.fail",
            "state.write",
            "state.import",
            "state.rollback",
            "state.restore",
            "lock.died",
        ];
        assert_eq!(short.words(), long);
        for (bad, why) in [
            ("", BadHookKind::Unknown),
            ("*", BadHookKind::Unknown),
            ("state", BadHookKind::Unknown),
            ("ALL", BadHookKind::Unknown),
            ("state.read", BadHookKind::Counted),
            ("credentials.*", BadHookKind::Counted),
        ] {
            assert_eq!(HookKinds::parse([bad]), Err((bad.to_owned(), why)));
        }
    }

    #[test]
    fn outcomes_keep_their_names() {
        for outcome in ["retrying", "delivered", "given_up"] {
            let known = DeliveryOutcome::of_name(outcome).unwrap();
            assert_eq!(known.name(), outcome);
            assert_eq!(serde_json::json!(known), outcome);
        }
        assert_eq!(DeliveryOutcome::of_name("lost"), None);
    }
}
