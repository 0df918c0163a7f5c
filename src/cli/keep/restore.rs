//! `statekeep restore`: a data directory out of a backup, or with `--dry-run` what a backup holds
//! beside what is here.

use std::fs::File;
use std::io::{self, BufReader, IsTerminal as _, Read};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use crate::cli::client::api::Client;
use crate::cli::common::flags::{Common, Format};
use crate::cli::common::reach::{Reach, Way};
use crate::cli::common::storage_keys;
use crate::cli::output::ShownPath as _;
use crate::cli::output::{self, CliError, counted, harmless, size};
use crate::domain::auth::keys::WithSecret;
use crate::domain::backups::manifest::BackupManifest;
use crate::domain::backups::received;
use crate::domain::backups::restore::{self, RestoreRequest, RestoredData};
use crate::domain::engine::data_dir::ADMIN_KEY_FILE;
use crate::model::clock;

/// How many bytes are read at a time.
const PIECE: usize = 256 * 1024;

#[derive(Args)]
pub(in crate::cli) struct RestoreDataArgs {
    /// The backup; - reads it from standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Revoke all API keys and make a new admin key
    #[arg(long)]
    revoke_keys: bool,
    /// Restore a backup in which something is damaged
    #[arg(long)]
    accept_damage: bool,
    /// Only check the backup and compare it with what is here
    #[arg(long, conflicts_with_all = ["revoke_keys", "accept_damage"])]
    dry_run: bool,
}

/// Runs it.
pub(in crate::cli) async fn run(args: RestoreDataArgs, common: Common) -> Result<(), CliError> {
    if args.dry_run {
        return preview(&args.file, &common).await;
    }
    let Way::Directory(data) = common.reach.way()? else {
        return Err(CliError::Usage(
            "a backup is restored into a directory of this machine: give --data instead of --url"
                .to_owned(),
        ));
    };
    let wanted = RestoreRequest {
        data: data.to_owned(),
        revokes_keys: args.revoke_keys,
        accepts_damage: args.accept_damage,
        key_to_file: !io::stderr().is_terminal(),
        storage_keys: storage_keys::of_environment()?,
    };
    let from = open(&args.file)?;
    let restored = restore::restore(from, &wanted).await;
    let restored = restored.map_err(|error| about(&args.file, &error))?;
    tell(&restored, &wanted, common.format)
}

fn about(file: &Path, error: &impl std::fmt::Display) -> CliError {
    let name = if file.as_os_str() == "-" {
        "standard input".to_owned()
    } else {
        file.shown()
    };
    CliError::Failed(format!("{name}: {error}"))
}

fn open(file: &Path) -> Result<Box<dyn Read>, CliError> {
    if file.as_os_str() == "-" {
        if io::stdin().is_terminal() {
            return Err(CliError::Usage(
                "a backup does not come from a terminal; name a file, or send one to stdin"
                    .to_owned(),
            ));
        }
        return Ok(Box::new(io::stdin()));
    }
    let opened = File::open(file).map_err(|error| about(file, &error))?;
    Ok(Box::new(BufReader::with_capacity(PIECE, opened)))
}

/// Checks a backup, and says what it holds and what is here that it does not hold.
async fn preview(file: &Path, common: &Common) -> Result<(), CliError> {
    let manifest = received::check(open(file)?).map_err(|error| about(file, &error))?;
    let here = here(&common.reach, &manifest).await?;
    if common.format == Format::Json {
        return output::json(&json!({ "backup": manifest, "here": here }));
    }
    holds(&manifest)?;
    output::line("its SHA-256 fits; its versions are verified when it is restored")?;
    output::line(&compared(&manifest, &here))
}

/// How the server is that is here; null where there is none.
async fn here(reach: &Reach, manifest: &BackupManifest) -> Result<Value, CliError> {
    if let Way::Directory(data) = reach.way()?
        && !data.join("statekeep.db").exists()
    {
        return Ok(Value::Null);
    }
    let client = Client::connect(reach).await?;
    let path = format!("/api/status?since={}", manifest.taken_at);
    let status = client.get(&path).await;
    client.close().await?;
    status
}

