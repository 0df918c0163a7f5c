//! `statekeep events`: what happened, the newest first; or with `--follow` what happens, in its
//! order, until the command is ended; or with `--head` the head of their chain.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use crate::cli::client::api::Client;
use crate::cli::client::pages::{EVENTS, ListPages};
use crate::cli::common::done;
use crate::cli::common::existence;
use crate::cli::common::flags::{Common, Format};
use crate::cli::common::listing::PrintedList;
use crate::cli::common::rows::state_name;
use crate::cli::daily::heads;
use crate::cli::output::{self, CliError, harmless, text, when};
use crate::cli::table::{Column, kept, spare};
use crate::model::clock::{self, Timestamp};
use crate::model::name::{StateName, Workspace};
use crate::model::span::Span;

/// How often a followed log is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The most new events that are read at a time while following.
const MAX_NEW: usize = 10_000;

const COLUMNS: [Column; 6] = [
    kept("AT"),
    kept("EVENT"),
    kept("STATE"),
    spare("BY", 1),
    spare("FROM", 3),
    spare("WHAT", 2),
];

/// The members of a row that the table shows.
const FIELDS: &str = "seq,at,kind,actor,address,workspace,buildingBlock,version,count,attention,\
    acknowledged.by,acknowledged.word,detail";

#[derive(Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are flags of the command line"
)]
pub(in crate::cli) struct EventsArgs {
    /// Only events of this state, as WORKSPACE/BUILDINGBLOCK
    #[arg(conflicts_with = "workspace")]
    state: Option<StateName>,
    /// Only events of this workspace
    #[arg(long)]
    workspace: Option<Workspace>,
    /// Only events by this key, named by its id or its name
    #[arg(long)]
    key: Option<String>,
    /// Only events of this kind, such as `lock.break`, or of a family, such as `state.*`
    #[arg(long)]
    kind: Option<String>,
    /// Only events that a person should look at and nobody has acknowledged
    #[arg(long)]
    attention: bool,
    /// Only events that a person has acknowledged
    #[arg(long, conflicts_with = "attention")]
    acknowledged: bool,
    /// Acknowledge the event of this number; of one state, `state acknowledge` does it for all
    #[arg(
        long,
        value_name = "EVENT",
        conflicts_with_all = ["state", "workspace", "key", "kind", "attention", "acknowledged",
            "since", "limit", "follow"]
    )]
    acknowledge: Option<u64>,
    /// What there is to say of it, in 1 to 500 characters
    #[arg(long, requires = "acknowledge")]
    word: Option<String>,
    /// Only events since then: a duration such as 2d, or a time such as 2026-01-02T03:04:05Z
    #[arg(long, value_name = "WHEN", value_parser = since)]
    since: Option<Timestamp>,
    /// At most so many events
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// Show the newest events in their order, and go on with those that happen from now on
    #[arg(long, short)]
    follow: bool,
    /// Print the number and the hash of the last event instead, for `statekeep verify --events
    /// --head`
    #[arg(long, conflicts_with_all = ["state", "workspace", "key", "kind", "attention",
        "acknowledged", "acknowledge", "since", "limit", "follow"])]
    head: bool,
    /// Check the signed heads in a file of events, without a server
    #[arg(long, value_name = "FILE", conflicts_with_all = ["state", "workspace", "key", "kind",
        "attention", "acknowledged", "acknowledge", "since", "limit", "follow", "head"])]
    check: Option<PathBuf>,
    /// With --check: the public key that has to have signed them
    #[arg(long, value_name = "HEX", requires = "check")]
    signed_by: Option<String>,
}

/// A moment, as one or by how long it is ago.
fn since(text: &str) -> Result<Timestamp, String> {
    if let Some(at) = Timestamp::parse(text) {
        return Ok(at);
    }
    let ago = text.parse::<Span>().map_err(|_| {
        "it is a duration such as 90m or 2d, or a time such as 2026-01-02T03:04:05Z".to_owned()
    })?;
    Ok(clock::now() - ago.0)
}

