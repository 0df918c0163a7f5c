//! `statekeep state history`: the versions of a state, newest first.

use std::time::Duration;

use clap::{Args, ValueEnum};
use serde_json::Value;

use crate::cli::client::api::Client;
use crate::cli::client::pages::{ListPages, RawRows, VERSIONS};
use crate::cli::common::existence;
use crate::cli::common::flags::Format;
use crate::cli::common::listing::{AT_ONCE, PrintedList};
use crate::cli::common::locks;
use crate::cli::output;
use crate::cli::output::CliError;
use crate::cli::output::size;
use crate::cli::output::text;
use crate::cli::output::when;
use crate::cli::state::folding::{Folding, snapshots};
use crate::cli::table::{Column, kept, spare};
use crate::model::clock::{self, Timestamp};
use crate::model::name::StateName;

/// For how long after a write its changes may still be counted.
const COUNTED_WITHIN: Duration = Duration::from_secs(30);

const COLUMNS: [Column; 9] = [
    kept("VERSION"),
    kept("KIND"),
    spare("SERIAL", 4),
    spare("RESOURCES", 5),
    spare("CHANGES", 2),
    spare("SIZE", 3),
    kept("WRITTEN"),
    spare("BY", 1),
    spare("UNDER LOCK OF", 6),
];

/// The members of a row that the table shows.
const FIELDS: &str = "number,kind,rejected,intermediate,serial,format,encrypted,resources,added,\
    changed,removed,size,created_at,created_by.name,lock.id,lock.who,current,held";

#[derive(Args)]
pub(in crate::cli) struct HistoryArgs {
    /// The state, as WORKSPACE/BUILDINGBLOCK
    state: StateName,
    /// At most so many versions
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// Only versions before this one
    #[arg(long)]
    before: Option<u64>,
    /// Only versions of this kind
    #[arg(long, value_enum)]
    kind: Option<VersionKind>,
    /// Also list each snapshot that a later write of the same apply replaced
    #[arg(long)]
    all: bool,
}

/// How a version came about.
#[derive(Clone, Copy, ValueEnum)]
enum VersionKind {
    Write,
    Rollback,
    Import,
    Restore,
    Rejected,
}

impl VersionKind {
    /// Its name in the API.
    fn name(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::Rollback => "rollback",
            Self::Import => "import",
            Self::Restore => "restore",
            Self::Rejected => "rejected",
        }
    }
}

impl HistoryArgs {
    /// Whether snapshots are folded: only for people.
    fn folds(&self, format: Format) -> bool {
        !self.all && format == Format::Text
    }

    fn path(&self, format: Format) -> String {
        let with_snapshots = self.all || self.folds(format);
        let from = self
            .before
            .map(|number| format!("&before={number}"))
            .unwrap_or_default();
        let kind = self
            .kind
            .map(|kind| format!("&kind={}", kind.name()))
            .unwrap_or_default();
        let fields = match format {
            Format::Text => format!("&fields={FIELDS}"),
            Format::Json => String::new(),
        };
        let path = self.state.path();
        format!("{path}/versions?intermediate={with_snapshots}{from}{kind}{fields}")
    }
}

/// Prints the versions; of an address that is only locked, that it has none yet.
pub(in crate::cli) async fn run(
    client: &Client,
    args: &HistoryArgs,
    format: Format,
) -> Result<(), CliError> {
    let wanted = args.limit.map(|limit| limit as usize);
    let asked = wanted.filter(|_| !args.folds(format));
    let mut pages = ListPages::new(client.wire(), args.path(format), VERSIONS, asked);
    let first = pages.next().await;
    let is_empty = match &first {
        Ok(page) => page.as_ref().is_none_or(Vec::is_empty),
        Err(_) => true,
    };
    let listing = PrintedList::new(format, "versions", &COLUMNS);
    if is_empty && let Some(lock) = lock_without_versions(client, &args.state).await? {
        let state = &args.state;
        let held = locks::held(state, &lock);
        let unlock = locks::unlock(state, &text(&lock["lock"]["ID"]));
        output::message(&format!("{state} has no version yet: {held}{unlock}"));
        listing.end_without_rows()?;
        tell_marks(format);
        return Ok(());
    }
    if args.folds(format) {
        folded(&mut pages, first?, listing, wanted).await
    } else {
        one_by_one(&mut pages, first?, listing, format).await
    }
}

