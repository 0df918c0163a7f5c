//! A lock in a sentence, and the command that releases it.

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

/// The command that releases a lock, as the end of a sentence.
pub(in crate::cli) fn unlock(state: &StateName, id: &str) -> String {
    let quoted = shlex::try_quote(id).map_or_else(|_| "ID".to_owned(), |quoted| harmless(&quoted));
    format!("; if nothing runs under it any more: statekeep state unlock {state} --id {quoted}")
}
