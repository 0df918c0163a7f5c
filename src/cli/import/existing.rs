//! What the server has already of the states that are to be imported.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use crate::cli::client::api::Client;
use crate::cli::client::wire::Wire;
use crate::cli::common::request_error::RequestError;
use crate::cli::common::rows::{refuse_damaged, rows};
use crate::cli::import::plan::{StatePlan, StoredVersion};
use crate::cli::output::{CliError, text};
use crate::model::name::StateName;

/// The members that are looked at, of states and of versions.
const KNOWN_FIELDS: &str = "workspace,buildingBlock,deleted_at,transferred_to";
const VERSION_FIELDS: &str = "number,sha256,kind,held";

/// What is known of a state that the server has already.
#[derive(Clone, Copy)]
pub(super) struct ExistingState {
    /// Whether it has left for a storage elsewhere.
    pub(super) has_left: bool,
    /// Whether it is deleted.
    pub(super) is_deleted: bool,
}

/// Which of the states that are to be imported are there already, hidden ones too.
pub(super) async fn known(
    client: &Client,
    plans: &[StatePlan],
) -> Result<HashMap<StateName, ExistingState>, CliError> {
    let workspaces: HashSet<_> = plans.iter().map(|plan| &plan.name.workspace).collect();
    let mut known = HashMap::new();
    for workspace in workspaces {
        let path = format!(
            "/api/terraform/state?deleted=true&workspace={workspace}&fields={KNOWN_FIELDS}"
        );
        let answer = client.list(&path, "states", "after", None).await?;
        known.extend(rows(&answer, "states").iter().filter_map(of_row));
    }
    Ok(known)
}

fn of_row(state: &Value) -> Option<(StateName, ExistingState)> {
    let (workspace, block) = (&state["workspace"], &state["buildingBlock"]);
    let name = StateName::parse(workspace.as_str()?, block.as_str()?).ok()?;
    let has_left = state["transferred_to"].is_string();
    let is_deleted = !has_left && state["deleted_at"].is_string();
    Some((
        name,
        ExistingState {
            has_left,
            is_deleted,
        },
    ))
}

/// What a state's versions on the server are, the oldest first.
pub(super) async fn there(
    wire: &Wire,
    name: &StateName,
) -> Result<Vec<StoredVersion>, RequestError> {
    let path = format!(
        "{}/versions?intermediate=true&fields={VERSION_FIELDS}",
        name.path()
    );
    let answer = wire.list(&path, "versions", "before", None).await?;
    refuse_damaged(&answer).map_err(RequestError::of)?;
    let versions = rows(&answer, "versions").iter().rev();
    Ok(versions.filter_map(version).collect())
}

fn version(row: &Value) -> Option<StoredVersion> {
    Some(StoredVersion {
        number: row["number"].as_u64()?,
        sha256: text(&row["sha256"]),
        rejected: row["kind"] == "rejected",
        held: !row["held"].is_null(),
    })
}
