//! `statekeep state history`: the versions of a state, newest first.

use std::time::Duration;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use crate::cli::client::api::Client;
use crate::cli::common::existence;
use crate::cli::common::flags::Format;
use crate::cli::common::locks;
use crate::cli::common::rows::{refuse_damaged, rows};
use crate::cli::output;
use crate::cli::output::CliError;
use crate::cli::output::size;
use crate::cli::output::text;
use crate::cli::output::time;
use crate::cli::state::folding::{folded, snapshots};
use crate::model::clock::{self, Timestamp};
use crate::model::name::StateName;

/// For how long after a write its changes may still be counted.
const COUNTED_WITHIN: Duration = Duration::from_secs(30);

const HEADER: [&str; 9] = [
    "VERSION",
    "KIND",
    "SERIAL",
    "RESOURCES",
    "CHANGES",
    "SIZE",
    "WRITTEN",
    "BY",
    "UNDER LOCK OF",
];

#[derive(Args)]
pub(in crate::cli) struct HistoryArgs {
    /// The state, as WORKSPACE/BUILDINGBLOCK
    state: StateName,
    /// At most so many versions
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// Only versions before this one
    #[arg(long)]
    before: Option<u64>,
    /// Only versions of this kind
    #[arg(long, value_enum)]
    kind: Option<VersionKind>,
    /// Also list each snapshot that a later write of the same apply replaced
    #[arg(long)]
    all: bool,
}

/// How a version came about.
#[derive(Clone, Copy, ValueEnum)]
enum VersionKind {
    Write,
    Rollback,
    Import,
    Restore,
    Rejected,
}

impl VersionKind {
    /// Its name in the API.
    fn name(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::Rollback => "rollback",
            Self::Import => "import",
            Self::Restore => "restore",
            Self::Rejected => "rejected",
        }
    }
}

impl HistoryArgs {
    fn path(&self, with_snapshots: bool) -> String {
        let from = self
            .before
            .map(|number| format!("&before={number}"))
            .unwrap_or_default();
        let kind = self
            .kind
            .map(|kind| format!("&kind={}", kind.name()))
            .unwrap_or_default();
        let path = self.state.path();
        format!("{path}/versions?intermediate={with_snapshots}{from}{kind}")
    }
}

/// Prints the versions; of an address that is only locked, that it has none yet.
pub(in crate::cli) async fn run(
    client: &Client,
    args: &HistoryArgs,
    format: Format,
) -> Result<(), CliError> {
    let versions = ask(client, args, format).await;
    let is_empty = versions
        .as_ref()
        .map_or(true, |answer| rows(answer, "versions").is_empty());
    if is_empty && let Some(lock) = lock_without_versions(client, &args.state).await? {
        let state = &args.state;
        let held = locks::held(state, &lock);
        let unlock = locks::unlock(state, &text(&lock["lock"]["ID"]));
        output::message(&format!("{state} has no version yet: {held}{unlock}"));
        return print(&json!({ "versions": [], "next": null }), format);
    }
    let versions = versions?;
    print(&versions, format)?;
    refuse_damaged(&versions)
}

/// Asks for them, with snapshots folded if a person reads them.
async fn ask(client: &Client, args: &HistoryArgs, format: Format) -> Result<Value, CliError> {
    let wanted = args.limit.map(|limit| limit as usize);
    if args.all || format == Format::Json {
        let path = args.path(args.all);
        client.list(&path, "versions", "before", wanted).await
    } else {
        folded(client, &args.path(true), wanted).await
    }
}

/// The lock of an address that has no version yet.
async fn lock_without_versions(
    client: &Client,
    state: &StateName,
) -> Result<Option<Value>, CliError> {
    let row = existence::row(client, state).await?;
    Ok(row
        .filter(|row| row["versions"] == 0 && !row["lock"].is_null())
        .map(|mut row| row["lock"].take()))
}

fn print(answer: &Value, format: Format) -> Result<(), CliError> {
    if format == Format::Json {
        return output::json(answer);
    }
    let versions = rows(answer, "versions");
    output::table(&HEADER, versions.iter().map(row).collect())?;
    output::message("* the current version, ! held");
    let folded: u64 = versions.iter().map(snapshots).sum();
    if folded > 0 {
        output::message(&format!(
            "snapshots are folded into the version that ended their apply: {folded}; --all shows \
                them"
        ));
    }
    Ok(())
}

fn row(version: &Value) -> Vec<String> {
    let current = if version["current"] == true { "*" } else { "" };
    let held = if version["held"].is_null() { "" } else { "!" };
    vec![
        format!("{}{current}{held}", version["number"]),
        kind(version),
        text(&version["serial"]),
        text(&version["resources"]),
        changes(version),
        size(&version["size"]),
        time(&version["created_at"]),
        text(&version["created_by"]["name"]),
        text(&version["lock"]["who"]),
    ]
}

/// How a version came about, with why it was rejected, or how many snapshots of its apply came
/// before it.
fn kind(version: &Value) -> String {
    let kind = text(&version["kind"]);
    match (version["rejected"].as_str(), snapshots(version)) {
        (Some(code), _) => format!("{kind} ({code})"),
        (None, 0) if version["intermediate"] == true => format!("{kind} (snapshot)"),
        (None, 0) => kind,
        (None, 1) => format!("{kind} (+1 snapshot)"),
        (None, more) => format!("{kind} (+{more} snapshots)"),
    }
}

/// How many resource instances a version added, changed and removed; `…` if that is still being
/// counted, `-` if it is not told.
fn changes(version: &Value) -> String {
    let count = |name: &str| version[name].as_u64();
    if let (Some(added), Some(changed), Some(removed)) =
        (count("added"), count("changed"), count("removed"))
    {
        return format!("+{added} ~{changed} -{removed}");
    }
    let written = version["created_at"].as_str().and_then(Timestamp::parse);
    let is_new = written.is_some_and(|written| clock::now().since(written) < COUNTED_WITHIN);
    let is_counted =
        version["kind"] == "write" && version["encrypted"] == false && version["format"] == 4;
    if is_new && is_counted { "…" } else { "-" }.to_owned()
}
