//! Whether a state or a workspace that a command names is there. If it is not, the command fails,
//! and the failure names what comes nearest.

use serde_json::Value;

use crate::cli::client::api::Client;
use crate::cli::common::nearest;
use crate::cli::output::Failure;
use crate::model::name::{StateName, Workspace};

/// That there is no state, with the nearest that there are.
pub(in crate::cli) async fn no_state(client: &Client, state: &StateName) -> Failure {
    let told = nearest::instead_of(&client.wire(), state).await;
    Failure::Failed(told.unwrap_or_else(|| format!("there is no state at {state} (no_state)")))
}

/// The state's row in the list, also of one that is deleted or only locked.
pub(in crate::cli) async fn row(
    client: &Client,
    state: &StateName,
) -> Result<Option<Value>, Failure> {
    let path = format!(
        "/api/terraform/state?deleted=true&workspace={}&buildingBlock={}",
        state.workspace, state.block
    );
    Ok(client.get(&path).await?["states"]
        .as_array_mut()
        .and_then(Vec::pop))
}

/// Refuses a state of which nothing is known, not even a lock. Who may not list is not refused: the
/// act itself will tell.
pub(in crate::cli) async fn state_exists(
    client: &Client,
    state: &StateName,
) -> Result<(), Failure> {
    let path = format!(
        "/api/terraform/state?deleted=true&workspace={}&buildingBlock={}",
        state.workspace, state.block
    );
    if has_rows(client, &path).await? || nearest::lock(&client.wire(), state).await.is_some() {
        return Ok(());
    }
    // Says where it moved to, or what there is instead.
    client.ask("GET", &state.path(), None).await.map(drop)
}

/// Whether a list of states has any, or cannot be seen.
async fn has_rows(client: &Client, path: &str) -> Result<bool, Failure> {
    let wire = client.wire();
    match wire.list(path, "states", "after", Some(1)).await {
        Ok(list) => Ok(list["states"]
            .as_array()
            .is_some_and(|rows| !rows.is_empty())),
        Err(refusal) if refusal.has_status(403) => Ok(true),
        Err(refusal) => Err(nearest::explained(&wire, refusal).await),
    }
}

/// Refuses a workspace in which nothing is known: no state, no key for it, no policy.
pub(in crate::cli) async fn workspace_exists(
    client: &Client,
    workspace: &Workspace,
) -> Result<(), Failure> {
    if has_rows(
        client,
        &format!("/api/terraform/state?deleted=true&workspace={workspace}"),
    )
    .await?
    {
        return Ok(());
    }
    let wire = client.wire();
    let mut known = Vec::new();
    for (path, list, cursor) in [
        ("/api/terraform/state?deleted=true", "states", "after"),
        ("/api/keys", "keys", "after"),
        ("/api/retention", "workspaces", "after"),
    ] {
        // What this caller may not list has no part in it.
        let rows = wire
            .list(path, list, cursor, Some(nearest::MAX_COMPARED))
            .await
            .unwrap_or_default();
        known.extend(
            rows[list]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|row| row["workspace"].as_str().map(str::to_owned)),
        );
    }
    if known.iter().any(|name| name == workspace.as_str()) {
        return Ok(());
    }
    Err(Failure::Failed(format!(
        "there is no workspace {workspace} (no_state){}",
        nearest::near(workspace.as_str(), known)
    )))
}
