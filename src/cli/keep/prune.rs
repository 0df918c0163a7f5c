//! `statekeep prune`: says what would go, asks, and has it removed.

use clap::Args;
use serde_json::{Value, json};

use crate::cli::client::api::Client;
use crate::cli::common::ask::Asking;
use crate::cli::common::existence;
use crate::cli::common::flags::Common;
use crate::cli::common::flags::Format;
use crate::cli::keep::rules::Rules;
use crate::cli::output;
use crate::cli::output::Failure;
use crate::cli::output::counted;
use crate::cli::output::counted_in;
use crate::cli::output::size;
use crate::cli::output::text;
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

/// Runs `prune`.
pub(in crate::cli) async fn run(args: PruneArgs, common: Common) -> Result<(), Failure> {
    let mut body = if args.configured {
        if args.rules.policy() != Policy::default() {
            return Err(Failure::Usage(
                "--configured uses the policies in force; it takes no rules beside it".to_owned(),
            ));
        }
        json!({ "configured": true })
    } else {
        json!({ "policy": args.rules.checked("--configured for the policies of the server and its \
            workspaces")? })
    };
    body["dry_run"] = json!(args.dry_run);
    if let Some(state) = &args.state {
        body["workspace"] = json!(state.workspace);
        body["buildingBlock"] = json!(state.block);
    } else if let Some(workspace) = &args.workspace {
        body["workspace"] = json!(workspace);
    }
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

async fn ask_to_prune(client: &Client, args: &PruneArgs, body: Value) -> Result<Value, Failure> {
    match (&args.state, &args.workspace) {
        (Some(state), _) => existence::state_exists(client, state).await?,
        (None, Some(workspace)) => existence::workspace_exists(client, workspace).await?,
        (None, None) => {}
    }
    if !args.dry_run && !args.asking.answers_yes() {
        let mut looked = body.clone();
        looked["dry_run"] = json!(true);
        let looked = client
            .ask("POST", "/api/prune", Some(looked))
            .await?
            .json()?;
        if looked["removed"] != 0 || !output::can_ask() {
            args.asking.about(&hit(&looked), "Remove them for good?")?;
        }
    }
    if args.trust_clock {
        client.ask("POST", "/api/clock", None).await?;
    }
    client.ask("POST", "/api/prune", Some(body)).await?.json()
}

/// What a prune would remove, in lines.
fn hit(looked: &Value) -> Vec<String> {
    let states = looked["list"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let row = |state: &Value| {
        let name = format!(
            "{}/{}",
            text(&state["workspace"]),
            text(&state["buildingBlock"])
        );
        let (first, last) = (text(&state["first"]), text(&state["last"]));
        format!(
            "  {name}: {} between {first} and {last}, {} would stay",
            counted_in(&state["removed"], "version"),
            text(&state["kept"])
        )
    };
    let mut hit: Vec<String> = states.iter().take(MAX_SHOWN).map(row).collect();
    let more =
        states.len().saturating_sub(MAX_SHOWN) as u64 + looked["not_listed"].as_u64().unwrap_or(0);
    if more > 0 {
        hit.push(format!("  … and of {}", counted(more, "other state")));
    }
    let affected = states.len() as u64 + looked["not_listed"].as_u64().unwrap_or(0);
    hit.push(format!(
        "{} of {} would be removed",
        counted_in(&looked["removed"], "version"),
        counted(affected, "state")
    ));
    hit
}

fn show(answer: &Value, dry_run: bool) -> Result<(), Failure> {
    let row = |state: &Value| {
        vec![
            format!(
                "{}/{}",
                text(&state["workspace"]),
                text(&state["buildingBlock"])
            ),
            text(&state["removed"]),
            text(&state["first"]),
            text(&state["last"]),
            text(&state["kept"]),
        ]
    };
    let rows: Vec<Vec<String>> = answer["list"]
        .as_array()
        .map(|states| states.iter().map(row).collect())
        .unwrap_or_default();
    if !rows.is_empty() {
        output::table(
            &[
                "STATE",
                if dry_run { "WOULD GO" } else { "GONE" },
                "FROM",
                "TO",
                "STAY",
            ],
            rows,
        )?;
        output::line("")?;
    }
    if answer["not_listed"] != 0 {
        let more = answer["not_listed"].as_u64().unwrap_or(0);
        output::message(&format!(
            "{} {} not listed",
            counted(more, "more state"),
            if more == 1 { "is" } else { "are" }
        ));
    }
    let mut pairs = vec![
        ("states", text(&answer["states"])),
        (
            if dry_run {
                "versions that would go"
            } else {
                "versions that went"
            },
            text(&answer["removed"]),
        ),
        ("versions that stay", text(&answer["kept"])),
        ("of these, by reason", reasons(&answer["reasons"])),
    ];
    if !dry_run {
        pairs.push(("given back", size(&answer["freed"])));
    }
    output::pairs(&pairs)
}

fn reasons(counts: &Value) -> String {
    let counts = counts
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(_, count)| **count != 0);
    let words: Vec<String> = counts
        .map(|(reason, count)| format!("{reason} {count}"))
        .collect();
    if words.is_empty() {
        "-".to_owned()
    } else {
        words.join(", ")
    }
}
