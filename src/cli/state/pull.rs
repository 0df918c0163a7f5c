//! `statekeep state pull`: the exact bytes of a state; on a terminal nothing that it acts on.

use clap::Args;

use crate::cli::client::api::Client;
use crate::cli::output;
use crate::cli::output::CliError;
use crate::model::name::StateName;

#[derive(Args)]
pub(in crate::cli) struct PullArgs {
    /// The state, as WORKSPACE/BUILDINGBLOCK
    state: StateName,
    /// An earlier version instead of the current one
    #[arg(long)]
    version: Option<u64>,
}

/// Prints them.
pub(in crate::cli) async fn run(client: &Client, args: &PullArgs) -> Result<(), CliError> {
    let below = args
        .version
        .map(|number| format!("/versions/{number}"))
        .unwrap_or_default();
    let path = format!("{}{below}", args.state.path());
    output::state(&client.ask("GET", &path, None).await?.bytes)
}
