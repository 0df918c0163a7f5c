//! What a command leaves at its state: a lock that nobody releases any more, or one of somebody
//! else that turned it away. Whoever ran the command is told which it is, by the server's own
//! evidence, and how it is released.
//!
//! The command is over: nothing here changes how it ended, or makes anybody wait for long.

use std::time::Duration;

use serde_json::Value;
use tokio::time::timeout;

use crate::cli::client::token::Token;
use crate::cli::output::{self, harmless};
use crate::model::clock::Timestamp;
use crate::model::name::StateName;

/// How long the server may take to say so.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// Says which lock is held on a state behind a command that began then; nothing where none is, or
/// where the server does not say.
pub(super) async fn tell(token: &Token, state: &StateName, began: Timestamp) {
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

fn words(evidence: &Value, state: &StateName, own_key: &str, began: Timestamp) -> Option<String> {
    let lock = &evidence["lock"];
    let id = lock["ID"].as_str()?;
    let text = |value: &Value| harmless(&output::text(value));
    let time = |value: &Value| harmless(&output::time(value));
    let (key, is_own) = (
        text(&evidence["key"]["name"]),
        evidence["key"]["id"] == own_key,
    );
    let is_new = lock["Created"]
        .as_str()
        .and_then(Timestamp::parse)
        .is_some_and(|created| created.millis() >= began.millis());
    let whose = match (is_own, is_new) {
        (true, true) => {
            format!("{state} is still locked, it seems by this command: with its key {key:?}")
        }
        (true, false) => format!("{state} is locked with this command's own key {key:?}"),
        (false, _) => format!("{state} is locked with another key, {key:?}"),
    };
    let last_write = &evidence["last_write"];
    let wrote = if last_write.is_null() {
        "nothing was written under it".to_owned()
    } else {
        format!(
            "last write under it: version {} at {}",
            text(&last_write["version"]),
            time(&last_write["at"])
        )
    };
    let refused = &evidence["refused"];
    let latest = if refused["latest"].is_null() {
        String::new()
    } else {
        format!(", latest at {}", time(&refused["latest"]["at"]))
    };
    let quoted = shlex::try_quote(id).ok()?;
    Some(format!(
        "statekeep: {whose}, since {}, by {} ({}), lock ID {}; {wrote}; refused since then: \
            {}{latest}\n\
         If nobody is at work there any more, this releases it: statekeep state unlock {state} --id {}",
        time(&evidence["locked_at"]),
        text(&lock["Who"]),
        text(&lock["Operation"]),
        harmless(id),
        text(&refused["count"]),
        harmless(&quoted),
    ))
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
                "lock": { "ID": id, "Operation": "OperationTypeApply", "Who": "me@here\u{1b}[2J", "Created": "2026-11-26T10:00:00.5Z" },
                "key": { "id": "k", "name": "ci" }, "locked_at": "2026-11-26T10:00:01.123Z", "last_write": last_write,
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
