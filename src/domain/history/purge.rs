//! Purges: the content of versions leaves the disk for good, and their rows stay.
//!
//! Somebody wrote a secret that must not be there. What leans on the removed bytes is kept in
//! another way first, then the content goes, in small transactions that each look once more, then
//! the database file is written anew and its log emptied. A purge that could not be finished,
//! because somebody still reads, the disk is full, or whoever asked has gone away, is finished by
//! itself later, also after a crash; its answer says so.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, Notify};

use crate::config::MIB;
use crate::domain::Domain;
use crate::domain::access::authorize;
use crate::domain::access::lock_in_the_way;
use crate::domain::error::Error;
use crate::domain::history::History;
use crate::model::caller::Caller;
use crate::model::clock::{self, Timestamp};
use crate::model::digest::Digest;
use crate::model::error_code::ErrorCode;
use crate::model::event::{EventKind, NewEvent};
use crate::model::frame::{BlobId, Purgeable};
use crate::model::lock::Lock;
use crate::model::name::StateName;
use crate::model::permission::Permission;
use crate::model::state::{Lookup, StateId, Visibility};
use crate::store::{StoreError, Tx, View};

/// How many versions one purge names at most.
pub const MAX_PURGED: usize = 1_000;
/// How long a purge waits for readers before it answers that the bytes are not erased yet.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long there is between two tries.
const PAUSE: Duration = Duration::from_millis(200);
/// How long there is between two tries that nobody waits for, while a reader delays them.
const PAUSE_IN_BACKGROUND: Duration = Duration::from_secs(5);
/// How long where something else does, such as a full disk: each try holds writers up.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_mins(1);
/// How many versions lose their content in one transaction.
const VERSIONS_PER_STEP: usize = 100;
/// After so many bytes of frames, a transaction removes no more.
const BYTES_PER_STEP: u64 = 4 * MIB;
/// An event names so many versions, and of more only the first, the last and their number.
const MAX_NAMED: usize = 1_000;

/// Who erases.
#[derive(Default)]
pub(in crate::domain) struct Erasing {
    /// One purge at a time, to its end; what is left of it is erased behind it.
    alone: Mutex<()>,
    /// Something was removed, and may be left to be erased.
    more: Arc<Notify>,
}

/// Whose content goes.
#[derive(Clone, Debug)]
pub enum Which {
    /// These versions.
    These(Vec<u64>),
    /// All versions of a deleted state.
    All,
}

/// What became of a purge.
#[derive(Clone, Debug)]
pub struct Purged {
    /// The versions whose content went with this purge.
    pub versions: Vec<u64>,
    /// Whether it is out of the database file, its log and its free pages.
    pub erased: bool,
    /// Files in the data directory that may still hold it: copies that were made before an upgrade.
    pub copies: Vec<String>,
}

/// What keeps a purge from its act.
enum Hindrance {
    NoState,
    Moved(StateName),
    NoVersion(u64),
    Locked(Lock),
    Current(u64),
    Held(u64),
    Live,
    SingleFlight(u64, StateName, u64),
}

impl Hindrance {
    /// `removed` is how many versions had lost their content before somebody came in between.
    fn into_error(self, name: &StateName, removed: usize) -> Error {
        let (code, detail) = match self {
            Self::NoState => return Error::no_state(name),
            Self::Moved(to) => {
                return Error::Moved {
                    from: name.clone(),
                    to,
                };
            }
            Self::NoVersion(number) => return Error::NoVersion(name.clone(), number),
            Self::Locked(lock) => return Error::Locked(Box::new(lock)),
            Self::Current(number) => (
                ErrorCode::CurrentVersion,
                format!(
                    "version {number} is the current one; write a state without the secret first, \
                        or roll back, then purge it"
                ),
            ),
            Self::Held(number) => (
                ErrorCode::VersionHeld,
                format!("version {number} is held; release it first"),
            ),
            Self::Live => (
                ErrorCode::NotDeleted,
                format!(
                    "{name} is not deleted; delete it first, or name the versions that are to go"
                ),
            ),
            Self::SingleFlight(number, other, its) => (
                ErrorCode::ContentShared,
                format!(
                    "version {number} has the same bytes as version {its} of {other}; purge that \
                        one too, or before"
                ),
            ),
        };
        let so_far = match removed {
            0 => "nothing was removed".to_owned(),
            _ => {
                format!("the content of {removed} others had been removed before that, and is gone")
            }
        };
        Error::Conflict {
            code,
            detail: format!("{detail}; {so_far}"),
        }
    }
}

