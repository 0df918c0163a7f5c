//! `statekeep whoami`: as whom a command acts, with which rights, and until when.

use serde_json::Value;

use crate::cli::client::api::Client;
use crate::cli::common::flags::{Common, Format};
use crate::cli::output::{self, CliError, harmless, moment, text};

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
    output::pairs(&[
        ("as", who(&caller)),
        ("scope", scope(&caller)),
        ("permissions", permissions(&caller)),
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

/// Where a key, or a caller, reaches.
pub(in crate::cli) fn scope(key: &Value) -> String {
    match (key["workspace"].as_str(), key["buildingBlock"].as_str()) {
        (None, _) => "every workspace".to_owned(),
        (Some(workspace), None) => workspace.to_owned(),
        (Some(workspace), Some(block)) => format!("{workspace}/{block}"),
    }
}

/// What a key, or a caller, may do.
pub(in crate::cli) fn permissions(key: &Value) -> String {
    names(&key["permissions"])
}

/// The names of client certificates that a key, or a caller's, is bound to.
pub(in crate::cli) fn client_sans(key: &Value) -> String {
    match names(&key["client_sans"]) {
        none if none.is_empty() => "-".to_owned(),
        names => names,
    }
}

/// Names with spaces between.
fn names(names: &Value) -> String {
    let names = names.as_array().into_iter().flatten();
    names.map(text).collect::<Vec<_>>().join(" ")
}
