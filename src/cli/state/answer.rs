//! Answers that hold values of states, read without loss: values are printed as the state has them,
//! digit by digit.

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::cli::client::wire::ApiReply;
use crate::cli::output::CliError;

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
