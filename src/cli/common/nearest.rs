//! What does not exist and was named all the same is a failure, never an empty answer, and the
//! names that come nearest are told: a typo is the likeliest cause. Only what the caller may list
//! is compared.

use serde_json::Value;

use crate::cli::client::wire::Wire;
use crate::cli::common::refusal;
use crate::cli::common::refusal::Refusal;
use crate::cli::common::refusal::Refused;
use crate::cli::output::Failure;
use crate::cli::output::harmless;
use crate::cli::output::text;
use crate::model::name::StateName;

/// The most rows that are compared, and the most names that are told.
pub(in crate::cli) const MAX_COMPARED: usize = 10_000;
const MAX_TOLD: usize = 3;
/// The most versions that are looked at, and the most runs of numbers that are told.
const MAX_VERSIONS: usize = 2_000;
const MAX_RUNS: usize = 5;

/// Why something failed, with what there is where something is not there, and with who holds a lock
/// that is in the way.
pub(in crate::cli) async fn explained(wire: &Wire, refusal: Refusal) -> Failure {
    let Refusal::Refused(refused) = &refusal else {
        return refusal.into_failure();
    };
    let more = match (refused.code(), refused.state()) {
        ("no_state", Some(state)) => instead_of(wire, &state).await,
        ("no_version", Some(state)) => versions(wire, &state, refused).await,
        ("locked", Some(state)) => holder(wire, &state).await,
        ("no_key", _) => {
            let id = refused
                .path()
                .trim_start_matches("/api/keys/")
                .split(['/', '?'])
                .next()
                .unwrap_or_default()
                .to_owned();
            Some(keys(wire, &id).await.0)
                .filter(|told| !told.is_empty())
                .map(|told| format!("there is no key {id} (no_key){told}"))
        }
        _ => None,
    };
    more.map_or_else(|| refusal.into_failure(), Failure::Failed)
}

/// What is at the address of a state that is not there, or near it.
pub(in crate::cli) async fn instead_of(wire: &Wire, state: &StateName) -> Option<String> {
    if let Some(held) = lock(wire, state).await {
        let id = text(&held["lock"]["ID"]);
        let (held, unlock) = (refusal::held(state, &held), refusal::unlock(state, &id));
        return Some(format!(
            "there is no state at {state} yet (no_state): {held}{unlock}"
        ));
    }
    let rows = wire
        .list(
            "/api/terraform/state?deleted=true",
            "states",
            "after",
            Some(MAX_COMPARED),
        )
        .await
        .unwrap_or_default();
    let rows = rows["states"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let name = |row: &Value| {
        format!(
            "{}/{}",
            text(&row["workspace"]),
            text(&row["buildingBlock"])
        )
    };
    if let Some(row) = rows.iter().find(|row| name(row) == state.to_string()) {
        let what = if row["deleted_at"].is_null() {
            "has no current version"
        } else {
            "is deleted"
        };
        let next = format!(
            "`statekeep state history {state}` says what was there, `statekeep state restore \
                {state}` brings it back"
        );
        return Some(format!("{state} {what} (no_state); {next}"));
    }
    Some(format!(
        "there is no state at {state} (no_state){}",
        near(&state.to_string(), rows.iter().map(name).collect())
    ))
}

/// The lock of a state, where the server tells it.
pub(in crate::cli) async fn lock(wire: &Wire, state: &StateName) -> Option<Value> {
    wire.ask("GET", &format!("{}/lock", state.path()), None)
        .await
        .ok()?
        .json()
        .ok()
}

async fn holder(wire: &Wire, state: &StateName) -> Option<String> {
    let held = lock(wire, state).await?;
    let id = text(&held["lock"]["ID"]);
    Some(format!(
        "{} (locked){}",
        refusal::held(state, &held),
        refusal::unlock(state, &id)
    ))
}

/// The numbers that there are, where one is asked for that is not.
async fn versions(wire: &Wire, state: &StateName, refused: &Refused) -> Option<String> {
    let wanted: Option<u64> = refused
        .detail()
        .split("has no version ")
        .nth(1)
        .and_then(|rest| rest.split([';', ' ']).next()?.parse().ok());
    let path = format!("{}/versions?intermediate=true", state.path());
    let list = wire
        .list(&path, "versions", "before", Some(MAX_VERSIONS))
        .await
        .ok()?;
    let numbers: Vec<u64> = list["versions"]
        .as_array()?
        .iter()
        .filter_map(|row| row["number"].as_u64())
        .collect();
    let (newest, has) = (numbers.first().copied()?, runs(&numbers));
    let what = wanted.map_or_else(
        || "has no such version".to_owned(),
        |number| format!("has no version {number}"),
    );
    let gone = if numbers.len() as u64 == newest {
        ""
    } else {
        ", others were removed"
    };
    Some(format!(
        "{state} {what} (no_version); it has {has}{gone}: statekeep state history {state}"
    ))
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

/// What is to be said where there is no such key, and the rows of all keys.
pub(in crate::cli) async fn keys(wire: &Wire, wanted: &str) -> (String, Vec<Value>) {
    let mut list = wire
        .list("/api/keys", "keys", "after", Some(MAX_COMPARED))
        .await
        .unwrap_or_default();
    let rows = list["keys"]
        .as_array_mut()
        .map(std::mem::take)
        .unwrap_or_default();
    let names = rows
        .iter()
        .flat_map(|row| [text(&row["name"]), text(&row["id"])])
        .collect();
    (near(wanted, names), rows)
}

/// The end of a sentence that says what is not there: the names that come nearest.
pub(in crate::cli) fn near(wanted: &str, mut known: Vec<String>) -> String {
    known.sort();
    known.dedup();
    let distance =
        |name: &String| strsim::osa_distance(&wanted.to_lowercase(), &name.to_lowercase());
    let mut known: Vec<(usize, String)> = known
        .into_iter()
        .map(|name| (distance(&name), name))
        .collect();
    known.sort();
    let close = (wanted.chars().count() / 3).max(2);
    let told: Vec<String> = known
        .iter()
        .take_while(|(distance, _)| *distance <= close)
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
