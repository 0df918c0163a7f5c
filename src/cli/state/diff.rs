//! `statekeep state diff` and `statekeep state outputs`: what the API answers, as people know it
//! from plans. What was, was: the past tense.
//!
//! Values are printed as the state has them, digit by digit.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use clap::Args;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::cli::Format;
use crate::cli::client::Client;
use crate::cli::client::Reply;
use crate::cli::output;
use crate::cli::output::Failure;
use crate::cli::output::Tone;
use crate::cli::output::text;
use crate::cli::output::time;
use crate::model::name::StateName;

#[derive(Args)]
pub(in crate::cli) struct DiffArgs {
    /// The state, as WORKSPACE/BUILDINGBLOCK
    state: StateName,
    /// Alone: the version to compare with the one before it. With a second: the version to compare
    /// that one with
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    from: Option<u64>,
    /// The version to look at; the current one against the one before it, if neither is given
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    to: Option<u64>,
    /// Show secrets in clear; that is written to the event log
    #[arg(long)]
    sensitive: bool,
}

#[derive(Args)]
pub(in crate::cli) struct OutputsArgs {
    /// The state, as WORKSPACE/BUILDINGBLOCK
    state: StateName,
    /// Show secrets in clear; that is written to the event log
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

#[derive(Deserialize)]
struct Why {
    detail: String,
}

#[derive(Deserialize)]
struct Changes {
    counts: Counts,
    terraform_version: Option<Changed>,
    outputs: Vec<Changed>,
    resources: Vec<Resource>,
    truncated: bool,
}

#[derive(Deserialize)]
struct Counts {
    added: u64,
    changed: u64,
    removed: u64,
    moved: u64,
}

#[derive(Deserialize)]
struct Resource {
    action: Action,
    address: String,
    previous_address: Option<String>,
    mode: String,
    #[serde(rename = "type")]
    kind: String,
    name: String,
    deposed: Option<String>,
    id: Option<String>,
    attributes: Vec<Changed>,
    meta: Vec<Changed>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Action {
    Added,
    Removed,
    Moved,
    Changed,
}

impl Action {
    /// How it is marked, what it is called, and how it is painted.
    fn words(self) -> (&'static str, &'static str, Tone) {
        match self {
            Self::Added => ("+", "added", Tone::Good),
            Self::Removed => ("-", "removed", Tone::Bad),
            Self::Moved => ("->", "moved", Tone::Other),
            Self::Changed => ("~", "changed", Tone::Warn),
        }
    }
}

/// A value that is not as it was: an attribute, or an output with its action.
#[derive(Deserialize)]
struct Changed {
    path: String,
    #[serde(default, deserialize_with = "as_written")]
    before: Option<Box<RawValue>>,
    #[serde(default, deserialize_with = "as_written")]
    after: Option<Box<RawValue>>,
    #[serde(default)]
    hidden: bool,
    #[serde(default)]
    too_long: bool,
    action: Option<Action>,
}

/// A value that is there, `null` among them.
fn as_written<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(deserializer).map(Some)
}

impl Changed {
    fn action(&self) -> Action {
        self.action.unwrap_or(match (&self.before, &self.after) {
            (None, Some(_)) => Action::Added,
            (Some(_), None) => Action::Removed,
            (Some(_), Some(_)) | (None, None) => Action::Changed,
        })
    }

    fn values(&self) -> String {
        match (&self.before, &self.after) {
            _ if self.hidden => "(hidden)".to_owned(),
            _ if self.too_long => "(too long to show)".to_owned(),
            (Some(before), Some(after)) => format!("{} -> {}", before.get(), after.get()),
            (Some(only), None) | (None, Some(only)) => only.get().to_owned(),
            (None, None) => "null".to_owned(),
        }
    }