impl EventsArgs {
    /// Refuses a state or a workspace that is nowhere: that nothing happened there is no news.
    async fn means_something(&self, client: &Client) -> Result<(), CliError> {
        match (&self.state, &self.workspace) {
            (Some(state), _) => existence::state_exists(client, state).await,
            (None, Some(workspace)) => existence::workspace_exists(client, workspace).await,
            (None, None) => Ok(()),
        }
    }

    async fn path(&self, client: &Client, format: Format) -> Result<String, CliError> {
        let mut wanted: Vec<(&str, String)> = Vec::new();
        let workspace = self.state.as_ref().map(|state| &state.workspace);
        if let Some(workspace) = workspace.or(self.workspace.as_ref()) {
            wanted.push(("workspace", workspace.to_string()));
        }
        if let Some(state) = &self.state {
            wanted.push(("buildingBlock", state.block.to_string()));
        }
        if let Some(key) = &self.key {
            wanted.push(("key", existence::key_id(client, key).await?));
        }
        wanted.extend(self.kind.clone().map(|kind| ("kind", kind)));
        wanted.extend(self.since.map(|since| ("since", since.to_string())));
        if self.attention {
            wanted.push(("attention", "true".to_owned()));
            wanted.push(("acknowledged", "false".to_owned()));
        }
        if self.acknowledged {
            wanted.push(("acknowledged", "true".to_owned()));
        }
        if format == Format::Text {
            wanted.push(("fields", FIELDS.to_owned()));
        }
        let query = wanted
            .iter()
            .map(|(name, value)| format!("{name}={}", url_encoded(value)));
        let query = query.collect::<Vec<_>>().join("&");
        let mark = if query.is_empty() { "" } else { "?" };
        Ok(format!("/api/events{mark}{query}"))
    }
}

