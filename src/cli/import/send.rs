//! Sending what is to be imported: the versions of one state in their order, several states at the
//! same time, within a bound of memory.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use reqwest::Url;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::super::client::{Client, Refusal, Wire};
use super::super::output::{Failure, text};
use super::plan::{Content, Plan, Planned, There, Todo, missing_holds, todo};
use crate::config::MIB;
use crate::model::clock::Timestamp;
use crate::model::name::StateName;

/// How many states are imported at the same time.
pub(super) const AT_A_TIME: usize = 32;
/// How many MiB of states are in memory at the same time, beside one state that is larger.
const MEBIBYTES_AT_A_TIME: u32 = 256;

/// What became of a state.
pub(super) struct Done {
    pub(super) name: StateName,
    /// What was done for it, also before something failed.
    pub(super) imported: Imported,
    pub(super) failed: Option<Failed>,
    /// What a person should know beside it.
    pub(super) note: Option<String>,
}

/// What was done for a state.
#[derive(Default)]
pub(super) struct Imported {
    /// How many versions were stored; none where all of them were there already.
    pub(super) versions: usize,
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

/// Why a state is not imported.
pub(super) struct Failed {
    pub(super) why: String,
    /// Whether every other state would fail as well.
    pub(super) is_the_end: bool,
}

impl Failed {
    fn because(why: impl std::fmt::Display) -> Self {
        Self {
            why: why.to_string(),
            is_the_end: false,
        }
    }
}

impl From<Refusal> for Failed {
    fn from(refusal: Refusal) -> Self {
        let is_the_end = refusal
            .status_and_code()
            .is_none_or(|(status, _)| matches!(status, 401 | 507));
        match refusal.into_failure() {
            Failure::Failed(why) | Failure::Usage(why) => Self { why, is_the_end },
        }
    }
}

/// What is known of a state that the server has already.
#[derive(Clone, Copy)]
pub(super) struct Known {
    /// Whether it has left for a storage elsewhere.
    has_left: bool,
    /// Whether it is deleted.
    is_deleted: bool,
}

/// Which of the states that are to be imported are there already, hidden ones too.
pub(super) async fn known(
    client: &Client,
    plans: &[Plan],
) -> Result<HashMap<StateName, Known>, Failure> {
    let workspaces: HashSet<_> = plans.iter().map(|plan| &plan.name.workspace).collect();
    let mut known = HashMap::new();
    for workspace in workspaces {
        let answer = client
            .list(
                &format!("/api/terraform/state?deleted=true&workspace={workspace}"),
                "states",
                "after",
                None,
            )
            .await?;
        let states = answer["states"].as_array().into_iter().flatten();
        known.extend(states.filter_map(|state| {
            let name = StateName::parse(
                state["workspace"].as_str()?,
                state["buildingBlock"].as_str()?,
            )
            .ok()?;
            let has_left = state["transferred_to"].is_string();
            Some((
                name,
                Known {
                    has_left,
                    is_deleted: !has_left && state["deleted_at"].is_string(),
                },
            ))
        }));
    }
    Ok(known)
}

/// What a state's versions on the server are, the oldest first.
async fn there(wire: &Wire, name: &StateName) -> Result<Vec<There>, Refusal> {
    let answer = wire
        .list(
            &format!("{}/versions?intermediate=true", name.path()),
            "versions",
            "before",
            None,
        )
        .await?;
    let row = |row: &Value| {
        let (rejected, held) = (row["kind"] == "rejected", !row["held"].is_null());
        Some(There {
            number: row["number"].as_u64()?,
            sha256: text(&row["sha256"]),
            rejected,
            held,
        })
    };
    Ok(answer["versions"]
        .as_array()
        .into_iter()
        .flatten()
        .rev()
        .filter_map(row)
        .collect())
}

/// A state that was looked at, and what is to be done for it.
pub(super) struct Looked {
    pub(super) plan: Plan,
    pub(super) todo: Todo,
    /// Where it is to leave for, when all of it is there.
    pub(super) leaves_for: Option<String>,
    /// The versions that are there and have to be held, with why.
    holds: Vec<(u64, String)>,
    /// The newest version there that could be current.
    current: Option<u64>,
    pub(super) note: Option<String>,
}

/// Looks at a state and at what the server has of it. Changes nothing.
pub(super) async fn look(
    wire: &Wire,
    plan: Plan,
    known: Option<Known>,
    append: bool,
) -> Result<Looked, Failed> {
    let looked = tokio::task::spawn_blocking(move || plan.look())
        .await
        .map_err(Failed::because)?;
    let (mut plan, note) = looked.map_err(Failed::because)?;
    let there = if known.is_some() {
        there(wire, &plan.name).await?
    } else {
        Vec::new()
    };
    let has_left = known.is_some_and(|known| known.has_left);
    let is_deleted = known.is_some_and(|known| known.is_deleted);
    // Adding versions to a state makes none leave.
    let leaves_for = plan
        .transferred_to
        .clone()
        .filter(|_| !has_left && !is_deleted && !append);
    let mut todo = if plan.versions.is_empty() {
        Todo::Nothing
    } else {
        todo(&there, &plan.versions, append)
    };
    let last = plan
        .versions
        .iter()
        .rposition(|version| version.rejected.is_none());
    if todo == Todo::Nothing
        && append
        && has_left
        && plan.transferred_to.is_none()
        && let Some(last) = last
    {
        // It comes back as it left.
        plan.versions = vec![plan.versions.swap_remove(last)];
        todo = Todo::Append { skip: 0 };
    }
    let fate = fate(&plan, known, &todo, last.is_some(), append)?;
    let holds = missing_holds(&there, &plan.versions, &todo);
    let current = there
        .iter()
        .rev()
        .find(|there| !there.rejected)
        .map(|there| there.number);
    Ok(Looked {
        plan,
        todo,
        leaves_for,
        holds,
        current,
        note: note.or(fate),
    })
}

/// What a person has to know where a state is deleted in one place and not in the other.
fn fate(
    plan: &Plan,
    known: Option<Known>,
    todo: &Todo,
    can_live: bool,
    append: bool,
) -> Result<Option<String>, Failed> {
    let (name, is_deleted) = (&plan.name, known.is_some_and(|known| known.is_deleted));
    let (adds, is_all_there) = (
        matches!(todo, Todo::Append { .. }),
        *todo == Todo::Nothing && can_live,
    );
    let brings_back =
        format!("it is deleted here; `statekeep state restore {name}` brings it back");
    if is_deleted && append && (adds || (is_all_there && !plan.deleted)) {
        // What is added to it would not bring it back.
        return Err(Failed::because(format!(
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

/// Imports states, several at a time, and tells of each what became of it; `false` from `tell` ends
/// it.
pub(super) async fn all(
    client: &Client,
    plans: Vec<Plan>,
    append: bool,
    mut tell: impl FnMut(Done) -> bool,
) -> Result<(), Failure> {
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
        goes_on &= tell(done.map_err(Failure::because)?);
    }
}

async fn one(
    wire: &Wire,
    memory: &Semaphore,
    plan: Plan,
    known: Option<Known>,
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
    let mut result = hold_all(wire, &name, holds, &mut imported).await;
    if result.is_ok() {
        result = send(wire, plan, &todo, &mut imported).await;
    }
    if let (Ok(()), Some(to)) = (&result, leaves_for) {
        result = leave(wire, &name, &to, imported.last).await;
    }
    Done {
        name,
        imported,
        failed: result.err(),
        note,
    }
}

/// A state that had left for a storage elsewhere leaves again, so that its address here says so as
/// well. What others wrote meanwhile does not leave.
async fn leave(
    wire: &Wire,
    name: &StateName,
    to: &str,
    current: Option<u64>,
) -> Result<(), Failed> {
    let (path, body) = (
        format!("{}/transfer", name.path()),
        json!({ "to": to }).to_string(),
    );
    let begun = wire
        .ask_patiently("POST", &path, Some(body.into()))
        .await?
        .json()
        .map_err(Refusal::of)?;
    if begun["version"].as_u64() != current {
        let _ = wire.ask_patiently("DELETE", &path, None).await;
        return Err(Failed::because(
            "somebody has written to it meanwhile, so it stays live here instead of leaving as it \
                had in the export",
        ));
    }
    let arrived = json!({ "version": begun["version"] }).to_string();
    Ok(wire
        .ask_patiently("POST", &format!("{path}/done"), Some(arrived.into()))
        .await
        .map(drop)?)
}

/// Holds what is there already and was held where it comes from.
async fn hold_all(
    wire: &Wire,
    name: &StateName,
    holds: Vec<(u64, String)>,
    imported: &mut Imported,
) -> Result<(), Failed> {
    for (number, reason) in holds {
        let may = hold(wire, name, number, &reason).await?;
        imported.held_now += usize::from(may);
        imported.not_held += usize::from(!may);
    }
    Ok(())
}

async fn send(wire: &Wire, plan: Plan, todo: &Todo, imported: &mut Imported) -> Result<(), Failed> {
    imported.has_no_content = plan.versions.is_empty();
    let (skip, mut onto) = match todo {
        Todo::Nothing => return Ok(()),
        Todo::Taken => {
            return Err(Failed::because(
                "there is or was another state; --append adds to one of the same lineage",
            ));
        }
        Todo::All => (0, Onto::Nothing),
        Todo::Rest { skip, after } => (*skip, Onto::After(*after)),
        Todo::Append { skip } => (*skip, Onto::Current),
    };
    // What is added to a state that lives does not end it, whatever became of it elsewhere.
    let is_deleted = plan.deleted && !matches!(onto, Onto::Current);
    let last = plan.versions.len().saturating_sub(1);
    for (index, version) in plan.versions.into_iter().enumerate().skip(skip) {
        let (asked, held, is_rejected) = (
            version.created_at.clone(),
            version.held.clone(),
            version.rejected.is_some(),
        );
        let path = path(&plan.name, &version, onto, is_deleted && index == last)
            .map_err(Failed::because)?;
        let bytes = read(version.content).await?;
        let answer = wire.ask_patiently("POST", &path, Some(bytes)).await?.json();
        let answer = answer.map_err(|_| {
            Failed::because("the server's answer is no version; is --url a statekeep?")
        })?;
        let number = answer["number"].as_u64().ok_or_else(|| {
            Failed::because("the server's answer is no version; is --url a statekeep?")
        })?;
        imported.versions += 1;
        if !is_rejected {
            imported.last = Some(number);
        }
        let is_another = |asked: String| {
            Timestamp::parse(&asked) != answer["created_at"].as_str().and_then(Timestamp::parse)
        };
        imported.other_times += usize::from(asked.is_some_and(is_another));
        if let Some(reason) = held {
            imported.not_held += usize::from(!hold(wire, &plan.name, number, &reason).await?);
        }
        if !matches!(onto, Onto::Current) {
            onto = Onto::After(number);
        }
    }
    Ok(())
}

/// What the next version follows.
#[derive(Clone, Copy)]
enum Onto {
    Nothing,
    After(u64),
    Current,
}

async fn read(content: Content) -> Result<Bytes, Failed> {
    if let Content::Memory(bytes) = content {
        return Ok(bytes);
    }
    tokio::task::spawn_blocking(move || content.read())
        .await
        .map_err(Failed::because)?
        .map_err(Failed::because)
}

fn path(name: &StateName, version: &Planned, onto: Onto, deleted: bool) -> Result<String, String> {
    let mut query: HashMap<&str, String> = HashMap::new();
    match onto {
        Onto::Nothing => {}
        Onto::After(number) => drop(query.insert("after", number.to_string())),
        Onto::Current => drop(query.insert("append", "true".to_owned())),
    }
    // What is added to another history has its numbers.
    let number = version
        .number
        .filter(|_| !matches!(onto, Onto::Current))
        .map(|number| number.to_string());
    let removed = version.removed_serial.map(|serial| serial.to_string());
    let known = [
        ("number", number),
        ("removed_serial", removed),
        ("sha256", version.sha256.clone()),
        ("created_at", version.created_at.clone()),
    ];
    query.extend(
        known
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    query.extend(version.rejected.clone().map(|code| ("rejected", code)));
    for (name, value) in [("intermediate", version.intermediate), ("deleted", deleted)] {
        if value {
            query.insert(name, value.to_string());
        }
    }
    let encoded =
        Url::parse_with_params("http://localhost", query).map_err(|error| error.to_string())?;
    Ok(format!(
        "{}/import?{}",
        name.path(),
        encoded.query().unwrap_or_default()
    ))
}

/// Holds a version as it was held; says whether the caller may.
async fn hold(wire: &Wire, name: &StateName, number: u64, reason: &str) -> Result<bool, Failed> {
    let body = json!({ "reason": reason }).to_string();
    match wire
        .ask_patiently(
            "POST",
            &format!("{}/versions/{number}/hold", name.path()),
            Some(body.into()),
        )
        .await
    {
        Ok(_) => Ok(true),
        Err(refusal)
            if refusal
                .status_and_code()
                .is_some_and(|(status, _)| status == 403) =>
        {
            Ok(false)
        }
        Err(refusal) => Err(refusal.into()),
    }
}