    fn print(&self, indent: usize, width: usize) -> Result<(), Failure> {
        let (mark, _, tone) = self.action().words();
        output::toned(&[
            (tone, format!("{:indent$}{mark}", "")),
            (
                Tone::Plain,
                format!(" {:width$} = {}", self.path, self.values()),
            ),
        ])
    }
}

/// Reads an answer without loss: numbers stay as they are written.
fn parsed<'a, T: Deserialize<'a>>(reply: &'a Reply) -> Result<T, Failure> {
    let unknown = |error| {
        Failure::Failed(format!(
            "the server's answer makes no sense ({error}); is it of another version?"
        ))
    };
    serde_json::from_slice(&reply.bytes).map_err(unknown)
}

/// Shows what changed from one version to another.
pub(in crate::cli) async fn diff(
    client: &Client,
    args: DiffArgs,
    format: Format,
) -> Result<(), Failure> {
    let DiffArgs {
        state,
        from,
        to,
        sensitive,
    } = args;
    let (from, to) = match (from, to) {
        (Some(from), Some(to)) => (Some(from), to),
        (Some(only), None) => (None, only),
        (None, _) => (None, current(client, &state).await?),
    };
    let from = from
        .map(|number| format!("&from={number}"))
        .unwrap_or_default();
    let path = format!(
        "{}/versions/{to}/diff?sensitive={sensitive}{from}",
        state.path()
    );
    let reply = client.ask("GET", &path, None).await?;
    if format == Format::Json {
        return output::answer(&reply.bytes);
    }
    let answer: Answer = parsed(&reply)?;
    print_head(&state, &answer)?;
    match (&answer.diff, &answer.not_compared) {
        (Some(changes), _) => print_changes(changes),
        (None, Some(why)) if answer.from_reason.as_deref() == Some("pruned") => {
            output::toned(&[(Tone::Plain, format!("  {}", why.detail))])
        }
        (None, why) => {
            let detail = why
                .as_ref()
                .map_or("the server does not say why", |why| &why.detail);
            output::message(&format!("what changed cannot be told: {detail}"));
            Ok(())
        }
    }
}

async fn current(client: &Client, state: &StateName) -> Result<u64, Failure> {
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
    Err(Failure::Failed(format!("there is no state at {state}")))
}

fn print_head(state: &StateName, answer: &Answer) -> Result<(), Failure> {
    let to = &answer.to;
    let with = match (&answer.from, answer.from_reason.as_deref()) {
        (Some(from), _) => format!(" against version {}", from["number"]),
        (None, Some("pruned")) => String::new(),
        (None, _) => " against nothing".to_owned(),
    };
    output::toned(&[(
        Tone::Bold,
        format!("{state}: version {}{with}", to["number"]),
    )])?;
    let versions: Vec<&Value> = answer.from.iter().chain([to]).collect();
    for version in versions {
        let program = text(&version["terraform_version"]);
        let by = text(&version["created_by"]["name"]);
        let line = format!(
            "  version {}: serial {}, {} bytes, sha256 {}, by {by} with {program} at {}",
            version["number"],
            version["serial"],
            version["size"],
            text(&version["sha256"]),
            time(&version["created_at"]),
        );
        output::toned(&[(Tone::Plain, line)])?;
    }
    Ok(())
}

fn print_changes(changes: &Changes) -> Result<(), Failure> {
    for resource in &changes.resources {
        print_resource(resource)?;
    }
    print_block("Outputs:", &changes.outputs)?;
    if let Some(program) = &changes.terraform_version {
        print_block("Written by:", std::slice::from_ref(program))?;
    }
    let Counts {
        added,
        changed,
        removed,
        moved,
    } = &changes.counts;
    let moved = if *moved > 0 {
        format!(" ({moved} of them moved)")
    } else {
        String::new()
    };
    let sum = format!(
        "Resources: {added} added, {changed} changed{moved}, {removed} removed. Outputs: {} \
            changed.",
        changes.outputs.len()
    );
    heading(sum)?;
    if changes.truncated {
        output::message(
            "the list was cut because it is too long; the numbers of resources are those of all",
        );
    }
    Ok(())
}

/// Begins something new after an empty line.
fn heading(text: String) -> Result<(), Failure> {
    output::line("")?;
    output::toned(&[(Tone::Bold, text)])
}

fn print_block(title: &str, values: &[Changed]) -> Result<(), Failure> {
    if values.is_empty() {
        return Ok(());
    }
    heading(title.to_owned())?;
    let width = width(values.iter());
    values.iter().try_for_each(|value| value.print(2, width))
}

fn width<'a>(values: impl Iterator<Item = &'a Changed>) -> usize {
    /// Names beyond this many letters do not push all others aside.
    const MAX_WIDTH: usize = 40;
    values
        .map(|value| value.path.chars().count())
        .max()
        .unwrap_or(0)
        .min(MAX_WIDTH)
}

fn print_resource(resource: &Resource) -> Result<(), Failure> {
    let (mark, word, tone) = resource.action.words();
    let mut said = resource
        .previous_address
        .as_ref()
        .unwrap_or(&resource.address)
        .clone();
    if let Some(key) = &resource.deposed {
        let _ = write!(said, " (deposed object {key})");
    }
    let _ = write!(said, " was {word}");
    if resource.previous_address.is_some() {
        let _ = write!(said, " to {}", resource.address);
    }
    heading(format!("  # {said}"))?;
    let block = if resource.mode == "managed" {
        "resource"
    } else {
        resource.mode.as_str()
    };
    let id = resource
        .id
        .as_ref()
        .map(|id| format!(" (id = {id})"))
        .unwrap_or_default();
    output::toned(&[
        (tone, format!("{mark:>3}")),
        (
            Tone::Plain,
            format!(" {block} \"{}\" \"{}\"{id}", resource.kind, resource.name),
        ),
    ])?;
    let width = width(resource.attributes.iter().chain(&resource.meta));
    resource
        .attributes
        .iter()
        .try_for_each(|value| value.print(6, width))?;
    resource
        .meta
        .iter()
        .try_for_each(|value| value.print(6, width))
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

/// Shows the outputs of the current version.
pub(in crate::cli) async fn outputs(
    client: &Client,
    args: OutputsArgs,
    format: Format,
) -> Result<(), Failure> {
    let path = format!("{}/outputs?sensitive={}", args.state.path(), args.sensitive);
    let reply = client.ask("GET", &path, None).await?;
    if format == Format::Json {
        return output::answer(&reply.bytes);
    }
    let listing: Listing = parsed(&reply)?;
    let Some(outputs) = listing.outputs else {
        let detail = listing.not_shown.map_or_else(String::new, |why| why.detail);
        return Err(Failure::Failed(format!(
            "the outputs cannot be told: {detail}"
        )));
    };
    let width = outputs
        .keys()
        .map(|name| name.chars().count())
        .max()
        .unwrap_or(0);
    outputs.iter().try_for_each(|(name, output)| {
        let value = match &output.value {
            _ if output.hidden => "(hidden)",
            _ if output.too_deep => "(nested too deep to show)",
            Some(value) => value.get(),
            None => "null",
        };
        output::toned(&[(Tone::Plain, format!("{name:width$} = {value}"))])
    })
}
