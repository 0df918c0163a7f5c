//! `statekeep state …`

use clap::Subcommand;
use serde_json::{Value, json};

use super::client::Client;
use super::diff::{self, DiffArgs, OutputsArgs};
use super::folding::{folded, snapshots};
use super::output::{self, Failure, size, text, time};
use super::purge::{self, PurgeArgs};
use super::rollback::{self, RollbackArgs};
use super::{Common, Format};
use crate::model::name::StateName;

#[derive(Subcommand)]
pub(super) enum StateCommand {
    /// List the states
    List {
        /// Only those of one workspace
        #[arg(long)]
        workspace: Option<String>,
        /// Also deleted ones, those that have left for a storage elsewhere, and those of which every write was rejected
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
        /// Only one kind: write, rollback, import, restore, rejected
        #[arg(long)]
        kind: Option<String>,
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
    /// Let a version go that is held
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
    },
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
        StateCommand::List { workspace, deleted } => list(client, workspace, deleted, format).await,
        StateCommand::Show { state } => show(client, &state, format).await,
        StateCommand::Pull { state, version } => {
            let below = version.map(|number| format!("/versions/{number}")).unwrap_or_default();
            let content = client.ask("GET", &format!("{}{below}", state.path()), None).await?;
            output::bytes(&content.bytes)
        }
        StateCommand::History { state, limit, before, kind, all } => {
            let from = before.map(|number| format!("&before={number}")).unwrap_or_default();
            let kind = kind.map(|kind| format!("&kind={kind}")).unwrap_or_default();
            let wanted = limit.map(|limit| limit as usize);
            if all || format == Format::Json {
                let path = format!("{}/versions?intermediate={all}{from}{kind}", state.path());
                return history(&client.list(&path, "versions", "before", wanted).await?, format);
            }
            history(&folded(client, &format!("{}/versions?intermediate=true{from}{kind}", state.path()), wanted).await?, format)
        }
        StateCommand::Diff(args) => diff::diff(client, args, format).await,
        StateCommand::Outputs(args) => diff::outputs(client, args, format).await,
        StateCommand::Rollback(args) => rollback::run(client, args, format).await,
        StateCommand::Purge(args) => purge::run(client, args, format).await,
        StateCommand::Restore { state } => {
            let version = client.ask("POST", &format!("{}/restore", state.path()), None).await?.json()?;
            said(&version, format, || format!("{state} is back: version {}, serial {}", version["number"], version["serial"]))
        }
        StateCommand::Move { state, to } => {
            let body = json!({ "workspace": to.workspace, "buildingBlock": to.block });
            let moved = client.ask("POST", &format!("{}/move", state.path()), Some(body)).await?.json()?;
            said(&moved, format, || format!("{state} is now {to}; its address is {}", text(&moved["address"])))
        }
        StateCommand::Unlock { state, id } => {
            let body = id.map(|id| json!({ "ID": id }));
            let released = client.ask("UNLOCK", &state.path(), body).await?.json()?;
            said(&released, format, || match released["ID"].as_str() {
                Some(id) => format!("broke the lock {id} on {state}, held by {}", text(&released["Who"])),
                None => format!("{state} was not locked"),
            })
        }
        StateCommand::Hold { state, version, reason } => {
            let path = format!("{}/versions/{version}/hold", state.path());
            let held = client.ask("POST", &path, Some(json!({ "reason": reason }))).await?.json()?;
            said(&held, format, || format!("version {version} of {state} is held: {}", text(&held["held"]["reason"])))
        }
        StateCommand::Release { state, version } => {
            let released = client.ask("DELETE", &format!("{}/versions/{version}/hold", state.path()), None).await?.json()?;
            said(&released, format, || format!("version {version} of {state} is not held"))
        }
        StateCommand::Delete { state } => {
            let deleted = client.ask("DELETE", &state.path(), None).await?.json()?;
            said(&deleted, format, || format!("deleted {state}; `statekeep state restore {state}` brings it back"))
        }
    }
}

/// Tells a person what was done, or a script what the server answered.
fn said(answer: &Value, format: Format, sentence: impl FnOnce() -> String) -> Result<(), Failure> {
    if format == Format::Json {
        return output::json(answer);
    }
    output::message(&sentence());
    Ok(())
}

async fn list(client: &Client, workspace: Option<String>, deleted: bool, format: Format) -> Result<(), Failure> {
    let workspace = workspace.map(|name| format!("&workspace={name}")).unwrap_or_default();
    let path = format!("/api/terraform/state?deleted={deleted}{workspace}");
    let answer = client.list(&path, "states", "after", None).await?;
    if format == Format::Json {
        return output::json(&answer);
    }
    let row = |state: &Value| {
        let current = &state["current"];
        let lock = &state["lock"];
        vec![
            name(state),
            text(&current["number"]),
            text(&current["serial"]),
            text(&current["resources"]),
            size(&state["size"]),
            size(&state["history_size"]),
            standing(state),
            if lock.is_null() { "-".to_owned() } else { format!("{} since {}", text(&lock["key"]["name"]), time(&lock["locked_at"])) },
        ]
    };
    let rows = answer["states"].as_array().map(|states| states.iter().map(row).collect());
    output::table(&["STATE", "VERSION", "SERIAL", "RESOURCES", "SIZE", "HISTORY", "UPDATED", "LOCKED BY"], rows.unwrap_or_default())
}

