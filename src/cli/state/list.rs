//! `statekeep state list`, printed as it is read. An address that is only locked is a row too: a
//! first apply that died leaves a lock and nothing else.

use clap::Args;
use serde_json::Value;

use crate::cli::client::api::Client;
use crate::cli::client::pages::{ListPages, STATES};
use crate::cli::common::existence;
use crate::cli::common::flags::Format;
use crate::cli::common::listing::PrintedList;
use crate::cli::common::rows::state_name;
use crate::cli::output::CliError;
use crate::cli::output::harmless;
use crate::cli::output::size;
use crate::cli::output::text;
use crate::cli::output::when;
use crate::cli::table::{Column, kept, spare};
use crate::model::name::Workspace;

const COLUMNS: [Column; 8] = [
    kept("STATE"),
    spare("VERSION", 1),
    spare("SERIAL", 6),
    spare("RESOURCES", 3),
    spare("SIZE", 4),
    spare("HISTORY", 5),
    spare("UPDATED", 2),
    kept("LOCKED BY"),
];

/// The members of a row that the table shows.
const FIELDS: &str = "workspace,buildingBlock,current.number,current.serial,current.resources,\
    size,history_size,updated_at,deleted_at,transferred_to,lock.key,lock.locked_at,lock.died";

#[derive(Args)]
pub(in crate::cli) struct ListArgs {
    /// Only this workspace, instead of the flag
    #[arg(value_name = "W", conflicts_with = "workspace")]
    of: Option<Workspace>,
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
    fn workspace(&self) -> Option<&Workspace> {
        self.of.as_ref().or(self.workspace.as_ref())
    }

    fn path(&self, format: Format) -> String {
        let mut path = format!("/api/terraform/state?deleted={}", self.deleted);
        if let Some(workspace) = self.workspace() {
            path += "&workspace=";
            path += workspace.as_str();
        }
        if self.locked {
            path.push_str("&locked=true");
        }
        if format == Format::Text {
            path += "&fields=";
            path += FIELDS;
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
    let mut pages = ListPages::new(client.wire(), args.path(format), STATES, None);
    let mut listing = PrintedList::new(format, "states", &COLUMNS);
    while let Some(rows) = pages.next().await? {
        if rows.is_empty()
            && pages.is_empty()
            && let Some(workspace) = args.workspace()
        {
            existence::workspace_exists(client, workspace).await?;
        }
        listing.page(&rows, row)?;
    }
    listing.end(&pages)
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
    let dead = if lock["died"].is_null() { "" } else { ", dead" };
    format!("{key} since {}{dead}", when(&lock["locked_at"]))
}

/// When a state was written last, or since when it is hidden, and why.
fn updated(state: &Value) -> String {
    let since = when(&state["deleted_at"]);
    match (
        state["deleted_at"].is_null(),
        state["transferred_to"].as_str(),
    ) {
        (true, _) => when(&state["updated_at"]),
        (false, None) => format!("deleted {since}"),
        (false, Some(to)) => format!("left {since} for {}", harmless(to)),
    }
}
