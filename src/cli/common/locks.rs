//! A lock or a freeze in a sentence, whether a lock is dead, and the command that releases it.

use serde_json::Value;

use crate::cli::output::harmless;
use crate::cli::output::text;
use crate::cli::output::time;
use crate::model::name::StateName;

/// Who holds a lock, for what, and since when by the server's clock.
pub(in crate::cli) fn held(state: &StateName, held: &Value) -> String {
    let lock = &held["lock"];
    let key = text(&held["key"]["name"]);
    let (who, id) = (text(&lock["Who"]), text(&lock["ID"]));
    let operation = lock["Operation"].as_str();
    let operation = operation.map(|operation| format!(" for {}", harmless(operation)));
    let operation = operation.unwrap_or_default();
    let since = time(&held["locked_at"]);
    format!("{state} is locked by the key {key} ({who}){operation} since {since}, lock ID {id}")
}

/// What is in the way of a change, by the server's evidence, and the command that releases it: a
/// lock, or else the freeze.
pub(in crate::cli) fn in_the_way(state: &StateName, evidence: &Value) -> Option<String> {
    let (lock, freeze) = (&evidence["lock"], &evidence["frozen"]);
    if !lock.is_null() {
        let unlock = unlock(state, &text(&lock["ID"]));
        return Some(format!("{} (locked){unlock}", held(state, evidence)));
    }
    (!freeze.is_null()).then(|| format!("{} (locked){}", frozen(state, freeze), unfreeze(state)))
}

/// What a freeze is, in a sentence.
pub(in crate::cli) fn frozen(state: &StateName, freeze: &Value) -> String {
    let until = if freeze["until"].is_null() {
        "until it is lifted".to_owned()
    } else {
        format!("until {}", time(&freeze["until"]))
    };
    let (who, why) = (text(&freeze["frozen_by"]["name"]), text(&freeze["reason"]));
    harmless(&format!("{state} is frozen {until} by {who}: {why}"))
}

/// The command that lifts a freeze, as the end of a sentence.
pub(in crate::cli) fn unfreeze(state: &StateName) -> String {
    format!("; `statekeep state unfreeze {state}` lifts it")
}

/// Since when the holder of a lock can write no more, and what that means; none if they can.
pub(in crate::cli) fn death(held: &Value) -> Option<String> {
    let died = &held["died"];
    let why = match died["why"].as_str()? {
        "expired" => "its credentials expired",
        "ended" => "its token was ended",
        "revoked" => "its key was revoked",
        "rotated" => "its key was rotated",
        _ => "its credentials ended",
    };
    let since = if died["since"].is_null() {
        String::new()
    } else {
        format!(" at {}", time(&died["since"]))
    };
    Some(format!(
        "{why}{since}; the next run that locks gets the lock"
    ))
}

/// The command that releases a lock, as the end of a sentence.
pub(in crate::cli) fn unlock(state: &StateName, id: &str) -> String {
    let quoted = shlex::try_quote(id).map_or_else(|_| "ID".to_owned(), |quoted| harmless(&quoted));
    format!("; if nothing runs under it any more: statekeep state unlock {state} --id {quoted}")
}
