//! `statekeep key …`

mod list;
mod storage;

use std::collections::HashSet;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::cli::client::api::Client;
use crate::cli::common::destroying::Destroying;
use crate::cli::common::done;
use crate::cli::common::existence;
use crate::cli::common::flags::Common;
use crate::cli::common::flags::Format;
use crate::cli::common::rights::{client_sans, permissions, scope};
use crate::cli::common::roles::roles;
use crate::cli::output;
use crate::cli::output::CliError;
use crate::cli::output::counted;
use crate::cli::output::text;
use crate::cli::output::time;
use crate::model::span::Span;

#[derive(Subcommand)]
pub(super) enum KeyCommand {
    #[command(flatten)]
    OfServer(ServerKeyCommand),
    #[command(flatten)]
    OfFile(storage::StorageKeyCommand),
}

#[derive(Subcommand)]
pub(super) enum ServerKeyCommand {
    /// Create a key; its secret is printed this once
    Create(CreateArgs),
    /// List all keys
    #[command(visible_alias = "ls")]
    List(list::KeyListArgs),
    /// Show one key
    Show {
        /// The key's id or name
        #[arg(value_name = "KEY")]
        key: String,
    },
    /// End a key and its tokens, at once
    Revoke {
        /// The key's id or name
        #[arg(value_name = "KEY")]
        key: String,
        /// Also end each key that it made, and those that they made, with their trusts and
        /// webhooks
        #[arg(long)]
        with_children: bool,
        #[command(flatten)]
        destroying: Destroying,
    },
    /// Give a key a new secret; it is printed this once
    Rotate {
        /// The key's id or name
        #[arg(value_name = "KEY")]
        key: String,
        /// How long the old secret still works, such as 10m; at most 7d
        #[arg(long, value_name = "DURATION", default_value = "0s")]
        grace: Span,
    },
    /// Go over to the first storage key that the server was started with
    RekeyStorage,
}

#[derive(Args)]
pub(super) struct CreateArgs {
    /// The name of the key
    name: String,
    /// What the key is for, as WORKSPACE or WORKSPACE/BUILDINGBLOCK, instead of the two flags
    #[arg(value_name = "W[/B]", conflicts_with_all = ["workspace", "building_block"])]
    scope: Option<String>,
    /// The key is for this workspace only; without it, for all
    #[arg(long)]
    workspace: Option<String>,
    /// The key is for this building block only; without it, for the whole workspace
    #[arg(long, requires = "workspace")]
    building_block: Option<String>,
    /// A bundle of permissions; may be given several times
    #[arg(long, value_parser = roles())]
    role: Vec<String>,
    /// A single permission, such as `TFSTATE_LIST`; may be given several times
    #[arg(long)]
    permission: Vec<String>,
    /// After how long the key ends, such as 90d
    #[arg(long, value_name = "DURATION")]
    expires: Option<Span>,
    /// Take the key only on connections whose client certificate has this name: a DNS name, which
    /// may begin with `*.`, a URI or an e-mail address; may be given several times
    #[arg(long, value_name = "NAME")]
    client_san: Vec<String>,
}

/// Runs one of them.
pub(super) async fn run(command: KeyCommand, common: Common) -> Result<(), CliError> {
    let command = match command {
        KeyCommand::OfFile(command) => return storage::run(command, common.format),
        KeyCommand::OfServer(command) => command,
    };
    let client = Client::connect(&common.reach).await?;
    let done = act(&client, command, common.format).await;
    client.close().await?;
    done
}

async fn act(client: &Client, command: ServerKeyCommand, format: Format) -> Result<(), CliError> {
    match command {
        ServerKeyCommand::Create(args) => create(client, args, format).await,
        ServerKeyCommand::List(args) => list::run(client, &args, format).await,
        ServerKeyCommand::Show { key } => {
            let path = key_path(client, &key).await?;
            show(&client.get(&path).await?, format)
        }
        ServerKeyCommand::Revoke {
            key,
            with_children,
            destroying,
        } => revoke(client, (&key, with_children), &destroying, format).await,
        ServerKeyCommand::RekeyStorage => storage::rekey(client, format).await,
        ServerKeyCommand::Rotate { key, grace } => {
            let path = format!("{}/rotate", key_path(client, &key).await?);
            let body = json!({ "grace": grace.0.as_secs() });
            with_secret(&client.call("POST", &path, Some(body)).await?, format)
        }
    }
}

async fn create(client: &Client, args: CreateArgs, format: Format) -> Result<(), CliError> {
    let expires_in = args.expires.map(|expires| expires.0.as_secs());
    let (workspace, block) = match args.scope.as_deref() {
        None => (args.workspace, args.building_block),
        Some(scope) => {
            let (workspace, block) = scope
                .split_once('/')
                .map_or((scope, None), |(workspace, block)| (workspace, Some(block)));
            (Some(workspace.to_owned()), block.map(str::to_owned))
        }
    };
    let body = json!({
        "name": args.name, "workspace": workspace, "buildingBlock": block,
        "role": args.role, "permissions": args.permission, "expires_in": expires_in,
        "client_sans": args.client_san,
    });
    let made = client.call("POST", "/api/keys", Some(body)).await?;
    with_secret(&made, format)?;
    let bound = made["key"]["client_sans"].as_array();
    if bound.is_some_and(|names| !names.is_empty()) {
        warn_if_nobody_is_asked(client).await;
    }
    Ok(())
}

