//! `statekeep state list`, `show` and `history`: what is kept, as tables and lines. An address that
//! is only locked is there too: a first apply that died leaves a lock and nothing else.

use std::time::Duration;

use serde_json::{Value, json};

use crate::cli::Format;
use crate::cli::client::Client;
use crate::cli::common::nearest;
use crate::cli::common::refusal;
use crate::cli::output;
use crate::cli::output::Failure;
use crate::cli::output::harmless;
use crate::cli::output::size;
use crate::cli::output::text;
use crate::cli::output::time;
use crate::cli::state::folding::snapshots;
use crate::model::clock::{self, Timestamp};
use crate::model::name::{StateName, Workspace};

/// For how long after a write its changes may still be counted.
const COUNTED_WITHIN: Duration = Duration::from_secs(30);

/// Lists the states.
pub(in crate::cli) async fn list(
    client: &Client,
    workspace: Option<Workspace>,
    locked: bool,
    deleted: bool,
    format: Format,
) -> Result<(), Failure> {
    let of = workspace
        .as_ref()
        .map(|name| format!("&workspace={name}"))
        .unwrap_or_default();
    let only = if locked { "&locked=true" } else { "" };
    let mut answer = client
        .list(
            &format!("/api/terraform/state?deleted={deleted}{of}{only}"),
            "states",
            "after",
            None,
        )
        .await?;
    let rows = answer["states"]
        .as_array_mut()
        .map(std::mem::take)
        .unwrap_or_default();
    if let Some(workspace) = workspace.filter(|_| rows.is_empty()) {
        nearest::workspace_exists(client, &workspace).await?;
    }
    let rows: Vec<Value> = rows
        .into_iter()
        .filter(|row| !locked || !row["lock"].is_null())
        .collect();
    if format == Format::Json {
        answer["states"] = json!(rows);
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
            if lock.is_null() {
                "-".to_owned()
            } else {
                format!(
                    "{} since {}",
                    harmless(&text(&lock["key"]["name"])),
                    time(&lock["locked_at"])
                )
            },
        ]
    };
    output::table(
        &[
            "STATE",
            "VERSION",
            "SERIAL",
            "RESOURCES",
            "SIZE",
            "HISTORY",
            "UPDATED",
            "LOCKED BY",
        ],
        rows.iter().map(row).collect(),
    )
}

/// When a state was written last, or since when it is hidden, and why.
fn standing(state: &Value) -> String {
    let since = time(&state["deleted_at"]);
    match (
        state["deleted_at"].is_null(),
        state["transferred_to"].as_str(),
    ) {
        (true, _) => time(&state["updated_at"]),
        (false, None) => format!("deleted {since}"),
        (false, Some(to)) => format!("left {since} for {}", harmless(to)),
    }
}

fn name(state: &Value) -> String {
    format!(
        "{}/{}",
        text(&state["workspace"]),
        text(&state["buildingBlock"])
    )
}

/// Shows a state and its lock.
pub(in crate::cli) async fn show(
    client: &Client,
    state: &StateName,
    format: Format,
) -> Result<(), Failure> {
    let Some(found) = nearest::row(client, state).await? else {
        // Says where it moved to, or that there never was one.
        client.ask("GET", &state.path(), None).await?;
        return Err(nearest::no_state(client, state).await);
    };
    if format == Format::Json {
        return output::json(&found);
    }
    let current = &found["current"];
    let mut pairs = vec![
        ("state", state.to_string()),
        ("address", text(&found["address"])),
        ("version", text(&current["number"])),
    ];
    if !current.is_null() {
        let by = format!(
            "{} with {}",
            harmless(&text(&current["created_by"]["name"])),
            text(&current["terraform_version"])
        );
        pairs.extend([
            ("serial", text(&current["serial"])),
            ("lineage", harmless(&text(&current["lineage"]))),
            ("written by", by),
            ("written at", time(&current["created_at"])),
            ("resources", text(&current["resources"])),
            ("size", size(&found["size"])),
            ("sha256", text(&current["sha256"])),
        ]);
    }
    pairs.extend([
        ("versions", text(&found["versions"])),
        ("history", size(&found["history_size"])),
    ]);
    pairs.push(match found["transferred_to"].as_str() {
        Some(to) => (
            "left",
            format!("{} for {}", time(&found["deleted_at"]), harmless(to)),
        ),
        None => ("deleted", time(&found["deleted_at"])),
    });
    pairs.extend(lock(&found["lock"]));
    output::pairs(&pairs)
}

