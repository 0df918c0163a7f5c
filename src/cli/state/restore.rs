//! `statekeep state restore`: a state that was deleted, moved or transferred is back as it was.

use clap::Args;
use serde_json::Value;

use crate::cli::client::api::Client;
use crate::cli::common::done;
use crate::cli::common::flags::Format;
use crate::cli::common::rows::rows;
use crate::cli::output::CliError;
use crate::model::name::StateName;

#[derive(Args)]
pub(in crate::cli) struct RestoreArgs {
    /// The state, as WORKSPACE/BUILDINGBLOCK
    state: StateName,
}

/// Restores it.
pub(in crate::cli) async fn run(
    client: &Client,
    args: &RestoreArgs,
    format: Format,
) -> Result<(), CliError> {
    let state = &args.state;
    let path = format!("{}/restore", state.path());
    let live_before = live_version(client, state).await?;
    let version = client.call("POST", &path, None).await?;
    done::tell(&version, format, || {
        let (number, serial) = (&version["number"], &version["serial"]);
        // What is brought back gets a number of its own; a live state keeps the one it has.
        let (is, and) = if live_before.as_ref() == Some(number) {
            ("was neither deleted nor moved", "; nothing was done")
        } else {
            ("is back", "")
        };
        format!("{state} {is}: version {number}, serial {serial}{and}")
    })
}

/// The number of its current version, if it is live.
async fn live_version(client: &Client, state: &StateName) -> Result<Option<Value>, CliError> {
    let (workspace, block) = (&state.workspace, &state.block);
    let path =
        format!("/api/terraform/state?workspace={workspace}&buildingBlock={block}&fields=current");
    let found = client.get(&path).await?;
    let current = rows(&found, "states").iter().map(|row| &row["current"]);
    let number = current
        .map(|current| &current["number"])
        .find(|number| !number.is_null());
    Ok(number.cloned())
}
