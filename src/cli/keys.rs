//! `statekeep key …`

use std::time::Duration;

use clap::Subcommand;
use serde_json::{Value, json};

use super::client::Client;
use super::output::{self, Failure, text, time};
use super::{Common, Format};
use crate::model::permission::ROLES;

#[derive(Subcommand)]
pub(super) enum KeyCommand {
    /// Make a key; its secret is printed this once
    Create {
        /// What people call it
        name: String,
        /// The workspace that it is for; without one it is for all
        #[arg(long)]
        workspace: Option<String>,
        /// The building block that it is for; without one it is for the whole workspace
        #[arg(long, requires = "workspace")]
        building_block: Option<String>,
        /// A bundle of permissions
        #[arg(long, value_parser = ROLES)]
        role: Vec<String>,
        /// A single permission, such as `TFSTATE_LIST`
        #[arg(long)]
        permission: Vec<String>,
        /// After how long it ends, such as 90d
        #[arg(long, value_parser = humantime::parse_duration)]
        expires: Option<Duration>,
    },
    /// List all keys
    List,
    /// Show one key
    Show {
        /// Its id
        id: String,
    },
    /// End a key and its tokens, at once
    Revoke {
        /// Its id
        id: String,
    },
    /// Give a key another secret; it is printed this once
    Rotate {
        /// Its id
        id: String,
        /// How long the old secret lives on, such as 10m
        #[arg(long, value_parser = humantime::parse_duration, default_value = "0s")]
        grace: Duration,
    },
}

/// Runs one of them.
pub(super) async fn run(command: KeyCommand, common: Common) -> Result<(), Failure> {
    let client = Client::connect(&common.reach).await?;
    let done = act(&client, command, common.format).await;
    client.close().await?;
    done
}

async fn act(client: &Client, command: KeyCommand, format: Format) -> Result<(), Failure> {
    match command {
        KeyCommand::Create { name, workspace, building_block, role, permission, expires } => {
            let body = json!({
                "name": name, "workspace": workspace, "buildingBlock": building_block, "role": role, "permissions": permission,
                "expires_in": expires.map(|expires| expires.as_secs()),
            });
            with_secret(&client.ask("POST", "/api/keys", Some(body)).await?.json()?, format)
        }
        KeyCommand::List => {
            let keys = client.list("/api/keys", "keys", "after", None).await?;
            list(&keys, format)
        }
        KeyCommand::Show { id } => show(&client.get(&key_path(&id)?).await?, format),
        KeyCommand::Revoke { id } => {
            let key = client.ask("DELETE", &key_path(&id)?, None).await?.json()?;
            if format == Format::Json {
                return output::json(&key);
            }
            output::message(&format!("revoked the key {} ({}) and its tokens", text(&key["name"]), text(&key["id"])));
            Ok(())
        }
        KeyCommand::Rotate { id, grace } => {
            let body = json!({ "grace": grace.as_secs() });
            let rotated = client.ask("POST", &format!("{}/rotate", key_path(&id)?), Some(body)).await?;
            with_secret(&rotated.json()?, format)
        }
    }
}

fn key_path(id: &str) -> Result<String, Failure> {
    let id = id
        .parse::<crate::model::key::KeyId>()
        .map_err(|_| Failure::Usage(format!("{id:?} is no id of a key; see `statekeep key list`")))?;
    Ok(format!("/api/keys/{id}"))
}

/// The secret alone goes to stdout, so that a script can take it from there.
fn with_secret(answer: &Value, format: Format) -> Result<(), Failure> {
    if format == Format::Json {
        return output::json(answer);
    }
    let key = &answer["key"];
    output::message(&format!("key {} ({}): {}, {}", text(&key["name"]), text(&key["id"]), scope(key), permissions(key)));
    output::message("its secret is shown this once:");
    output::line(&text(&answer["secret"]))
}

fn scope(key: &Value) -> String {
    match (key["workspace"].as_str(), key["buildingBlock"].as_str()) {
        (None, _) => "every workspace".to_owned(),
        (Some(workspace), None) => workspace.to_owned(),
        (Some(workspace), Some(block)) => format!("{workspace}/{block}"),
    }
}

fn permissions(key: &Value) -> String {
    let names = key["permissions"].as_array().map(|names| names.iter().map(text).collect::<Vec<_>>());
    names.unwrap_or_default().join(" ")
}

fn list(answer: &Value, format: Format) -> Result<(), Failure> {
    if format == Format::Json {
        return output::json(answer);
    }
    let row = |key: &Value| {
        vec![
            text(&key["id"]),
            text(&key["name"]),
            scope(key),
            text(&key["status"]),
            time(&key["expires_at"]),
            time(&key["last_used_at"]),
            permissions(key),
        ]
    };
    let rows = answer["keys"].as_array().map(|keys| keys.iter().map(row).collect());
    output::table(&["ID", "NAME", "SCOPE", "STATUS", "EXPIRES", "LAST USED", "PERMISSIONS"], rows.unwrap_or_default())
}

fn show(key: &Value, format: Format) -> Result<(), Failure> {
    if format == Format::Json {
        return output::json(key);
    }
    output::pairs(&[
        ("id", text(&key["id"])),
        ("name", text(&key["name"])),
        ("scope", scope(key)),
        ("permissions", permissions(key)),
        ("status", text(&key["status"])),
        ("created", format!("{} by {}", time(&key["created_at"]), text(&key["created_by"]["name"]))),
        ("expires", time(&key["expires_at"])),
        ("revoked", time(&key["revoked_at"])),
        ("rotated", time(&key["rotated_at"])),
        ("old secret until", time(&key["old_secret_until"])),
        ("last used", time(&key["last_used_at"])),
    ])
}
