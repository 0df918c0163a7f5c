//! Sending one version: what it follows, its address, and its hold.

use bytes::Bytes;
use reqwest::Url;
use serde_json::{Value, json};

use crate::cli::client::wire::Wire;
use crate::cli::import::failed::FailedState;
use crate::cli::import::plan::{PlannedVersion, VersionBytes};
use crate::model::clock::Timestamp;
use crate::model::name::StateName;

/// What the next version follows.
#[derive(Clone, Copy)]
pub(super) enum Follows {
    Nothing,
    After(u64),
    Current,
}

/// A version that the server has stored.
pub(super) struct Stored {
    pub(super) number: u64,
    /// Whether the server gave it another time than it had.
    pub(super) has_another_time: bool,
}

/// Sends a version. `deletes` is whether the state is deleted behind it.
pub(super) async fn upload(
    wire: &Wire,
    name: &StateName,
    version: PlannedVersion,
    follows: Follows,
    deletes: bool,
) -> Result<Stored, FailedState> {
    let path = path(name, &version, follows, deletes).map_err(FailedState::because)?;
    let bytes = read(version.content).await?;
    let reply = wire.ask_patiently("POST", &path, Some(bytes)).await?;
    let no_version = || {
        FailedState::because(
            "the server's answer is no version; is a statekeep at \
        --url?",
        )
    };
    let answer = reply.json().map_err(|_| no_version())?;
    let number = answer["number"].as_u64().ok_or_else(no_version)?;
    Ok(Stored {
        number,
        has_another_time: version
            .created_at
            .is_some_and(|asked| is_another_time(&asked, &answer["created_at"])),
    })
}

fn is_another_time(asked: &str, given: &Value) -> bool {
    Timestamp::parse(asked) != given.as_str().and_then(Timestamp::parse)
}

async fn read(content: VersionBytes) -> Result<Bytes, FailedState> {
    if let VersionBytes::Memory(bytes) = content {
        return Ok(bytes);
    }
    tokio::task::spawn_blocking(move || content.read())
        .await
        .map_err(FailedState::because)?
        .map_err(FailedState::because)
}

/// The address that a version is sent to, with what is known of it.
fn path(
    name: &StateName,
    version: &PlannedVersion,
    follows: Follows,
    deletes: bool,
) -> Result<String, String> {
    let text = |number: u64| number.to_string();
    let yes = |is: bool| is.then(|| "true".to_owned());
    let (after, append) = match follows {
        Follows::Nothing => (None, None),
        Follows::After(number) => (Some(text(number)), None),
        Follows::Current => (None, yes(true)),
    };
    // What is added to another history has its numbers.
    let number = version.number.filter(|_| append.is_none());
    let query = [
        ("after", after),
        ("append", append),
        ("number", number.map(text)),
        ("removed_serial", version.removed_serial.map(text)),
        ("sha256", version.sha256.clone()),
        ("created_at", version.created_at.clone()),
        ("rejected", version.rejected.clone()),
        ("intermediate", yes(version.intermediate)),
        ("deleted", yes(deletes)),
    ];
    let query = query
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)));
    let encoded =
        Url::parse_with_params("http://localhost", query).map_err(|error| error.to_string())?;
    let query = encoded.query().unwrap_or_default();
    Ok(format!("{}/import?{query}", name.path()))
}

/// Holds a version as it was held; says whether the caller may.
pub(super) async fn hold(
    wire: &Wire,
    name: &StateName,
    number: u64,
    reason: &str,
) -> Result<bool, FailedState> {
    let path = format!("{}/versions/{number}/hold", name.path());
    let body = json!({ "reason": reason }).to_string();
    match wire.ask_patiently("POST", &path, Some(body.into())).await {
        Ok(_) => Ok(true),
        Err(refusal) if refusal.has_status(403) => Ok(false),
        Err(refusal) => Err(refusal.into()),
    }
}
