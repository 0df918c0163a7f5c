//! `statekeep status`: how the server is, on one screen. With `--ready` the exit code says whether
//! a server runs and can do its work, as a health check wants it.

use std::time::Duration;

use clap::Args;
use serde_json::Value;
use tokio::time::timeout;

use crate::cli::client::api::Client;
use crate::cli::common::flags::{Common, Format};
use crate::cli::common::rows::rows;
use crate::cli::output::{self, CliError, KnownReason, counted_in, moment, size, text};
use crate::model::span::Span;

/// How long a server may take to say that it is ready: one that hangs is not.
const READY_WITHIN: Duration = Duration::from_secs(5);

#[derive(Args)]
pub(in crate::cli) struct StatusArgs {
    /// Ask only whether a server runs and can do its work; exit code 1 if not. Needs no key
    #[arg(long)]
    ready: bool,
}

/// Tells how the server is.
pub(in crate::cli) async fn run(args: &StatusArgs, common: Common) -> Result<(), CliError> {
    let format = common.format;
    if args.ready {
        let client = Client::connect_to_ask(&common.reach).await?;
        return ready(&client, format).await;
    }
    let client = Client::connect(&common.reach).await?;
    let done = status(&client, format).await;
    client.close().await?;
    done
}

async fn status(client: &Client, format: Format) -> Result<(), CliError> {
    let status = client.get("/api/status").await?;
    if format == Format::Json {
        return output::json(&status);
    }
    let runs = if client.is_by_itself() {
        "no server runs on this directory".to_owned()
    } else {
        format!("since {}", moment(&status["started_at"]))
    };
    let pairs = [
        ("status", text(&status["status"])),
        ("running", runs),
        ("version", version(&status)),
        ("instance", text(&status["instance"])),
        ("states", states(&status)),
        ("locks", locks(&status)),
        ("keys", text(&status["keys"])),
        ("disk", disk(&status)),
        ("verified", moment(&status["verified_at"])),
        ("backup", backup(&status["backup"])),
        ("drill", drill(&status["backup"])),
        ("storage", storage(&status["storage"])),
        ("certificate", certificate(&status["tls"])),
        ("webhooks", webhooks(&status["hooks"])),
        ("clock", clock(&status)),
        ("unlocked writes", text(&status["unlocked_writes"])),
    ];
    output::pairs(&pairs)?;
    problems(&status)
}

fn problems(health: &Value) -> Result<(), CliError> {
    rows(health, "problems").iter().try_for_each(|problem| {
        let (code, detail) = (text(&problem["code"]), text(&problem["detail"]));
        output::line(&format!("! {code}: {detail}"))
    })
}

async fn ready(client: &Client, format: Format) -> Result<(), CliError> {
    let wire = client.wire();
    let asked = timeout(READY_WITHIN, wire.ask("GET", "/readyz", None)).await;
    let late = |_| CliError::Known {
        message: format!("the server has not answered for {}", Span(READY_WITHIN)),
        reason: KnownReason::unreachable(),
    };
    let (health, is_ready) = match asked.map_err(late)? {
        Ok(reply) => (reply.json()?, true),
        Err(refusal) => match refusal.health() {
            Some(health) => (health.clone(), false),
            None => return Err(refusal.into_failure()),
        },
    };
    if format == Format::Json {
        output::json(&health)?;
    } else {
        output::line(&text(&health["status"]))?;
        problems(&health)?;
    }
    if is_ready {
        return Ok(());
    }
    Err(CliError::Failed("the server is not ready".to_owned()))
}

fn version(status: &Value) -> String {
    let (name, version) = (text(&status["name"]), text(&status["version"]));
    let schema = text(&status["schema_version"]);
    format!("{name} {version}, schema {schema}")
}

fn states(status: &Value) -> String {
    let count = text(&status["states"]);
    format!("{count}, {}", counted_in(&status["versions"], "version"))
}

fn locks(status: &Value) -> String {
    let held = text(&status["locks"]);
    if status["locks"] == 0 {
        return held;
    }
    let oldest = moment(&status["oldest_lock_at"]);
    let only = match status["only_locked"].as_u64() {
        Some(only @ 1..) => format!(", {only} without a state"),
        Some(0) | None => String::new(),
    };
    let dead = match status["dead_locks"].as_u64() {
        Some(dead @ 1..) => format!(", {dead} dead"),
        Some(0) | None => String::new(),
    };
    let waiting = match status["waiting"].as_u64() {
        Some(1) => "; 1 run waits".to_owned(),
        Some(waiting @ 2..) => format!("; {waiting} runs wait"),
        Some(0) | None => String::new(),
    };
    format!("{held}{only}{dead}; the oldest since {oldest}{waiting}")
}

fn disk(status: &Value) -> String {
    let (database, wal) = (size(&status["database_size"]), size(&status["wal_size"]));
    format!(
        "database {database}, WAL {wal}, {} free",
        size(&status["free_space"])
    )
}

fn backup(backup: &Value) -> String {
    if backup.is_null() {
        return "none by the server itself (serve --backup-dir)".to_owned();
    }
    let last = &backup["last"];
    let made = if backup["folder_read"] == false {
        "not known yet: the folder is being read".to_owned()
    } else if last.is_null() {
        "none yet".to_owned()
    } else {
        format!("{}, {}", moment(&last["at"]), size(&last["size"]))
    };
    let failed = failed(&backup["failure"]);
    let overdue = if backup["overdue"] == true {
        "; overdue"
    } else {
        ""
    };
    format!("{made}{failed}{overdue}")
}

fn drill(backup: &Value) -> String {
    let last = &backup["drill"];
    let done = if last.is_null() {
        "-".to_owned()
    } else {
        let versions = counted_in(&last["versions"], "version");
        format!("{}, {versions} read back", moment(&last["at"]))
    };
    format!("{done}{}", failed(&backup["drill_failure"]))
}

fn failed(failure: &Value) -> String {
    if failure.is_null() {
        return String::new();
    }
    format!(
        "; failed {}: {}",
        moment(&failure["at"]),
        text(&failure["detail"])
    )
}

fn storage(storage: &Value) -> String {
    if storage["sealed"] != true {
        return "in the clear (serve --storage-key-file)".to_owned();
    }
    let key = text(&storage["storage_key"]);
    let pending = &storage["pending"];
    if pending.is_null() {
        return format!("sealed, storage key {key}");
    }
    let (done, of) = (text(&pending["done"]), text(&pending["of"]));
    format!("sealed, storage key {key}; {done} of {of} pieces of content are by that key")
}

fn certificate(tls: &Value) -> String {
    if tls.is_null() {
        return "none: plain HTTP (serve --tls-cert)".to_owned();
    }
    let left = counted_in(&tls["days_left"], "day");
    let failed = failed(&tls["failure"]);
    format!("until {}, {left} left{failed}", moment(&tls["expires_at"]))
}

fn webhooks(hooks: &Value) -> String {
    let total = text(&hooks["total"]);
    let told = |member: &str, what: &str| match hooks[member].as_u64() {
        Some(count @ 1..) => format!(", {count} {what}"),
        Some(0) | None => String::new(),
    };
    format!(
        "{total}{}{}",
        told("disabled", "disabled"),
        told("failing", "failing")
    )
}

/// The problems tell the rest.
fn clock(status: &Value) -> String {
    let mut problems = rows(status, "problems").iter();
    let in_doubt = problems.any(|problem| problem["code"] == "clock_in_doubt");
    if in_doubt { "in doubt" } else { "trusted" }.to_owned()
}
