//! `statekeep state list`. An address that is only locked is a row too: a first apply that died
//! leaves a lock and nothing else.

use clap::Args;
use serde_json::{Value, json};

use crate::cli::client::api::Client;
use crate::cli::common::existence;
use crate::cli::common::flags::Format;
use crate::cli::common::rows::{refuse_damaged, state_name, take_rows};
use crate::cli::output;
use crate::cli::output::CliError;
use crate::cli::output::harmless;
use crate::cli::output::size;
use crate::cli::output::text;
use crate::cli::output::time;
use crate::model::name::Workspace;

const HEADER: [&str; 8] = [
    "STATE",
    "VERSION",
    "SERIAL",
    "RESOURCES",
    "SIZE",
    "HISTORY",
    "UPDATED",
    "LOCKED BY",
];

#[derive(Args)]
pub(in crate::cli) struct ListArgs {
    /// Only this workspace
    #[arg(long)]
    workspace: Option<Workspace>,
    /// Only states that are locked
    #[arg(long)]
    locked: bool,
    /// Also deleted states, those that have left for another backend, and those that have only
    /// rejected versions
    #[arg(long)]
    deleted: bool,
}

impl ListArgs {
    fn path(&self) -> String {
        let mut path = format!("/api/terraform/state?deleted={}", self.deleted);
        if let Some(workspace) = &self.workspace {
            path += "&workspace=";
            path += workspace.as_str();
        }
        if self.locked {
            path.push_str("&locked=true");
        }
        path
    }
}

/// Lists the states.
pub(in crate::cli) async fn run(
    client: &Client,
    args: ListArgs,
    format: Format,
) -> Result<(), CliError> {
    let mut answer = client.list(&args.path(), "states", "after", None).await?;
    let mut states = take_rows(&mut answer, "states");
    let damaged = refuse_damaged(&answer);
    let is_none = states.is_empty() && damaged.is_ok();
    if let Some(workspace) = args.workspace.filter(|_| is_none) {
        existence::workspace_exists(client, &workspace).await?;
    }
    states.retain(|state| !args.locked || !state["lock"].is_null());
    if format == Format::Json {
        answer["states"] = json!(states);
        output::json(&answer)?;
        return damaged;
    }
    output::table(&HEADER, states.iter().map(row).collect())?;
    damaged
}

fn row(state: &Value) -> Vec<String> {
    let current = &state["current"];
    vec![
        state_name(state),
        text(&current["number"]),
        text(&current["serial"]),
        text(&current["resources"]),
        size(&state["size"]),
        size(&state["history_size"]),
        updated(state),
        locked_by(&state["lock"]),
    ]
}

fn locked_by(lock: &Value) -> String {
    if lock.is_null() {
        return "-".to_owned();
    }
    let key = text(&lock["key"]["name"]);
    format!("{key} since {}", time(&lock["locked_at"]))
}

/// When a state was written last, or since when it is hidden, and why.
fn updated(state: &Value) -> String {
    let since = time(&state["deleted_at"]);
    match (
        state["deleted_at"].is_null(),
        state["transferred_to"].as_str(),
    ) {
        (true, _) => time(&state["updated_at"]),
        (false, None) => format!("deleted {since}"),
        (false, Some(to)) => format!("left {since} for {}", harmless(to)),
    }
}
