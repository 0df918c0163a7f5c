//! `statekeep state …`

mod diff;
mod folding;
mod listing;
mod purge;
mod rollback;

use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};

use crate::cli::Common;
use crate::cli::Format;
use crate::cli::client::Client;
use crate::cli::common::ask::Asking;
use crate::cli::common::nearest;
use crate::cli::common::refusal;
use crate::cli::output;
use crate::cli::output::Failure;
use crate::cli::output::counted_in;
use crate::cli::output::harmless;
use crate::cli::output::text;
use crate::cli::output::time;
use crate::cli::state::diff::DiffArgs;
use crate::cli::state::diff::OutputsArgs;
use crate::cli::state::folding::folded;
use crate::cli::state::purge::PurgeArgs;
use crate::cli::state::rollback::RollbackArgs;
use crate::model::name::{StateName, Workspace};

#[derive(Subcommand)]
pub(super) enum StateCommand {
    /// List the states, also addresses that are only locked
    #[command(visible_alias = "ls")]
    List {
        /// Only those of one workspace
        #[arg(long)]
        workspace: Option<Workspace>,
        /// Only those that are locked
        #[arg(long)]
        locked: bool,
        /// Also deleted ones, those that have left for a storage elsewhere, and those of which
        /// every write was rejected
        #[arg(long)]
        deleted: bool,
    },
    /// Show one state and its lock
    Show {
        /// The state, as WORKSPACE/BUILDINGBLOCK
        state: StateName,
    },
    /// Print the exact bytes of a state
    Pull {
        /// The state, as WORKSPACE/BUILDINGBLOCK
        state: StateName,
        /// An earlier version instead of the current one
        #[arg(long)]
        version: Option<u64>,
    },
    /// List the versions of a state, newest first
    History {
        /// The state, as WORKSPACE/BUILDINGBLOCK
        state: StateName,
        /// At most so many
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
        limit: Option<u32>,
        /// Only those before this version
        #[arg(long)]
        before: Option<u64>,
        /// Only one kind
        #[arg(long, value_enum)]
        kind: Option<Kind>,
        /// Also the snapshots that a later write of the same apply replaced
        #[arg(long)]
        all: bool,
    },
    /// Show what changed from one version of a state to another
    Diff(DiffArgs),
    /// Show the outputs of a state
    Outputs(OutputsArgs),
    /// Make an earlier version's content current again, as a new version with a new serial
    Rollback(RollbackArgs),
    /// Remove the content of versions from the disk for good; their rows stay
    Purge(PurgeArgs),
    /// Bring a deleted, moved or transferred state back as it was
    Restore {
        /// The state, as WORKSPACE/BUILDINGBLOCK
        state: StateName,
    },
    /// Give a state with its whole history another address
    Move {
        /// The state, as WORKSPACE/BUILDINGBLOCK
        state: StateName,
        /// Its new name, as WORKSPACE/BUILDINGBLOCK
        to: StateName,
    },
    /// Break the lock on a state
    Unlock {
        /// The state, as WORKSPACE/BUILDINGBLOCK
        state: StateName,
        /// Only if it has this lock ID
        #[arg(long, value_name = "LOCK_ID")]
        id: Option<String>,
        #[command(flatten)]
        asking: Asking,
    },
    /// Hold a version, so that it is neither pruned nor purged
    Hold {
        /// The state, as WORKSPACE/BUILDINGBLOCK
        state: StateName,
        /// The version's number
        version: u64,
        /// Why, in a few words, for whoever wants to let it go
        #[arg(long)]
        reason: String,
    },
    /// Release a held version
    Release {
        /// The state, as WORKSPACE/BUILDINGBLOCK
        state: StateName,
        /// The version's number
        version: u64,
    },
    /// Delete a state; its history stays, and it can be restored
    Delete {
        /// The state, as WORKSPACE/BUILDINGBLOCK
        state: StateName,
        #[command(flatten)]
        asking: Asking,
    },
}

