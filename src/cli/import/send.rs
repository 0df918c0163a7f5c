//! Sending what is to be imported: the versions of one state in their order, several states at the
//! same time, within a bound of memory.

use std::collections::VecDeque;
use std::sync::Arc;

use serde_json::json;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::cli::client::api::Client;
use crate::cli::client::wire::Wire;
use crate::cli::common::request_error::RequestError;
use crate::cli::import::existing::{ExistingState, known};
use crate::cli::import::failed::FailedState;
use crate::cli::import::look::{Looked, look};
use crate::cli::import::plan::{StatePlan, Todo};
use crate::cli::import::upload::{Follows, Stored, hold, upload};
use crate::cli::output::CliError;
use crate::config::MIB;
use crate::model::name::StateName;

/// How many states are imported at the same time.
pub(super) const AT_A_TIME: usize = 48;
/// How many MiB of states are in memory at the same time, beside one state that is larger.
const MEBIBYTES_AT_A_TIME: u32 = 256;

/// What became of a state.
pub(super) struct Done {
    pub(super) name: StateName,
    /// What was done for it, also before something failed.
    pub(super) imported: Imported,
    pub(super) failed: Option<FailedState>,
    /// What a person should know beside it.
    pub(super) note: Option<String>,
}

/// What was done for a state.
#[derive(Default)]
pub(super) struct Imported {
    /// How many versions were stored; none if all of them were there already.
    pub(super) versions: usize,
    /// Whether it is deleted on the server.
    pub(super) is_deleted: bool,
    /// Whether it has left for a storage elsewhere, as it had in the export.
    pub(super) has_left: bool,
    /// Whether no content of it is left that could be.
    pub(super) has_no_content: bool,
    /// How many have another time than they had.
    pub(super) other_times: usize,
    /// How many were there already, and are held only now.
    pub(super) held_now: usize,
    /// How many could not be held any more.
    pub(super) not_held: usize,
    /// The last version that could be current.
    last: Option<u64>,
}

impl Imported {
    fn take(&mut self, stored: &Stored, is_rejected: bool) {
        self.versions += 1;
        self.other_times += usize::from(stored.has_another_time);
        if !is_rejected {
            self.last = Some(stored.number);
        }
    }
}

/// Imports states, several at a time, and tells of each what became of it; `false` from `tell` ends
/// it.
pub(super) async fn all(
    client: &Client,
    plans: Vec<StatePlan>,
    append: bool,
    mut tell: impl FnMut(Done) -> bool,
) -> Result<(), CliError> {
    let known = known(client, &plans).await?;
    let memory = Arc::new(Semaphore::new(MEBIBYTES_AT_A_TIME as usize));
    let (mut waiting, mut running, mut goes_on) = (VecDeque::from(plans), JoinSet::new(), true);
    loop {
        while goes_on
            && running.len() < AT_A_TIME
            && let Some(plan) = waiting.pop_front()
        {
            let (wire, memory, known) = (
                client.wire(),
                Arc::clone(&memory),
                known.get(&plan.name).copied(),
            );
            running.spawn(async move { one(&wire, &memory, plan, known, append).await });
        }
        let Some(done) = running.join_next().await else {
            return Ok(());
        };
        goes_on &= tell(done.map_err(CliError::because)?);
    }
}

async fn one(
    wire: &Wire,
    memory: &Semaphore,
    plan: StatePlan,
    known: Option<ExistingState>,
    append: bool,
) -> Done {
    let name = plan.name.clone();
    let mebibytes = u32::try_from(plan.bytes_at_a_time() / MIB + 1)
        .unwrap_or(u32::MAX)
        .min(MEBIBYTES_AT_A_TIME);
    let _reserved = memory.acquire_many(mebibytes).await;
    let mut imported = Imported::default();
    let looked = match look(wire, plan, known, append).await {
        Ok(looked) => looked,
        Err(failed) => {
            return Done {
                name,
                imported,
                failed: Some(failed),
                note: None,
            };
        }
    };
    let Looked {
        plan,
        todo,
        leaves_for,
        holds,
        current,
        note,
    } = looked;
    imported.last = current;
    imported.is_deleted = known.is_some_and(|known| known.is_deleted);
    let mut result = hold_all(wire, &name, holds, &mut imported).await;
    if result.is_ok() {
        result = send(wire, plan, &todo, &mut imported).await;
    }
    if let (Ok(()), Some(to)) = (&result, leaves_for) {
        result = leave(wire, &name, &to, imported.last).await;
        imported.has_left = result.is_ok();
    }
    Done {
        name,
        imported,
        failed: result.err(),
        note,
    }
}

