//! `statekeep state move`: a state with its whole history gets another address.

use clap::Args;
use serde_json::json;

use crate::cli::client::api::Client;
use crate::cli::common::done;
use crate::cli::common::flags::Format;
use crate::cli::output::CliError;
use crate::cli::output::text;
use crate::model::name::StateName;

#[derive(Args)]
pub(in crate::cli) struct MoveArgs {
    /// The state, as WORKSPACE/BUILDINGBLOCK
    state: StateName,
    /// Its new name, as WORKSPACE/BUILDINGBLOCK
    to: StateName,
}

/// Moves it.
pub(in crate::cli) async fn run(
    client: &Client,
    args: MoveArgs,
    format: Format,
) -> Result<(), CliError> {
    let MoveArgs { state, to } = args;
    let path = format!("{}/move", state.path());
    let body = json!({ "workspace": to.workspace, "buildingBlock": to.block });
    let moved = client.call("POST", &path, Some(body)).await?;
    done::tell(&moved, format, || {
        let address = text(&moved["address"]);
        format!("{state} is now {to}; its address is {address}")
    })
}
