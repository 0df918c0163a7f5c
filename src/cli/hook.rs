//! `statekeep hook …`: whom the server tells of events, over HTTP and signed.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::cli::client::api::Client;
use crate::cli::common::ask::Asking;
use crate::cli::common::done;
use crate::cli::common::flags::{Common, Format};
use crate::cli::common::rows::{refuse_damaged, rows};
use crate::cli::output::{self, CliError, KnownReason, harmless, text, time};
use crate::cli::table::{self, Column, kept, spare};
use crate::model::hook::HookId;

#[derive(Subcommand)]
pub(super) enum HookCommand {
    /// Have events sent to an address; the secret that signs them is printed this once
    Create(CreateHookArgs),
    /// List all webhooks
    #[command(visible_alias = "ls")]
    List,
    /// Show one webhook and its last deliveries
    Show {
        /// The webhook's id or address
        #[arg(value_name = "HOOK")]
        hook: String,
    },
    /// Send a webhook a delivery without an event, and tell the answer
    Test {
        /// The webhook's id or address
        #[arg(value_name = "HOOK")]
        hook: String,
    },
    /// Enable a webhook that a restore has disabled
    Enable {
        /// The webhook's id or address
        #[arg(value_name = "HOOK")]
        hook: String,
    },
    /// Delete a webhook with its deliveries
    #[command(visible_alias = "remove")]
    Delete {
        /// The webhook's id or address
        #[arg(value_name = "HOOK")]
        hook: String,
        #[command(flatten)]
        asking: Asking,
    },
}

#[derive(Args)]
pub(super) struct CreateHookArgs {
    /// The address of the receiver, which begins with https://
    #[arg(value_name = "ADDRESS")]
    address: String,
    /// Kinds of events such as state.write, families such as state.*, attention or all; separate
    /// several by commas
    #[arg(long, value_name = "KINDS", value_delimiter = ',', required = true)]
    on: Vec<String>,
    /// Only events of this workspace
    #[arg(long, value_name = "W")]
    workspace: Option<String>,
    /// The host of the address, if it may have a private address and may be reached by http://
    #[arg(long, value_name = "HOST")]
    allow_private: Option<String>,
}

/// Runs one of them.
pub(super) async fn run(command: HookCommand, common: Common) -> Result<(), CliError> {
    let client = Client::connect(&common.reach).await?;
    let done = act(&client, command, common.format).await;
    client.close().await?;
    done
}

async fn act(client: &Client, command: HookCommand, format: Format) -> Result<(), CliError> {
    match command {
        HookCommand::Create(args) => create(client, &args, format).await,
        HookCommand::List => list(client, format).await,
        HookCommand::Show { hook } => show(client, &path(client, &hook).await?, format).await,
        HookCommand::Test { hook } => test(client, &path(client, &hook).await?, format).await,
        HookCommand::Enable { hook } => {
            let path = format!("{}/enable", path(client, &hook).await?);
            let hook = client.call("POST", &path, None).await?;
            done::tell(&hook, format, || format!("enabled {}", named(&hook)))
        }
        HookCommand::Delete { hook, asking } => {
            let path = path(client, &hook).await?;
            if !asking.answers_yes() {
                let hook = client.get(&path).await?;
                asking.about(&[named(&hook)], "Delete it?")?;
            }
            let hook = client.call("DELETE", &path, None).await?;
            done::tell(&hook, format, || format!("deleted {}", named(&hook)))
        }
    }
}

/// What follows if a secret cannot be printed.
const LOST: &str = "it is shown nowhere again, so delete the webhook and create it anew";

async fn create(client: &Client, args: &CreateHookArgs, format: Format) -> Result<(), CliError> {
    let body = json!({
        "url": args.address, "on": args.on, "workspace": args.workspace,
        "allow_private": args.allow_private,
    });
    let answer = client.call("POST", "/api/hooks", Some(body)).await?;
    if format == Format::Json {
        return output::secret(&answer.to_string(), LOST);
    }
    output::note(&format!("created {}", named(&answer["hook"])));
    output::note("its secret is printed on stdout, this once");
    output::secret(&text(&answer["secret"]), LOST)
}

/// A hook with what it is told of.
fn named(hook: &Value) -> String {
    let (id, url) = (text(&hook["id"]), text(&hook["url"]));
    format!("{id}: {} to {url}", of(hook))
}

