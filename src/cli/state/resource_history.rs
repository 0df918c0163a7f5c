//! `statekeep state blame`: the versions that changed a resource instance, or one attribute of it,
//! newest first: since when, by whom, under which lock, from what to what. A name that no version
//! has is a failure, and no empty answer.

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::cli::client::api::Client;
use crate::cli::client::escaped::escaped;
use crate::cli::client::wire::ApiReply;
use crate::cli::common::flags::Format;
use crate::cli::common::nearest;
use crate::cli::output::{self, CliError, KnownReason, Tone, harmless, text, time};
use crate::cli::state::answer::{Why, current_version, parsed};
use crate::cli::state::changes::ChangedResource;
use crate::model::name::StateName;

#[derive(Args)]
pub(in crate::cli) struct ResourceHistoryArgs {
    /// The state, as WORKSPACE/BUILDINGBLOCK
    state: StateName,
    /// The resource instance, such as `module.network.aws_subnet.a[0]`
    address: String,
    /// Only this attribute of it and what is inside it, such as `tags.Name`
    attribute: Option<String>,
    /// At most so many changes
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
}

/// A page, as the API answers it.
#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    changes: Vec<&'a RawValue>,
    #[serde(borrow)]
    gaps: Vec<&'a RawValue>,
    next: Option<Next>,
}

#[derive(Deserialize, Serialize)]
struct Next {
    address: String,
    before: u64,
}

#[derive(Deserialize)]
struct Entry {
    version: Value,
    change: ChangedResource,
}

#[derive(Deserialize)]
struct Gap {
    version: u64,
    not_compared: Why,
}

impl ResourceHistoryArgs {
    fn path(&self, address: &str) -> String {
        let path = format!("{}/history/{}", self.state.path(), escaped(address));
        match &self.attribute {
            Some(attribute) => format!("{path}?attribute={}", escaped(attribute)),
            None => path,
        }
    }

    /// The next page; the first one without a place where it begins.
    async fn page(
        &self,
        client: &Client,
        next: Option<&Next>,
        missing: Option<usize>,
    ) -> Result<ApiReply, CliError> {
        let path = self.path(next.map_or(&self.address, |next| &next.address));
        let before = next.map_or(Value::Null, |next| next.before.into());
        let wire = client.wire();
        match wire.page_as_sent(&path, "before", &before, missing).await {
            Ok(reply) => Ok(reply),
            Err(refusal) => Err(nearest::explained(&wire, refusal).await),
        }
    }
}

/// Prints them page by page.
pub(in crate::cli) async fn run(
    client: &Client,
    args: &ResourceHistoryArgs,
    format: Format,
) -> Result<(), CliError> {
    let mut missing = args.limit.map(|limit| limit as usize);
    let (mut next, mut told) = (None, Told::new(format));
    loop {
        let reply = args.page(client, next.as_ref(), missing).await?;
        let page: Page<'_> = parsed(&reply)?;
        told.page(&page)?;
        missing = missing.map(|missing| missing.saturating_sub(page.changes.len()));
        next = page.next;
        if next.is_none() || missing == Some(0) || output::reader_has_left() {
            break;
        }
    }
    let found_nothing = told.changes == 0 && next.is_none();
    let has_gaps = !told.gaps.is_empty();
    told.end(next.as_ref())?;
    if found_nothing {
        return nothing_found(client, args, has_gaps).await;
    }
    Ok(())
}

/// No version changed it: there is none of that name, unless the versions that were not compared
/// leave it open.
async fn nothing_found(
    client: &Client,
    args: &ResourceHistoryArgs,
    has_gaps: bool,
) -> Result<(), CliError> {
    let (address, state) = (&args.address, &args.state);
    let what = match &args.attribute {
        Some(attribute) => format!("{} of {}", harmless(attribute), harmless(address)),
        None => harmless(address),
    };
    if has_gaps && !is_known_to_be_missing(client, args).await {
        output::note(&format!(
            "no version of {state} changed {what}, as far as they can be compared"
        ));
        return Ok(());
    }
    let far = if has_gaps {
        ", as far as they can be compared"
    } else {
        ""
    };
    Err(CliError::Known {
        message: format!(
            "no version of {state} has {what}{far} (no_resource); \
                `statekeep state resources {state}` lists the addresses"
        ),
        reason: KnownReason::missing("no_resource"),
    })
}

/// Whether the current version can be read into and does not have it.
async fn is_known_to_be_missing(client: &Client, args: &ResourceHistoryArgs) -> bool {
    let Ok(version) = current_version(client, &args.state).await else {
        return false;
    };
    let below = format!("versions/{version}/resources/{}", escaped(&args.address));
    let path = format!("{}/{below}", args.state.path());
    let asked = client.wire().ask("GET", &path, None).await;
    asked.is_err_and(|refusal| refusal.has_code("no_resource"))
}

/// How the changes begin in JSON.
const BEGIN: &str = "{\"changes\":[";

/// What is printed so far.
struct Told {
    format: Format,
    changes: u64,
    gaps: Vec<Box<RawValue>>,
}

impl Told {
    fn new(format: Format) -> Self {
        Self {
            format,
            changes: 0,
            gaps: Vec::new(),
        }
    }

    fn page(&mut self, page: &Page<'_>) -> Result<(), CliError> {
        for change in &page.changes {
            let before = if self.changes == 0 { BEGIN } else { "," };
            match self.format {
                Format::Text => print(change)?,
                Format::Json => output::json_part(&format!("{before}{change}"))?,
            }
            self.changes += 1;
        }
        self.gaps
            .extend(page.gaps.iter().map(|gap| (*gap).to_owned()));
        Ok(())
    }

    fn end(self, next: Option<&Next>) -> Result<(), CliError> {
        if self.format == Format::Json {
            let before = if self.changes == 0 { BEGIN } else { "" };
            let gaps: Vec<&str> = self.gaps.iter().map(|gap| gap.get()).collect();
            let gaps = gaps.join(",");
            let rest = format!("{before}],\"gaps\":[{gaps}],\"next\":{}}}\n", json!(next));
            return output::json_part(&rest);
        }
        for gap in &self.gaps {
            let gap: Gap = serde_json::from_str(gap.get()).map_err(CliError::because)?;
            output::message(&format!(
                "version {} is not compared: {}",
                gap.version, gap.not_compared.detail
            ));
        }
        Ok(())
    }
}

fn print(change: &RawValue) -> Result<(), CliError> {
    let entry: Entry = serde_json::from_str(change.get()).map_err(CliError::because)?;
    let version = &entry.version;
    let mut head = format!(
        "version {}, serial {}, by {} at {}",
        version["number"],
        version["serial"],
        text(&version["created_by"]["name"]),
        time(&version["created_at"]),
    );
    let lock = &version["lock"];
    if !lock.is_null() {
        let (operation, who) = (text(&lock["operation"]), text(&lock["who"]));
        head = format!("{head}, {operation} by {who}");
    }
    output::toned(&[(Tone::Bold, head)])?;
    entry.change.print()?;
    output::line("")
}
