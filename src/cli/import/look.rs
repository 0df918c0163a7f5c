//! Looking at a state that is to be imported, and at what the server has of it. Changes nothing.

use crate::cli::client::wire::Wire;
use crate::cli::import::existing::{ExistingState, there};
use crate::cli::import::failed::FailedState;
use crate::cli::import::plan::{StatePlan, StoredVersion, Todo, missing_holds, todo};

/// A state that was looked at, and what is to be done for it.
pub(super) struct Looked {
    pub(super) plan: StatePlan,
    pub(super) todo: Todo,
    /// Where it is to leave for, when all of it is there.
    pub(super) leaves_for: Option<String>,
    /// The versions that are there and have to be held, with why.
    pub(super) holds: Vec<(u64, String)>,
    /// The newest version there that could be current.
    pub(super) current: Option<u64>,
    pub(super) note: Option<String>,
}

/// Looks at a state and at what the server has of it.
pub(super) async fn look(
    wire: &Wire,
    plan: StatePlan,
    known: Option<ExistingState>,
    append: bool,
) -> Result<Looked, FailedState> {
    let looked = tokio::task::spawn_blocking(move || plan.look())
        .await
        .map_err(FailedState::because)?;
    let (mut plan, note) = looked.map_err(FailedState::because)?;
    let there = match known {
        Some(_) => there(wire, &plan.name).await?,
        None => Vec::new(),
    };
    let leaves_for = leaves_for(&plan, known, append);
    let can_live = newest_live(&plan).is_some();
    let todo = decide(&mut plan, &there, known, append);
    let fate = fate(&plan, known, &todo, can_live, append)?;
    let holds = missing_holds(&there, &plan.versions, &todo);
    let mut newest_first = there.iter().rev();
    let current = newest_first.find(|there| !there.rejected);
    let current = current.map(|there| there.number);
    Ok(Looked {
        plan,
        todo,
        leaves_for,
        holds,
        current,
        note: note.or(fate),
    })
}

/// Where a state is to leave for. One that has left here or is deleted here stays so, and adding
/// versions to a state makes none leave.
fn leaves_for(plan: &StatePlan, known: Option<ExistingState>, append: bool) -> Option<String> {
    let is_hidden = known.is_some_and(|known| known.has_left || known.is_deleted);
    plan.transferred_to
        .clone()
        .filter(|_| !is_hidden && !append)
}

/// Where the newest version is that could be current.
fn newest_live(plan: &StatePlan) -> Option<usize> {
    plan.versions
        .iter()
        .rposition(|version| version.rejected.is_none())
}

/// What is to be done for a state. One that had left comes back as it left.
fn decide(
    plan: &mut StatePlan,
    there: &[StoredVersion],
    known: Option<ExistingState>,
    append: bool,
) -> Todo {
    if plan.versions.is_empty() {
        return Todo::Nothing;
    }
    let todo = todo(there, &plan.versions, append);
    let has_left = known.is_some_and(|known| known.has_left);
    let comes_back = append && has_left && plan.transferred_to.is_none();
    if todo == Todo::Nothing
        && comes_back
        && let Some(last) = newest_live(plan)
    {
        plan.versions = vec![plan.versions.swap_remove(last)];
        return Todo::Append { skip: 0 };
    }
    todo
}

/// What a person has to know if a state is deleted in one place and not in the other.
fn fate(
    plan: &StatePlan,
    known: Option<ExistingState>,
    todo: &Todo,
    can_live: bool,
    append: bool,
) -> Result<Option<String>, FailedState> {
    let (name, is_deleted) = (&plan.name, known.is_some_and(|known| known.is_deleted));
    let (adds, is_all_there) = (
        matches!(todo, Todo::Append { .. }),
        *todo == Todo::Nothing && can_live,
    );
    let brings_back =
        format!("it is deleted here; `statekeep state restore {name}` brings it back");
    if is_deleted && append && (adds || (is_all_there && !plan.deleted)) {
        // What is added to it would not bring it back.
        return Err(FailedState::because(format!(
            "{brings_back}, and then --append adds to it"
        )));
    }
    if is_deleted && is_all_there && !plan.deleted {
        return Ok(Some(format!("{name}: {brings_back}")));
    }
    let stays = known.is_some() && !is_deleted && plan.deleted && (adds || is_all_there);
    Ok(stays.then(|| {
        format!(
            "{name}: it is deleted in the export, and stays live here; `statekeep \
        state delete {name}` deletes it"
        )
    }))
}
