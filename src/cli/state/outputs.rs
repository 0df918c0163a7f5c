//! `statekeep state outputs`: the outputs of a state's current version.

use std::collections::BTreeMap;

use clap::Args;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::cli::client::api::Client;
use crate::cli::common::flags::Format;
use crate::cli::output;
use crate::cli::output::CliError;
use crate::cli::output::Tone;
use crate::cli::state::answer::{Why, as_written, parsed};
use crate::model::name::StateName;

#[derive(Args)]
pub(in crate::cli) struct OutputsArgs {
    /// The state, as WORKSPACE/BUILDINGBLOCK
    state: StateName,
    /// Show secrets in clear; the event log records it
    #[arg(long)]
    sensitive: bool,
}

#[derive(Deserialize)]
struct Listing {
    not_shown: Option<Why>,
    outputs: Option<BTreeMap<String, ShownOutput>>,
}

#[derive(Deserialize)]
struct ShownOutput {
    #[serde(default, deserialize_with = "as_written")]
    value: Option<Box<RawValue>>,
    hidden: bool,
    too_deep: bool,
}

impl ShownOutput {
    fn text(&self) -> &str {
        match &self.value {
            _ if self.hidden => "(hidden)",
            _ if self.too_deep => "(nested too deep to show)",
            Some(value) => value.get(),
            None => "null",
        }
    }
}

/// Shows the outputs of the current version.
pub(in crate::cli) async fn run(
    client: &Client,
    args: &OutputsArgs,
    format: Format,
) -> Result<(), CliError> {
    let path = format!("{}/outputs?sensitive={}", args.state.path(), args.sensitive);
    let reply = client.ask("GET", &path, None).await?;
    if format == Format::Json {
        return output::answer(&reply.bytes);
    }
    let listing: Listing = parsed(&reply)?;
    let Some(outputs) = listing.outputs else {
        let detail = listing.not_shown.map_or_else(String::new, |why| why.detail);
        return Err(CliError::Failed(format!(
            "the outputs are not known: {detail}"
        )));
    };
    let width = outputs.keys().map(|name| name.chars().count()).max();
    let width = width.unwrap_or(0);
    outputs.iter().try_for_each(|(name, output)| {
        let line = format!("{name:width$} = {}", output.text());
        output::toned(&[(Tone::Plain, line)])
    })
}
