//! `statekeep trust …`: which ID tokens of which issuers the server takes, and for what.

use clap::{ArgGroup, Args, Subcommand};
use serde_json::{Map, Value, json};

use crate::cli::client::api::Client;
use crate::cli::client::pages::{ListPages, TRUSTS};
use crate::cli::common::ask::Asking;
use crate::cli::common::done;
use crate::cli::common::flags::{Common, Format};
use crate::cli::common::listing::PrintedList;
use crate::cli::common::nearest;
use crate::cli::common::rights::{permissions, scope};
use crate::cli::common::roles::roles;
use crate::cli::common::rows::rows;
use crate::cli::output::{self, CliError, KnownReason, harmless, text, time};
use crate::cli::table::{Column, kept};
use crate::model::key::KeyId;
use crate::model::span::Span;

#[derive(Subcommand)]
pub(super) enum TrustCommand {
    /// Take ID tokens of an issuer, with some claims, for a scope and a role
    Create(Box<CreateTrustArgs>),
    /// List all trusts
    #[command(visible_alias = "ls")]
    List,
    /// Show one trust
    Show {
        /// The trust's id or name
        #[arg(value_name = "TRUST")]
        trust: String,
    },
    /// Remove a trust and end its tokens, at once
    #[command(visible_alias = "delete")]
    Remove {
        /// The trust's id or name
        #[arg(value_name = "TRUST")]
        trust: String,
        #[command(flatten)]
        asking: Asking,
    },
}

#[derive(Args)]
#[command(group = ArgGroup::new("may").args(["role", "permission"]).required(true).multiple(true))]
#[command(group = ArgGroup::new("keys").args(["jwks_file", "jwks_url"]).required(true))]
pub(super) struct CreateTrustArgs {
    /// The name of the trust
    name: String,
    /// What `iss` of a token has to be, to the letter
    #[arg(long, value_name = "URL")]
    issuer: String,
    /// What `aud` of a token has to be, or to have in it
    #[arg(long, value_name = "AUDIENCE")]
    audience: String,
    /// The issuer's public keys (a JWK set): an absolute path on the server's machine
    #[arg(long, value_name = "FILE")]
    jwks_file: Option<String>,
    /// The address where the issuer publishes its keys, instead of a file; the server asks it
    #[arg(long, value_name = "URL")]
    jwks_url: Option<String>,
    /// A claim and its value, in which `*` stands for any characters but `/` and `**` for any; may
    /// be given several times
    #[arg(long, value_name = "NAME=VALUE", required = true, value_parser = claim)]
    claim: Vec<(String, String)>,
    /// The workspace, in which `{claim}` stands for a claim's value; without it, all
    #[arg(long, value_name = "W")]
    workspace: Option<String>,
    /// The building block, in the same way; without it, the whole workspace
    #[arg(long, value_name = "B", requires = "workspace")]
    building_block: Option<String>,
    /// A bundle of permissions; may be given several times
    #[arg(long, value_parser = roles())]
    role: Vec<String>,
    /// A single permission, such as `TFSTATE_LIST`; may be given several times
    #[arg(long)]
    permission: Vec<String>,
    /// Take each token once, by its `jti`, and only in exchange for another
    #[arg(long)]
    once: bool,
    /// After how long the trust ends, such as 90d
    #[arg(long, value_name = "DURATION")]
    expires: Option<Span>,
}

fn claim(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !value.is_empty() => {
            Ok((name.to_owned(), value.to_owned()))
        }
        Some(_) | None => Err("it is written NAME=VALUE".to_owned()),
    }
}

/// Runs one of them.
pub(super) async fn run(command: TrustCommand, common: Common) -> Result<(), CliError> {
    let body = match &command {
        TrustCommand::Create(args) => Some(args.body()?),
        TrustCommand::List | TrustCommand::Show { .. } | TrustCommand::Remove { .. } => None,
    };
    let client = Client::connect(&common.reach).await?;
    let done = act(&client, command, body, common.format).await;
    client.close().await?;
    done
}

impl CreateTrustArgs {
    fn body(&self) -> Result<Value, CliError> {
        let mut claims = Map::new();
        for (name, value) in &self.claim {
            if claims.insert(name.clone(), json!(value)).is_some() {
                let name = harmless(name);
                return Err(CliError::Usage(format!(
                    "--claim {name}=… is there twice; a claim has one value, in which * may stand"
                )));
            }
        }
        Ok(json!({
            "name": self.name, "issuer": self.issuer, "audience": self.audience,
            "jwks_file": self.jwks_file, "jwks_url": self.jwks_url, "claims": claims,
            "workspace": self.workspace,
            "buildingBlock": self.building_block, "role": self.role,
            "permissions": self.permission, "once": self.once,
            "expires_in": self.expires.as_ref().map(|expires| expires.0.as_secs()),
        }))
    }
}

