//! `statekeep state restore`: a state that was deleted, moved or transferred is back as it was.

use clap::Args;

use crate::cli::client::api::Client;
use crate::cli::common::done;
use crate::cli::common::flags::Format;
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
    let version = client.call("POST", &path, None).await?;
    done::tell(&version, format, || {
        let (number, serial) = (&version["number"], &version["serial"]);
        format!("{state} is back: version {number}, serial {serial}")
    })
}
