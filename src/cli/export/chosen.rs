//! Which states are exported: those that are named, or all of a list, page by page.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use crate::cli::client::api::Client;
use crate::cli::client::pages::{ListPages, STATES};
use crate::cli::common::existence;
use crate::cli::common::rows::damaged_in;
use crate::cli::export::args::ExportArgs;
use crate::cli::output::{CliError, text};
use crate::model::name::StateName;

/// The members of a state's row that an export needs, and one more if it takes current versions
/// alone.
const FIELDS: &str = "workspace,buildingBlock,deleted_at,transferred_to,versions";

/// The states that are asked for.
pub(super) struct ChosenStates {
    /// Those that are known and were not given yet.
    ready: Vec<Value>,
    /// Where more come from.
    pages: Option<ListPages>,
    only_current: bool,
    /// Rows that the lists could not tell, because they are damaged.
    damaged: Vec<Value>,
}

impl ChosenStates {
    /// Those that the command names, or the first page of all.
    pub(super) async fn of(client: &Client, args: &ExportArgs) -> Result<Self, CliError> {
        let mut chosen = Self {
            ready: Vec::new(),
            pages: None,
            only_current: args.only_current(),
            damaged: Vec::new(),
        };
        if args.states.is_empty() {
            chosen.begin_list(client, args).await?;
            return Ok(chosen);
        }
        // Which was named twice would be written twice, and no import takes that.
        let mut named = HashSet::new();
        for name in args.states.iter().filter(|name| named.insert(*name)) {
            let found = chosen.named(client, name).await?;
            chosen.ready.extend(found);
        }
        Ok(chosen)
    }

    /// The state of a name; none if its row is damaged.
    async fn named(
        &mut self,
        client: &Client,
        name: &StateName,
    ) -> Result<Option<Value>, CliError> {
        let (workspace, block) = (&name.workspace, &name.block);
        let path = format!(
            "{}&workspace={workspace}&buildingBlock={block}",
            path(self.only_current)
        );
        let mut pages = ListPages::new(client.wire(), path, STATES, None);
        let found = self
            .next_of(&mut pages)
            .await?
            .and_then(|mut rows| rows.pop());
        if found.is_none() && self.damaged.is_empty() {
            let none = existence::no_state(client, name).await;
            return Err(none.and("Nothing was exported."));
        }
        Ok(found)
    }

    /// All states, or those of one workspace.
    async fn begin_list(&mut self, client: &Client, args: &ExportArgs) -> Result<(), CliError> {
        let mut path = path(self.only_current);
        if let Some(workspace) = &args.workspace {
            path += "&workspace=";
            path += workspace.as_str();
        }
        let mut pages = ListPages::new(client.wire(), path, STATES, None);
        self.ready = self.next_of(&mut pages).await?.unwrap_or_default();
        if let Some(workspace) = args.workspace.as_ref().filter(|_| pages.is_empty()) {
            existence::workspace_exists(client, workspace).await?;
        }
        self.pages = Some(pages);
        Ok(())
    }

    /// The states of the next page that have something to export.
    async fn next_of(&mut self, pages: &mut ListPages) -> Result<Option<Vec<Value>>, CliError> {
        let Some(rows) = pages.next().await? else {
            return Ok(None);
        };
        self.damaged.append(&mut pages.damaged);
        let rows = rows.iter().map(|row| serde_json::from_str(row.get()));
        let rows: Result<Vec<Value>, _> = rows.collect();
        let mut rows = rows.map_err(CliError::because)?;
        rows.retain(|state| has_content(state, self.only_current));
        Ok(Some(rows))
    }

    /// The next states; none behind the last ones.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Value>>, CliError> {
        if !self.ready.is_empty() {
            return Ok(Some(std::mem::take(&mut self.ready)));
        }
        let Some(mut pages) = self.pages.take() else {
            return Ok(None);
        };
        let rows = self.next_of(&mut pages).await?;
        self.pages = rows.as_ref().map(|_| pages);
        Ok(rows)
    }

    /// The damaged rows of the lists so far, in words.
    pub(super) fn damaged(&self) -> Vec<String> {
        damaged_in(&self.damaged)
    }
}

fn path(only_current: bool) -> String {
    let current = if only_current { ",current" } else { "" };
    let deleted = !only_current;
    format!("/api/terraform/state?deleted={deleted}&fields={FIELDS}{current}")
}

/// An address that is only locked has nothing to export.
fn has_content(state: &Value, only_current: bool) -> bool {
    if only_current {
        !state["current"].is_null()
    } else {
        state["versions"] != 0
    }
}

/// Names of states, for a file system that takes letters of any case as one.
#[derive(Default)]
pub(super) struct SeenNames(HashMap<String, StateName>);

impl SeenNames {
    /// Takes a name in. Gives one that was there before if their files would be one.
    pub(super) fn alike(&mut self, name: &StateName) -> Option<StateName> {
        // The folder of a workspace, and that of a state in it.
        for key in [name.workspace.to_string(), name.to_string()] {
            let other = self
                .0
                .entry(key.to_ascii_lowercase())
                .or_insert_with(|| name.clone());
            let theirs = if key.contains('/') {
                other.to_string()
            } else {
                other.workspace.to_string()
            };
            if theirs != key {
                return Some(other.clone());
            }
        }
        None
    }
}

/// The name of a state in a list.
pub(super) fn name_of(state: &Value) -> Result<StateName, CliError> {
    StateName::parse(&text(&state["workspace"]), &text(&state["buildingBlock"]))
        .map_err(CliError::because)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_differ_by_case_alone_are_found() {
        let alike = |names: &[(&str, &str)]| {
            let mut seen = SeenNames::default();
            names.iter().find_map(|(workspace, block)| {
                let name = StateName::parse(workspace, block).expect("a name");
                let other = seen.alike(&name)?;
                Some(format!("{other} {name}"))
            })
        };
        assert_eq!(alike(&[("team", "x"), ("team", "y"), ("rival", "x")]), None);
        assert_eq!(
            alike(&[("team", "x"), ("team", "X")]).as_deref(),
            Some("team/x team/X")
        );
        assert_eq!(
            alike(&[("Team", "x"), ("team", "y")]).as_deref(),
            Some("Team/x team/y")
        );
    }
}
