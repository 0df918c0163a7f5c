//! `statekeep inventory`: what the states are made of, those that need a look first, and the sums
//! over all of them.
//!
//! The server tells it page by page from its rows and its index. What is asked for is chosen and
//! counted here, so that sums are those of all pages.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use crate::cli::client::api::Client;
use crate::cli::client::pages::{ListPages, STATES};
use crate::cli::common::existence;
use crate::cli::common::flags::{Common, Format};
use crate::cli::common::rows::{DAMAGED, refuse_damaged, state_name};
use crate::cli::output::{self, CliError, counted, harmless, size, text, when};
use crate::cli::table::{self, Column, kept, spare};
use crate::model::clock::{self, Timestamp};
use crate::model::name::Workspace;
use crate::model::span::Span;

const COLUMNS: [Column; 6] = [
    kept("STATE"),
    spare("PROGRAM", 3),
    kept("INSTANCES"),
    spare("SIZE", 2),
    spare("CHANGES", 1),
    kept("APPLIED"),
];

/// So many of a kind are named in a line of the sums.
const MOST_NAMED: usize = 8;

/// In which order states are told.
#[derive(Clone, Copy, ValueEnum)]
enum Order {
    /// The largest current version first
    Largest,
    /// The one with the most versions so far first
    MostChanged,
    /// The one that was applied longest ago first
    OldestApply,
}

#[derive(Args)]
pub(in crate::cli) struct InventoryArgs {
    /// Only this workspace
    #[arg(long)]
    workspace: Option<Workspace>,
    /// Only states whose current version is older than this, such as 30d
    #[arg(long, value_name = "TIME")]
    not_applied_for: Option<Span>,
    /// Only states with instances of this type; `aws_*` is all types that begin so
    #[arg(long = "type", value_name = "TYPE")]
    resource_type: Option<String>,
    /// Which states come first, instead of the order of their names
    #[arg(long, value_name = "ORDER")]
    sort: Option<Order>,
    /// At most so many states in the list; the sums are of all
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
}

impl InventoryArgs {
    fn path(&self) -> String {
        let workspace = self.workspace.as_ref();
        workspace.map_or_else(
            || "/api/inventory".to_owned(),
            |name| format!("/api/inventory?workspace={name}"),
        )
    }

    fn wants(&self, state: &Value, now: Timestamp) -> bool {
        let is_old = self
            .not_applied_for
            .is_none_or(|Span(span)| applied_at(state).is_some_and(|at| now.since(at) >= span));
        is_old && (self.resource_type.is_none() || self.instances(state) > Some(0))
    }

    fn is_of_type(&self, name: &str) -> bool {
        let Some(wanted) = &self.resource_type else {
            return true;
        };
        match wanted.strip_suffix('*') {
            Some(begins) => name.starts_with(begins),
            None => name == wanted,
        }
    }

    /// How many instances a state has, of the types that are asked for; none if it is not known.
    fn instances(&self, state: &Value) -> Option<u64> {
        let types = state["types"].as_object()?.iter();
        let of_type = types.filter(|(name, _)| self.is_of_type(name));
        Some(of_type.filter_map(|(_, count)| count.as_u64()).sum())
    }
}

fn applied_at(state: &Value) -> Option<Timestamp> {
    state["written_at"].as_str().and_then(Timestamp::parse)
}

/// How many there are, by what they are.
type CountsByName = BTreeMap<String, u64>;

/// What all states that are wanted come to.
#[derive(Default)]
struct Sums {
    states: u64,
    size: u64,
    history_size: u64,
    not_counted: CountsByName,
    programs: CountsByName,
    types: CountsByName,
    providers: CountsByName,
}

impl Sums {
    fn add(&mut self, state: &Value, args: &InventoryArgs) {
        self.states += 1;
        self.size += state["size"].as_u64().unwrap_or(0);
        self.history_size += state["history_size"].as_u64().unwrap_or(0);
        for (sums, member) in [
            (&mut self.not_counted, "not_counted"),
            (&mut self.programs, "terraform_version"),
        ] {
            if let Some(name) = state[member].as_str() {
                *sums.entry(name.to_owned()).or_default() += 1;
            }
        }
        let types = state["types"].as_object().into_iter().flatten();
        let wanted = types.filter(|(name, _)| args.is_of_type(name));
        add(&mut self.types, wanted);
        if args.resource_type.is_none() {
            let providers = state["providers"].as_object().into_iter().flatten();
            add(&mut self.providers, providers);
        }
    }

    fn document(&self) -> Value {
        json!({
            "states": self.states,
            "size": self.size,
            "history_size": self.history_size,
            "instances": self.types.values().sum::<u64>(),
            "not_counted": self.not_counted.values().sum::<u64>(),
            "terraform_versions": self.programs,
            "types": self.types,
            "providers": self.providers,
        })
    }

