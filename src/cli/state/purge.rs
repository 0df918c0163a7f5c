//! `statekeep state purge`: says what can never be undone, asks, and has it done.

use clap::Args;
use serde_json::{Value, json};

use crate::cli::client::api::Client;
use crate::cli::common::destroying::Destroying;
use crate::cli::common::existence;
use crate::cli::common::flags::Format;
use crate::cli::common::rows::rows;
use crate::cli::output;
use crate::cli::output::CliError;
use crate::cli::output::counted;
use crate::cli::output::counted_in;
use crate::cli::output::size;
use crate::cli::output::text;
use crate::cli::output::time;
use crate::model::name::StateName;

#[derive(Args)]
pub(in crate::cli) struct PurgeArgs {
    /// The state, as WORKSPACE/BUILDINGBLOCK
    state: StateName,
    /// The versions to purge
    #[arg(required_unless_present = "all", value_name = "VERSION")]
    versions: Vec<u64>,
    /// All versions of a deleted state
    #[arg(long, conflicts_with = "versions")]
    all: bool,
    #[command(flatten)]
    destroying: Destroying,
}

impl PurgeArgs {
    fn what(&self) -> String {
        if self.all {
            return format!("all versions of {}", self.state);
        }
        let numbers: Vec<String> = self.versions.iter().map(ToString::to_string).collect();
        format!(
            "version{} {} of {}",
            if numbers.len() == 1 { "" } else { "s" },
            numbers.join(", "),
            self.state
        )
    }
}

/// Runs it.
pub(in crate::cli) async fn run(
    client: &Client,
    args: PurgeArgs,
    format: Format,
) -> Result<(), CliError> {
    if args.destroying.shows() {
        let hit = hit(client, &args).await?;
        let question = format!("Remove the content of {} for good?", args.what());
        if !args.destroying.goes_on(&hit, &question, format)? {
            return Ok(());
        }
    }
    let versions = if args.all {
        json!("all")
    } else {
        json!(args.versions)
    };
    let answer = client
        .call(
            "POST",
            &format!("{}/purge", args.state.path()),
            Some(json!({ "versions": versions })),
        )
        .await?;
    if format == Format::Json {
        return output::json(&answer);
    }
    output::note(&removed(&args, &answer));
    for line in may_still_hold(&answer) {
        output::message(&line);
    }
    Ok(())
}

/// What would go for good.
async fn hit(client: &Client, args: &PurgeArgs) -> Result<Vec<String>, CliError> {
    if args.all {
        let Some(row) = existence::row(client, &args.state).await? else {
            return Err(existence::no_state(client, &args.state).await);
        };
        let history = size(&row["history_size"]);
        let is_live = row["deleted_at"].is_null() && !row["current"].is_null();
        let in_the_way = if is_live {
            "; it is not deleted, so the purge is refused"
        } else {
            ""
        };
        return Ok(vec![format!(
            "{}: {}, {history} on the disk{in_the_way}",
            args.state,
            counted_in(&row["versions"], "version")
        )]);
    }
    let mut hit = Vec::new();
    for number in &args.versions {
        let version = client
            .get(&format!("{}/versions/{number}/info", args.state.path()))
            .await?;
        let (resources, by) = (
            counted_in(&version["resources"], "resource"),
            text(&version["created_by"]["name"]),
        );
        let (serial, at) = (text(&version["serial"]), time(&version["created_at"]));
        hit.push(format!(
            "version {number}: serial {serial}, {resources}, {}, written by {by} at {at}{}",
            size(&version["size"]),
            in_the_way(&version),
        ));
    }
    Ok(hit)
}

/// What prevents the purge of a version, as far as the version itself says.
fn in_the_way(version: &Value) -> &'static str {
    if version["current"] == true {
        "; it is current, so the purge is refused"
    } else if !version["held"].is_null() {
        "; it is held, so the purge is refused"
    } else if version["purged"] == true {
        "; its content is gone already"
    } else {
        ""
    }
}

/// Why the server had not erased it when it answered.
fn why_not_yet(erasing: &Value) -> String {
    if let Some(missing) = erasing["missing_bytes"].as_u64() {
        return format!(
            "because the disk is nearly full: {} more have to be free",
            size(&json!(missing))
        );
    }
    if !erasing["begins_at"].is_null() {
        return format!(
            "because it waits for its time, {}",
            time(&erasing["begins_at"])
        );
    }
    if erasing["failures"].as_u64().is_some_and(|count| count > 0) {
        return "because that failed, which the server's log explains".to_owned();
    }
    match (erasing["step"].as_str(), erasing["seconds_left"].as_u64()) {
        (Some("sweeping"), Some(seconds)) => {
            format!("because the database is large: about {seconds} s are left")
        }
        _ => "because a reader delays it".to_owned(),
    }
}

/// What was done.
fn removed(args: &PurgeArgs, answer: &Value) -> String {
    let mut said = match rows(answer, "versions") {
        [] => format!("nothing is left of {}", args.what()),
        gone => format!(
            "the content of {} of {} is removed",
            counted(gone.len(), "version"),
            args.state
        ),
    };
    if is_erased(answer) {
        said.push_str(" and erased from the disk");
    }
    said
}

fn is_erased(answer: &Value) -> bool {
    answer["erased"] == true
}

/// Where the content may still be, and who has to do something about it, one line a fact.
fn may_still_hold(answer: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    if !is_erased(answer) {
        let why = why_not_yet(&answer["erasing"]);
        lines.push(format!(
            "it is not erased from the disk yet, {why}; the server goes on by itself, and \
                `/readyz` says how far it is"
        ));
    }
    lines.push(text(&answer["hint"]));
    let copies = rows(answer, "may_still_hold");
    if !copies.is_empty() {
        let names: Vec<String> = copies.iter().map(text).collect();
        lines.push(format!(
            "these older copies in the data directory may still hold it, delete them yourself: {}",
            names.join(", ")
        ));
    }
    lines
}
