//! `statekeep state show`: a state and its lock, or one resource instance of it.

use clap::Args;
use serde_json::Value;

use crate::cli::client::api::Client;
use crate::cli::common::existence;
use crate::cli::common::flags::Format;
use crate::cli::common::locks;
use crate::cli::common::rows::rows;
use crate::cli::output;
use crate::cli::output::CliError;
use crate::cli::output::harmless;
use crate::cli::output::moment;
use crate::cli::output::size;
use crate::cli::output::text;
use crate::cli::state::resource;
use crate::model::name::StateName;

/// A name and a value, as one line.
type Pair = (&'static str, String);

#[derive(Args)]
pub(in crate::cli) struct ShowArgs {
    /// The state, as WORKSPACE/BUILDINGBLOCK
    state: StateName,
    /// A resource instance, such as `module.network.aws_subnet.a[0]`: its attributes, what it
    /// depends on and what needs it
    resource: Option<String>,
    /// An earlier version instead of the current one
    #[arg(long, requires = "resource")]
    version: Option<u64>,
}

/// Shows it.
pub(in crate::cli) async fn run(
    client: &Client,
    args: &ShowArgs,
    format: Format,
) -> Result<(), CliError> {
    let state = &args.state;
    if let Some(address) = &args.resource {
        return resource::show(client, state, (address, args.version), format).await;
    }
    let Some(found) = existence::row(client, state).await? else {
        // Says where it moved to, or that there never was one.
        client.ask("GET", &state.path(), None).await?;
        return Err(existence::no_state(client, state).await);
    };
    if format == Format::Json {
        return output::json(&found);
    }
    let mut pairs = vec![
        ("state", state.to_string()),
        ("address", text(&found["address"])),
        ("version", text(&found["current"]["number"])),
    ];
    pairs.extend(current(&found));
    pairs.push(("versions", text(&found["versions"])));
    pairs.push(("history", size(&found["history_size"])));
    pairs.push(gone(&found));
    pairs.extend(lock(&found["lock"]));
    if !found["frozen"].is_null() {
        pairs.push(("frozen", locks::frozen(state, &found["frozen"])));
    }
    output::pairs(&pairs)
}

/// What is to be said of the current version.
fn current(found: &Value) -> Vec<Pair> {
    let current = &found["current"];
    if current.is_null() {
        return Vec::new();
    }
    let by = format!(
        "{} with {}",
        text(&current["created_by"]["name"]),
        text(&current["terraform_version"])
    );
    vec![
        ("serial", text(&current["serial"])),
        ("lineage", text(&current["lineage"])),
        ("written by", by),
        ("written at", moment(&current["created_at"])),
        ("resources", text(&current["resources"])),
        ("size", size(&found["size"])),
        ("sha256", text(&current["sha256"])),
    ]
}

/// Since when the state is hidden, and why.
fn gone(found: &Value) -> Pair {
    let since = moment(&found["deleted_at"]);
    match found["transferred_to"].as_str() {
        Some(to) => ("left", format!("{since} for {}", harmless(to))),
        None => ("deleted", since),
    }
}

/// What is to be said of a lock.
fn lock(lock: &Value) -> Vec<Pair> {
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
    let mut pairs = vec![
        ("lock", text(&inner["ID"])),
        ("locked by", harmless(&by)),
        ("locked for", text(&inner["Operation"])),
        ("locked at", moment(&lock["locked_at"])),
        ("written under it", text(&lock["last_write"]["version"])),
        ("turned away", text(&lock["refused"]["count"])),
    ];
    pairs.extend(locks::death(lock).map(|death| ("died", death)));
    pairs.extend(rows(lock, "waiting").iter().map(waiter));
    pairs
}

/// One who waits for the lock.
fn waiter(one: &Value) -> Pair {
    let said = format!(
        "{} ({}) from {} for {} since {}, asked {} times",
        text(&one["key"]["name"]),
        text(&one["who"]),
        text(&one["address"]),
        text(&one["operation"]),
        moment(&one["since"]),
        text(&one["asked"])
    );
    ("waits", said)
}
