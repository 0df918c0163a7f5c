//! `statekeep quota …`: what workspaces may have, and what they have.

use bytesize::ByteSize;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::cli::client::api::Client;
use crate::cli::client::pages::{ListPages, QUOTAS};
use crate::cli::common::done;
use crate::cli::common::existence;
use crate::cli::common::flags::{Common, Format};
use crate::cli::common::listing::PrintedList;
use crate::cli::output::{self, CliError, size, text, time};
use crate::cli::table::{self, kept};
use crate::model::name::Workspace;
use crate::model::quota::{MAX_QUOTA, Quota};

#[derive(Subcommand)]
pub(in crate::cli) enum QuotaCommand {
    /// Show the workspaces that have a quota, and what they use of it
    #[command(visible_alias = "ls")]
    List,
    /// Show the quota of a workspace, and what it uses
    Show {
        /// The workspace
        workspace: Workspace,
    },
    /// Give a workspace a quota in place of any other
    Set {
        /// The workspace
        workspace: Workspace,
        #[command(flatten)]
        bounds: Bounds,
    },
    /// Remove the quota of a workspace
    Clear {
        /// The workspace
        workspace: Workspace,
    },
}

/// What a workspace may have.
#[derive(Args)]
#[command(next_help_heading = "What it may have (give at least one)")]
#[group(required = true, multiple = true)]
pub(in crate::cli) struct Bounds {
    /// Bytes that its versions take on the disk, such as 5GiB
    #[arg(long, value_name = "SIZE")]
    bytes: Option<ByteSize>,
    /// States that are not deleted
    #[arg(long, value_name = "STATES", value_parser = count())]
    states: Option<u64>,
    /// Versions of all its states together, rejected ones too
    #[arg(long, value_name = "VERSIONS", value_parser = count())]
    versions: Option<u64>,
    /// New versions in a minute
    #[arg(long, value_name = "VERSIONS", value_parser = count())]
    rate: Option<u64>,
}

fn count() -> clap::builder::RangedU64ValueParser {
    clap::value_parser!(u64).range(1..=MAX_QUOTA)
}

impl Bounds {
    fn quota(&self) -> Result<Quota, CliError> {
        let quota = Quota {
            bytes: self.bytes.map(|bytes| bytes.as_u64()),
            states: self.states,
            versions: self.versions,
            rate: self.rate,
        };
        quota.check().map_err(CliError::Usage)?;
        Ok(quota)
    }
}

/// Runs one of `quota`.
pub(in crate::cli) async fn run(command: QuotaCommand, common: Common) -> Result<(), CliError> {
    // A quota that makes no sense is told before the server is asked.
    if let QuotaCommand::Set { bounds, .. } = &command {
        bounds.quota()?;
    }
    let client = Client::connect(&common.reach).await?;
    let done = act(&client, command, common.format).await;
    client.close().await?;
    done
}

async fn act(client: &Client, command: QuotaCommand, format: Format) -> Result<(), CliError> {
    match command {
        QuotaCommand::List => list(client, format).await,
        QuotaCommand::Show { workspace } => {
            let answer = client.get(&path(&workspace)).await?;
            if answer["set_at"].is_null() {
                existence::workspace_exists(client, &workspace).await?;
            }
            show(&answer, format)
        }
        QuotaCommand::Set { workspace, bounds } => {
            let quota = json!(bounds.quota()?);
            let answer = client.call("PUT", &path(&workspace), Some(quota)).await?;
            done::tell(&answer, format, || {
                let (may, has) = (words(&answer["quota"]), in_use(&answer["use"]));
                format!("{workspace} may have {may}; it has {has}")
            })
        }
        QuotaCommand::Clear { workspace } => clear(client, &workspace, format).await,
    }
}

fn path(workspace: &Workspace) -> String {
    format!("/api/quotas/{workspace}")
}

async fn clear(client: &Client, workspace: &Workspace, format: Format) -> Result<(), CliError> {
    let answer = client.call("DELETE", &path(workspace), None).await?;
    let had_one = answer["removed"] == true;
    if !had_one {
        existence::workspace_exists(client, workspace).await?;
    }
    done::tell(&answer, format, || {
        if had_one {
            format!("the quota of {workspace} is gone")
        } else {
            format!("{workspace} had no quota")
        }
    })
}

fn show(answer: &Value, format: Format) -> Result<(), CliError> {
    if format == Format::Json {
        return output::json(answer);
    }
    table::whole(&HEADER.map(kept), vec![row(answer)])
}

async fn list(client: &Client, format: Format) -> Result<(), CliError> {
    let mut pages = ListPages::new(client.wire(), "/api/quotas".to_owned(), QUOTAS, None);
    let mut listing = PrintedList::new(format, QUOTAS.rows, &HEADER.map(kept));
    while let Some(rows) = pages.next().await? {
        listing.page(&rows, row)?;
    }
    listing.end(&pages)
}

const HEADER: [&str; 5] = ["WORKSPACE", "MAY HAVE", "HAS", "SINCE", "SET BY"];

fn row(answer: &Value) -> Vec<String> {
    vec![
        text(&answer["workspace"]),
        words(&answer["quota"]),
        in_use(&answer["use"]),
        time(&answer["set_at"]),
        text(&answer["set_by"]["name"]),
    ]
}

/// A quota as a person reads it.
fn words(quota: &Value) -> String {
    let count = |name: &str, what: &str| {
        let count = quota[name].as_u64();
        count.map(|count| output::counted(count, what))
    };
    let bytes = quota["bytes"].as_u64().map(|_| size(&quota["bytes"]));
    let parts = [
        bytes,
        count("states", "state"),
        count("versions", "version"),
        count("rate", "version").map(|rate| format!("{rate} a minute")),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() {
        "everything".to_owned()
    } else {
        parts.join(", ")
    }
}

/// What a workspace has, as a person reads it.
fn in_use(used: &Value) -> String {
    let states = output::counted_in(&used["states"], "state");
    let versions = output::counted_in(&used["versions"], "version");
    format!("{}, {states}, {versions}", size(&used["bytes"]))
}