/// When a state was written last, or since when it is hidden, and why.
fn standing(state: &Value) -> String {
    let since = time(&state["deleted_at"]);
    match (state["deleted_at"].is_null(), state["transferred_to"].as_str()) {
        (true, _) => time(&state["updated_at"]),
        (false, None) => format!("deleted {since}"),
        (false, Some(to)) => format!("left {since} for {}", output::harmless(to)),
    }
}

fn name(state: &Value) -> String {
    format!("{}/{}", text(&state["workspace"]), text(&state["buildingBlock"]))
}

async fn show(client: &Client, state: &StateName, format: Format) -> Result<(), Failure> {
    let path = format!("/api/terraform/state?deleted=true&workspace={}&buildingBlock={}", state.workspace, state.block);
    let mut answer = client.get(&path).await?;
    let found = answer["states"].as_array_mut().and_then(Vec::pop);
    let Some(found) = found else {
        // Says where it moved to, or that there never was one.
        client.ask("GET", &state.path(), None).await?;
        return Err(Failure::Failed(format!("there is no state at {state}")));
    };
    if format == Format::Json {
        return output::json(&found);
    }
    let (current, lock) = (&found["current"], &found["lock"]);
    let mut pairs = vec![
        ("state", state.to_string()),
        ("address", text(&found["address"])),
        ("version", text(&current["number"])),
        ("serial", text(&current["serial"])),
        ("lineage", text(&current["lineage"])),
        ("written by", format!("{} with {}", text(&current["created_by"]["name"]), text(&current["terraform_version"]))),
        ("written at", time(&current["created_at"])),
        ("resources", text(&current["resources"])),
        ("size", size(&found["size"])),
        ("sha256", text(&current["sha256"])),
        ("versions", text(&found["versions"])),
        ("history", size(&found["history_size"])),
    ];
    pairs.push(match found["transferred_to"].as_str() {
        Some(to) => ("left", format!("{} for {}", time(&found["deleted_at"]), output::harmless(to))),
        None => ("deleted", time(&found["deleted_at"])),
    });
    if lock.is_null() {
        pairs.push(("lock", "-".to_owned()));
    } else {
        pairs.push(("lock", text(&lock["lock"]["ID"])));
        pairs.push((
            "locked by",
            format!("{} ({}) from {}", text(&lock["key"]["name"]), text(&lock["lock"]["Who"]), text(&lock["address"])),
        ));
        pairs.push(("locked at", time(&lock["locked_at"])));
        pairs.push(("written under it", text(&lock["last_write"]["version"])));
        pairs.push(("turned away", text(&lock["refused"]["count"])));
    }
    output::pairs(&pairs)
}

/// How many resource instances a version added, changed and removed; `-` where that is not counted.
fn changes(version: &Value) -> String {
    let count = |name: &str| version[name].as_u64();
    match (count("added"), count("changed"), count("removed")) {
        (Some(added), Some(changed), Some(removed)) => format!("+{added} ~{changed} -{removed}"),
        _ => "-".to_owned(),
    }
}

fn history(answer: &Value, format: Format) -> Result<(), Failure> {
    if format == Format::Json {
        return output::json(answer);
    }
    let row = |version: &Value| {
        let current = if version["current"] == true { "*" } else { "" };
        let held = if version["held"].is_null() { "" } else { "!" };
        vec![
            format!("{}{current}{held}", version["number"]),
            kind(version),
            text(&version["serial"]),
            text(&version["resources"]),
            changes(version),
            size(&version["size"]),
            time(&version["created_at"]),
            text(&version["created_by"]["name"]),
            text(&version["lock"]["who"]),
        ]
    };
    let rows = answer["versions"].as_array().map(|versions| versions.iter().map(row).collect());
    output::table(
        &["VERSION", "KIND", "SERIAL", "RESOURCES", "CHANGES", "SIZE", "WRITTEN", "BY", "UNDER LOCK OF"],
        rows.unwrap_or_default(),
    )?;
    output::message("* the current version, ! held");
    let folded: u64 = answer["versions"].as_array().into_iter().flatten().map(snapshots).sum();
    if folded > 0 {
        output::message(&format!(
            "snapshots of applies that went on are folded into the version that ended each: {folded}; --all shows them"
        ));
    }
    Ok(())
}

/// How a version came about, with why it was rejected, or how many snapshots of its apply came before it.
fn kind(version: &Value) -> String {
    let kind = text(&version["kind"]);
    match (version["rejected"].as_str(), snapshots(version)) {
        (Some(code), _) => format!("{kind} ({code})"),
        (None, 0) if version["intermediate"] == true => format!("{kind} (snapshot)"),
        (None, 0) => kind,
        (None, 1) => format!("{kind} (+1 snapshot)"),
        (None, more) => format!("{kind} (+{more} snapshots)"),
    }
}