async fn one_by_one(
    pages: &mut ListPages,
    mut page: Option<RawRows>,
    mut listing: PrintedList,
    format: Format,
) -> Result<(), CliError> {
    while let Some(rows) = page {
        listing.page(&rows, row)?;
        page = pages.next().await?;
    }
    let ended = listing.end(pages);
    tell_marks(format);
    ended
}

/// Prints versions with their snapshots folded, each once it is known how many it has.
async fn folded(
    pages: &mut ListPages,
    mut page: Option<RawRows>,
    mut listing: PrintedList,
    wanted: Option<usize>,
) -> Result<(), CliError> {
    let mut folding = Folding::default();
    let (mut missing, mut hidden) = (wanted.unwrap_or(usize::MAX), 0);
    let mut print = |mut rows: Vec<Value>, listing: &mut PrintedList| {
        rows.truncate(missing);
        missing -= rows.len();
        hidden += rows.iter().map(snapshots).sum::<u64>();
        listing.rows(rows.iter().map(row).collect())?;
        Ok::<_, CliError>(missing > 0)
    };
    let mut goes_on = true;
    while goes_on && let Some(rows) = page {
        for rows in rows.chunks(AT_ONCE) {
            for row in rows {
                folding.add(serde_json::from_str(row.get()).map_err(CliError::because)?);
            }
            goes_on = print(folding.complete(), &mut listing)?;
        }
        page = if goes_on { pages.next().await? } else { None };
    }
    print(folding.rest(), &mut listing)?;
    let ended = listing.end(pages);
    tell_marks(Format::Text);
    if hidden > 0 {
        output::note(&format!(
            "snapshots are folded into the version that ended their apply: {hidden}; --all shows \
                them"
        ));
    }
    ended
}

/// The lock of an address that has no version yet.
async fn lock_without_versions(
    client: &Client,
    state: &StateName,
) -> Result<Option<Value>, CliError> {
    let row = existence::row(client, state).await?;
    Ok(row
        .filter(|row| row["versions"] == 0 && !row["lock"].is_null())
        .map(|mut row| row["lock"].take()))
}

/// Says to a person what the marks mean.
fn tell_marks(format: Format) {
    if format == Format::Text {
        output::note("* the current version, ! held");
    }
}

fn row(version: &Value) -> Vec<String> {
    let current = if version["current"] == true { "*" } else { "" };
    let held = if version["held"].is_null() { "" } else { "!" };
    vec![
        format!("{}{current}{held}", version["number"]),
        kind(version),
        text(&version["serial"]),
        text(&version["resources"]),
        changes(version),
        size(&version["size"]),
        when(&version["created_at"]),
        text(&version["created_by"]["name"]),
        text(&version["lock"]["who"]),
    ]
}

/// How a version came about, with why it was rejected, or how many snapshots of its apply came
/// before it.
fn kind(version: &Value) -> String {
    let kind = text(&version["kind"]);
    match (version["rejected"].as_str(), snapshots(version)) {
        (Some(code), _) => format!("{kind} ({code})"),
        (None, 0) if version["intermediate"] == true => format!("{kind} (snapshot)"),
        (None, 0) => kind,
        (None, 1) => format!("{kind} (+1 snapshot)"),
        (None, more) => format!("{kind} (+{more} snapshots)"),
    }
}

/// How many resource instances a version added, changed and removed; `…` if that is still being
/// counted, `-` if it is not told.
fn changes(version: &Value) -> String {
    let count = |name: &str| version[name].as_u64();
    if let (Some(added), Some(changed), Some(removed)) =
        (count("added"), count("changed"), count("removed"))
    {
        return format!("+{added} ~{changed} -{removed}");
    }
    let written = version["created_at"].as_str().and_then(Timestamp::parse);
    let is_new = written.is_some_and(|written| clock::now().since(written) < COUNTED_WITHIN);
    let is_counted =
        version["kind"] == "write" && version["encrypted"] == false && version["format"] == 4;
    if is_new && is_counted { "…" } else { "-" }.to_owned()
}
