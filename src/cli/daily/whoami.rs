//! `statekeep whoami`: as whom a command acts, with which rights, and until when.

use serde_json::Value;

use crate::cli::client::api::Client;
use crate::cli::common::flags::{Common, Format};
use crate::cli::common::rights::{client_sans, permissions, role_or_count, scope};
use crate::cli::output::{self, CliError, harmless, moment, text};
use crate::cli::table::terminal_width;
use crate::model::permission::ROLES;

/// Tells who the server takes this command for.
pub(in crate::cli) async fn run(common: Common) -> Result<(), CliError> {
    let client = Client::connect(&common.reach).await?;
    let caller = client.get("/api/whoami").await;
    client.close().await?;
    let caller = caller?;
    if common.format == Format::Json {
        return output::json(&caller);
    }
    let ends = match caller["ends_at"].as_str() {
        Some(_) => moment(&caller["ends_at"]),
        None => "never".to_owned(),
    };
    // A line of a terminal has no room for the names of sixteen permissions.
    let may = match role_or_count(&caller) {
        role if terminal_width().is_some() && ROLES.contains(&role.as_str()) => {
            ("role", format!("{role} (in a pipe: its permissions)"))
        }
        _ => ("permissions", permissions(&caller)),
    };
    output::pairs(&[
        ("as", who(&caller)),
        ("scope", scope(&caller)),
        may,
        ("ends", ends),
        ("client SANs", client_sans(&caller)),
        ("seen from", text(&caller["address"])),
    ])
}

fn who(caller: &Value) -> String {
    let (name, id) = (text(&caller["key"]["name"]), text(&caller["key"]["id"]));
    let trust = &caller["trust"];
    if let Some(trust_name) = trust["name"].as_str() {
        let (name, id) = (harmless(trust_name), text(&trust["id"]));
        let what = match caller["kind"].as_str() {
            Some("token") => "a token that was made from an ID token",
            _ => "an ID token",
        };
        return format!("{what}, under the trust {name} ({id})");
    }
    match caller["kind"].as_str() {
        Some("operator") => "the operator, by being at the machine".to_owned(),
        Some("token") => format!("a token of the key {name} ({id})"),
        _ => format!("the key {name} ({id})"),
    }
}
