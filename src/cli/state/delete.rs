//! `statekeep state delete`: shows what is deleted, asks, and deletes it.

use clap::Args;
use serde_json::Value;

use crate::cli::client::api::Client;
use crate::cli::common::destroying::Destroying;
use crate::cli::common::done;
use crate::cli::common::existence;
use crate::cli::common::flags::Format;
use crate::cli::common::locks;
use crate::cli::output::counted_in;
use crate::cli::output::text;
use crate::cli::output::time;
use crate::cli::output::{CliError, KnownReason};
use crate::model::name::StateName;

#[derive(Args)]
pub(in crate::cli) struct DeleteArgs {
    /// The state, as WORKSPACE/BUILDINGBLOCK
    state: StateName,
    #[command(flatten)]
    destroying: Destroying,
}

/// Deletes it.
pub(in crate::cli) async fn run(
    client: &Client,
    args: &DeleteArgs,
    format: Format,
) -> Result<(), CliError> {
    let DeleteArgs { state, destroying } = args;
    if destroying.shows() && !ask(client, args, format).await? {
        return Ok(());
    }
    // A caller who may not look is told that it is deleted now.
    let before = existence::row(client, state).await.ok().flatten();
    let was_there = before.is_none_or(|row| row["deleted_at"].is_null());
    let deleted = client.call("DELETE", &state.path(), None).await?;
    done::tell(&deleted, format, || {
        let then = format!("`statekeep state restore {state}` brings it back");
        if was_there {
            format!("deleted {state}; {then}")
        } else {
            format!("{state} was deleted already; {then}")
        }
    })
}

/// Shows what is deleted, and asks: whether it is to be done. Fails if the state is locked, frozen
/// or not there.
async fn ask(client: &Client, args: &DeleteArgs, format: Format) -> Result<bool, CliError> {
    let DeleteArgs { state, destroying } = args;
    let row = existence::row(client, state).await?.unwrap_or_default();
    let is_deleted = !row["deleted_at"].is_null();
    if row["current"].is_null() && !is_deleted {
        // There is none: the answer says what there is instead.
        client.ask("GET", &state.path(), None).await?;
        return Ok(!destroying.is_dry_run());
    }
    let lock = &row["lock"]["lock"];
    let evidence = if lock.is_null() { &row } else { &row["lock"] };
    if let Some(message) = locks::in_the_way(state, evidence) {
        let reason = KnownReason::refused("locked");
        return Err(CliError::Known { message, reason });
    }
    let question = format!("Delete {state}?");
    if is_deleted {
        let hit = [format!("{state} is deleted already")];
        return if destroying.is_dry_run() {
            destroying.goes_on(&hit, &question, format)
        } else {
            Ok(true)
        };
    }
    let then = "an apply would create all of it again; the history stays, and `statekeep state \
        restore` brings the state back";
    let hit = [current(state, &row["current"]), then.to_owned()];
    destroying.goes_on(&hit, &question, format)
}

/// The current version in a sentence.
fn current(state: &StateName, version: &Value) -> String {
    let resources = counted_in(&version["resources"], "resource");
    let (number, serial) = (&version["number"], text(&version["serial"]));
    let by = text(&version["created_by"]["name"]);
    let at = time(&version["created_at"]);
    format!(
        "{state} has {resources} in version {number} (serial {serial}), written by {by} at {at}"
    )
}
