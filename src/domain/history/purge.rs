//! Purges: the content of versions leaves the disk for good, and their rows stay.
//!
//! A purge is for a secret that must not be there. Deltas whose base goes are stored in another way
//! first. Then the content goes, in small transactions that each look once more. What remains of it
//! on the disk is erased beside everything else; see [`crate::domain::content::erase`].

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::config::MIB;
use crate::domain::access::{Acted, act, act_then, authorize, freeze_in_the_way, lock_in_the_way};
use crate::domain::approvals::second_person;
use crate::domain::content::cache::BytesKey;
use crate::domain::content::erasure::ErasureReport;
use crate::domain::content::missing::explained;
use crate::domain::error::Error;
use crate::domain::error::refusals::NotPurged;
use crate::domain::history::History;
use crate::model::approval::GuardedAct;
use crate::model::caller::{Caller, LiveCaller};
use crate::model::digest::Digest;
use crate::model::event::{EventKind, NewEvent};
use crate::model::frame::{BlobId, Purgeable};
use crate::model::name::StateName;
use crate::model::permission::Permission;
use crate::model::state::{Gone, Lookup, StateId, Visibility};
use crate::store::{StoreError, Touches, Tx, View};

/// How many versions one purge names at most.
pub const MAX_PURGED: usize = 1_000;
/// How many versions lose their content in one transaction.
const VERSIONS_PER_STEP: usize = 100;
/// How many rows of readers go in one transaction.
const READERS_PER_STEP: usize = 1_000;
/// After so many bytes of frames, a transaction removes no more.
const BYTES_PER_STEP: u64 = 4 * MIB;
/// An event names so many versions, and of more only the first, the last and their number.
const MAX_NAMED: usize = 1_000;

/// Whose content goes.
#[derive(Clone, Debug)]
pub enum Which {
    /// These versions.
    These(Vec<u64>),
    /// All versions of a deleted state.
    All,
}

impl Which {
    fn told(&self) -> Value {
        match self {
            Self::These(numbers) => json!(numbers),
            Self::All => json!("all"),
        }
    }
}

/// What became of a purge.
#[derive(Clone, Debug)]
pub struct Purged {
    /// The versions whose content went with this purge.
    pub versions: Vec<u64>,
    /// Whether it is out of the database file, its log and its free pages.
    pub erased: bool,
    /// How the erasing is, if it goes on.
    pub erasing: Option<ErasureReport>,
    /// Files in the data directory that may still hold it: copies that were made before an upgrade.
    pub copies: Vec<String>,
}

/// What is to go, as it was looked at.
struct PurgePlan {
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
        // What is refused anyhow uses no approval up.
        if let Err(error) = self.planned(name, &which).await {
            return Err(explained(&self.engine.store, error).await);
        }
        let what = json!({ "state": name.to_string(), "versions": which.told() });
        second_person(self.engine, caller, GuardedAct::Purge, what).await?;
        let alone = self.content.purge_alone().await;
        let versions = match self.remove_content(caller, name, which).await {
            Ok(versions) => versions,
            Err(error) => return Err(explained(&self.engine.store, error).await),
        };
        // The next purge is erased together with this one.
        drop(alone);
        let erased = self.content.erased_soon().await;
        Ok(Purged {
            versions,
            erased,
            erasing: self.content.erasure().filter(|_| !erased),
            copies: self.content.upgrade_copies(),
        })
    }

    /// What is to go, or why it may not.
    async fn planned(&self, name: &StateName, which: &Which) -> Result<PurgePlan, Error> {
        let (wanted, asked) = (name.clone(), which.clone());
        let read = move |view: &View<'_>| plan(view, &wanted, &asked);
        self.engine.store.read(read).await?
    }

    /// Removes content. The numbers of those that still had some.
    async fn remove_content(
        &self,
        caller: &Caller,
        name: &StateName,
        which: Which,
    ) -> Result<Vec<u64>, Error> {
        let plan = Arc::new(self.planned(name, &which).await?);
        self.forget_reads(caller, plan.state, &which).await?;
        self.release_all(name, &plan).await?;
        let mut so_far = SoFar::default();
        while so_far.looked_at < plan.versions.len() {
            let step = Step {
                plan: Arc::clone(&plan),
                name: name.clone(),
                is_all: matches!(which, Which::All),
                so_far: so_far.clone(),
            };
            let (more, touches) = (self.content.removed(), Touches::Address(name.clone()));
            // The caller may go away. What was removed is erased all the same.
            let tell = move |_: &Result<_, StoreError>| more.notify_one();
            let run = move |tx: &Tx<'_>, by: LiveCaller<'_>| step.run(tx, by);
            so_far = act_then(self.engine, caller, (touches, 0), run, tell).await?;
        }
        plan.digests
            .iter()
            .for_each(|sha256| self.content.cache.forget(&BytesKey::of(name, *sha256)));
        Ok(so_far.removed)
    }

    /// Who read a state is forgotten with all of its content. With some versions goes what is known
    /// of their outputs.
    async fn forget_reads(
        &self,
        caller: &Caller,
        state: StateId,
        which: &Which,
    ) -> Result<(), Error> {
        self.events.flush().await;
        if matches!(which, Which::All) {
            self.events.buffer.reads.forget(state);
        }
        let mut gone = READERS_PER_STEP;
        while gone == READERS_PER_STEP {
            let which = which.clone();
            let forget = move |tx: &Tx<'_>, _by: LiveCaller<'_>| match &which {
                Which::All => tx.remove_reads_of(state, READERS_PER_STEP).map(Ok),
                Which::These(versions) => tx.forget_outputs(state, versions).map(|()| Ok(0)),
            };
            gone = act(self.engine, caller, (Touches::NoState, 0), forget).await?;
        }
        Ok(())
    }

    async fn release_all(&self, name: &StateName, plan: &Arc<PurgePlan>) -> Result<(), Error> {
        let going = Arc::clone(plan);
        let bases = self
            .engine
            .store
            .read(move |view| view.bases_of_others(&going.blobs))
            .await?;
        for blob in bases {
            if !self.content.release(blob, &plan.blobs).await? {
                let detail = format!(
                    "a version that is kept as a difference to one of these of {name} is damaged; \
                        purge that one as well"
                );
                return Err(Error::Damaged(detail));
            }
        }
        Ok(())
    }
}

