//! `statekeep prune` and `statekeep retention …`

use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::cli::Common;
use crate::cli::Format;
use crate::cli::client::Client;
use crate::cli::common::ask::Asking;
use crate::cli::common::nearest;
use crate::cli::output;
use crate::cli::output::Failure;
use crate::cli::output::counted;
use crate::cli::output::counted_in;
use crate::cli::output::harmless;
use crate::cli::output::size;
use crate::cli::output::text;
use crate::cli::output::time;
use crate::model::name::{StateName, Workspace};
use crate::model::retention::{Age, MOST_KEPT, Policy};
use crate::model::span::Span;

/// How many states are listed before a prune; `--dry-run` lists more.
const MAX_SHOWN: usize = 20;

/// What is kept: what any of the rules keeps.
#[derive(Args)]
#[command(next_help_heading = "What to keep: whatever any of these keeps")]
pub(in crate::cli) struct Rules {
    /// The newest so many versions; rejected ones are not counted
    #[arg(long, value_name = "VERSIONS", value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_KEPT)))]
    keep_last: Option<u32>,
    /// Versions that are younger than this, such as 90d
    #[arg(long, value_name = "DURATION")]
    keep_within: Option<Span>,
    /// The newest version of each of the last so many days that have one, in UTC
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_KEPT)))]
    keep_daily: Option<u32>,
    /// The newest version of each of the last so many weeks that have one, from Monday on, in UTC
    #[arg(long, value_name = "WEEKS", value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_KEPT)))]
    keep_weekly: Option<u32>,
    /// Snapshots of an apply that went on: keep them for so long only, and let the rules above not
    /// count them; 0s drops them at once
    #[arg(long, value_name = "DURATION")]
    drop_intermediate: Option<Span>,
    /// Rejected versions: keep them for so long only
    #[arg(long, value_name = "DURATION")]
    keep_rejected: Option<Span>,
}

/// A time span of a flag as a policy has it.
pub(in crate::cli) fn age(given: Option<Span>) -> Option<Age> {
    given.map(|span| Age(span.0))
}

impl Rules {
    fn policy(&self) -> Policy {
        Policy {
            keep_last: self.keep_last,
            keep_within: age(self.keep_within),
            keep_daily: self.keep_daily,
            keep_weekly: self.keep_weekly,
            drop_intermediate: age(self.drop_intermediate),
            keep_rejected: age(self.keep_rejected),
            keep_all: false,
        }
    }

    /// The policy, unless it keeps nothing or makes no sense; `or` is what else can be said.
    fn checked(&self, or: &str) -> Result<Policy, Failure> {
        let policy = self.policy();
        if policy == Policy::default() {
            return Err(Failure::Usage(format!(
                "say what to keep, by at least one of --keep-last, --keep-within, --keep-daily, \
                    --keep-weekly, --drop-intermediate and \
                 --keep-rejected, or by {or}"
            )));
        }
        policy
            .check()
            .map_err(|why| Failure::Usage(format!("{} {}", why.flag(), why.reason())))?;
        Ok(policy)
    }
}

#[derive(Args)]
pub(in crate::cli) struct PruneArgs {
    #[command(flatten)]
    rules: Rules,
    /// Keep what the policies of the server and of its workspaces say, instead of rules given here
    #[arg(long)]
    configured: bool,
    /// Only in one workspace; then the rules given here count there even where it has a policy of
    /// its own
    #[arg(long, conflicts_with = "state")]
    workspace: Option<Workspace>,
    /// Only one state, as WORKSPACE/BUILDINGBLOCK
    #[arg(long, value_name = "STATE")]
    state: Option<StateName>,
    /// Only say what would go and what would stay
    #[arg(long)]
    dry_run: bool,
    /// The clock of this machine is right, though the server doubts it
    #[arg(long, conflicts_with = "dry_run")]
    trust_clock: bool,
    #[command(flatten)]
    asking: Asking,
}

#[derive(Subcommand)]
pub(in crate::cli) enum RetentionCommand {
    /// Show the policies of the server and of workspaces that have their own
    List,
    /// Give a workspace a policy of its own, which holds there instead of the server's
    Set {
        /// The workspace
        workspace: Workspace,
        #[command(flatten)]
        rules: Rules,
        /// Keep everything
        #[arg(long)]
        keep_all: bool,
    },
    /// Take a workspace's own policy away, so that the server's holds there again
    Unset {
        /// The workspace
        workspace: Workspace,
    },
    /// Say that the clock of this machine is right, though the server doubts it
    TrustClock,
}

/// Runs `prune`.
pub(in crate::cli) async fn prune(args: PruneArgs, common: Common) -> Result<(), Failure> {
    let mut body = if args.configured {
        if args.rules.policy() != Policy::default() {
            return Err(Failure::Usage(
                "--configured says what to keep; it takes no rules beside it".to_owned(),
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
        (Some(state), _) => nearest::state_exists(client, state).await?,
        (None, Some(workspace)) => nearest::workspace_exists(client, workspace).await?,
        (None, None) => {}
    }
    if !args.dry_run && !args.asking.is_compacted() {
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
            nearest::workspace_exists(client, &workspace).await?;
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
            nearest::workspace_exists(client, &workspace).await?;
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
                "the clock is trusted from {} on",
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
