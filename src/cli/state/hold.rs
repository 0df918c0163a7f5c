//! `statekeep state hold` and `release`: a held version is neither pruned nor purged.

use clap::Args;
use serde_json::json;

use crate::cli::client::api::Client;
use crate::cli::common::done;
use crate::cli::common::flags::Format;
use crate::cli::output::CliError;
use crate::cli::output::text;
use crate::model::name::StateName;

#[derive(Args)]
pub(in crate::cli) struct HoldArgs {
    /// The state, as WORKSPACE/BUILDINGBLOCK
    state: StateName,
    /// The version's number
    version: u64,
    /// Why, in 1 to 500 characters
    #[arg(long)]
    reason: String,
}

#[derive(Args)]
pub(in crate::cli) struct ReleaseArgs {
    /// The state, as WORKSPACE/BUILDINGBLOCK
    state: StateName,
    /// The version's number
    version: u64,
}

/// Holds a version.
pub(in crate::cli) async fn hold(
    client: &Client,
    args: HoldArgs,
    format: Format,
) -> Result<(), CliError> {
    let HoldArgs {
        state,
        version,
        reason,
    } = args;
    let path = format!("{}/versions/{version}/hold", state.path());
    let body = json!({ "reason": reason });
    let held = client.call("POST", &path, Some(body)).await?;
    done::tell(&held, format, || {
        let reason = text(&held["held"]["reason"]);
        format!("version {version} of {state} is held: {reason}")
    })
}

/// Releases a version, and says whether it was held.
pub(in crate::cli) async fn release(
    client: &Client,
    args: &ReleaseArgs,
    format: Format,
) -> Result<(), CliError> {
    let ReleaseArgs { state, version } = args;
    let path = format!("{}/versions/{version}", state.path());
    let was = client.get(&format!("{path}/info")).await?;
    let path = format!("{path}/hold");
    let released = client.call("DELETE", &path, None).await?;
    done::tell(&released, format, || {
        if was["held"].is_null() {
            return format!("version {version} of {state} was not held");
        }
        let reason = text(&was["held"]["reason"]);
        format!("version {version} of {state} is not held any more; it was: {reason}")
    })
}
