//! A lock that is there when a command is over: its own, which the command did not release, or
//! another one, which refused the command. A message says which it is, by the server's evidence,
//! and how to release it.
//!
//! The command is over: nothing here changes how it ended, or takes long.

use std::time::Duration;

use serde_json::Value;
use tokio::time::timeout;

use crate::cli::client::token::RunToken;
use crate::cli::output::{self, harmless};
use crate::model::clock::Timestamp;
use crate::model::name::StateName;

/// How long the server may take to say so.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// Says which lock is held on a state behind a command that began then; nothing if none is, or
/// if the server does not say.
pub(super) async fn tell(token: &RunToken, state: &StateName, began: Timestamp) {
    let (wire, path) = (token.wire(), format!("{}/lock", state.path()));
    let Ok(Ok(reply)) = timeout(ANSWER_TIMEOUT, wire.ask("GET", &path, None)).await else {
        return;
    };
    if let Some(told) = reply
        .json()
        .ok()
        .and_then(|evidence| words(&evidence, state, &token.key_id(), began))
    {
        output::message(&told);
    }
}

/// The lock in a sentence, by the server's evidence; and how it is released.
fn words(evidence: &Value, state: &StateName, own_key: &str, began: Timestamp) -> Option<String> {
    let (lock, refused) = (&evidence["lock"], &evidence["refused"]);
    let id = lock["ID"].as_str()?;
    let quoted = shlex::try_quote(id).ok()?;
    let (who, operation) = (shown(&lock["Who"]), shown(&lock["Operation"]));
    Some(format!(
        "statekeep: {}, since {}, by {who} ({operation}), lock ID {}; {}; refused since then: \
            {}{}\nIf nobody is at work there any more, this releases it: statekeep state unlock \
            {state} --id {}",
        whose(evidence, state, own_key, began),
        shown_time(&evidence["locked_at"]),
        harmless(id),
        wrote(&evidence["last_write"]),
        shown(&refused["count"]),
        latest(&refused["latest"]),
        harmless(&quoted),
    ))
}

fn shown(value: &Value) -> String {
    output::text(value)
}

fn shown_time(value: &Value) -> String {
    output::time(value)
}

/// Whose lock it is: of this command, of its key, or of another key.
fn whose(evidence: &Value, state: &StateName, own_key: &str, began: Timestamp) -> String {
    let key = shown(&evidence["key"]["name"]);
    let created = evidence["lock"]["Created"].as_str();
    let created = created.and_then(Timestamp::parse);
    let is_new = created.is_some_and(|created| created.millis() >= began.millis());
    match (evidence["key"]["id"] == own_key, is_new) {
        (true, true) => {
            format!("{state} is still locked, it seems by this command: with its key {key:?}")
        }
        (true, false) => format!("{state} is locked with this command's own key {key:?}"),
        (false, _) => format!("{state} is locked with another key, {key:?}"),
    }
}

fn wrote(last_write: &Value) -> String {
    if last_write.is_null() {
        return "nothing was written under it".to_owned();
    }
    let (version, at) = (shown(&last_write["version"]), shown_time(&last_write["at"]));
    format!("last write under it: version {version} at {at}")
}

fn latest(refusal: &Value) -> String {
    if refusal.is_null() {
        return String::new();
    }
    format!(", latest at {}", shown_time(&refusal["at"]))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn it_says_whose_lock_it_is_and_what_is_known_of_it() {
        let state = StateName::parse("team", "net").expect("a name");
        let evidence = |id: &str, last_write: Value| {
            json!({
                "lock": {
                    "ID": id, "Operation": "OperationTypeApply", "Who": "me@here\u{1b}[2J",
                    "Created": "2026-11-26T10:00:00.5Z",
                },
                "key": { "id": "k", "name": "ci" }, "locked_at": "2026-11-26T10:00:01.123Z",
                "last_write": last_write,
                "refused": { "count": 2, "latest": { "at": "2026-11-26T10:00:09.000Z" } },
            })
        };
        let at = |time: &str| Timestamp::parse(time).expect("a time");
        let none = evidence("4-2", Value::Null);
        let own = words(&none, &state, "k", at("2026-11-26T10:00:00Z")).expect("words");
        for part in [
            "team/net is still locked, it seems by this command",
            "since 2026-11-26T10:00:01Z, by me@here\\u001b[2J (OperationTypeApply), lock ID 4-2; \
                nothing was written under it",
            "refused since then: 2, latest at 2026-11-26T10:00:09Z",
            "statekeep state unlock team/net --id 4-2",
        ] {
            assert!(own.contains(part), "{part}: {own}");
        }
        let earlier = words(&none, &state, "k", at("2026-11-26T10:00:02Z")).expect("words");
        assert!(
            earlier.contains("locked with this command's own key"),
            "{earlier}"
        );
        let other = words(
            &evidence(
                "a b;c",
                json!({ "version": 3, "at": "2026-11-26T10:00:05.000Z" }),
            ),
            &state,
            "x",
            at("2026-11-26T10:00:00Z"),
        );
        let other = other.expect("words");
        assert!(
            other.contains("locked with another key, \"ci\"")
                && other.contains("version 3 at 2026-11-26T10:00:05Z"),
            "{other}"
        );
        assert!(other.ends_with("--id 'a b;c'"), "{other}");
        assert_eq!(
            words(&json!({}), &state, "k", at("2026-11-26T10:00:00Z")),
            None
        );
    }
}