/// The refusal of a purge, after so many versions had lost their content.
const fn not_purged(why: NotPurged, removed: usize) -> Error {
    Error::NotPurged { why, removed }
}

/// The state whose content is to go.
fn state_of(
    view: &View<'_>,
    name: &StateName,
    is_all: bool,
) -> Result<Result<StateId, Error>, StoreError> {
    Ok(match view.lookup(name)? {
        Lookup::State {
            visibility: Visibility::Live,
            ..
        } if is_all => Err(not_purged(NotPurged::Live(name.clone()), 0)),
        Lookup::State { id, .. } => Ok(id),
        Lookup::Moved(to) => Err(Error::gone(name, Gone::Moved(to))),
        Lookup::Free => Err(Error::no_state(name)),
    })
}

/// What keeps the content of a version where it is.
const fn hindrance(version: &Purgeable) -> Option<NotPurged> {
    match version {
        Purgeable {
            current: true,
            number,
            ..
        } => Some(NotPurged::Current(*number)),
        Purgeable {
            held: true, number, ..
        } => Some(NotPurged::Held(*number)),
        Purgeable { .. } => None,
    }
}

fn plan(
    view: &View<'_>,
    name: &StateName,
    which: &Which,
) -> Result<Result<PurgePlan, Error>, StoreError> {
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
                    return Ok(Err(Error::NoVersion(name.clone(), *number)));
                };
                found.push(version);
            }
            found
        }
    };
    if let Some(why) = found.iter().find_map(hindrance) {
        return Ok(Err(not_purged(why, 0)));
    }
    let mut plan = PurgePlan {
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
    Ok(shared.map_or(Ok(plan), |why| Err(not_purged(why, 0))))
}

impl PurgePlan {
    /// A version that stays and has the same bytes as one of these, which go.
    fn shared(
        &self,
        view: &View<'_>,
        versions: &[(u64, BlobId)],
    ) -> Result<Option<NotPurged>, StoreError> {
        let mut seen = HashSet::with_capacity(versions.len());
        for (number, blob) in versions.iter().filter(|(_, blob)| seen.insert(*blob)) {
            let goes = |state, number| state == self.state && self.numbers.contains(&number);
            if let Some((other, its)) = view.sharing(*blob, goes)? {
                let number = *number;
                return Ok(Some(NotPurged::Shared { number, other, its }));
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
    plan: Arc<PurgePlan>,
    name: StateName,
    is_all: bool,
    so_far: SoFar,
}

impl Step {
    fn run(&self, tx: &Tx<'_>, by: LiveCaller<'_>) -> Acted<SoFar> {
        match state_of(tx, &self.name, self.is_all)? {
            Ok(state) if state == self.plan.state => {}
            Ok(_) => return Ok(Err(Error::no_state(&self.name))),
            // In between, somebody brought it back.
            Err(Error::NotPurged { why, .. }) => return Ok(Err(self.refused(why))),
            Err(why) => return Ok(Err(why)),
        }
        let lock = if self.is_all {
            lock_in_the_way(tx, &by, &self.name, None)?
        } else {
            freeze_in_the_way(tx, &self.name, None)?
        };
        if let Some(lock) = lock {
            return Ok(Err(Error::locked(lock)));
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
                return Ok(Err(self.refused(why)));
            }
            versions.extend(version.content.map(|(blob, _)| (*number, blob)));
        }
        if let Some(why) = self.plan.shared(tx, &versions)? {
            return Ok(Err(self.refused(why)));
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
            tx.ask_for_erasure(tx.now())?;
            self.record(tx, by, &mut so_far)?;
        }
        Ok(Ok(so_far))
    }

    const fn refused(&self, why: NotPurged) -> Error {
        not_purged(why, self.so_far.removed.len())
    }

    /// One event for the whole purge, which says more with each step.
    fn record(
        &self,
        tx: &Tx<'_>,
        by: LiveCaller<'_>,
        so_far: &mut SoFar,
    ) -> Result<(), StoreError> {
        let detail = match so_far.removed.as_slice() {
            removed if removed.len() <= MAX_NAMED => serde_json::json!({ "versions": removed }),
            removed => {
                serde_json::json!({
                    "removed": removed.len(),
                    "first": removed.first(),
                    "last": removed.last(),
                })
            }
        };
        if let Some(seq) = so_far.event {
            return tx.amend_event(seq, tx.now(), &detail);
        }
        tx.record(
            &NewEvent::new(EventKind::StatePurge, by, tx.now())
                .on(&self.name)
                .detail(detail),
        )?;
        so_far.event = Some(tx.last_event()?);
        Ok(())
    }
}