/// What is to go, as it was looked at.
struct Plan {
    state: StateId,
    /// The oldest first, where all go.
    versions: Vec<(u64, BlobId)>,
    numbers: HashSet<u64>,
    blobs: HashSet<BlobId>,
    digests: HashSet<Digest>,
}

impl History<'_> {
    /// Says whether a caller may purge here at all, before it is known what.
    pub fn may_purge(&self, caller: &Caller, name: &StateName) -> Result<(), Error> {
        authorize(caller, Permission::Purge, name)
    }

    /// Removes the content of versions that are not current, or of a whole deleted state. Their
    /// rows stay.
    ///
    /// Refused for what is current or held, and where the same bytes belong to a version that
    /// stays.
    pub async fn purge(
        &self,
        caller: &Caller,
        name: &StateName,
        which: Which,
    ) -> Result<Purged, Error> {
        self.may_purge(caller, name)?;
        let _alone = self.0.erasing.alone.lock().await;
        let versions = self
            .0
            .remove_content(caller, name, which)
            .await
            .map_err(|error| self.0.explained(error))?;
        let erased = self.0.erase_in_steps().await;
        Ok(Purged {
            versions,
            erased,
            copies: self.0.upgrade_copies(),
        })
    }
}

impl Domain {
    /// Removes content. The numbers of those that still had some.
    async fn remove_content(
        &self,
        caller: &Caller,
        name: &StateName,
        which: Which,
    ) -> Result<Vec<u64>, Error> {
        let (wanted, asked) = (name.clone(), which.clone());
        let planned = self
            .store
            .read(move |view| plan(view, &wanted, &asked))
            .await?;
        let plan = Arc::new(planned.map_err(|why| why.into_error(name, 0))?);
        self.release_all(name, &plan).await?;
        let mut so_far = SoFar::default();
        let at = clock::now();
        while so_far.looked_at < plan.versions.len() {
            let (caller, name_here, plan_here) = (caller.clone(), name.clone(), Arc::clone(&plan));
            let step = Step {
                plan: plan_here,
                name: name_here,
                caller,
                is_all: matches!(which, Which::All),
                so_far: so_far.clone(),
                at,
            };
            let more = Arc::clone(&self.erasing.more);
            // Whoever asked may go away: what was removed is erased all the same.
            let tell = move |_: &Result<_, StoreError>| more.notify_one();
            let stepped = self
                .store
                .write_then(0, move |tx| step.run(tx), tell)
                .await?;
            let removed = so_far.removed.len();
            so_far = stepped.map_err(|why| why.into_error(name, removed))?;
        }
        plan.digests
            .iter()
            .for_each(|sha256| self.cache.forget(*sha256));
        Ok(so_far.removed)
    }

    async fn release_all(&self, name: &StateName, plan: &Arc<Plan>) -> Result<(), Error> {
        let going = Arc::clone(plan);
        let leaned_on = self
            .store
            .read(move |view| view.leaned_on_from_outside(&going.blobs))
            .await?;
        for blob in leaned_on {
            if !self.release(blob, &plan.blobs).await? {
                let detail = format!(
                    "a version that is kept as a difference to one of these of {name} is damaged; \
                        purge that one as well"
                );
                return Err(Error::Damaged(detail));
            }
        }
        Ok(())
    }

    /// Erases what was removed, waiting for readers for a while; whether it is done.
    async fn erase_in_steps(&self) -> bool {
        let end = clock::monotonic() + PATIENCE;
        loop {
            match self.erase().await {
                Ok(true) => return true,
                Ok(false) if clock::monotonic() < end => tokio::time::sleep(PAUSE).await,
                Ok(false) => return false,
                Err(error) => {
                    tracing::warn!(%error, "what was purged cannot be erased; trying again");
                    return false;
                }
            }
        }
    }

    /// Erases what a purge has not erased, until it is done; then waits for the next that removes
    /// something.
    pub(in crate::domain) async fn go_on_erasing(&self) {
        loop {
            while let Some(pause) = self.erase_what_is_left().await {
                tokio::time::sleep(pause).await;
            }
            self.erasing.more.notified().await;
        }
    }

