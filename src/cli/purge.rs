//! `statekeep state purge`: says what can never be undone, asks, and has it done.

use std::fmt::Write as _;

use clap::Args;
use serde_json::{Value, json};

use super::Format;
use super::client::Client;
use super::output::{self, Failure, text};
use crate::model::name::StateName;

#[derive(Args)]
pub(super) struct PurgeArgs {
    /// The state, as WORKSPACE/BUILDINGBLOCK
    state: StateName,
    /// The versions whose content is to go
    #[arg(required_unless_present = "all", value_name = "VERSION")]
    versions: Vec<u64>,
    /// All versions of a deleted state
    #[arg(long, conflicts_with = "versions")]
    all: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

impl PurgeArgs {
    fn what(&self) -> String {
        if self.all {
            return format!("all versions of {}", self.state);
        }
        let numbers: Vec<String> = self.versions.iter().map(ToString::to_string).collect();
        format!("version{} {} of {}", if numbers.len() == 1 { "" } else { "s" }, numbers.join(", "), self.state)
    }
}

/// Runs it.
pub(super) async fn run(client: &Client, args: PurgeArgs, format: Format) -> Result<(), Failure> {
    if !args.yes && !output::can_ask() {
        return Err(Failure::Usage("a purge cannot be undone, and there is nobody to ask here: say --yes".to_owned()));
    }
    if !args.yes && !output::ask(&format!("Remove the content of {} for good?", args.what()))? {
        return Err(Failure::Failed("nothing was done".to_owned()));
    }
    let versions = if args.all { json!("all") } else { json!(args.versions) };
    let answer = client.ask("POST", &format!("{}/purge", args.state.path()), Some(json!({ "versions": versions }))).await?.json()?;
    if format == Format::Json {
        return output::json(&answer);
    }
    output::message(&in_words(&args, &answer));
    Ok(())
}

fn in_words(args: &PurgeArgs, answer: &Value) -> String {
    let copies = answer["may_still_hold"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut said = match answer["versions"].as_array().map(Vec::as_slice).unwrap_or_default() {
        [] => format!("nothing is left of {}", args.what()),
        gone => format!("the content of {} of {} is removed", counted(gone.len()), args.state),
    };
    said.push_str(match answer["erased"].as_bool() {
        Some(true) => " and erased from the disk",
        _ => ", but not erased from the disk yet, because somebody still reads; the server tries again by itself",
    });
    let _ = write!(said, "; {}", text(&answer["hint"]));
    if !copies.is_empty() {
        let names: Vec<String> = copies.iter().map(text).collect();
        let _ = write!(said, "; these copies in the data directory were made before and are yours to delete: {}", names.join(", "));
    }
    said
}

fn counted(versions: usize) -> String {
    if versions == 1 { "1 version".to_owned() } else { format!("{versions} versions") }
}
