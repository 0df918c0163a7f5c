//! `statekeep state consumers`: who reads a state, and whether what they read is what it is now.

use clap::Args;
use serde_json::Value;

use crate::cli::client::api::Client;
use crate::cli::client::pages::{CONSUMERS, ListPages};
use crate::cli::common::flags::Format;
use crate::cli::common::listing::PrintedList;
use crate::cli::output::{self, CliError, text, when};
use crate::cli::table::{Column, kept, spare};
use crate::model::name::StateName;

const COLUMNS: [Column; 6] = [
    kept("KEY"),
    spare("READS", 1),
    spare("LAST READ", 2),
    spare("VERSION", 3),
    kept("UP TO DATE"),
    spare("DAYS", 4),
];

#[derive(Args)]
pub(in crate::cli) struct ConsumersArgs {
    /// The state, as WORKSPACE/BUILDINGBLOCK
    state: StateName,
}

/// Lists those who read.
pub(in crate::cli) async fn run(
    client: &Client,
    args: &ConsumersArgs,
    format: Format,
) -> Result<(), CliError> {
    let path = format!("{}/consumers", args.state.path());
    let mut pages = ListPages::new(client.wire(), path, CONSUMERS, None);
    let mut listing = PrintedList::new(format, "consumers", &COLUMNS);
    while let Some(rows) = pages.next().await? {
        listing.page(&rows, row)?;
    }
    if pages.is_empty() && format == Format::Text {
        let state = &args.state;
        output::note(&format!("it is not known that anybody has read {state}"));
    }
    listing.end(&pages)
}

fn row(consumer: &Value) -> Vec<String> {
    let name = &consumer["key"]["name"];
    vec![
        if name.is_null() {
            "(others)".to_owned()
        } else {
            text(name)
        },
        reads(consumer),
        when(&consumer["last_read_at"]),
        text(&consumer["version"]),
        up_to_date(&consumer["is_current"]).to_owned(),
        text(&consumer["days_read"]),
    ]
}

fn reads(consumer: &Value) -> String {
    let (whole, outputs) = (&consumer["whole"], &consumer["outputs"]);
    match (whole.as_u64(), outputs.as_u64()) {
        (Some(0), _) => format!("{} outputs", text(outputs)),
        (_, Some(0)) => format!("{} whole", text(whole)),
        _ => format!("{} whole, {} outputs", text(whole), text(outputs)),
    }
}

const fn up_to_date(is_current: &Value) -> &'static str {
    match is_current {
        Value::Bool(true) => "yes",
        Value::Bool(false) => "no",
        Value::Null | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            "not known"
        }
    }
}
