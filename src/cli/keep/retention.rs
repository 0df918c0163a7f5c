//! `statekeep retention …`: the policies of the server and of workspaces.

use std::time::Duration;

use clap::Subcommand;
use serde_json::{Value, json};

use crate::cli::client::api::Client;
use crate::cli::client::pages::{ListPages, POLICIES};
use crate::cli::common::done;
use crate::cli::common::existence;
use crate::cli::common::flags::Common;
use crate::cli::common::flags::Format;
use crate::cli::common::listing::PrintedList;
use crate::cli::common::rows::DAMAGED;
use crate::cli::keep::rules::Rules;
use crate::cli::output;
use crate::cli::output::CliError;
use crate::cli::output::text;
use crate::cli::output::time;
use crate::cli::table::kept;
use crate::model::name::Workspace;
use crate::model::retention::Policy;
use crate::model::span::Span;

#[derive(Subcommand)]
pub(in crate::cli) enum RetentionCommand {
    /// Show the policies of the server and of workspaces that have their own
    #[command(visible_alias = "ls")]
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
pub(in crate::cli) async fn run(command: RetentionCommand, common: Common) -> Result<(), CliError> {
    // A policy that makes no sense is told before the server is asked.
    if let RetentionCommand::Set {
        rules, keep_all, ..
    } = &command
    {
        policy(rules, *keep_all)?;
    }
    let client = Client::connect(&common.reach).await?;
    let done = act(&client, command, common.format).await;
    client.close().await?;
    done
}

/// The policy that the flags say.
fn policy(rules: &Rules, keep_all: bool) -> Result<Policy, CliError> {
    if !keep_all {
        return rules.checked("--keep-all");
    }
    if rules.policy() != Policy::default() {
        return Err(CliError::Usage(
            "--keep-all keeps everything; it takes no rules beside it".to_owned(),
        ));
    }
    Ok(Policy {
        keep_all,
        ..Policy::default()
    })
}

async fn act(client: &Client, command: RetentionCommand, format: Format) -> Result<(), CliError> {
    match command {
        RetentionCommand::List => list(client, format).await,
        RetentionCommand::Set {
            workspace,
            rules,
            keep_all,
        } => set(client, &workspace, &policy(&rules, keep_all)?, format).await,
        RetentionCommand::Unset { workspace } => unset(client, &workspace, format).await,
        RetentionCommand::TrustClock => trust_clock(client, format).await,
    }
}

async fn set(
    client: &Client,
    workspace: &Workspace,
    policy: &Policy,
    format: Format,
) -> Result<(), CliError> {
    existence::workspace_exists(client, workspace).await?;
    let path = format!("/api/retention/{workspace}");
    let answer = client.call("PUT", &path, Some(json!(policy))).await?;
    done::tell(&answer, format, || {
        let policy = words(&answer["policy"]);
        format!("{workspace} has a policy of its own: {policy}")
    })
}

async fn unset(client: &Client, workspace: &Workspace, format: Format) -> Result<(), CliError> {
    existence::workspace_exists(client, workspace).await?;
    let path = format!("/api/retention/{workspace}");
    let answer = client.call("DELETE", &path, None).await?;
    done::tell(&answer, format, || {
        if answer["removed"] == true {
            format!("the policy of {workspace} is gone; the server's applies")
        } else {
            format!("{workspace} had no policy of its own")
        }
    })
}

async fn trust_clock(client: &Client, format: Format) -> Result<(), CliError> {
    let answer = client.call("POST", "/api/clock", None).await?;
    done::tell(&answer, format, || {
        let from = time(&answer["trusted_at"]);
        format!("the clock is confirmed from {from} on")
    })
}

async fn list(client: &Client, format: Format) -> Result<(), CliError> {
    let mut answer = client.get("/api/retention?limit=1").await?;
    if let Some(object) = answer.as_object_mut() {
        for member in [POLICIES.rows, "next", DAMAGED] {
            object.remove(member);
        }
    }
    let path = "/api/retention".to_owned();
    let mut pages = ListPages::new(client.wire(), path, POLICIES, None);
    let header = ["WORKSPACE", "KEEPS", "SINCE", "SET BY"].map(kept);
    let mut listing = PrintedList::new(format, POLICIES.rows, &header);
    if format == Format::Text {
        let none = || "-".to_owned();
        let servers = [
            "(server)".to_owned(),
            words(&answer["server"]),
            none(),
            none(),
        ];
        listing.rows(vec![servers.to_vec()])?;
    }
    while let Some(rows) = pages.next().await? {
        listing.page(&rows, row)?;
    }
    let ended = listing.end_with(&pages, &answer);
    if format == Format::Text {
        let last = time(&answer["last_run_at"]);
        output::note(&format!("the server last pruned by itself: {last}"));
        if let Some(doubt) = answer["clock_in_doubt"].as_str() {
            output::message(doubt);
        }
    }
    ended
}

fn row(own: &Value) -> Vec<String> {
    vec![
        text(&own["workspace"]),
        words(&own["policy"]),
        time(&own["set_at"]),
        text(&own["set_by"]["name"]),
    ]
}

/// A policy as a person reads it.
fn words(policy: &Value) -> String {
    let rules = policy.as_object().into_iter().flatten();
    let rules: Vec<String> = rules
        .filter_map(|(name, value)| rule(name, value))
        .collect();
    if rules.is_empty() {
        "everything".to_owned()
    } else {
        rules.join(", ")
    }
}

/// One rule; none if it is not set.
fn rule(name: &str, value: &Value) -> Option<String> {
    let flag = name.replace('_', "-");
    match (name, value) {
        (_, Value::Null) => None,
        (_, Value::Bool(_)) => Some(flag),
        ("keep_within" | "drop_intermediate" | "keep_rejected", Value::Number(seconds)) => {
            let age = Span(Duration::from_secs(seconds.as_u64().unwrap_or(0)));
            Some(format!("{flag} {age}"))
        }
        (_, value) => Some(format!("{flag} {}", text(value))),
    }
}
