//! `statekeep state resources`: the resource instances of a version, printed as they are read.

use clap::Args;
use serde::Deserialize;
use serde_json::Value;

use crate::cli::client::api::Client;
use crate::cli::client::escaped::escaped;
use crate::cli::client::pages::{ListPages, RESOURCES};
use crate::cli::common::flags::Format;
use crate::cli::common::listing::PrintedList;
use crate::cli::output::{CliError, text};
use crate::cli::state::answer::current_version;
use crate::cli::table::{Column, kept, spare};
use crate::model::name::StateName;

const COLUMNS: [Column; 4] = [
    kept("ADDRESS"),
    spare("ID", 2),
    spare("PROVIDER", 3),
    spare("STATUS", 1),
];

#[derive(Args)]
pub(in crate::cli) struct ResourcesArgs {
    /// The state, as WORKSPACE/BUILDINGBLOCK
    state: StateName,
    /// An earlier version instead of the current one
    #[arg(long)]
    version: Option<u64>,
    /// Only resources of this type
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// Only addresses that begin with this, such as `module.network`
    #[arg(long)]
    prefix: Option<String>,
}

/// What is shown of an instance: nothing of its attributes, which may hold numbers and texts that
/// this program cannot.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Row {
    address: Value,
    id: Value,
    provider: Value,
    status: Value,
    deposed: Value,
}

impl ResourcesArgs {
    fn path(&self, version: u64) -> String {
        let mut path = format!("{}/versions/{version}/resources", self.state.path());
        let parameters = [("type", &self.kind), ("prefix", &self.prefix)];
        let given = parameters
            .into_iter()
            .filter_map(|(name, value)| Some(format!("{name}={}", escaped(value.as_ref()?))));
        for (parameter, before) in given.zip(["?", "&"]) {
            path += before;
            path += &parameter;
        }
        path
    }
}

/// Lists the instances.
pub(in crate::cli) async fn run(
    client: &Client,
    args: ResourcesArgs,
    format: Format,
) -> Result<(), CliError> {
    let version = match args.version {
        Some(number) => number,
        None => current_version(client, &args.state).await?,
    };
    let mut pages = ListPages::new(client.wire(), args.path(version), RESOURCES, None);
    let mut listing = PrintedList::new(format, "resources", &COLUMNS);
    while let Some(rows) = pages.next().await? {
        listing.page(&rows, row)?;
    }
    listing.end(&pages)
}

fn row(resource: &Row) -> Vec<String> {
    vec![
        text(&resource.address),
        text(&resource.id),
        text(&resource.provider),
        status(resource),
    ]
}

fn status(resource: &Row) -> String {
    let deposed = resource.deposed.as_array().map_or(0, Vec::len);
    match (resource.status.as_str(), deposed) {
        (None, 0) => "-".to_owned(),
        (None, count) => format!("{count} deposed"),
        (Some(_), 0) => text(&resource.status),
        (Some(_), count) => format!("{}, {count} deposed", text(&resource.status)),
    }
}
