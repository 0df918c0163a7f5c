//! Locks as the clients send them, and what the server knows about a lock that is held.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::actor::Actor;
use super::caller::Caller;
use super::clock::Timestamp;
use super::lock_death::LockCredential;
use super::nul;
use super::permission::PermissionSet;
use super::terraform::member::is_member;
use super::version::{LockNote, Version};

/// The longest lock ID, in characters; Terraform's own have 36.
pub const MAX_LOCK_ID_LENGTH: usize = 256;

/// The `Operation` of a plan, the only one of both programs that writes no state.
const PLAN: &str = "OperationTypePlan";

/// The members that the clients know, in lower case.
const KNOWN: [&str; 7] = [
    "id",
    "operation",
    "info",
    "who",
    "version",
    "created",
    "path",
];

/// How much of what a holder says of itself is remembered beside the lock, in characters.
const MAX_NOTE_LENGTH: usize = 256;

/// A lock as a client sent it. The text is kept, because the holder's lock is shown exactly as the
/// holder sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lock {
    /// The lock's ID; what a write under the lock carries as `?ID=`.
    pub id: String,
    /// What is being done, such as `OperationTypeApply`, cut where it is long; empty when not said.
    pub operation: String,
    /// Who says to hold it, such as `user@host`, cut where it is long; empty when not said.
    pub who: String,
    /// Whether it is nothing but an ID with empty members, as OpenTofu's `force-unlock` sends it.
    pub bare: bool,
    /// The exact text.
    pub text: String,
}

