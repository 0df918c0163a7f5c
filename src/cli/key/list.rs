//! `statekeep key list`: on a terminal what fits there, with roles, short ids and ages; in a pipe,
//! or with `--wide`, all of it. It says which keys end soon.

use clap::Args;
use serde_json::Value;

use crate::cli::client::api::Client;
use crate::cli::client::pages::{KEYS, ListPages, RawRows};
use crate::cli::common::age::{ago, rough};
use crate::cli::common::flags::Format;
use crate::cli::common::listing::PrintedList;
use crate::cli::common::rights::{client_sans, permissions, role_or_count, scope};
use crate::cli::output::{self, CliError, text, time};
use crate::cli::table::{Column, kept, spare, terminal_width};
use crate::model::clock::{self, Timestamp};
use crate::model::key::SOON;

#[derive(Args)]
pub(in crate::cli) struct KeyListArgs {
    /// Show whole ids, times and permissions on a terminal too
    #[arg(long)]
    wide: bool,
}

const WIDE: [Column; 8] = [
    kept("ID"),
    kept("NAME"),
    kept("SCOPE"),
    kept("STATUS"),
    kept("EXPIRES"),
    kept("LAST USED"),
    kept("PERMISSIONS"),
    kept("CLIENT SANS"),
];

const NARROW: [Column; 6] = [
    spare("ID", 3),
    kept("NAME"),
    spare("SCOPE", 1),
    spare("MAY", 2),
    kept("ENDS"),
    spare("USED", 4),
];

/// The most characters of a name or a scope where there is little room.
const MAX_SHORT: usize = 18;
/// As much of an id as tells a few hundred keys apart.
const SHORT_ID: usize = 8;
/// The most keys that are named because they end soon.
const MAX_NAMED: usize = 5;

/// Lists the keys.
pub(super) async fn run(
    client: &Client,
    args: &KeyListArgs,
    format: Format,
) -> Result<(), CliError> {
    let is_narrow = !args.wide && terminal_width().is_some();
    let columns: &[Column] = if is_narrow { &NARROW } else { &WIDE };
    let mut pages = ListPages::new(client.wire(), "/api/keys".to_owned(), KEYS, None);
    let mut listing = PrintedList::new(format, KEYS.rows, columns);
    let mut ending = Ending::default();
    while let Some(rows) = pages.next().await? {
        if format == Format::Text {
            ending.look_at(&rows)?;
        }
        listing.page(&rows, if is_narrow { narrow } else { wide })?;
    }
    let ended = listing.end(&pages);
    ending.tell();
    ended
}

fn wide(key: &Value) -> Vec<String> {
    vec![
        text(&key["id"]),
        text(&key["name"]),
        scope(key),
        text(&key["status"]),
        time(&key["expires_at"]),
        time(&key["last_used_at"]),
        permissions(key),
        client_sans(key),
    ]
}

fn narrow(key: &Value) -> Vec<String> {
    let now = clock::now();
    let used = moment_of(&key["last_used_at"]).map_or("never".to_owned(), |at| ago(at, now));
    vec![
        text(&key["id"]).chars().take(SHORT_ID).collect(),
        short(&text(&key["name"])),
        short(&scope(key)),
        role_or_count(key),
        ends(key, now),
        used,
    ]
}

fn moment_of(value: &Value) -> Option<Timestamp> {
    value.as_str().and_then(Timestamp::parse)
}

/// A text that is cut where it is too long.
fn short(text: &str) -> String {
    if text.chars().count() <= MAX_SHORT {
        return text.to_owned();
    }
    let begin: String = text.chars().take(MAX_SHORT - 1).collect();
    begin + "…"
}

fn ends(key: &Value, now: Timestamp) -> String {
    match (key["status"].as_str(), moment_of(&key["expires_at"])) {
        (Some("active"), Some(end)) => format!("in {}", rough(end.since(now))),
        (Some("active"), None) => "never".to_owned(),
        (_, _) => text(&key["status"]),
    }
}

/// The keys that end soon.
#[derive(Default)]
struct Ending {
    names: Vec<String>,
    count: usize,
}

impl Ending {
    fn look_at(&mut self, rows: &RawRows) -> Result<(), CliError> {
        let now = clock::now();
        for row in rows {
            let key: Value = serde_json::from_str(row.get()).map_err(CliError::because)?;
            let end = moment_of(&key["expires_at"]).filter(|_| key["status"] == "active");
            if let Some(end) = end.filter(|end| end.since(now) <= SOON) {
                let (name, soon) = (text(&key["name"]), rough(end.since(now)));
                self.add(format!("{name} in {soon}"));
            }
        }
        Ok(())
    }

    fn add(&mut self, name: String) {
        self.count += 1;
        if self.names.len() < MAX_NAMED {
            self.names.push(name);
        }
    }

    fn tell(&self) {
        let names = self.names.join(", ");
        match self.count - self.names.len() {
            _ if self.count == 0 => {}
            0 => output::message(&format!("ending soon: {names}")),
            more => output::message(&format!("ending soon: {names} and {more} more")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_is_cut() {
        assert_eq!(short("ci"), "ci");
        assert_eq!(short(&"x".repeat(18)), "x".repeat(18));
        assert_eq!(short(&"x".repeat(19)), "x".repeat(17) + "…");
    }
}
