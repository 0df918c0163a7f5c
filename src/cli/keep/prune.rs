//! `statekeep prune`: says what would go, asks, and has it removed.

use clap::Args;
use serde_json::{Value, json};

use crate::cli::client::api::Client;
use crate::cli::common::ask::Asking;
use crate::cli::common::existence;
use crate::cli::common::flags::Common;
use crate::cli::common::flags::Format;
use crate::cli::common::rows::{rows, state_name};
use crate::cli::keep::rules::Rules;
use crate::cli::output;
use crate::cli::output::CliError;
use crate::cli::output::counted;
use crate::cli::output::counted_in;
use crate::cli::output::size;
use crate::cli::output::text;
use crate::cli::table::{self, kept};
use crate::model::name::{StateName, Workspace};
use crate::model::retention::Policy;

/// How many states are listed before a prune; `--dry-run` lists more.
const MAX_SHOWN: usize = 20;

#[derive(Args)]
pub(in crate::cli) struct PruneArgs {
    /// Use the policies of the server and its workspaces instead of rules given here
    #[arg(long)]
    configured: bool,
    /// Only this workspace; rules given here then count even if it has a policy of its own
    #[arg(long, conflicts_with = "state")]
    workspace: Option<Workspace>,
    /// Only one state, as WORKSPACE/BUILDINGBLOCK
    #[arg(long, value_name = "STATE")]
    state: Option<StateName>,
    /// Only show what would go and what would stay
    #[arg(long)]
    dry_run: bool,
    /// First confirm that the clock of the server's machine is right, although the server doubts it
    #[arg(long, conflicts_with = "dry_run")]
    trust_clock: bool,
    #[command(flatten)]
    asking: Asking,
    // Last: its heading would be that of all flags behind it.
    #[command(flatten)]
    rules: Rules,
}

impl PruneArgs {
    /// What the server is asked for.
    fn body(&self) -> Result<Value, CliError> {
        let mut body = if self.configured {
            if self.rules.policy() != Policy::default() {
                return Err(CliError::Usage(
                    "--configured uses the policies in force; it takes no rules beside it"
                        .to_owned(),
                ));
            }
            json!({ "configured": true })
        } else {
            let or = "--configured for the policies of the server and its workspaces";
            json!({ "policy": self.rules.checked(or)? })
        };
        body["dry_run"] = json!(self.dry_run);
        if let Some(state) = &self.state {
            body["workspace"] = json!(state.workspace);
            body["buildingBlock"] = json!(state.block);
        } else if let Some(workspace) = &self.workspace {
            body["workspace"] = json!(workspace);
        }
        Ok(body)
    }
}

/// Runs it.
pub(in crate::cli) async fn run(args: PruneArgs, common: Common) -> Result<(), CliError> {
    let body = args.body()?;
    let client = Client::connect(&common.reach).await?;
    let done = ask_to_prune(&client, &args, body).await;
    client.close().await?;
    let answer = done?;
    if common.format == Format::Json {
        output::json(&answer)
    } else {
        show(&answer, args.dry_run)
    }
}

async fn ask_to_prune(client: &Client, args: &PruneArgs, body: Value) -> Result<Value, CliError> {
    match (&args.state, &args.workspace) {
        (Some(state), _) => existence::state_exists(client, state).await?,
        (None, Some(workspace)) => existence::workspace_exists(client, workspace).await?,
        (None, None) => {}
    }
    if !args.dry_run && !args.asking.answers_yes() {
        confirm(client, args, body.clone()).await?;
    }
    if args.trust_clock {
        client.ask("POST", "/api/clock", None).await?;
    }
    client.call("POST", "/api/prune", Some(body)).await
}

/// Shows what would go, and asks.
async fn confirm(client: &Client, args: &PruneArgs, mut body: Value) -> Result<(), CliError> {
    body["dry_run"] = json!(true);
    let looked = client.call("POST", "/api/prune", Some(body)).await?;
    if looked["removed"] == 0 && output::can_ask() {
        return Ok(());
    }
    args.asking.about(&hit(&looked), "Remove them for good?")
}

/// What a prune would remove, in lines.
fn hit(looked: &Value) -> Vec<String> {
    let states = rows(looked, "list");
    let mut hit: Vec<String> = states.iter().take(MAX_SHOWN).map(hit_in).collect();
    let not_listed = looked["not_listed"].as_u64().unwrap_or(0);
    let more = states.len().saturating_sub(MAX_SHOWN) as u64 + not_listed;
    if more > 0 {
        hit.push(format!("  … and of {}", counted(more, "other state")));
    }
    let versions = counted_in(&looked["removed"], "version");
    let affected = counted(states.len() as u64 + not_listed, "state");
    hit.push(format!("{versions} of {affected} would be removed"));
    hit
}

/// The same of one state.
fn hit_in(state: &Value) -> String {
    let removed = counted_in(&state["removed"], "version");
    let (first, last) = (text(&state["first"]), text(&state["last"]));
    let (name, kept) = (state_name(state), text(&state["kept"]));
    format!("  {name}: {removed} between {first} and {last}, {kept} would stay")
}

fn show(answer: &Value, dry_run: bool) -> Result<(), CliError> {
    show_states(rows(answer, "list"), dry_run)?;
    let more = answer["not_listed"].as_u64().unwrap_or(0);
    if more > 0 {
        let are = if more == 1 { "is" } else { "are" };
        let states = counted(more, "more state");
        output::message(&format!("{states} {are} not listed"));
    }
    let removed = if dry_run {
        "versions that would go"
    } else {
        "versions that went"
    };
    let mut pairs = vec![
        ("states", text(&answer["states"])),
        (removed, text(&answer["removed"])),
        ("versions that stay", text(&answer["kept"])),
        ("of these, by reason", reasons(&answer["reasons"])),
    ];
    if !dry_run {
        pairs.push(("given back", size(&answer["freed"])));
    }
    output::pairs(&pairs)
}

fn show_states(states: &[Value], dry_run: bool) -> Result<(), CliError> {
    if states.is_empty() {
        return Ok(());
    }
    let gone = if dry_run { "WOULD GO" } else { "GONE" };
    let header = ["STATE", gone, "FROM", "TO", "STAY"].map(kept);
    table::whole(&header, states.iter().map(row).collect())?;
    output::line("")
}

fn row(state: &Value) -> Vec<String> {
    vec![
        state_name(state),
        text(&state["removed"]),
        text(&state["first"]),
        text(&state["last"]),
        text(&state["kept"]),
    ]
}

fn reasons(counts: &Value) -> String {
    let counts = counts.as_object().into_iter().flatten();
    let words: Vec<String> = counts
        .filter(|(_, count)| **count != 0)
        .map(|(reason, count)| format!("{reason} {count}"))
        .collect();
    if words.is_empty() {
        "-".to_owned()
    } else {
        words.join(", ")
    }
}