/// Why a body is no lock.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotALock {
    /// It is not a JSON object with the members that Terraform knows.
    #[error("the body is no lock in JSON: {0}")]
    Malformed(String),
    /// A text in it has a NUL character.
    #[error("a lock cannot have a NUL character (`\\u0000`)")]
    Nul,
    /// A member that the clients know stands in it twice, in two letter cases.
    #[error("the lock's member `{0}` stands there twice, in two letter cases")]
    Twice(&'static str),
    /// It has no ID, or one that is too long.
    #[error("a lock needs an `ID` of 1 to {MAX_LOCK_ID_LENGTH} characters")]
    NoId,
    /// Its time cannot be read, which would make the clients give up at once instead of waiting.
    #[error("the lock's `Created` has to be a time in RFC 3339")]
    BadTime,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Wire {
    #[serde(rename = "ID", default)]
    id: String,
    #[serde(default)]
    operation: String,
    #[serde(default)]
    info: String,
    #[serde(default)]
    who: String,
    #[serde(default)]
    version: String,
    created: Option<String>,
    #[serde(default)]
    path: String,
}

impl Lock {
    /// Reads a lock from a client's body.
    pub fn parse(body: &[u8]) -> Result<Self, NotALock> {
        let lock = Self::read(body)?;
        if nul::is_in_json(body) {
            return Err(NotALock::Nul);
        }
        // A number in a member that nobody reads may be larger than any that can be kept, and the
        // lock could not be marked when it comes out of a backup.
        let members: serde_json::Map<String, serde_json::Value> =
            serde_json::from_slice(body).map_err(|error| NotALock::Malformed(error.to_string()))?;
        // To a program `id` is `ID`, and the later of both counts.
        let twice = KNOWN.into_iter().find(|known| {
            let is_known = |name: &&String| is_member(name, known);
            members.keys().filter(is_known).count() > 1
        });
        twice.map_or(Ok(lock), |name| Err(NotALock::Twice(name)))
    }

    /// Reads a lock that was kept, also one from before NUL characters were refused.
    pub fn read(body: &[u8]) -> Result<Self, NotALock> {
        let wire: Wire =
            serde_json::from_slice(body).map_err(|error| NotALock::Malformed(error.to_string()))?;
        let text = std::str::from_utf8(body)
            .map_err(|_| NotALock::Malformed("it is not UTF-8".to_owned()))?;
        // The parser takes a list for an object; the clients do not.
        if !text.trim_start().starts_with('{') {
            return Err(NotALock::Malformed("it is not an object".to_owned()));
        }
        if wire.id.is_empty() || wire.id.chars().count() > MAX_LOCK_ID_LENGTH {
            return Err(NotALock::NoId);
        }
        if wire
            .created
            .as_deref()
            .is_some_and(|created| !is_rfc3339(created))
        {
            return Err(NotALock::BadTime);
        }
        let bare = [
            &wire.operation,
            &wire.info,
            &wire.who,
            &wire.version,
            &wire.path,
        ]
        .iter()
        .all(|member| member.is_empty());
        let (operation, who) = (cut(wire.operation), cut(wire.who));
        Ok(Self {
            id: wire.id,
            operation,
            who,
            bare,
            text: text.to_owned(),
        })
    }

    /// Whether it says to be for a plan, which writes no state. A lock that says something else,
    /// or nothing, may end in a write.
    pub fn is_for_a_plan(&self) -> bool {
        self.operation == PLAN
    }

    /// What is remembered of it beside its text.
    pub fn note(&self) -> LockNote {
        LockNote {
            id: self.id.clone(),
            operation: self.operation.clone(),
            who: self.who.clone(),
        }
    }

    /// A lock that the server takes for a caller, in the form that the clients know.
    pub fn taken_for(who: &str, id: &str, (operation, info): (&str, &str), at: Timestamp) -> Self {
        let wire = serde_json::json!({
            "ID": id,
            "Operation": operation,
            "Info": info,
            "Who": who,
            "Version": env!("CARGO_PKG_VERSION"),
            "Created": at,
            "Path": "",
        });
        let (operation, who) = (cut(operation.to_owned()), cut(who.to_owned()));
        Self {
            id: id.to_owned(),
            operation,
            who,
            bare: false,
            text: wire.to_string(),
        }
    }

    /// The same lock in data that came out of a backup: its `Info`, which programs show to whomever
    /// the lock turns away, says so.
    #[must_use]
    pub fn from_backup(&self, taken_at: &str) -> Self {
        let mut wire: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(&self.text).unwrap_or_default();
        let info = wire.get("Info").and_then(|info| info.as_str());
        let info = info.map(|info| format!(" {info}")).unwrap_or_default();
        let said = format!(
            "FROM A BACKUP of {taken_at}: its holder may be gone. If nothing runs under it any \
                more, release it by force-unlock.{info}"
        );
        wire.insert("Info".to_owned(), said.trim_end().into());
        Self {
            text: serde_json::Value::from(wire).to_string(),
            bare: false,
            ..self.clone()
        }
    }

    /// The text as JSON that can be put into other JSON as it stands.
    pub fn raw(&self) -> Box<RawValue> {
        RawValue::from_string(self.text.trim().to_owned()).unwrap_or_default()
    }
}

/// What is kept of a text beside the lock itself, in versions and events.
fn cut(text: String) -> String {
    if text.chars().count() <= MAX_NOTE_LENGTH {
        text
    } else {
        text.chars().take(MAX_NOTE_LENGTH).collect()
    }
}

/// RFC 3339 as Go reads it: `2026-01-02T03:04:05`, an optional fraction, then `Z` or an offset.
fn is_rfc3339(text: &str) -> bool {
    let Some((date_time, rest)) = text.split_at_checked(19) else {
        return false;
    };
    if humantime::parse_rfc3339(&format!("{date_time}Z")).is_err()
        && !date_time.starts_with("0001-01-01T00:00:00")
    {
        return false;
    }
    let zone = rest.strip_prefix('.').map_or(rest, |fraction| {
        fraction.trim_start_matches(|digit: char| digit.is_ascii_digit())
    });
    zone == "Z" || is_offset(zone)
}

fn is_offset(zone: &str) -> bool {
    let digits = |range: std::ops::Range<usize>| {
        zone.get(range)
            .is_some_and(|part| part.bytes().all(|byte| byte.is_ascii_digit()))
    };
    zone.len() == 6
        && zone.starts_with(['+', '-'])
        && digits(1..3)
        && zone.as_bytes().get(3) == Some(&b':')
        && digits(4..6)
}

/// A lock that is held, with the evidence of who holds it and what it stopped.
#[derive(Clone, Debug)]
pub struct HeldLock {
    /// The lock as its holder sent it.
    pub lock: Lock,
    /// Whose key took it.
    pub holder: Actor,
    /// From which client address.
    pub address: String,
    /// Since when.
    pub locked_at: Timestamp,
    /// What its holder could do with states; none if an earlier schema kept it.
    pub permissions: Option<PermissionSet>,
    /// The credentials that hold it; none if nothing but its release ends it.
    pub credential: Option<LockCredential>,
    /// How many tries to lock or to write it has turned away.
    pub refused: u64,
    /// The latest of those.
    pub latest_refusal: Option<RefusedAttempt>,
}

impl HeldLock {
    /// Whether a write or unlock with this ID by this actor is the holder's own.
    pub fn is_held_by(&self, actor: &Actor, id: &str) -> bool {
        self.holder.id == actor.id && self.lock.id == id
    }

    /// Whether a caller may release it as their own: it is of their key, and was taken with nothing
    /// that they may not do themselves. A token for plans does not end the lock of an apply.
    pub fn is_own(&self, caller: &Caller) -> bool {
        let has_all = |taken_with| caller.grant.permissions.covers(taken_with);
        self.holder.id == caller.actor.id && self.permissions.is_none_or(has_all)
    }

    /// What a version written under it remembers.
    pub fn note(&self) -> LockNote {
        self.lock.note()
    }

    /// The last version written under it, and when. While it is held only its holder writes, so
    /// that can only be the current version.
    pub fn last_write(&self, current: Option<&Version>) -> Option<(u64, Timestamp)> {
        let is_under_it = |version: &&Version| {
            version.created_at >= self.locked_at
                && version
                    .lock
                    .as_ref()
                    .is_some_and(|lock| lock.id == self.lock.id)
        };
        current
            .filter(is_under_it)
            .map(|version| (version.number, version.created_at))
    }
}

/// One try that a held lock turned away.
#[derive(Clone, Debug, Serialize)]
pub struct RefusedAttempt {
    /// When.
    pub at: Timestamp,
    /// Whose key.
    pub key: Actor,
    /// From which client address.
    pub address: String,
    /// The ID that it carried; null for none.
    pub lock_id: Option<String>,
    /// Who it said to be; null when it was a write.
    pub who: Option<String>,
}

impl RefusedAttempt {
    /// A try by this caller.
    pub fn by(caller: &Caller, at: Timestamp, lock_id: Option<&str>, who: Option<&str>) -> Self {
        let address = caller.origin.address.clone();
        Self {
            at,
            key: caller.actor.clone(),
            address,
            lock_id: lock_id.map(str::to_owned),
            who: who.map(str::to_owned),
        }
    }
}

/// The last lock of an address that was broken by force, or died.
#[derive(Clone, Debug)]
pub struct BrokenLock {
    /// Its ID.
    pub lock_id: String,
    /// The id of the key that held it.
    pub holder: String,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_terraforms_lock_and_keeps_its_text() {
        let text = r#"{"ID":"a-b","Operation":"OperationTypeApply","Info":"","Who":"me@here",
            "Version":"1.11.4","Created":"2026-01-02T03:04:05.678901234Z","Path":""}"#;
        let lock = Lock::parse(text.as_bytes()).unwrap();
        assert_eq!(
            (lock.id.as_str(), lock.who.as_str(), lock.bare),
            ("a-b", "me@here", false)
        );
        assert_eq!(lock.text, text);
    }

    #[test]
    fn a_lock_that_the_server_takes_is_one_that_clients_can_read() {
        let lock = Lock::taken_for(
            "a \"b\"",
            "x-y",
            ("transfer", "to s3://c/d"),
            Timestamp::from_millis(1_767_319_445_678),
        );
        assert_eq!(Lock::parse(lock.text.as_bytes()), Ok(lock.clone()));
        assert!(
            lock.text.contains(r#""Info":"to s3://c/d""#),
            "{}",
            lock.text
        );
    }

    #[test]
    fn a_lock_from_a_backup_says_so_and_is_the_same_lock() {
        let text = r#"{"ID":"a","Operation":"OperationTypeApply","Info":"mine","Who":"me@here"}"#;
        let lock = Lock::parse(text.as_bytes()).unwrap();
        let marked = lock.from_backup("2026-01-02T03:04:05Z");
        assert_eq!(Lock::parse(marked.text.as_bytes()), Ok(marked.clone()));
        assert_eq!((&marked.id, &marked.who), (&lock.id, &lock.who));
        let begins = r#""Info":"FROM A BACKUP of 2026-01-02T03:04:05Z: "#;
        assert!(marked.text.contains(begins), "{}", marked.text);
        assert!(
            marked.text.contains(r#"force-unlock. mine""#),
            "{}",
            marked.text
        );
    }

    #[test]
    fn opentofus_force_unlock_is_bare() {
        let text = br#"{"ID":"x","Operation":"","Info":"","Who":"","Version":"",
            "Created":"0001-01-01T00:00:00Z","Path":""}"#;
        assert!(Lock::parse(text).unwrap().bare);
    }

    #[test]
    fn refuses_what_clients_could_not_read_back() {
        for (body, why) in [
            (r#"{"Operation":"x"}"#, "no ID"),
            (r#"{"ID":""}"#, "empty ID"),
            (r#"{"ID":7}"#, "ID that is a number"),
            (r#"{"ID":"a","ID":"b"}"#, "ID twice"),
            (r#"{"ID":"a","Created":"yesterday"}"#, "time"),
            (r#"{"ID":"a","Created":""}"#, "empty time"),
            ("[]", "array"),
            (r#"["a"]"#, "array with an ID"),
            ("", "nothing"),
            (r#"{"ID":"a""#, "cut short"),
        ] {
            assert!(Lock::parse(body.as_bytes()).is_err(), "{why}");
        }
        assert!(Lock::parse(br#"{"ID":"a","Created":"2026-01-02T03:04:05+01:00"}"#).is_ok());
    }

    #[test]
    fn a_member_in_two_letter_cases_is_refused_from_a_client_and_read_where_it_was_kept() {
        for body in [
            r#"{"ID":"a","id":"b"}"#,
            r#"{"ID":"a","Who":"x","who":"y"}"#,
            r#"{"Operation":"","ID":"a","OPERATION":"OperationTypePlan"}"#,
        ] {
            let refused = Lock::parse(body.as_bytes());
            assert!(
                matches!(refused, Err(NotALock::Twice(_))),
                "{body}: {refused:?}"
            );
            assert!(Lock::read(body.as_bytes()).is_ok(), "{body}");
        }
        for body in [r#"{"ID":"a","x":1,"X":2}"#, r#"{"ID":"a","who":"y"}"#] {
            assert!(Lock::parse(body.as_bytes()).is_ok(), "{body}");
        }
    }

    #[test]
    fn a_nul_character_is_refused_from_a_client_and_read_where_it_was_kept() {
        let text = r#"{"ID":"a","Who":"\u0000"}"#;
        assert_eq!(Lock::parse(text.as_bytes()), Err(NotALock::Nul));
        assert!(Lock::read(text.as_bytes()).is_ok());
        assert!(Lock::parse(br#"{"ID":"a","Who":"\\u0000"}"#).is_ok());
    }

    #[test]
    fn a_time_that_is_cut_within_a_character_is_no_time() {
        for created in [
            "2026-01-02T03:04:05+01é1",
            "2026-01-02T03:04:05é",
            "2026-01-02T03:04:0é",
            "2026-01-02T03:04:05.1é",
            "2026-01-02T03:04:05+é:00",
        ] {
            assert_eq!(
                Lock::parse(format!(r#"{{"ID":"a","Created":"{created}"}}"#).as_bytes()),
                Err(NotALock::BadTime),
                "{created}"
            );
        }
    }

    proptest! {
        #[test]
        fn nothing_that_is_sent_makes_it_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..64),
            created in concat!(
                "(0001|2026)-0[1-9]-0[1-9]T03:04:0[0-9é]",
                "(\\.[0-9é]{0,3})?[+\\-Z:0-9é]{0,7}",
            ),
            any_time in "\\PC{0,40}",
            text in "[{}\"IDCreatd:, \\\\é0-9]{0,60}",
        ) {
            let _ = (Lock::parse(&bytes), Lock::parse(text.as_bytes()));
            for time in [created, any_time] {
                let body = serde_json::json!({ "ID": "a", "Who": time, "Created": time });
                let body = body.to_string();
                if let Ok(lock) = Lock::parse(body.as_bytes()) {
                    let raw = lock.raw();
                    prop_assert_eq!(raw.get(), body);
                }
            }
        }
    }
}