/// What is to be said of a lock.
fn lock(lock: &Value) -> Vec<(&'static str, String)> {
    if lock.is_null() {
        return vec![("lock", "-".to_owned())];
    }
    let inner = &lock["lock"];
    let by = format!(
        "{} ({}) from {}",
        text(&lock["key"]["name"]),
        text(&inner["Who"]),
        text(&lock["address"])
    );
    vec![
        ("lock", harmless(&text(&inner["ID"]))),
        ("locked by", harmless(&by)),
        ("locked for", harmless(&text(&inner["Operation"]))),
        ("locked at", time(&lock["locked_at"])),
        ("written under it", text(&lock["last_write"]["version"])),
        ("turned away", text(&lock["refused"]["count"])),
    ]
}

/// How many resource instances a version added, changed and removed; `…` where that is still being
/// counted, `-` where it is not told.
fn changes(version: &Value) -> String {
    let count = |name: &str| version[name].as_u64();
    if let (Some(added), Some(changed), Some(removed)) =
        (count("added"), count("changed"), count("removed"))
    {
        return format!("+{added} ~{changed} -{removed}");
    }
    let written = version["created_at"].as_str().and_then(Timestamp::parse);
    let is_new = written.is_some_and(|written| clock::now().since(written) < COUNTED_WITHIN);
    let is_counted =
        version["kind"] == "write" && version["encrypted"] == false && version["format"] == 4;
    if is_new && is_counted { "…" } else { "-" }.to_owned()
}

/// Prints versions; of an address that is only locked, that it has none yet.
pub(in crate::cli) async fn history(
    client: &Client,
    state: &StateName,
    versions: Result<Value, Failure>,
    format: Format,
) -> Result<(), Failure> {
    let is_empty = versions.as_ref().map_or(true, |answer| {
        answer["versions"].as_array().is_none_or(Vec::is_empty)
    });
    if is_empty
        && let Some(row) = nearest::row(client, state)
            .await?
            .filter(|row| row["versions"] == 0 && !row["lock"].is_null())
    {
        let (held, unlock) = (
            refusal::held(state, &row["lock"]),
            refusal::unlock(state, &text(&row["lock"]["lock"]["ID"])),
        );
        output::message(&format!("{state} has no version yet: {held}{unlock}"));
        return print(&json!({ "versions": [], "next": null }), format);
    }
    print(&versions?, format)
}

fn print(answer: &Value, format: Format) -> Result<(), Failure> {
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
    let rows = answer["versions"]
        .as_array()
        .map(|versions| versions.iter().map(row).collect());
    output::table(
        &[
            "VERSION",
            "KIND",
            "SERIAL",
            "RESOURCES",
            "CHANGES",
            "SIZE",
            "WRITTEN",
            "BY",
            "UNDER LOCK OF",
        ],
        rows.unwrap_or_default(),
    )?;
    output::message("* the current version, ! held");
    let folded: u64 = answer["versions"]
        .as_array()
        .into_iter()
        .flatten()
        .map(snapshots)
        .sum();
    if folded > 0 {
        output::message(&format!(
            "snapshots are folded into the version that ended their apply: {folded}; --all shows \
                them"
        ));
    }
    Ok(())
}

/// How a version came about, with why it was rejected, or how many snapshots of its apply came
/// before it.
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
