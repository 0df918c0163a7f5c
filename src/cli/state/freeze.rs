//! `statekeep state freeze` and `unfreeze`: nothing changes a state for a while.

use std::time::Duration;

use clap::Args;
use serde_json::json;

use crate::cli::client::api::Client;
use crate::cli::common::done;
use crate::cli::common::existence;
use crate::cli::common::flags::Format;
use crate::cli::common::locks;
use crate::cli::output::{self, CliError};
use crate::model::clock;
use crate::model::name::StateName;
use crate::model::span::Span;

#[derive(Args)]
pub(in crate::cli) struct FreezeArgs {
    /// The state, as WORKSPACE/BUILDINGBLOCK
    state: StateName,
    /// Why, for those whom it turns away, 1 to 200 characters
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// For how long, at most 366d; without it until it is lifted
    #[arg(long = "for", value_name = "DURATION")]
    lasts: Option<Span>,
}

#[derive(Args)]
pub(in crate::cli) struct UnfreezeArgs {
    /// The state, as WORKSPACE/BUILDINGBLOCK
    state: StateName,
}

fn path(state: &StateName) -> String {
    format!("{}/freeze", state.path())
}

/// Freezes a state.
pub(in crate::cli) async fn freeze(
    client: &Client,
    args: FreezeArgs,
    format: Format,
) -> Result<(), CliError> {
    let FreezeArgs {
        state,
        reason,
        lasts,
    } = args;
    let until = lasts.map(|Span(lasts): Span| clock::now() + Duration::from_secs(lasts.as_secs()));
    let body = json!({ "reason": reason, "until": until });
    let answer = client.call("POST", &path(&state), Some(body)).await?;
    done::tell(&answer, format, || locks::frozen(&state, &answer))
}

/// Lifts a freeze.
pub(in crate::cli) async fn unfreeze(
    client: &Client,
    args: &UnfreezeArgs,
    format: Format,
) -> Result<(), CliError> {
    let state = &args.state;
    let answer = client.call("DELETE", &path(state), None).await?;
    if format == Format::Text && !answer["damaged"].is_null() {
        output::message(&format!(
            "{state} is not frozen any more; the row of its freeze was damaged"
        ));
        return Ok(());
    }
    let was_frozen = answer["removed"] == true;
    if !was_frozen {
        existence::state_exists(client, state).await?;
    }
    done::tell(&answer, format, || {
        if was_frozen {
            format!("{state} is not frozen any more")
        } else {
            format!("{state} was not frozen")
        }
    })
}