    /// How long to wait for the next try; none when nothing is left.
    async fn erase_what_is_left(&self) -> Option<Duration> {
        let _alone = self.erasing.alone.lock().await;
        match self.erase().await {
            Ok(true) => None,
            Ok(false) => {
                tracing::info!(
                    "what was purged is not erased yet, because a reader delays it; trying again"
                );
                Some(PAUSE_IN_BACKGROUND)
            }
            Err(error) => {
                tracing::warn!(%error, "what was purged cannot be erased; trying again");
                Some(PAUSE_AFTER_FAILURE)
            }
        }
    }

    /// Erases what was removed, if anything is left of it; whether nothing is.
    async fn erase(&self) -> Result<bool, Error> {
        #[expect(
            clippy::redundant_closure_for_method_calls,
            reason = "the method itself is not general enough in its lifetimes"
        )]
        let pending = self.store.look(|view| view.pending_erasure())?;
        let Some((asked_at, is_rewritten)) = pending else {
            return Ok(true);
        };
        if !is_rewritten && let Err(error) = self.release_bases().await {
            // What had to go was released before; this is of versions that went otherwise, and of
            // whatever came in between.
            tracing::warn!(%error, "bytes that no version has may stay as a delta base; the \
                next full pass removes them");
        }
        let emptied = if is_rewritten {
            self.store.truncate_wal().await?
        } else {
            self.store.vacuum().await?
        };
        let note = move |tx: &Tx<'_>| {
            if emptied {
                tx.end_erasure(asked_at)
            } else {
                tx.note_rewritten(asked_at)
            }
        };
        self.store.write(0, note).await?;
        Ok(emptied)
    }

    /// Copies of the database that were made before an upgrade.
    fn upgrade_copies(&self) -> Vec<String> {
        let Ok(files) = std::fs::read_dir(self.dir.path()) else {
            return Vec::new();
        };
        let names = files.filter_map(|file| file.ok()?.file_name().into_string().ok());
        let prefix = format!("{}.schema-", crate::store::FILE_NAME);
        let mut copies: Vec<String> = names.filter(|name| name.starts_with(&prefix)).collect();
        copies.sort();
        copies
    }
}

/// The state whose content is to go.
fn state_of(
    view: &View<'_>,
    name: &StateName,
    is_all: bool,
) -> Result<Result<StateId, Hindrance>, StoreError> {
    Ok(match view.lookup(name)? {
        Lookup::State {
            visibility: Visibility::Live,
            ..
        } if is_all => Err(Hindrance::Live),
        Lookup::State { id, .. } => Ok(id),
        Lookup::Moved(to) => Err(Hindrance::Moved(to)),
        Lookup::Free => Err(Hindrance::NoState),
    })
}

/// What keeps the content of a version where it is.
const fn hindrance(version: &Purgeable) -> Option<Hindrance> {
    match version {
        Purgeable {
            current: true,
            number,
            ..
        } => Some(Hindrance::Current(*number)),
        Purgeable {
            held: true, number, ..
        } => Some(Hindrance::Held(*number)),
        Purgeable { .. } => None,
    }
}

fn plan(
    view: &View<'_>,
    name: &StateName,
    which: &Which,
) -> Result<Result<Plan, Hindrance>, StoreError> {
    let state = match state_of(view, name, matches!(which, Which::All))? {
        Ok(state) => state,
        Err(why) => return Ok(Err(why)),
    };
    let found = match which {
        Which::All => view.all_purgeable(state)?,
        Which::These(numbers) => {
            let mut found = Vec::with_capacity(numbers.len());
            for number in numbers {
                let Some(version) = view.purgeable(state, *number)? else {
                    return Ok(Err(Hindrance::NoVersion(*number)));
                };
                found.push(version);
            }
            found
        }
    };
    if let Some(why) = found.iter().find_map(hindrance) {
        return Ok(Err(why));
    }
    let mut plan = Plan {
        state,
        versions: Vec::new(),
        numbers: HashSet::new(),
        blobs: HashSet::new(),
        digests: HashSet::new(),
    };
    for (number, (blob, digest)) in found
        .into_iter()
        .filter_map(|version| Some((version.number, version.content?)))
    {
        if plan.numbers.insert(number) {
            plan.versions.push((number, blob));
            plan.blobs.insert(blob);
            plan.digests.insert(digest);
        }
    }
    let shared = plan.shared(view, &plan.versions)?;
    Ok(shared.map_or(Ok(plan), Err))
}

