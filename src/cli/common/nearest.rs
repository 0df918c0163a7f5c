//! A name that does not exist is a failure, never an empty answer. The failure names what comes
//! nearest, because a typo is the likeliest cause. Only names that the caller may list are
//! compared.

use serde_json::Value;

use crate::cli::client::wire::Wire;
use crate::cli::common::locks;
use crate::cli::common::request_error::{ErrorAnswer, RequestError};
use crate::cli::common::rows::{DAMAGED, rows, state_name, take_rows};
use crate::cli::output::CliError;
use crate::cli::output::harmless;
use crate::cli::output::text;
use crate::model::name::StateName;

/// The most rows that are compared, and the most names that are told.
pub(in crate::cli) const MAX_COMPARED: usize = 10_000;
const MAX_TOLD: usize = 3;
/// The most versions that are looked at, and the most runs of numbers that are told.
const MAX_VERSIONS: usize = 2_000;
const MAX_RUNS: usize = 5;

/// Why something failed: with the names that are nearest if a name is unknown, and with the holder
/// of a lock that is in the way.
pub(in crate::cli) async fn explained(wire: &Wire, refusal: RequestError) -> CliError {
    let RequestError::Answered(refused) = &refusal else {
        return refusal.into_failure();
    };
    let more = match (refused.code(), refused.state()) {
        ("no_state", Some(state)) => instead_of(wire, &state).await,
        ("no_version", Some(state)) => versions(wire, &state, refused).await,
        ("locked", Some(state)) => holder(wire, &state).await,
        ("no_key", _) => no_key(wire, refused).await,
        _ => None,
    };
    match more {
        Some(message) => refusal.into_failure_saying(message),
        None => refusal.into_failure(),
    }
}

async fn no_key(wire: &Wire, refused: &ErrorAnswer) -> Option<String> {
    let below = refused.path().trim_start_matches("/api/keys/");
    let id = below.split(['/', '?']).next()?;
    let (near, _) = keys(wire, id).await;
    (!near.is_empty()).then(|| format!("there is no key {id} (no_key){near}"))
}

/// What is at the address of a state that is not there, or near it.
pub(in crate::cli) async fn instead_of(wire: &Wire, state: &StateName) -> Option<String> {
    if let Some(held) = lock(wire, state).await {
        let unlock = locks::unlock(state, &text(&held["lock"]["ID"]));
        let held = locks::held(state, &held);
        return Some(format!(
            "there is no state at {state} yet (no_state): {held}{unlock}"
        ));
    }
    let path = "/api/terraform/state?deleted=true&fields=workspace,buildingBlock,deleted_at";
    let list = wire.list(path, "states", "after", Some(MAX_COMPARED)).await;
    let list = list.unwrap_or_default();
    let (states, wanted) = (rows(&list, "states"), state.to_string());
    if let Some(row) = states.iter().find(|row| state_name(row) == wanted) {
        return Some(hidden(state, row));
    }
    let near = near(&wanted, states.iter().map(state_name).collect());
    Some(format!("there is no state at {state} (no_state){near}"))
}

/// A state that is there, and has no current version.
fn hidden(state: &StateName, row: &Value) -> String {
    let what = if row["deleted_at"].is_null() {
        "has no current version"
    } else {
        "is deleted"
    };
    format!(
        "{state} {what} (no_state); `statekeep state history {state}` says what was there, \
            `statekeep state restore {state}` brings it back"
    )
}

/// The lock of a state, if the server tells it.
pub(in crate::cli) async fn lock(wire: &Wire, state: &StateName) -> Option<Value> {
    wire.ask("GET", &format!("{}/lock", state.path()), None)
        .await
        .ok()?
        .json()
        .ok()
}

async fn holder(wire: &Wire, state: &StateName) -> Option<String> {
    locks::in_the_way(state, &lock(wire, state).await?)
}

