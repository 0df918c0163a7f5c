//! `statekeep state restore`: a state that was deleted, moved or transferred is back as it was.

use clap::Args;

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
    let was_live = is_live(client, state).await;
    let version = client.call("POST", &path, None).await?;
    done::tell(&version, format, || {
        let (number, serial) = (&version["number"], &version["serial"]);
        let (is, and) = if was_live {
            ("was neither deleted nor moved", "; nothing was done")
        } else {
            ("is back", "")
        };
        format!("{state} {is}: version {number}, serial {serial}{and}")
    })
}

/// Whether it is there. A key that may only write cannot ask.
async fn is_live(client: &Client, state: &StateName) -> bool {
    let (workspace, block) = (&state.workspace, &state.block);
    let path =
        format!("/api/terraform/state?workspace={workspace}&buildingBlock={block}&fields=current");
    let found = client.get(&path).await.unwrap_or_default();
    let mut states = rows(&found, "states").iter();
    states.any(|state| !state["current"].is_null())
}