    fn print(&self) -> Result<(), CliError> {
        let sum: u64 = self.types.values().sum();
        let missing: u64 = self.not_counted.values().sum();
        let instances = if missing > 0 {
            let why = most_of(&self.not_counted);
            format!("{sum}, without {} ({why})", counted(missing, "state"))
        } else {
            sum.to_string()
        };
        let bytes = |bytes: u64| size(&bytes.into());
        let mut pairs = vec![
            ("states", self.states.to_string()),
            ("instances", instances),
            ("size", bytes(self.size)),
            ("history", bytes(self.history_size)),
        ];
        for (name, counts) in [
            ("programs", &self.programs),
            ("types", &self.types),
            ("providers", &self.providers),
        ] {
            if !counts.is_empty() {
                pairs.push((name, most_of(counts)));
            }
        }
        output::pairs(&pairs)
    }
}

fn add<'c>(sums: &mut CountsByName, counts: impl Iterator<Item = (&'c String, &'c Value)>) {
    for (name, count) in counts {
        *sums.entry(name.clone()).or_default() += count.as_u64().unwrap_or(0);
    }
}

/// Those there are most of, in words.
fn most_of(counts: &CountsByName) -> String {
    let mut most: Vec<(&String, &u64)> = counts.iter().collect();
    most.sort_by_key(|(name, count)| (Reverse(**count), *name));
    let named = most.iter().take(MOST_NAMED);
    let mut parts: Vec<String> = named
        .map(|(name, count)| format!("{count} {}", harmless(name)))
        .collect();
    if most.len() > MOST_NAMED {
        parts.push(format!("{} more", most.len() - MOST_NAMED));
    }
    parts.join(", ")
}

/// Tells what the states are made of.
pub(in crate::cli) async fn run(args: &InventoryArgs, common: Common) -> Result<(), CliError> {
    let client = Client::connect(&common.reach).await?;
    let done = list(&client, args, common.format).await;
    client.close().await?;
    done
}

async fn list(client: &Client, args: &InventoryArgs, format: Format) -> Result<(), CliError> {
    let mut pages = ListPages::new(client.wire(), args.path(), STATES, None);
    let (mut states, mut sums, now) = (Vec::new(), Sums::default(), clock::now());
    while let Some(rows) = pages.next().await? {
        for row in rows {
            let state: Value = serde_json::from_str(row.get()).map_err(CliError::because)?;
            if args.wants(&state, now) {
                sums.add(&state, args);
                states.push(state);
            }
        }
    }
    if pages.is_empty()
        && let Some(workspace) = &args.workspace
    {
        existence::workspace_exists(client, workspace).await?;
    }
    sort(&mut states, args.sort);
    if let Some(limit) = args.limit {
        states.truncate(limit as usize);
    }
    if format == Format::Json {
        let mut answer = json!({ "states": states, "sums": sums.document() });
        if !pages.damaged.is_empty() {
            answer[DAMAGED] = json!(pages.damaged);
        }
        output::json(&answer)?;
    } else {
        let rows = states.iter().map(|state| row(state, args)).collect();
        table::whole(&COLUMNS, rows)?;
        output::line("")?;
        sums.print()?;
    }
    refuse_damaged(&json!({ DAMAGED: pages.damaged }))
}

/// States of which it is not known come last.
fn sort(states: &mut [Value], order: Option<Order>) {
    let number = |state: &Value, member: &str| state[member].as_u64();
    match order {
        None => {}
        Some(Order::Largest) => states.sort_by_key(|state| Reverse(number(state, "size"))),
        Some(Order::MostChanged) => states.sort_by_key(|state| Reverse(number(state, "version"))),
        Some(Order::OldestApply) => states.sort_by_key(|state| {
            let at = applied_at(state);
            (at.is_none(), at)
        }),
    }
}

fn row(state: &Value, args: &InventoryArgs) -> Vec<String> {
    let instances = args.instances(state);
    vec![
        state_name(state),
        text(&state["terraform_version"]),
        instances.map_or_else(|| text(&state["not_counted"]), |count| count.to_string()),
        size(&state["size"]),
        text(&state["version"]),
        when(&state["written_at"]),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_there_is_most_of_comes_first_and_the_rest_is_counted() {
        let counts: CountsByName = (0..10).map(|at| (format!("t{at}"), at)).collect();
        let told = most_of(&counts);
        assert!(told.starts_with("9 t9, 8 t8"), "{told}");
        assert!(told.ends_with("2 t2, 2 more"), "{told}");
    }

    #[test]
    fn what_is_not_known_comes_last_in_each_order() {
        for order in [Order::Largest, Order::MostChanged, Order::OldestApply] {
            let old = "2026-01-01T00:00:00Z";
            let mut states = [
                json!({"name": "none", "size": null, "version": null, "written_at": null}),
                json!({"name": "b", "size": 1, "version": 1, "written_at": "2026-02-01T00:00:00Z"}),
                json!({"name": "a", "size": 2, "version": 2, "written_at": old}),
            ];
            sort(&mut states, Some(order));
            let names: Vec<&str> = states
                .iter()
                .filter_map(|state| state["name"].as_str())
                .collect();
            assert_eq!(names, ["a", "b", "none"]);
        }
    }
}