/// How a version came about.
#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Kind {
    Write,
    Rollback,
    Import,
    Restore,
    Rejected,
}

impl Kind {
    /// Its name in the API.
    fn name(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::Rollback => "rollback",
            Self::Import => "import",
            Self::Restore => "restore",
            Self::Rejected => "rejected",
        }
    }
}

/// Runs one of them.
pub(super) async fn run(command: StateCommand, common: Common) -> Result<(), Failure> {
    let client = Client::connect(&common.reach).await?;
    let done = act(&client, command, common.format).await;
    client.close().await?;
    done
}

async fn act(client: &Client, command: StateCommand, format: Format) -> Result<(), Failure> {
    match command {
        StateCommand::List {
            workspace,
            locked,
            deleted,
        } => listing::list(client, workspace, locked, deleted, format).await,
        StateCommand::Show { state } => listing::show(client, &state, format).await,
        StateCommand::Pull { state, version } => {
            let below = version
                .map(|number| format!("/versions/{number}"))
                .unwrap_or_default();
            let content = client
                .ask("GET", &format!("{}{below}", state.path()), None)
                .await?;
            output::bytes(&content.bytes)
        }
        StateCommand::History {
            state,
            limit,
            before,
            kind,
            all,
        } => {
            let from = before
                .map(|number| format!("&before={number}"))
                .unwrap_or_default();
            let kind = kind
                .map(|kind| format!("&kind={}", kind.name()))
                .unwrap_or_default();
            let (path, wanted) = (
                format!("{}/versions", state.path()),
                limit.map(|limit| limit as usize),
            );
            let versions = if all || format == Format::Json {
                client
                    .list(
                        &format!("{path}?intermediate={all}{from}{kind}"),
                        "versions",
                        "before",
                        wanted,
                    )
                    .await
            } else {
                folded(
                    client,
                    &format!("{path}?intermediate=true{from}{kind}"),
                    wanted,
                )
                .await
            };
            listing::history(client, &state, versions, format).await
        }
        StateCommand::Diff(args) => diff::diff(client, args, format).await,
        StateCommand::Outputs(args) => diff::outputs(client, args, format).await,
        StateCommand::Rollback(args) => rollback::run(client, args, format).await,
        StateCommand::Purge(args) => purge::run(client, args, format).await,
        StateCommand::Restore { state } => {
            let version = client
                .ask("POST", &format!("{}/restore", state.path()), None)
                .await?
                .json()?;
            said(&version, format, || {
                format!(
                    "{state} is back: version {}, serial {}",
                    version["number"], version["serial"]
                )
            })
        }
        StateCommand::Move { state, to } => {
            let body = json!({ "workspace": to.workspace, "buildingBlock": to.block });
            let moved = client
                .ask("POST", &format!("{}/move", state.path()), Some(body))
                .await?
                .json()?;
            said(&moved, format, || {
                format!(
                    "{state} is now {to}; its address is {}",
                    text(&moved["address"])
                )
            })
        }
        StateCommand::Unlock { state, id, asking } => {
            unlock(client, &state, id, &asking, format).await
        }
        StateCommand::Hold {
            state,
            version,
            reason,
        } => {
            let path = format!("{}/versions/{version}/hold", state.path());
            let held = client
                .ask("POST", &path, Some(json!({ "reason": reason })))
                .await?
                .json()?;
            said(&held, format, || {
                format!(
                    "version {version} of {state} is held: {}",
                    harmless(&text(&held["held"]["reason"]))
                )
            })
        }
        StateCommand::Release { state, version } => release(client, &state, version, format).await,
        StateCommand::Delete { state, asking } => delete(client, &state, &asking, format).await,
    }
}

