//! Which states are exported.

use std::collections::HashMap;

use serde_json::Value;

use crate::cli::client::api::Client;
use crate::cli::common::existence;
use crate::cli::common::rows::damaged;
use crate::cli::export::args::ExportArgs;
use crate::cli::output::{CliError, text};
use crate::model::name::StateName;

/// States of a list.
#[derive(Default)]
pub(super) struct ChosenStates {
    /// As the list has them.
    pub(super) states: Vec<Value>,
    /// Those that the list could not tell, because they are damaged, in words.
    pub(super) damaged: Vec<String>,
}

/// The states that are asked for.
pub(super) async fn chosen(client: &Client, args: &ExportArgs) -> Result<ChosenStates, CliError> {
    let base = format!("/api/terraform/state?deleted={}", !args.no_history);
    if args.states.is_empty() {
        return all(client, args, base).await;
    }
    let mut chosen = ChosenStates::default();
    for name in &args.states {
        let (workspace, block) = (&name.workspace, &name.block);
        let path = format!("{base}&workspace={workspace}&buildingBlock={block}");
        let mut found = listed(client, &path).await?;
        chosen.damaged.append(&mut found.damaged);
        found
            .states
            .retain(|state| has_content(state, args.no_history));
        let Some(found) = found.states.pop() else {
            if !chosen.damaged.is_empty() {
                continue;
            }
            let none = existence::no_state(client, name).await;
            return Err(none.and("Nothing was exported."));
        };
        chosen.states.push(found);
    }
    Ok(chosen)
}

/// All states, or those of one workspace.
async fn all(
    client: &Client,
    args: &ExportArgs,
    mut path: String,
) -> Result<ChosenStates, CliError> {
    if let Some(workspace) = &args.workspace {
        path += "&workspace=";
        path += workspace.as_str();
    }
    let mut found = listed(client, &path).await?;
    let is_none = found.states.is_empty() && found.damaged.is_empty();
    if let Some(workspace) = args.workspace.as_ref().filter(|_| is_none) {
        existence::workspace_exists(client, workspace).await?;
    }
    found
        .states
        .retain(|state| has_content(state, args.no_history));
    Ok(found)
}

/// An address that is only locked has nothing to export.
fn has_content(state: &Value, only_current: bool) -> bool {
    if only_current {
        !state["current"].is_null()
    } else {
        state["versions"] != 0
    }
}

async fn listed(client: &Client, path: &str) -> Result<ChosenStates, CliError> {
    let answer = client.list(path, "states", "after", None).await?;
    Ok(ChosenStates {
        damaged: damaged(&answer),
        states: list_in(answer, "states")?,
    })
}

/// The rows of a list; a server whose answer has none is no statekeep.
pub(super) fn list_in(mut answer: Value, name: &str) -> Result<Vec<Value>, CliError> {
    let rows = answer[name].as_array_mut().map(std::mem::take);
    rows.ok_or_else(|| {
        CliError::Failed("the server's answer is no list; is a statekeep at --url?".to_owned())
    })
}

/// Two states whose files would be one if the case of letters says nothing.
pub(super) fn alike(states: &[Value]) -> Result<Option<(StateName, StateName)>, CliError> {
    let mut seen: HashMap<String, StateName> = HashMap::new();
    for state in states {
        let name = name_of(state)?;
        // The folder of a workspace, and that of a state in it.
        for key in [name.workspace.to_string(), name.to_string()] {
            let other = seen
                .entry(key.to_ascii_lowercase())
                .or_insert_with(|| name.clone());
            let theirs = if key.contains('/') {
                other.to_string()
            } else {
                other.workspace.to_string()
            };
            if theirs != key {
                return Ok(Some((other.clone(), name)));
            }
        }
    }
    Ok(None)
}

/// The name of a state in a list.
pub(super) fn name_of(state: &Value) -> Result<StateName, CliError> {
    StateName::parse(&text(&state["workspace"]), &text(&state["buildingBlock"]))
        .map_err(CliError::because)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_that_differ_by_case_alone_are_found() {
        let alike = |names: &[(&str, &str)]| {
            let states: Vec<Value> = names
                .iter()
                .map(|(workspace, block)| json!({"workspace": workspace, "buildingBlock": block}))
                .collect();
            super::alike(&states)
                .expect("names")
                .map(|(one, other)| format!("{one} {other}"))
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
