//! What is here of a state that is elsewhere, or of what came from it.

use serde_json::Value;

use crate::cli::output::CliError;
use crate::cli::transfer::equality;
use crate::cli::transfer::server_side::{ServerSide, StateStatus};
use crate::cli::transfer::state_move::Move;
use crate::model::terraform::tfstate::StateHead;

/// What is here of a state that is elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Here {
    /// Nothing that counts.
    Nothing,
    /// The state, or what became of it.
    TheSame,
    /// An earlier copy of it.
    Older,
}

impl Move<'_> {
    /// What is here of the state. Fails if there is another.
    pub(super) async fn here(
        &self,
        server: &ServerSide<'_>,
        place: &str,
        theirs: &[u8],
    ) -> Result<Here, CliError> {
        match server.status().await? {
            StateStatus::Nothing | StateStatus::Transferred => return Ok(Here::Nothing),
            StateStatus::Moved => {
                let name = &self.address.name;
                return Err(CliError::Failed(format!(
                    "{name} has another address on this server now"
                )));
            }
            StateStatus::Live => {}
        }
        let current = self.in_clear(server.bytes().await?.into())?;
        let differences = equality::differences(&current, theirs)?;
        if differences.is_empty() {
            return Ok(Here::TheSame);
        }
        if let Some(copy) = copy(&current, theirs)? {
            return Ok(copy);
        }
        match self.by_history(server, &current, theirs).await? {
            Some(here) => Ok(here),
            None => Err(self.another_is_here(place, &differences)),
        }
    }

    /// What the versions here say of a state that is not the current one.
    async fn by_history(
        &self,
        server: &ServerSide<'_>,
        current: &[u8],
        theirs: &[u8],
    ) -> Result<Option<Here>, CliError> {
        let (here, there) = (equality::head(current)?, equality::head(theirs)?);
        if here.lineage != there.lineage {
            return Ok(None);
        }
        let versions = server.versions().await?;
        if here.serial > there.serial && self.was_here(server, &versions, theirs).await? {
            return Ok(Some(Here::TheSame));
        }
        let is_newer_there = here.serial < there.serial;
        Ok((is_newer_there && is_only_restored(&versions)).then_some(Here::Nothing))
    }

    /// Whether a state was a version here, so that what is here came from it.
    pub(super) async fn was_here(
        &self,
        server: &ServerSide<'_>,
        versions: &[Value],
        theirs: &[u8],
    ) -> Result<bool, CliError> {
        let there = equality::head(theirs)?;
        let candidates = versions.iter().filter(|version| may_be(version, &there));
        for number in candidates.filter_map(|version| version["number"].as_u64()) {
            let version = server.version(number).await?;
            if !equality::head(&version)?.encrypted
                && equality::differences_in_values(&version, theirs)?.is_empty()
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn another_is_here(&self, place: &str, differences: &[String]) -> CliError {
        CliError::Failed(format!(
            "{place} was the backend before, and holds another state than {}: {}\nNothing was \
                moved. Look at both. To continue with the one here and leave the one there as it \
                is, give --transfer=never.",
            self.address.name,
            differences.join(", ")
        ))
    }
}

/// If one is a copy of the other from before something was said beside the values, the later one
/// counts.
fn copy(current: &[u8], theirs: &[u8]) -> Result<Option<Here>, CliError> {
    let (here, there) = (equality::head(current)?, equality::head(theirs)?);
    let is_one_lineage = !here.lineage.is_empty() && here.lineage == there.lineage;
    if !is_one_lineage || !equality::differences_in_values(current, theirs)?.is_empty() {
        return Ok(None);
    }
    Ok(Some(if equality::is_older(current, theirs)? {
        Here::Older
    } else {
        Here::TheSame
    }))
}

/// Whether the current version was only restored, and nothing was written since.
fn is_only_restored(versions: &[Value]) -> bool {
    let current = versions.iter().find(|version| version["current"] == true);
    current.is_some_and(|version| version["kind"] == "restore")
}

/// Whether a version may hold a state with this head.
fn may_be(version: &Value, head: &StateHead) -> bool {
    version["serial"] == head.serial
        && version["lineage"] == head.lineage.as_str()
        && version["purged"] == false
        && version["kind"] != "rejected"
}
