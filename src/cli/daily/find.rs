//! `statekeep find`: instances and outputs of all states that hold some words.

use clap::Args;
use clap::builder::PossibleValuesParser;
use serde_json::Value;

use crate::cli::client::api::Client;
use crate::cli::client::pages::{FOUND, ListPages};
use crate::cli::common::existence;
use crate::cli::common::flags::{Common, Format};
use crate::cli::common::listing::PrintedList;
use crate::cli::common::rows::state_name;
use crate::cli::daily::events::url_encoded;
use crate::cli::output::{self, CliError, text};
use crate::cli::table::{Column, kept, spare};
use crate::model::name::Workspace;
use crate::model::search::FoundKind;

const COLUMNS: [Column; 5] = [
    kept("STATE"),
    spare("KIND", 3),
    kept("ADDRESS"),
    spare("VERSION", 2),
    spare("FOUND IN", 1),
];

#[derive(Args)]
pub(in crate::cli) struct FindArgs {
    /// The words: parts of an address, a type, an id, an ARN, a name, a tag, an IP address or the
    /// name of a host or output. Each has to be there
    #[arg(required = true, value_name = "TEXT")]
    words: Vec<String>,
    /// Only in this workspace
    #[arg(long)]
    workspace: Option<Workspace>,
    /// Only resources of this type
    #[arg(long = "type", value_name = "TYPE")]
    resource_type: Option<String>,
    /// Only resources of this provider, such as `aws` or `hashicorp/aws`
    #[arg(long)]
    provider: Option<String>,
    /// Only states, resources or outputs
    #[arg(long, value_parser = PossibleValuesParser::new(FoundKind::ALL.map(FoundKind::name)))]
    kind: Option<String>,
    /// At most so many lines
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
}

impl FindArgs {
    fn path(&self) -> String {
        let mut path = format!("/api/search?q={}", url_encoded(&self.words.join(" ")));
        let workspace = self.workspace.as_ref().map(Workspace::as_str);
        for (name, value) in [
            ("workspace", workspace),
            ("type", self.resource_type.as_deref()),
            ("provider", self.provider.as_deref()),
            ("kind", self.kind.as_deref()),
        ] {
            if let Some(value) = value {
                path.extend(["&", name, "=", &url_encoded(value)]);
            }
        }
        path
    }
}

/// Lists what was found.
pub(in crate::cli) async fn run(args: &FindArgs, common: Common) -> Result<(), CliError> {
    let client = Client::connect(&common.reach).await?;
    let done = list(&client, args, common.format).await;
    client.close().await?;
    done
}

async fn list(client: &Client, args: &FindArgs, format: Format) -> Result<(), CliError> {
    let wanted = Some(args.limit as usize);
    let mut pages = ListPages::new(client.wire(), args.path(), FOUND, wanted);
    let mut listing = PrintedList::new(format, FOUND.rows, &COLUMNS);
    while let Some(rows) = pages.next().await? {
        listing.page(&rows, row)?;
    }
    if pages.is_empty()
        && let Some(workspace) = &args.workspace
    {
        existence::workspace_exists(client, workspace).await?;
    }
    let (has_more, behind) = (!pages.next_page().is_null(), pages.behind);
    listing.end(&pages)?;
    if has_more && format == Format::Text {
        output::message(&format!(
            "these are the first {}; there may be more: --limit",
            args.limit
        ));
    }
    if behind > 0 {
        output::message(&format!(
            "{} without an index yet, in which nothing is found; a server that runs makes it",
            output::counted(behind, "state")
        ));
    }
    Ok(())
}

fn row(found: &Value) -> Vec<String> {
    let texts = found["texts"].as_array().into_iter().flatten();
    let texts = texts.map(|found| format!("{}={}", text(&found["path"]), text(&found["value"])));
    let texts: Vec<String> = texts.collect();
    let is_state = found["kind"] == FoundKind::State.name();
    vec![
        state_name(found),
        text(&found["kind"]),
        if is_state {
            "-".to_owned()
        } else {
            text(&found["address"])
        },
        text(&found["version"]),
        if texts.is_empty() {
            "-".to_owned()
        } else {
            texts.join(" ")
        },
    ]
}
