//! `statekeep state delete`: shows what is deleted, asks, and deletes it.

use clap::Args;
use serde_json::Value;

use crate::cli::client::api::Client;
use crate::cli::common::ask::Asking;
use crate::cli::common::done;
use crate::cli::common::existence;
use crate::cli::common::flags::Format;
use crate::cli::common::locks;
use crate::cli::output::CliError;
use crate::cli::output::counted_in;
use crate::cli::output::text;
use crate::cli::output::time;
use crate::model::name::StateName;

#[derive(Args)]
pub(in crate::cli) struct DeleteArgs {
    /// The state, as WORKSPACE/BUILDINGBLOCK
    state: StateName,
    #[command(flatten)]
    asking: Asking,
}

/// Deletes it.
pub(in crate::cli) async fn run(
    client: &Client,
    args: &DeleteArgs,
    format: Format,
) -> Result<(), CliError> {
    let DeleteArgs { state, asking } = args;
    if !asking.answers_yes() {
        ask(client, state, asking).await?;
    }
    let deleted = client.call("DELETE", &state.path(), None).await?;
    done::tell(&deleted, format, || {
        format!("deleted {state}; `statekeep state restore {state}` brings it back")
    })
}

/// Shows what is deleted, and asks. Fails if the state is locked, or not there.
async fn ask(client: &Client, state: &StateName, asking: &Asking) -> Result<(), CliError> {
    let row = existence::row(client, state).await?.unwrap_or_default();
    let is_deleted = !row["deleted_at"].is_null();
    if row["current"].is_null() && !is_deleted {
        // There is none: the answer says what there is instead.
        client.ask("GET", &state.path(), None).await?;
        return Ok(());
    }
    let lock = &row["lock"];
    if !lock.is_null() {
        let held = locks::held(state, lock);
        let unlock = locks::unlock(state, &text(&lock["lock"]["ID"]));
        return Err(CliError::Failed(format!("{held} (locked){unlock}")));
    }
    if is_deleted {
        return Ok(());
    }
    let then = "an apply would create all of it again; the history stays, and `statekeep state \
        restore` brings the state back";
    let hit = [current(state, &row["current"]), then.to_owned()];
    asking.about(&hit, &format!("Delete {state}?"))
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
