//! `statekeep state diff`: what changed from one version of a state to another.

use clap::Args;
use serde::Deserialize;
use serde_json::Value;

use crate::cli::client::api::Client;
use crate::cli::common::flags::Format;
use crate::cli::output;
use crate::cli::output::CliError;
use crate::cli::output::Tone;
use crate::cli::output::size;
use crate::cli::output::text;
use crate::cli::output::time;
use crate::cli::output::when;
use crate::cli::state::answer::{Why, current_version, parsed};
use crate::cli::state::changes::Changes;
use crate::cli::table::terminal_width;
use crate::model::name::StateName;

#[derive(Args)]
pub(in crate::cli) struct DiffArgs {
    /// The state, as WORKSPACE/BUILDINGBLOCK
    state: StateName,
    /// With one number: the version to compare with the one before it. With two: the version to
    /// compare the second with
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    from: Option<u64>,
    /// The version to look at. Without any number: the current one, compared with the one before it
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    to: Option<u64>,
    /// Show secrets in clear; the event log records it
    #[arg(long)]
    sensitive: bool,
}

/// As the API answers it.
#[derive(Deserialize)]
struct Answer {
    from: Option<Value>,
    from_reason: Option<String>,
    to: Value,
    not_compared: Option<Why>,
    diff: Option<Changes>,
}

/// Shows what changed from one version to another.
pub(in crate::cli) async fn run(
    client: &Client,
    args: DiffArgs,
    format: Format,
) -> Result<(), CliError> {
    let state = &args.state;
    let (from, to) = match (args.from, args.to) {
        (Some(from), Some(to)) => (format!("&from={from}"), to),
        (Some(only), None) => (String::new(), only),
        (None, _) => (String::new(), current_version(client, state).await?),
    };
    let path = format!("{}/versions/{to}/diff", state.path());
    let path = format!("{path}?sensitive={}{from}", args.sensitive);
    let reply = client.ask("GET", &path, None).await?;
    if format == Format::Json {
        return output::answer(&reply.bytes);
    }
    let answer: Answer = parsed(&reply)?;
    print_head(state, &answer)?;
    print(&answer)
}

fn print(answer: &Answer) -> Result<(), CliError> {
    match (&answer.diff, &answer.not_compared) {
        (Some(changes), _) => changes.print(),
        (None, Some(why)) if answer.from_reason.as_deref() == Some("pruned") => {
            output::toned(&[(Tone::Plain, format!("  {}", why.detail))])
        }
        (None, why) => {
            let detail = why
                .as_ref()
                .map_or("the server does not say why", |why| &why.detail);
            output::message(&format!("the changes are not known: {detail}"));
            Ok(())
        }
    }
}

fn print_head(state: &StateName, answer: &Answer) -> Result<(), CliError> {
    let to = &answer.to;
    let with = match (&answer.from, answer.from_reason.as_deref()) {
        (Some(from), _) => format!(" against version {}", from["number"]),
        (None, Some("first")) => ", the first".to_owned(),
        (None, Some("deleted")) => ", the first since the state was deleted".to_owned(),
        (None, _) => String::new(),
    };
    let head = format!("{state}: version {}{with}", to["number"]);
    output::toned(&[(Tone::Bold, head)])?;
    let mut versions = answer.from.iter().chain([to]);
    versions.try_for_each(|version| output::toned(&[(Tone::Plain, facts(version))]))
}

/// A version in a line.
fn facts(version: &Value) -> String {
    let program = text(&version["terraform_version"]);
    let by = text(&version["created_by"]["name"]);
    let (number, serial) = (&version["number"], &version["serial"]);
    if terminal_width().is_some() {
        let (size, ago) = (size(&version["size"]), when(&version["created_at"]));
        let made = format!("by {by} with {program}, {ago}");
        return format!("  version {number}: serial {serial}, {size}, {made}");
    }
    format!(
        "  version {number}: serial {serial}, {} bytes, sha256 {}, by {by} with {program} at {}",
        version["size"],
        text(&version["sha256"]),
        time(&version["created_at"]),
    )
}
