//! `statekeep state show W/B ADDRESS`: one resource instance, its attributes and its neighbours.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::cli::client::api::Client;
use crate::cli::client::escaped::escaped;
use crate::cli::common::flags::Format;
use crate::cli::output::{self, CliError, Tone, harmless, text};
use crate::cli::state::answer::{Why, as_written, current_version, parsed};
use crate::model::name::StateName;

#[derive(Deserialize)]
struct Answer {
    version: u64,
    not_shown: Option<Why>,
    resource: Option<Shown>,
}

#[derive(Deserialize)]
struct Shown {
    #[serde(default, deserialize_with = "as_written")]
    attributes: Option<Box<RawValue>>,
    #[serde(default)]
    hidden: bool,
    #[serde(default)]
    too_long: bool,
    #[serde(flatten)]
    rest: Facts,
}

#[derive(Deserialize)]
struct Facts {
    address: String,
    id: Value,
    provider: Value,
    status: Value,
    deposed: Vec<String>,
    sensitive: Vec<String>,
    depends_on: Vec<String>,
    needed_by: Vec<String>,
}

/// Shows an instance of a version, of the current one where none is named.
pub(super) async fn show(
    client: &Client,
    state: &StateName,
    (address, version): (&str, Option<u64>),
    format: Format,
) -> Result<(), CliError> {
    let version = match version {
        Some(number) => number,
        None => current_version(client, state).await?,
    };
    let below = format!("versions/{version}/resources/{}", escaped(address));
    let reply = client
        .ask("GET", &format!("{}/{below}", state.path()), None)
        .await?;
    if format == Format::Json {
        return output::answer(&reply.bytes);
    }
    let answer: Answer = parsed(&reply)?;
    let Some(shown) = answer.resource else {
        let detail = answer.not_shown.map_or_else(String::new, |why| why.detail);
        return Err(CliError::Failed(format!(
            "the resources are not known: {detail}"
        )));
    };
    print(&shown, state, answer.version)
}

fn print(shown: &Shown, state: &StateName, version: u64) -> Result<(), CliError> {
    let facts = &shown.rest;
    output::pairs(&[
        ("resource", harmless(&facts.address)),
        ("state", format!("{state}, version {version}")),
        ("id", text(&facts.id)),
        ("provider", text(&facts.provider)),
        ("status", text(&facts.status)),
        ("deposed", listed(&facts.deposed)),
        ("sensitive", listed(&facts.sensitive)),
        ("depends on", listed(&facts.depends_on)),
        ("needed by", listed(&facts.needed_by)),
    ])?;
    let attributes = match &shown.attributes {
        _ if shown.hidden => return plain("attributes (hidden)"),
        _ if shown.too_long => return plain("attributes (too long or nested too deep to show)"),
        None => return plain("no attributes"),
        Some(attributes) => attributes,
    };
    // Of names that stand twice, which no program writes, the last one is shown.
    let members: std::collections::BTreeMap<String, Box<RawValue>> =
        serde_json::from_str(attributes.get()).map_err(CliError::because)?;
    let width = members.keys().map(|name| name.chars().count()).max();
    let width = width.unwrap_or(0);
    members
        .iter()
        .try_for_each(|(name, value)| plain(&format!("  {name:width$} = {}", value.get())))
}

fn plain(line: &str) -> Result<(), CliError> {
    output::toned(&[(Tone::Plain, line.to_owned())])
}

fn listed(texts: &[String]) -> String {
    if texts.is_empty() {
        "-".to_owned()
    } else {
        harmless(&texts.join(", "))
    }
}
