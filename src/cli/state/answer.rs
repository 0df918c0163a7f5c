//! Answers that hold values of states, read without loss: values are printed as the state has them,
//! digit by digit.

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::cli::client::api::Client;
use crate::cli::client::wire::ApiReply;
use crate::cli::common::rows::refuse_damaged;
use crate::cli::output::{CliError, KnownReason};
use crate::model::name::StateName;

/// Why something cannot be told.
#[derive(Deserialize)]
pub(super) struct Why {
    pub(super) detail: String,
}

/// A value that is there, `null` among them.
pub(super) fn as_written<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(deserializer).map(Some)
}

/// Reads an answer without loss: numbers stay as they are written.
pub(super) fn parsed<'a, T: Deserialize<'a>>(reply: &'a ApiReply) -> Result<T, CliError> {
    let unknown = |error| {
        CliError::Failed(format!(
            "the server's answer makes no sense ({error}); is it of another version?"
        ))
    };
    serde_json::from_slice(&reply.bytes).map_err(unknown)
}

/// The number of a state's current version.
pub(super) async fn current_version(client: &Client, state: &StateName) -> Result<u64, CliError> {
    let path = format!(
        "/api/terraform/state?workspace={}&buildingBlock={}",
        state.workspace, state.block
    );
    let answer = client.get(&path).await?;
    if let Some(number) = answer["states"][0]["current"]["number"].as_u64() {
        return Ok(number);
    }
    // Says where it moved to, or that there is none.
    client.ask("GET", &state.path(), None).await?;
    refuse_damaged(&answer)?;
    Err(CliError::Known {
        message: format!("there is no state at {state}"),
        reason: KnownReason::missing("no_state"),
    })
}