/// The numbers that there are, if one is asked for that is not.
async fn versions(wire: &Wire, state: &StateName, refused: &ErrorAnswer) -> Option<String> {
    let path = format!("{}/versions?intermediate=true&fields=number", state.path());
    let list = wire
        .list(&path, "versions", "before", Some(MAX_VERSIONS))
        .await;
    let list = list.ok()?;
    let numbers = rows(&list, "versions").iter();
    let numbers: Vec<u64> = numbers.filter_map(|row| row["number"].as_u64()).collect();
    let (newest, has) = (numbers.first().copied()?, runs(&numbers));
    let what = match wanted_version(refused) {
        Some(number) => format!("has no version {number}"),
        None => "has no such version".to_owned(),
    };
    let known = numbers.len() + rows(&list, DAMAGED).len();
    let gone = if known as u64 >= newest {
        ""
    } else {
        ", others were removed"
    };
    Some(format!(
        "{state} {what} (no_version); it has {has}{gone}: statekeep state history {state}"
    ))
}

/// The number that the server's words name.
fn wanted_version(refused: &ErrorAnswer) -> Option<u64> {
    let (_, rest) = refused.detail().split_once("has no version ")?;
    rest.split([';', ' ']).next()?.parse().ok()
}

/// Numbers that fall, as runs that rise: `1 to 4, 7`.
fn runs(falling: &[u64]) -> String {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for number in falling {
        match runs.last_mut() {
            Some((first, _)) if *first == number + 1 => *first = *number,
            _ => runs.push((*number, *number)),
        }
    }
    let cut = if runs.len() > MAX_RUNS { "…, " } else { "" };
    let shown = runs.iter().take(MAX_RUNS).rev();
    let shown: Vec<String> = shown
        .map(|(first, last)| {
            if first == last {
                first.to_string()
            } else {
                format!("{first} to {last}")
            }
        })
        .collect();
    format!("{cut}{}", shown.join(", "))
}

/// What is to be said if there is no such key, and the rows of all keys.
pub(in crate::cli) async fn keys(wire: &Wire, wanted: &str) -> (String, Vec<Value>) {
    let list = wire
        .list("/api/keys", "keys", "after", Some(MAX_COMPARED))
        .await;
    let rows = take_rows(&mut list.unwrap_or_default(), "keys");
    let names = rows.iter();
    let names = names.flat_map(|row| [text(&row["name"]), text(&row["id"])]);
    (near(wanted, names.collect()), rows)
}

/// The end of a sentence that says what is not there: the names that come nearest.
pub(in crate::cli) fn near(wanted: &str, mut known: Vec<String>) -> String {
    known.sort();
    known.dedup();
    let wanted = wanted.to_lowercase();
    let distance = |name: &String| strsim::osa_distance(&wanted, &name.to_lowercase());
    let mut known: Vec<(usize, String)> = known
        .into_iter()
        .map(|name| (distance(&name), name))
        .collect();
    known.sort();
    let close = (wanted.chars().count() / 3).max(2);
    let told = known.iter().take_while(|(distance, _)| *distance <= close);
    let told: Vec<String> = told
        .take(MAX_TOLD)
        .map(|(_, name)| harmless(name))
        .collect();
    match (told.as_slice(), known.first()) {
        ([], None) => "; there is none that you may see".to_owned(),
        ([], Some((_, nearest))) => format!("; the nearest is {}", harmless(nearest)),
        ([one], _) => format!("; did you mean {one}?"),
        ([some @ .., last], _) => format!("; did you mean {} or {last}?", some.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_the_nearest_names() {
        let known = |names: &[&str]| {
            names
                .iter()
                .map(|&name| name.to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            near("team-a/netwrok", known(&["team-a/network", "team-b/db"])),
            "; did you mean team-a/network?"
        );
        assert_eq!(
            near("a/n1", known(&["a/n2", "a/n3", "b/n1", "a/n4"])),
            "; did you mean a/n2, a/n3 or a/n4?"
        );
        assert_eq!(
            near("Team", known(&["team", "team"])),
            "; did you mean team?"
        );
        assert_eq!(
            near("web", known(&["something-else"])),
            "; the nearest is something-else"
        );
        assert_eq!(near("web", known(&[])), "; there is none that you may see");
    }

    #[test]
    fn tells_the_numbers_that_there_are() {
        assert_eq!(runs(&[4, 3, 2, 1]), "1 to 4");
        assert_eq!(runs(&[9, 7, 6, 1]), "1, 6 to 7, 9");
        assert_eq!(runs(&[13, 11, 9, 7, 5, 3, 1]), "…, 5, 7, 9, 11, 13");
    }
}