/// A state that had left for a storage elsewhere leaves again, so that its address here says so as
/// well. Versions that others wrote meanwhile do not leave.
async fn leave(
    wire: &Wire,
    name: &StateName,
    to: &str,
    current: Option<u64>,
) -> Result<(), FailedState> {
    let (path, body) = (
        format!("{}/transfer", name.path()),
        json!({ "to": to }).to_string(),
    );
    let begun = wire
        .ask_patiently("POST", &path, Some(body.into()))
        .await?
        .json()
        .map_err(RequestError::of)?;
    if begun["version"].as_u64() != current {
        let _ = wire.ask_patiently("DELETE", &path, None).await;
        return Err(FailedState::because(
            "it was written to meanwhile, so it stays live here instead of leaving as in the \
                export",
        ));
    }
    let arrived = json!({ "version": begun["version"] }).to_string();
    Ok(wire
        .ask_patiently("POST", &format!("{path}/done"), Some(arrived.into()))
        .await
        .map(drop)?)
}

/// Holds the versions that are there already and were held in the export.
async fn hold_all(
    wire: &Wire,
    name: &StateName,
    holds: Vec<(u64, String)>,
    imported: &mut Imported,
) -> Result<(), FailedState> {
    for (number, reason) in holds {
        let may = hold(wire, name, number, &reason).await?;
        imported.held_now += usize::from(may);
        imported.not_held += usize::from(!may);
    }
    Ok(())
}

/// Why nothing can be done where something else is.
pub(super) const TAKEN: &str = "the server has another state there, or more of its history than \
    comes; --append adds what is missing behind one of the same lineage";

/// How many versions are there already, and what the next one follows; none if all are there.
fn start(todo: &Todo) -> Result<Option<(usize, Follows)>, FailedState> {
    match todo {
        Todo::Nothing => Ok(None),
        Todo::Taken => Err(FailedState::because(TAKEN)),
        Todo::All => Ok(Some((0, Follows::Nothing))),
        Todo::Rest { skip, after } => Ok(Some((*skip, Follows::After(*after)))),
        Todo::Append { skip } => Ok(Some((*skip, Follows::Current))),
    }
}

/// Sends the versions that are not there yet, the oldest first.
async fn send(
    wire: &Wire,
    plan: StatePlan,
    todo: &Todo,
    imported: &mut Imported,
) -> Result<(), FailedState> {
    imported.has_no_content = plan.versions.is_empty();
    let Some((skip, mut follows)) = start(todo)? else {
        return Ok(());
    };
    // Adding versions to a live state does not delete it, even if it is deleted in the export.
    let is_deleted = plan.deleted && !matches!(follows, Follows::Current);
    let last = plan.versions.len().saturating_sub(1);
    for (index, version) in plan.versions.into_iter().enumerate().skip(skip) {
        let (held, is_rejected) = (version.held.clone(), version.rejected.is_some());
        let deletes = is_deleted && index == last;
        let stored = upload(wire, &plan.name, version, follows, deletes).await?;
        imported.take(&stored, is_rejected);
        if let Some(reason) = held {
            let may = hold(wire, &plan.name, stored.number, &reason).await?;
            imported.not_held += usize::from(!may);
        }
        if !matches!(follows, Follows::Current) {
            follows = Follows::After(stored.number);
        }
    }
    Ok(())
}