impl Plan {
    /// A version that stays and has the same bytes as one of these, which go.
    fn shared(
        &self,
        view: &View<'_>,
        versions: &[(u64, BlobId)],
    ) -> Result<Option<Hindrance>, StoreError> {
        let mut seen = HashSet::with_capacity(versions.len());
        for (number, blob) in versions.iter().filter(|(_, blob)| seen.insert(*blob)) {
            let goes = |state, number| state == self.state && self.numbers.contains(&number);
            if let Some((other, its)) = view.sharing(*blob, goes)? {
                return Ok(Some(Hindrance::SingleFlight(*number, other, its)));
            }
        }
        Ok(None)
    }
}

/// How far a purge has come.
#[derive(Clone, Default)]
struct SoFar {
    looked_at: usize,
    /// The versions whose content went.
    removed: Vec<u64>,
    /// The place in the log of the event that tells of them.
    event: Option<u64>,
}

/// One transaction of a purge: some versions lose their content, unless something has come to keep
/// it meanwhile.
struct Step {
    plan: Arc<Plan>,
    name: StateName,
    caller: Caller,
    is_all: bool,
    so_far: SoFar,
    at: Timestamp,
}

impl Step {
    fn run(&self, tx: &Tx<'_>) -> Result<Result<SoFar, Hindrance>, StoreError> {
        match state_of(tx, &self.name, self.is_all)? {
            Ok(state) if state == self.plan.state => {}
            Ok(_) => return Ok(Err(Hindrance::NoState)),
            Err(why) => return Ok(Err(why)),
        }
        if self.is_all
            && let Some(lock) = lock_in_the_way(tx, &self.caller, &self.name, None, self.at)?
        {
            return Ok(Err(Hindrance::Locked(lock)));
        }
        let planned = self
            .plan
            .versions
            .get(self.so_far.looked_at..)
            .unwrap_or_default();
        let planned = planned.get(..VERSIONS_PER_STEP).unwrap_or(planned);
        let mut versions = Vec::with_capacity(planned.len());
        for (number, _) in planned {
            // Somebody pruned or purged it, or holds it, since it was looked at.
            let Some(version) = tx.purgeable(self.plan.state, *number)? else {
                continue;
            };
            if let Some(why) = hindrance(&version) {
                return Ok(Err(why));
            }
            versions.extend(version.content.map(|(blob, _)| (*number, blob)));
        }
        if let Some(why) = self.plan.shared(tx, &versions)? {
            return Ok(Err(why));
        }
        let count = tx.remove_content(self.plan.state, &versions, BYTES_PER_STEP)?;
        let mut so_far = self.so_far.clone();
        let removed = versions.get(..count).unwrap_or_default();
        let next = versions.get(count).map(|(number, _)| *number);
        so_far.looked_at += planned
            .iter()
            .position(|(number, _)| Some(*number) == next)
            .unwrap_or(planned.len());
        so_far
            .removed
            .extend(removed.iter().map(|(number, _)| *number));
        if !removed.is_empty() {
            tx.ask_for_erasure(self.at)?;
            self.record(tx, &mut so_far)?;
        }
        Ok(Ok(so_far))
    }

    /// One event for the whole purge, which says more with each step.
    fn record(&self, tx: &Tx<'_>, so_far: &mut SoFar) -> Result<(), StoreError> {
        let detail = match so_far.removed.as_slice() {
            removed if removed.len() <= MAX_NAMED => serde_json::json!({ "versions": removed }),
            removed => {
                serde_json::json!({ "removed": removed.len(), "first": removed.first(), "last": removed.last() })
            }
        };
        if let Some(seq) = so_far.event {
            return tx.amend_event(seq, clock::now(), &detail);
        }
        tx.record(
            &NewEvent::new(EventKind::StatePurge, &self.caller, self.at)
                .on(&self.name)
                .detail(detail),
        )?;
        so_far.event = Some(tx.last_event()?);
        Ok(())
    }
}
