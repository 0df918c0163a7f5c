//! `statekeep approval …`: acts that wait for a second person. What is asked for is shown whole, so
//! that nobody approves what they have not read.

use clap::Subcommand;
use serde_json::Value;

use crate::cli::client::api::Client;
use crate::cli::common::done;
use crate::cli::common::flags::{Common, Format};
use crate::cli::common::rows::rows;
use crate::cli::output::{self, CliError, text, time};
use crate::cli::table::{self, kept};

#[derive(Subcommand)]
pub(in crate::cli) enum ApprovalCommand {
    /// Show what waits, and what was approved and not done yet
    #[command(visible_alias = "ls")]
    List,
    /// Approve an act that another key has asked for
    #[command(alias = "approve")]
    Give {
        /// The request, six digits
        id: u32,
    },
    /// Refuse an act, or take your own request back
    Refuse {
        /// The request, six digits
        id: u32,
    },
}

/// Runs one of `approval`.
pub(in crate::cli) async fn run(command: ApprovalCommand, common: Common) -> Result<(), CliError> {
    let client = Client::connect(&common.reach).await?;
    let done = act(&client, command, common.format).await;
    client.close().await?;
    done
}

async fn act(client: &Client, command: ApprovalCommand, format: Format) -> Result<(), CliError> {
    match command {
        ApprovalCommand::List => list(client, format).await,
        ApprovalCommand::Give { id } => {
            let answer = client.call("POST", &path(id), None).await?;
            done::tell(&answer, format, || {
                let (until, who) = (time(&answer["ends_at"]), who(&answer["asked_by"]));
                format!("approved until {until}: {who} may {} once", what(&answer))
            })
        }
        ApprovalCommand::Refuse { id } => {
            let answer = client.call("DELETE", &path(id), None).await?;
            done::tell(&answer, format, || {
                let who = who(&answer["asked_by"]);
                format!("refused: {who} may not {}", what(&answer))
            })
        }
    }
}

fn path(id: u32) -> String {
    format!("/api/approvals/{id}")
}

async fn list(client: &Client, format: Format) -> Result<(), CliError> {
    let answer = client.get("/api/approvals").await?;
    if format == Format::Json {
        return output::json(&answer);
    }
    let table = rows(&answer, "approvals").iter().map(row).collect();
    let header = ["ID", "WHAT", "ASKED BY", "APPROVED BY", "UNTIL"];
    table::whole(&header.map(kept), table)
}

fn row(answer: &Value) -> Vec<String> {
    vec![
        text(&answer["id"]),
        what(answer),
        who(&answer["asked_by"]),
        who(&answer["approved_by"]),
        time(&answer["ends_at"]),
    ]
}

fn who(actor: &Value) -> String {
    text(&actor["name"])
}

/// The act and all that it says.
fn what(answer: &Value) -> String {
    format!("{} {}", text(&answer["act"]), text(&answer["what"]))
}