/// Says so if the server could not take a key that is bound to client certificates. Who may not see
/// its status is told when the key is made.
async fn warn_if_nobody_is_asked(client: &Client) {
    let status = client.get("/api/status").await;
    let asks = |status: &Value| {
        let tls = &status["tls"]["client_certificates"];
        tls.as_str().is_some_and(|asks| asks != "none")
    };
    if status.is_ok_and(|status| !asks(&status)) {
        output::message(
            "no client is asked for a certificate now, so this key is refused until the server is \
                started with --tls-client-ca",
        );
    }
}

async fn revoke(
    client: &Client,
    (key, with_children): (&str, bool),
    destroying: &Destroying,
    format: Format,
) -> Result<(), CliError> {
    let path = key_path(client, key).await?;
    if destroying.shows() {
        let key = client.get(&path).await?;
        let mut hits = Vec::new();
        if key["status"] != "revoked" {
            hits.extend(hit(&key));
        }
        if with_children {
            let keys = client.list("/api/keys", "keys", "after", None).await?;
            hits.extend(made_by(&keys, &key).map(|child| format!("made by it: {}", named(child))));
        }
        if hits.is_empty() && destroying.is_dry_run() {
            hits.push(format!("{} is revoked already", named(&key)));
        }
        if !hits.is_empty() {
            let question = if with_children {
                "Revoke these keys and their tokens for good?"
            } else {
                "Revoke it and its tokens for good?"
            };
            if !destroying.goes_on(&hits, question, format)? {
                return Ok(());
            }
        }
    }
    let query = if with_children { "?children=true" } else { "" };
    // A caller who may not look is told that it is revoked now.
    let before = client.get(&path).await.unwrap_or_default();
    let key = client
        .call("DELETE", &format!("{path}{query}"), None)
        .await?;
    done::tell(&key, format, || {
        let (name, id) = (text(&key["name"]), text(&key["id"]));
        match key["children"].as_array() {
            Some(children) => {
                let made = counted(children.len(), "key");
                let hooks = key["hooks"].as_array().map_or(0, Vec::len);
                let hooks = match hooks {
                    0 => String::new(),
                    hooks => format!("; deleted {}", counted(hooks, "webhook")),
                };
                format!("revoked the key {name} ({id}), {made} below it, and their tokens{hooks}")
            }
            None if before["status"] == "revoked" => {
                format!("the key {name} ({id}) was revoked already")
            }
            None => format!("revoked the key {name} ({id}) and its tokens"),
        }
    })
}

/// The keys that a key has made, and those that they have made, as far as they are not revoked.
fn made_by<'a>(keys: &'a Value, key: &Value) -> impl Iterator<Item = &'a Value> {
    let mut makers = HashSet::from([text(&key["id"])]);
    let keys = keys["keys"].as_array().into_iter().flatten();
    // They come in the order in which they were made, so each after its maker.
    keys.filter(move |key| {
        makers.contains(&text(&key["created_by"]["id"])) && makers.insert(text(&key["id"]))
    })
    .filter(|key| key["status"] != "revoked")
}

/// A key with what it may do.
fn named(key: &Value) -> String {
    let (name, id) = (text(&key["name"]), text(&key["id"]));
    let (scope, permissions) = (scope(key), permissions(key));
    format!("the key {name} ({id}), for {scope}: {permissions}")
}

/// What revoking a key hits.
fn hit(key: &Value) -> [String; 2] {
    let used = if key["last_used_at"].is_string() {
        let at = time(&key["last_used_at"]);
        format!("it was last used at {at}; every program that uses it fails from now on")
    } else {
        "it was never used".to_owned()
    };
    [named(key), used]
}

/// The path of a key that is named by its id or by its name.
async fn key_path(client: &Client, wanted: &str) -> Result<String, CliError> {
    Ok(format!(
        "/api/keys/{}",
        existence::key_id(client, wanted).await?
    ))
}

/// What follows if a secret cannot be printed.
const LOST: &str = "it is shown nowhere again, so rotate or revoke the key";

/// The secret alone goes to stdout, so that a script can take it from there.
fn with_secret(answer: &Value, format: Format) -> Result<(), CliError> {
    if format == Format::Json {
        return output::secret(&answer.to_string(), LOST);
    }
    let key = &answer["key"];
    let ends = key["expires_at"]
        .as_str()
        .map(|_| format!(", until {}", time(&key["expires_at"])))
        .unwrap_or_default();
    let name = text(&key["name"]);
    output::note(&format!(
        "key {name} ({}): {}, {}{ends}",
        text(&key["id"]),
        scope(key),
        permissions(key)
    ));
    let old = key["old_secret_until"].as_str().map(|_| {
        format!(
            "; the old one works until {}",
            time(&key["old_secret_until"])
        )
    });
    let old = old.unwrap_or_default();
    output::note(&format!("its secret is printed on stdout, this once{old}"));
    output::secret(&text(&answer["secret"]), LOST)
}

fn show(key: &Value, format: Format) -> Result<(), CliError> {
    if format == Format::Json {
        return output::json(key);
    }
    output::pairs(&[
        ("id", text(&key["id"])),
        ("name", text(&key["name"])),
        ("scope", scope(key)),
        ("permissions", permissions(key)),
        ("status", text(&key["status"])),
        (
            "created",
            format!(
                "{} by {}",
                time(&key["created_at"]),
                text(&key["created_by"]["name"])
            ),
        ),
        ("expires", time(&key["expires_at"])),
        ("revoked", time(&key["revoked_at"])),
        ("rotated", time(&key["rotated_at"])),
        ("old secret until", time(&key["old_secret_until"])),
        ("client SANs", client_sans(key)),
        ("last used", time(&key["last_used_at"])),
    ])
}
