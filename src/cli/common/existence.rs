//! Whether a state or a workspace that a command names is there. If it is not, the command fails,
//! and the failure names what comes nearest.

use serde_json::Value;

use crate::cli::client::api::Client;
use crate::cli::client::wire::Wire;
use crate::cli::common::nearest;
use crate::cli::common::nearest::MAX_COMPARED;
use crate::cli::common::rows::{DAMAGED, refuse_damaged, rows, take_rows};
use crate::cli::output::{CliError, KnownReason, counted, harmless, text};
use crate::model::key::KeyId;
use crate::model::name::{StateName, Workspace};

/// The list of states, hidden ones too.
const STATES: &str = "/api/terraform/state?deleted=true";

/// That there is no state, with the nearest that there are.
pub(in crate::cli) async fn no_state(client: &Client, state: &StateName) -> CliError {
    let told = nearest::instead_of(&client.wire(), state).await;
    CliError::Known {
        message: told.unwrap_or_else(|| format!("there is no state at {state} (no_state)")),
        reason: KnownReason::missing("no_state"),
    }
}

/// The list of states, hidden ones too, that has a state alone.
fn list_of(state: &StateName) -> String {
    let (workspace, block) = (&state.workspace, &state.block);
    format!("{STATES}&workspace={workspace}&buildingBlock={block}")
}

/// The state's row in the list, also of one that is deleted or only locked.
pub(in crate::cli) async fn row(
    client: &Client,
    state: &StateName,
) -> Result<Option<Value>, CliError> {
    let mut answer = client.get(&list_of(state)).await?;
    let row = take_rows(&mut answer, "states").pop();
    if row.is_none() {
        refuse_damaged(&answer)?;
    }
    Ok(row)
}

/// Refuses a state of which nothing is known, not even a lock. A caller who may not list is not
/// refused: the act itself will tell.
pub(in crate::cli) async fn state_exists(
    client: &Client,
    state: &StateName,
) -> Result<(), CliError> {
    if has_rows(client, &list_of(state)).await?
        || nearest::lock(&client.wire(), state).await.is_some()
    {
        return Ok(());
    }
    // Says where it moved to, or what there is instead.
    client.ask("GET", &state.path(), None).await.map(drop)
}

/// Whether a list of states has any, or cannot be seen.
async fn has_rows(client: &Client, path: &str) -> Result<bool, CliError> {
    let wire = client.wire();
    match wire.list(path, "states", "after", Some(1)).await {
        Ok(list) => Ok(!rows(&list, "states").is_empty() || !rows(&list, DAMAGED).is_empty()),
        Err(refusal) if refusal.has_status(403) => Ok(true),
        Err(refusal) => Err(nearest::explained(&wire, refusal).await),
    }
}

/// Refuses a workspace in which nothing is known: no state, no key for it, no policy, no quota.
pub(in crate::cli) async fn workspace_exists(
    client: &Client,
    workspace: &Workspace,
) -> Result<(), CliError> {
    if has_rows(client, &format!("{STATES}&workspace={workspace}")).await? {
        return Ok(());
    }
    let known = workspaces(&client.wire()).await;
    if known.iter().any(|name| name == workspace.as_str()) {
        return Ok(());
    }
    let near = nearest::near(workspace.as_str(), known);
    Err(CliError::Known {
        message: format!("there is no workspace {workspace} (no_state){near}"),
        reason: KnownReason::missing("no_state"),
    })
}

/// The workspaces of all rows that this caller may list, one name for each row, and the one that
/// the caller's own key is for.
async fn workspaces(wire: &Wire) -> Vec<String> {
    let lists = [
        (
            "/api/terraform/state?deleted=true&fields=workspace",
            "states",
        ),
        ("/api/keys?fields=workspace", "keys"),
        ("/api/retention", "workspaces"),
        ("/api/quotas", "quotas"),
    ];
    let mut known = Vec::new();
    if let Ok(reply) = wire.ask("GET", "/api/whoami", None).await {
        let own = reply.json().unwrap_or_default();
        known.extend(own["workspace"].as_str().map(str::to_owned));
    }
    for (path, name) in lists {
        let list = wire.list(path, name, "after", Some(MAX_COMPARED)).await;
        let list = list.unwrap_or_default();
        let names = rows(&list, name).iter();
        known.extend(names.filter_map(|row| row["workspace"].as_str().map(str::to_owned)));
    }
    known
}

/// The id of a key that is named by its id or by its name. A live key is meant before those that
/// have ended.
pub(in crate::cli) async fn key_id(client: &Client, wanted: &str) -> Result<String, CliError> {
    if let Ok(id) = wanted.parse::<KeyId>() {
        return Ok(id.to_string());
    }
    // If this caller may not list keys, the failure says so.
    client.get("/api/keys?limit=1").await?;
    let (near, rows) = nearest::keys(&client.wire(), wanted).await;
    let named: Vec<&Value> = rows.iter().filter(|row| row["name"] == wanted).collect();
    let is_live = |row: &&Value| row["status"] == "active";
    let live: Vec<&Value> = named.iter().copied().filter(is_live).collect();
    let wanted = harmless(wanted);
    match if live.is_empty() { named } else { live }.as_slice() {
        [] => Err(CliError::Known {
            message: format!("there is no key {wanted} (no_key){near}"),
            reason: KnownReason::missing("no_key"),
        }),
        [key] => Ok(text(&key["id"])),
        several => {
            let ids: Vec<String> = several.iter().map(|key| text(&key["id"])).collect();
            let (keys, ids) = (counted(several.len(), "key"), ids.join(", "));
            Err(CliError::Failed(format!(
                "{keys} are called {wanted}; name one by its id: {ids}"
            )))
        }
    }
}