/// Breaks a lock: the one with an ID, or the one that was shown to whoever was asked.
async fn unlock(
    client: &Client,
    state: &StateName,
    id: Option<String>,
    asking: &Asking,
    format: Format,
) -> Result<(), Failure> {
    let mut wanted = id;
    if wanted.is_none() && !asking.is_compacted() {
        let path = format!("{}/lock", state.path());
        match client.wire().ask("GET", &path, None).await {
            Ok(reply) => {
                let held = reply.json()?;
                asking.about(
                    &broken(state, &held),
                    &format!("Break the lock on {state}?"),
                )?;
                wanted = held["lock"]["ID"].as_str().map(str::to_owned);
            }
            // Nothing is held: the answer below says so.
            Err(refusal)
                if refusal
                    .status_and_code()
                    .is_some_and(|(_, code)| code == "no_lock") => {}
            Err(refusal) => return Err(nearest::explained(&client.wire(), refusal).await),
        }
    }
    let released = client
        .ask(
            "UNLOCK",
            &state.path(),
            wanted.map(|id| json!({ "ID": id })),
        )
        .await?
        .json()?;
    if released["ID"].is_null() {
        nearest::state_exists(client, state).await?;
    }
    said(&released, format, || match released["ID"].as_str() {
        Some(id) => format!(
            "broke the lock {} on {state}, held by {}",
            harmless(id),
            harmless(&text(&released["Who"]))
        ),
        None => format!("{state} was not locked"),
    })
}

/// What breaking a lock hits.
fn broken(state: &StateName, held: &Value) -> Vec<String> {
    let written = match held["last_write"]["version"].as_u64() {
        Some(number) => format!(
            "version {number} was written under it at {}",
            time(&held["last_write"]["at"])
        ),
        None => "nothing was written under it yet".to_owned(),
    };
    vec![
        refusal::held(state, held),
        format!("{written}; a command that still runs under it cannot store what it does then"),
    ]
}

/// Ends a hold, and says whether there was one.
async fn release(
    client: &Client,
    state: &StateName,
    version: u64,
    format: Format,
) -> Result<(), Failure> {
    let path = format!("{}/versions/{version}", state.path());
    let was = client.get(&format!("{path}/info")).await?;
    let released = client
        .ask("DELETE", &format!("{path}/hold"), None)
        .await?
        .json()?;
    said(&released, format, || {
        if was["held"].is_null() {
            return format!("version {version} of {state} was not held");
        }
        format!(
            "version {version} of {state} is not held any more; it was: {}",
            harmless(&text(&was["held"]["reason"]))
        )
    })
}

async fn delete(
    client: &Client,
    state: &StateName,
    asking: &Asking,
    format: Format,
) -> Result<(), Failure> {
    if !asking.is_compacted() {
        let row = nearest::row(client, state).await?.unwrap_or_default();
        if row["current"].is_null() && row["deleted_at"].is_null() {
            // There is none: the answer says what there is instead.
            client.ask("GET", &state.path(), None).await?;
        } else if !row["lock"].is_null() {
            let (held, unlock) = (
                refusal::held(state, &row["lock"]),
                refusal::unlock(state, &text(&row["lock"]["lock"]["ID"])),
            );
            return Err(Failure::Failed(format!("{held} (locked){unlock}")));
        } else if row["deleted_at"].is_null() {
            let current = &row["current"];
            let (resources, by) = (
                counted_in(&current["resources"], "resource"),
                text(&current["created_by"]["name"]),
            );
            let what = format!(
                "{state} has {resources} in version {} (serial {}), written by {by} at {}",
                current["number"],
                text(&current["serial"]),
                time(&current["created_at"])
            );
            let then = "an apply would make all of it anew; the history stays, and `statekeep \
                state restore` brings the state back";
            asking.about(&[what, then.to_owned()], &format!("Delete {state}?"))?;
        }
    }
    let deleted = client.ask("DELETE", &state.path(), None).await?.json()?;
    said(&deleted, format, || {
        format!("deleted {state}; `statekeep state restore {state}` brings it back")
    })
}

/// Tells a person what was done, or a script what the server answered.
fn said(answer: &Value, format: Format, sentence: impl FnOnce() -> String) -> Result<(), Failure> {
    if format == Format::Json {
        return output::json(answer);
    }
    output::message(&sentence());
    Ok(())
}