async fn act(
    client: &Client,
    command: TrustCommand,
    body: Option<Value>,
    format: Format,
) -> Result<(), CliError> {
    match command {
        TrustCommand::Create(_) => {
            let trust = client.call("POST", "/api/trusts", body).await?;
            done::tell(&trust, format, || format!("trusts {}", named(&trust)))
        }
        TrustCommand::List => list(client, format).await,
        TrustCommand::Show { trust } => {
            let path = trust_path(client, &trust).await?;
            show(&client.get(&path).await?, format)
        }
        TrustCommand::Remove { trust, asking } => remove(client, &trust, &asking, format).await,
    }
}

async fn remove(
    client: &Client,
    trust: &str,
    asking: &Asking,
    format: Format,
) -> Result<(), CliError> {
    let path = trust_path(client, trust).await?;
    if !asking.answers_yes() {
        let trust = client.get(&path).await?;
        let used = match trust["last_used_at"].as_str() {
            Some(_) => format!("it last let a token in at {}", time(&trust["last_used_at"])),
            None => "it never let a token in".to_owned(),
        };
        asking.about(&[named(&trust), used], "Remove it and end its tokens?")?;
    }
    let trust = client.call("DELETE", &path, None).await?;
    done::tell(&trust, format, || format!("removed {}", named(&trust)))
}

/// A trust with what its tokens may do.
fn named(trust: &Value) -> String {
    let (name, id) = (text(&trust["name"]), text(&trust["id"]));
    let issuer = text(&trust["issuer"]);
    let (scope, permissions) = (scope(trust), permissions(trust));
    format!("{name} ({id}), in {issuer}, for {scope}: {permissions}")
}

/// The path of a trust that is named by its id or by its name.
async fn trust_path(client: &Client, wanted: &str) -> Result<String, CliError> {
    if let Ok(id) = wanted.parse::<KeyId>() {
        return Ok(format!("/api/trusts/{id}"));
    }
    let answer = client.list("/api/trusts", "trusts", "after", None).await?;
    let trusts = rows(&answer, "trusts");
    if let Some(trust) = trusts.iter().find(|trust| trust["name"] == wanted) {
        return Ok(format!("/api/trusts/{}", text(&trust["id"])));
    }
    let names = trusts.iter().map(|trust| text(&trust["name"])).collect();
    let near = nearest::near(wanted, names);
    Err(CliError::Known {
        message: format!("there is no trust {} (no_trust){near}", harmless(wanted)),
        reason: KnownReason::missing("no_trust"),
    })
}

const COLUMNS: [Column; 7] = [
    kept("ID"),
    kept("NAME"),
    kept("ISSUER"),
    kept("CLAIMS"),
    kept("SCOPE"),
    kept("STATUS"),
    kept("PERMISSIONS"),
];

async fn list(client: &Client, format: Format) -> Result<(), CliError> {
    let mut pages = ListPages::new(client.wire(), "/api/trusts".to_owned(), TRUSTS, None);
    let mut listing = PrintedList::new(format, TRUSTS.rows, &COLUMNS);
    while let Some(rows) = pages.next().await? {
        listing.page(&rows, row)?;
    }
    listing.end(&pages)
}

fn row(trust: &Value) -> Vec<String> {
    vec![
        text(&trust["id"]),
        text(&trust["name"]),
        text(&trust["issuer"]),
        claims(trust),
        scope(trust),
        text(&trust["status"]),
        permissions(trust),
    ]
}

fn claims(trust: &Value) -> String {
    let claims = trust["claims"].as_object().into_iter().flatten();
    let claims = claims.map(|(name, value)| format!("{}={}", harmless(name), text(value)));
    claims.collect::<Vec<_>>().join(" ")
}

fn show(trust: &Value, format: Format) -> Result<(), CliError> {
    if format == Format::Json {
        return output::json(trust);
    }
    let by = text(&trust["created_by"]["name"]);
    output::pairs(&[
        ("id", text(&trust["id"])),
        ("name", text(&trust["name"])),
        ("issuer", text(&trust["issuer"])),
        ("audience", text(&trust["audience"])),
        (
            "keys",
            text(if trust["jwks_file"].is_null() {
                &trust["jwks_url"]
            } else {
                &trust["jwks_file"]
            }),
        ),
        ("claims", claims(trust)),
        ("scope", scope(trust)),
        ("permissions", permissions(trust)),
        ("once", text(&trust["once"])),
        ("status", text(&trust["status"])),
        ("created", format!("{} by {by}", time(&trust["created_at"]))),
        ("expires", time(&trust["expires_at"])),
        ("last used", time(&trust["last_used_at"])),
    ])
}