/// A value as it stands in a query.
pub(in crate::cli) fn url_encoded(value: &str) -> String {
    let mut encoded = String::new();
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~,:*".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// Lists events, or follows them.
pub(in crate::cli) async fn run(args: &EventsArgs, common: Common) -> Result<(), CliError> {
    let format = common.format;
    if let Some(file) = &args.check {
        return heads::check(file, args.signed_by.as_deref(), format);
    }
    if args.follow {
        let client = Client::connect_running(&common.reach).await?;
        return follow(&client, args, format).await;
    }
    let client = Client::connect(&common.reach).await?;
    let done = match args.acknowledge {
        Some(number) => acknowledge(&client, (number, args.word.as_deref()), format).await,
        None if args.head => head(&client, format).await,
        None => list(&client, args, format).await,
    };
    client.close().await?;
    done
}

async fn head(client: &Client, format: Format) -> Result<(), CliError> {
    let head = client.get("/api/events/head").await?;
    match format {
        Format::Json => output::json(&head),
        Format::Text => output::line(&format!(
            "{}:{}",
            text(&head["number"]),
            text(&head["hash"])
        )),
    }
}

/// Notes that a person has looked at an event.
async fn acknowledge(
    client: &Client,
    (number, word): (u64, Option<&str>),
    format: Format,
) -> Result<(), CliError> {
    let path = format!("/api/events/{number}/acknowledge");
    let body = json!({ "word": word });
    let event = client.call("POST", &path, Some(body)).await?;
    done::tell(&event, format, || {
        let (kind, at) = (text(&event["kind"]), when(&event["at"]));
        format!("acknowledged {kind} of {at}, event {number}")
    })
}

async fn list(client: &Client, args: &EventsArgs, format: Format) -> Result<(), CliError> {
    let path = args.path(client, format).await?;
    let mut pages = ListPages::new(client.wire(), path, EVENTS, Some(args.limit as usize));
    let mut listing = PrintedList::new(format, EVENTS.rows, &COLUMNS);
    while let Some(rows) = pages.next().await? {
        if rows.is_empty() && pages.is_empty() {
            args.means_something(client).await?;
        }
        listing.page(&rows, row)?;
    }
    let has_more = !pages.next_page().is_null();
    listing.end(&pages)?;
    if has_more && format == Format::Text {
        output::message(&format!(
            "these are the newest {}; there are older ones: --limit, --since",
            args.limit
        ));
    }
    Ok(())
}

/// Prints the newest events in their order, then those that happen, each as it is seen.
async fn follow(client: &Client, args: &EventsArgs, format: Format) -> Result<(), CliError> {
    let path = args.path(client, format).await?;
    let mut listing = PrintedList::new(format, EVENTS.rows, &COLUMNS);
    let mut last = 0;
    let mut most = args.limit as usize;
    while !output::reader_has_left() {
        let mut new = newer(client, &path, last, most).await?;
        new.reverse();
        last = new
            .last()
            .and_then(|event| event["seq"].as_u64())
            .unwrap_or(last);
        if format == Format::Json {
            new.iter().try_for_each(output::json)?;
        } else {
            listing.rows(new.iter().map(row).collect())?;
        }
        most = MAX_NEW;
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}

/// The events behind the one that was seen last, the newest first.
async fn newer(
    client: &Client,
    path: &str,
    last: u64,
    most: usize,
) -> Result<Vec<Value>, CliError> {
    let mut pages = ListPages::new(client.wire(), path.to_owned(), EVENTS, Some(most));
    let mut new = Vec::new();
    while let Some(rows) = pages.next().await? {
        for row in rows {
            let event: Value = serde_json::from_str(row.get()).map_err(CliError::because)?;
            if event["seq"].as_u64().is_none_or(|seq| seq <= last) {
                return Ok(new);
            }
            new.push(event);
        }
    }
    Ok(new)
}

fn row(event: &Value) -> Vec<String> {
    let waits = event["attention"] == true && event["acknowledged"].is_null();
    let mark = if waits { "!" } else { "" };
    let state = match (
        event["workspace"].is_null(),
        event["buildingBlock"].is_null(),
    ) {
        (true, _) => "-".to_owned(),
        (false, true) => text(&event["workspace"]),
        (false, false) => state_name(event),
    };
    vec![
        when(&event["at"]),
        format!("{}{mark}", text(&event["kind"])),
        state,
        text(&event["actor"]["name"]),
        text(&event["address"]),
        what(event),
    ]
}

/// What else is known of an event: the version, how often it happened, and its details.
fn what(event: &Value) -> String {
    let version = event["version"]
        .as_u64()
        .map(|number| format!("version {number}"));
    let count = event["count"].as_u64().filter(|count| *count > 1);
    let count = count.map(|count| format!("{count} times"));
    let details = event["detail"].as_object().into_iter().flatten();
    let details = details.filter(|(_, value)| !value.is_null());
    let details = details.map(|(name, value)| format!("{name}={}", text(value)));
    let parts = version.into_iter().chain(count).chain(details);
    let parts: Vec<String> = parts.chain(acknowledged(event)).collect();
    if parts.is_empty() {
        "-".to_owned()
    } else {
        parts.join(" ")
    }
}

/// By which number an event is acknowledged that waits for that, or who did so with which word.
fn acknowledged(event: &Value) -> Option<String> {
    if event["attention"] != true {
        return None;
    }
    let known = &event["acknowledged"];
    if known.is_null() {
        return Some(format!("event={}", text(&event["seq"])));
    }
    let by = format!("acknowledged by {}", text(&known["by"]["name"]));
    Some(match known["word"].as_str() {
        Some(word) => format!("{by}: {}", harmless(word)),
        None => by,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_a_span_or_a_time() {
        let at = Timestamp::parse("2026-01-02T03:04:05Z").expect("a time");
        assert_eq!(since("2026-01-02T03:04:05Z"), Ok(at));
        let two_days = since("2d").expect("a span");
        let age = clock::now().since(two_days).as_secs();
        assert!((172_800..172_860).contains(&age), "{age}");
        assert!(since("yesterday").is_err());
    }

    #[test]
    fn values_are_encoded_for_a_query() {
        assert_eq!(url_encoded("a b&c=d%é"), "a%20b%26c%3Dd%25%C3%A9");
        assert_eq!(url_encoded("state.*"), "state.*");
    }
}
