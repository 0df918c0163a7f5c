//! What a command did: a sentence for people, or the server's answer for scripts.

use serde_json::Value;

use crate::cli::common::flags::Format;
use crate::cli::output;
use crate::cli::output::CliError;

/// Tells a person what was done, or a script what the server answered.
pub(in crate::cli) fn tell(
    answer: &Value,
    format: Format,
    sentence: impl FnOnce() -> String,
) -> Result<(), CliError> {
    if format == Format::Json {
        return output::json(answer);
    }
    output::note(&sentence());
    Ok(())
}