/// The events that a hook is told of.
fn of(hook: &Value) -> String {
    let kinds = hook["on"].as_array().into_iter().flatten().map(text);
    let kinds = kinds.collect::<Vec<_>>().join(",");
    match hook["workspace"].as_str() {
        Some(workspace) => format!("{kinds} of {}", harmless(workspace)),
        None => kinds,
    }
}

/// The path of a hook that is named by its id or by its address.
async fn path(client: &Client, wanted: &str) -> Result<String, CliError> {
    if let Ok(id) = wanted.parse::<HookId>() {
        return Ok(format!("/api/hooks/{id}"));
    }
    let answer = client.get("/api/hooks").await?;
    let fits = |hook: &&Value| hook["url"] == wanted;
    let found: Vec<&Value> = rows(&answer, "hooks").iter().filter(fits).collect();
    match found[..] {
        [hook] => Ok(format!("/api/hooks/{}", text(&hook["id"]))),
        [] => Err(CliError::Known {
            message: format!(
                "there is no webhook {} (no_hook); `statekeep hook list` lists them",
                harmless(wanted)
            ),
            reason: KnownReason::missing("no_hook"),
        }),
        _ => Err(CliError::Usage(
            "several webhooks have this address: name one by its id".to_owned(),
        )),
    }
}

const COLUMNS: [Column; 5] = [
    kept("ID"),
    kept("EVENTS"),
    kept("STATUS"),
    spare("LAST", 1),
    kept("ADDRESS"),
];

async fn list(client: &Client, format: Format) -> Result<(), CliError> {
    let answer = client.get("/api/hooks").await?;
    if format == Format::Json {
        output::json(&answer)?;
    } else {
        let row = |hook: &Value| {
            vec![
                text(&hook["id"]),
                of(hook),
                text(&hook["status"]),
                time(&hook["last_delivery"]["last_at"]),
                text(&hook["url"]),
            ]
        };
        table::whole(&COLUMNS, rows(&answer, "hooks").iter().map(row).collect())?;
    }
    refuse_damaged(&answer)
}

async fn show(client: &Client, path: &str, format: Format) -> Result<(), CliError> {
    let hook = client.get(path).await?;
    let deliveries = client.get(&format!("{path}/deliveries")).await?;
    if format == Format::Json {
        return output::json(&json!({ "hook": hook, "deliveries": deliveries["deliveries"] }));
    }
    let by = text(&hook["created_by"]["name"]);
    output::pairs(&[
        ("id", text(&hook["id"])),
        ("address", text(&hook["url"])),
        ("events", of(&hook)),
        ("may be private", text(&hook["allow_private"])),
        ("status", text(&hook["status"])),
        ("failing since", time(&hook["failing_since"])),
        ("missed", missed(&hook["missed"])),
        ("created", format!("{} by {by}", time(&hook["created_at"]))),
    ])?;
    let row = |delivery: &Value| {
        vec![
            text(&delivery["event"]),
            text(&delivery["kind"]),
            text(&delivery["outcome"]),
            text(&delivery["tries"]),
            time(&delivery["last_at"]),
            answer(delivery),
        ]
    };
    let header = ["EVENT", "KIND", "OUTCOME", "TRIES", "LAST TRY", "ANSWER"];
    let found = rows(&deliveries, "deliveries");
    table::whole(&header.map(kept), found.iter().map(row).collect())
}

/// How many events were gone before their turn. At most so many were the webhook's.
fn missed(count: &Value) -> String {
    if *count == 0 {
        return "0".to_owned();
    }
    format!("at most {}", text(count))
}

/// What the receiver said, or why it said nothing.
fn answer(tried: &Value) -> String {
    match tried["status"].as_u64() {
        Some(status) => status.to_string(),
        None => text(&tried["error"]),
    }
}

async fn test(client: &Client, path: &str, format: Format) -> Result<(), CliError> {
    let tested = client.call("POST", &format!("{path}/test"), None).await?;
    if tested["delivered"] == true {
        let status = answer(&tested);
        return done::tell(&tested, format, || {
            format!("the receiver answered {status}")
        });
    }
    if format == Format::Json {
        output::json(&tested)?;
    }
    let why = match tested["status"].as_u64() {
        Some(status) => format!("the receiver answered {status}"),
        None => text(&tested["error"]),
    };
    Err(CliError::Failed(format!("the delivery failed: {why}")))
}