fn holds(manifest: &BackupManifest) -> Result<(), CliError> {
    let newest = manifest.newest_version_at.as_deref().unwrap_or("-");
    output::pairs(&[
        ("taken at", manifest.taken_at.clone()),
        ("states", manifest.states.to_string()),
        ("versions", manifest.versions.to_string()),
        ("newest version", newest.to_owned()),
        ("locks", manifest.locks.to_string()),
        ("keys", manifest.keys.to_string()),
        ("database", size(&json!(manifest.database.size))),
        ("schema", manifest.schema.to_string()),
        ("program", harmless(&manifest.program)),
        ("instance", harmless(&manifest.instance)),
    ])
}

fn compared(manifest: &BackupManifest, here: &Value) -> String {
    let Some(since) = here["versions_since"].as_u64() else {
        return "here is no database that it could be compared with".to_owned();
    };
    let versions = here["versions"].as_u64().unwrap_or(0);
    let is_same = here["instance"] == json!(manifest.instance);
    let whose = if is_same {
        "here is the data that it was taken from"
    } else {
        "here is other data, or the same after it was restored"
    };
    let lost = match since {
        0 => "no version here was written after it".to_owned(),
        _ => format!(
            "it is older: {} here {} written after it, and not in it",
            counted(since, "version"),
            if since == 1 { "was" } else { "were" }
        ),
    };
    format!("{whose}: {} in all. {lost}", counted(versions, "version"))
}

fn tell(restored: &RestoredData, wanted: &RestoreRequest, format: Format) -> Result<(), CliError> {
    let (now, dir) = (clock::now(), wanted.data.shown());
    if format == Format::Json {
        let mut told = json!(restored);
        told["keys"] = restored
            .keys
            .iter()
            .map(|key| json!(key.shown(now)))
            .collect();
        told["admin_key"] = json!(
            restored
                .admin
                .as_ref()
                .map(|admin| admin.key.id.to_string())
        );
        output::json(&told)?;
        told_of_key(restored.admin.as_ref(), wanted);
        return Ok(());
    }
    let backup = &restored.backup;
    output::line(&format!(
        "restored into {dir}: {}, {}, as of {}",
        counted(backup.states, "state"),
        counted(backup.versions, "version"),
        backup.taken_at
    ))?;
    let checked = &restored.verified.checked;
    output::line(&match restored.verified.found {
        0 => format!(
            "verified: {} decoded, nothing is wrong",
            counted(checked.decoded, "version")
        ),
        found => format!(
            "verified: {} decoded, {} (`statekeep verify` says which)",
            counted(checked.decoded, "version"),
            counted(found, "finding")
        ),
    })?;
    output::line(&format!(
        "ended {}; instance {} is now {}",
        counted(restored.ended_tokens, "token"),
        harmless(&backup.instance),
        restored.instance
    ))?;
    if restored.disabled_hooks > 0 {
        let disabled = counted(restored.disabled_hooks, "webhook");
        output::line(&format!(
            "disabled {disabled}: nobody is told of events until `statekeep hook enable`"
        ))?;
    }
    for state in &restored.locked {
        output::line(&format!("still locked, as of the backup: {state}"))?;
    }
    tell_keys(restored)?;
    told_of_key(restored.admin.as_ref(), wanted);
    Ok(())
}

fn tell_keys(restored: &RestoredData) -> Result<(), CliError> {
    if restored.revoked_keys > 0 {
        let revoked = counted(restored.revoked_keys, "key");
        output::line(&format!("revoked {revoked}"))?;
    }
    let works = match restored.keys.len() {
        0 => "no key works",
        _ => "keys that work from now on:",
    };
    output::line(works)?;
    restored.keys.iter().try_for_each(|key| {
        let (name, scope) = (harmless(&key.name), &key.grant.scope);
        let permissions = key.grant.permissions.names(scope).join(" ");
        output::line(&format!("  {} {name}, for {scope}: {permissions}", key.id))
    })
}

/// The new admin key, as a first start shows it.
fn told_of_key(admin: Option<&WithSecret>, wanted: &RestoreRequest) {
    let Some(admin) = admin else {
        return;
    };
    let id = admin.key.id;
    output::message(&if wanted.key_to_file {
        let path = wanted.data.join(ADMIN_KEY_FILE);
        format!(
            "the new admin key's secret (id {id}) is in {}; store it safely and remove the file",
            path.shown()
        )
    } else {
        let secret = admin.secret.reveal();
        format!("\nA new admin key (id {id}). Its secret is shown this once:\n\n    {secret}\n")
    });
}
