//! `statekeep retention …`: the policies of the server and of workspaces.

use std::time::Duration;

use clap::Subcommand;
use serde_json::{Value, json};

use crate::cli::client::api::Client;
use crate::cli::common::existence;
use crate::cli::common::flags::Common;
use crate::cli::common::flags::Format;
use crate::cli::keep::rules::Rules;
use crate::cli::output;
use crate::cli::output::Failure;
use crate::cli::output::harmless;
use crate::cli::output::text;
use crate::cli::output::time;
use crate::model::name::Workspace;
use crate::model::retention::Policy;
use crate::model::span::Span;

#[derive(Subcommand)]
pub(in crate::cli) enum RetentionCommand {
    /// Show the policies of the server and of workspaces that have their own
    List,
    /// Give a workspace a policy of its own, which holds there instead of the server's
    Set {
        /// The workspace
        workspace: Workspace,
        /// Keep everything
        #[arg(long)]
        keep_all: bool,
        // Last: its heading would be that of all flags behind it.
        #[command(flatten)]
        rules: Rules,
    },
    /// Remove a workspace's own policy, so that the server's holds there again
    Unset {
        /// The workspace
        workspace: Workspace,
    },
    /// Confirm that the clock of the server's machine is right, although the server doubts it
    TrustClock,
}

/// Runs one of `retention`.
pub(in crate::cli) async fn run(command: RetentionCommand, common: Common) -> Result<(), Failure> {
    let to_set = match &command {
        RetentionCommand::Set {
            rules,
            keep_all: true,
            ..
        } if rules.policy() != Policy::default() => {
            return Err(Failure::Usage(
                "--keep-all keeps everything; it takes no rules beside it".to_owned(),
            ));
        }
        RetentionCommand::Set { keep_all: true, .. } => Policy {
            keep_all: true,
            ..Policy::default()
        },
        RetentionCommand::Set { rules, .. } => rules.checked("--keep-all")?,
        RetentionCommand::List | RetentionCommand::Unset { .. } | RetentionCommand::TrustClock => {
            Policy::default()
        }
    };
    let client = Client::connect(&common.reach).await?;
    let done = act(&client, command, &to_set, common.format).await;
    client.close().await?;
    done
}

async fn act(
    client: &Client,
    command: RetentionCommand,
    to_set: &Policy,
    format: Format,
) -> Result<(), Failure> {
    let said = |answer: Value, sentence: String| {
        if format == Format::Json {
            return output::json(&answer);
        }
        output::message(&sentence);
        Ok(())
    };
    match command {
        RetentionCommand::List => list(client, format).await,
        RetentionCommand::Set { workspace, .. } => {
            existence::workspace_exists(client, &workspace).await?;
            let path = format!("/api/retention/{workspace}");
            let answer = client
                .ask("PUT", &path, Some(json!(to_set)))
                .await?
                .json()?;
            let sentence = format!(
                "{workspace} has a policy of its own: {}",
                words(&answer["policy"])
            );
            said(answer, sentence)
        }
        RetentionCommand::Unset { workspace } => {
            existence::workspace_exists(client, &workspace).await?;
            let answer = client
                .ask("DELETE", &format!("/api/retention/{workspace}"), None)
                .await?
                .json()?;
            let sentence = if answer["removed"] == true {
                format!("the policy of {workspace} is gone; the server's applies")
            } else {
                format!("{workspace} had no policy of its own")
            };
            said(answer, sentence)
        }
        RetentionCommand::TrustClock => {
            let answer = client.ask("POST", "/api/clock", None).await?.json()?;
            let sentence = format!(
                "the clock is confirmed from {} on",
                time(&answer["trusted_at"])
            );
            said(answer, sentence)
        }
    }
}

async fn list(client: &Client, format: Format) -> Result<(), Failure> {
    let own = client
        .list("/api/retention", "workspaces", "after", None)
        .await?;
    let mut answer = client.get("/api/retention?limit=1").await?;
    answer["workspaces"] = own["workspaces"].clone();
    answer["next"] = Value::Null;
    if format == Format::Json {
        return output::json(&answer);
    }
    let mut rows = vec![vec![
        "(server)".to_owned(),
        words(&answer["server"]),
        "-".to_owned(),
        "-".to_owned(),
    ]];
    rows.extend(
        answer["workspaces"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|own| {
                vec![
                    text(&own["workspace"]),
                    words(&own["policy"]),
                    time(&own["set_at"]),
                    harmless(&text(&own["set_by"]["name"])),
                ]
            }),
    );
    output::table(&["WORKSPACE", "KEEPS", "SINCE", "SET BY"], rows)?;
    output::message(&format!(
        "the server last pruned by itself: {}",
        time(&answer["last_run_at"])
    ));
    if let Some(doubt) = answer["clock_in_doubt"].as_str() {
        output::message(doubt);
    }
    Ok(())
}

/// A policy as a person reads it.
fn words(policy: &Value) -> String {
    let rules = policy
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(name, value)| {
            let is_age =
                ["keep_within", "drop_intermediate", "keep_rejected"].contains(&name.as_str());
            let name = name.replace('_', "-");
            match value {
                Value::Null => None,
                Value::Number(seconds) if is_age => Some(format!(
                    "{name} {}",
                    Span(Duration::from_secs(seconds.as_u64().unwrap_or(0)))
                )),
                Value::Bool(_) => Some(name),
                Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
                    Some(format!("{name} {}", text(value)))
                }
            }
        });
    let rules: Vec<String> = rules.collect();
    if rules.is_empty() {
        "everything".to_owned()
    } else {
        rules.join(", ")
    }
}
