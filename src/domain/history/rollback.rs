//! Rolling back: what an earlier version holds becomes the current version again, as a new one.
//!
//! A plain state comes back with a serial above all there ever were, and every other byte as it
//! was: a plan that was saved before is refused, and the next apply counts on. A state that
//! OpenTofu encrypted has a second serial inside the seal, so it comes back as it was, or not at
//! all. What is decided is decided in the writer's transaction; the bytes are made before it, and
//! made again where the serial in them is not right any more.

use std::sync::Arc;

use crate::domain::access::{Acted, authorize, lock_in_the_way};
use crate::domain::content::encode::{self, Prepared};
use crate::domain::content::missing::explained;
use crate::domain::engine::Engine;
use crate::domain::engine::budget::{Reservation, WhenFull};
use crate::domain::engine::leased_bytes::LeasedBytes;
use crate::domain::error::Error;
use crate::domain::error::refusals::NoRollback;
use crate::domain::history::History;
use crate::domain::history::relocate::relocated;
use crate::domain::quotas;
use crate::domain::states::append::{Appended, append, appended};
use crate::model::caller::{Caller, LiveCaller};
use crate::model::event::{EventKind, NewEvent};
use crate::model::lock::{HeldLock, Lock};
use crate::model::name::StateName;
use crate::model::permission::Permission;
use crate::model::quota::WorkspaceUse;
use crate::model::state::{Lookup, StateId, Visibility};
use crate::model::terraform::serial;
use crate::model::version::{NewVersion, Version, VersionKind};
use crate::store::{StoreError, Touches, Tx, View};

/// How often the bytes are made anew because somebody else's write took their serial, or moved the
/// state, before it is given up.
const MAX_ATTEMPTS: u32 = 8;

/// A rollback as it is asked for.
#[derive(Clone, Debug)]
pub struct Rollback {
    /// The version whose content is to come back.
    pub number: u64,
    /// The version that has to be current still; 0 for none, where the state is hidden or was never
    /// accepted.
    pub expected_current: Option<u64>,
    /// Whether a state that OpenTofu encrypted may come back with the serial that it had.
    pub allow_serial_regression: bool,
    /// The lock that it names.
    pub lock_id: Option<String>,
}

/// What became of a rollback.
#[derive(Clone, Debug)]
pub enum RolledBack {
    /// This version is current now.
    Done(Version),
    /// It was the current version already; nothing was written.
    Unchanged(Version),
}

/// A state as a rollback finds it, wherever it is.
pub(in crate::domain) struct RollbackTarget {
    pub(in crate::domain) state: StateId,
    /// Its address, where that is not the one it is asked for at.
    pub(in crate::domain) away: Option<StateName>,
    /// The version that is current, or was when the state was hidden.
    pub(in crate::domain) last: Option<Version>,
    pub(in crate::domain) visibility: Visibility,
    /// The version that is to come back.
    pub(in crate::domain) wanted: Option<Version>,
    /// The highest serial that there is in its lineage.
    pub(in crate::domain) highest: u64,
    /// The number of the newest version that this was seen with.
    newest: u64,
}

impl RollbackTarget {
    /// Looks at a state; none where nothing was ever written.
    ///
    /// Serials are looked at above the version `above` only: a history may be long, and the
    /// writer's transaction holds up everybody.
    fn see(
        view: &View<'_>,
        name: &StateName,
        number: u64,
        above: u64,
    ) -> Result<Option<Self>, StoreError> {
        let (lookup, away) = match view.lookup(name)? {
            Lookup::Moved(to) => (view.lookup(&to)?, Some(to)),
            lookup @ (Lookup::State { .. } | Lookup::Free) => (lookup, None),
        };
        let Lookup::State {
            id: state,
            current,
            visibility,
        } = lookup
        else {
            return Ok(None);
        };
        let wanted = view.version(state, number)?;
        let highest = match &wanted {
            Some(version) => view
                .highest_serial(state, &version.head.lineage, above)?
                .unwrap_or(0)
                .max(version.head.serial),
            None => 0,
        };
        let (last, newest) = (current.map(|version| *version), view.last_number(state)?);
        Ok(Some(Self {
            state,
            away,
            last,
            visibility,
            wanted,
            highest,
            newest,
        }))
    }

    /// The version that clients get, here or where the state is.
    pub(in crate::domain) fn live(&self) -> Option<&Version> {
        self.last
            .as_ref()
            .filter(|_| self.visibility == Visibility::Live)
    }

    /// Whether the wanted version is what clients get here already.
    pub(in crate::domain) fn is_unchanged(&self, number: u64) -> bool {
        self.away.is_none() && self.live().is_some_and(|live| live.number == number)
    }

    /// The serial that the new version gets; none where it comes back as it was.
    pub(in crate::domain) fn next_serial(
        &self,
        wanted: &Version,
    ) -> Result<Option<u64>, NoRollback> {
        if wanted.head.encrypted {
            Ok(None)
        } else {
            self.highest
                .checked_add(1)
                .map(Some)
                .ok_or(NoRollback::NoSerialLeft)
        }
    }

    /// What a rollback adds to the workspace of the address where it is asked for: a new version
    /// that takes so many bytes, and all that comes with it from elsewhere.
    pub(in crate::domain) fn adds(
        &self,
        view: &View<'_>,
        name: &StateName,
        stored: usize,
    ) -> Result<WorkspaceUse, StoreError> {
        // A state of which every version was refused counts as none until now.
        let version = quotas::of_version(self.live().is_some(), stored);
        let Some(away) = &self.away else {
            return Ok(version);
        };
        Ok(quotas::of_move(view, self.state, (away, name))?.with(version))
    }

    /// Whether somebody wrote, deleted or brought back since the caller has looked.
    pub(in crate::domain) fn check_current(&self, ask: &Rollback) -> Result<(), NoRollback> {
        let current = self.live().map(|version| version.number);
        match ask.expected_current {
            Some(expected) if expected != current.unwrap_or(0) => {
                Err(NoRollback::NotCurrent { expected, current })
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Whether a version that can only come back as it was may do so.
    pub(in crate::domain) fn check_encrypted(
        wanted: &Version,
        ask: &Rollback,
    ) -> Result<(), NoRollback> {
        if wanted.head.encrypted && !ask.allow_serial_regression {
            Err(NoRollback::Encrypted(wanted.number))
        } else {
            Ok(())
        }
    }

    /// The caller may bring the state back from where it is: what moves a state needs more than
    /// what writes it.
    pub(in crate::domain) fn authorize(
        &self,
        caller: &Caller,
        permissions: &[Permission],
    ) -> Result<(), Error> {
        let Some(away) = &self.away else {
            return Ok(());
        };
        permissions
            .iter()
            .try_for_each(|permission| authorize(caller, *permission, away))
    }

    /// The version that is to come back, if there is one.
    pub(in crate::domain) fn wanted(
        &self,
        name: &StateName,
        number: u64,
    ) -> Result<&Version, Error> {
        let wanted = self
            .wanted
            .as_ref()
            .ok_or_else(|| Error::NoVersion(name.clone(), number))?;
        if wanted.purged {
            Err(Error::Purged(name.clone(), number))
        } else {
            Ok(wanted)
        }
    }

    /// Whether the bytes that were made for this are still what is asked for.
    fn is_still(&self, now: &Self) -> bool {
        let bytes = |found: &Self| {
            found
                .wanted
                .as_ref()
                .filter(|version| !version.purged)
                .map(|version| version.sha256)
        };
        self.state == now.state
            && self.away == now.away
            && bytes(self) == bytes(now)
            && self.highest >= now.highest
    }
}

/// Looks at a state that is to be rolled back, or only looked at.
pub(super) async fn find(
    engine: &Engine,
    name: &StateName,
    number: u64,
) -> Result<RollbackTarget, Error> {
    let wanted = name.clone();
    let found = engine
        .store
        .read_briefly(move |view| RollbackTarget::see(view, &wanted, number, 0));
    found.await?.ok_or_else(|| Error::no_state(name))
}

impl History<'_> {
    /// Makes what is to be stored, and gives the memory that it is in.
    async fn bytes_to_come_back(
        &self,
        name: &StateName,
        found: &RollbackTarget,
        number: u64,
    ) -> Result<(Prepared, Reservation), Error> {
        let wanted = found.wanted(name, number)?;
        let serial = found.next_serial(wanted).map_err(Error::NoRollback)?;
        let mut bytes = self
            .content
            .bytes_of(name, found.state, wanted, WhenFull::Wait)
            .await?;
        if let Some(serial) = serial {
            bytes = self.with_serial(bytes, wanted.size, serial).await?;
        }
        let reservation = self
            .engine
            .reserve_for_copies(wanted.size, WhenFull::Wait)
            .await?;
        // Whatever limits there are by now, it was taken once.
        let prepare = move |mut reservation: Reservation| {
            let prepared = encode::prepare(bytes.as_ref().as_ref(), None, usize::MAX)?;
            reservation.keep_only(prepared.blob.frame.len() as u64);
            Ok::<_, Error>((prepared, reservation))
        };
        let (prepared, reservation) = self
            .engine
            .on_a_core(wanted.size, reservation, prepare)
            .await??;
        if prepared.head.serial != serial.unwrap_or(wanted.head.serial) {
            return Err(Error::Internal(format!(
                "version {number} of {name} would come back with serial {}",
                prepared.head.serial
            )));
        }
        Ok((prepared, reservation))
    }

    async fn with_serial(
        &self,
        bytes: Arc<LeasedBytes>,
        size: u64,
        serial: u64,
    ) -> Result<Arc<LeasedBytes>, Error> {
        let reservation = self.engine.reserve_for_copies(size, WhenFull::Wait).await?;
        let change = move |reservation| {
            serial::with_serial(bytes.as_ref().as_ref(), serial)
                .map(|changed| LeasedBytes::new(changed, reservation))
        };
        let changed = self.engine.on_a_core(size, reservation, change).await?;
        changed.ok_or_else(|| Error::Internal("a state that was stored has no serial".to_owned()))
    }
}

impl History<'_> {
    /// Says whether a caller may see what a rollback would do, before a body is read.
    pub fn may_preview(&self, caller: &Caller, name: &StateName) -> Result<(), Error> {
        authorize(caller, Permission::List, name)
    }

    /// Makes an earlier version's content current again, as a new version; brings back a hidden
    /// state by that, and a moved one from where it is.
    ///
    /// Refused while another holds the lock, when another version is current than is expected, and
    /// where the serial cannot be a new one.
    pub async fn rollback(
        &self,
        caller: &Caller,
        name: &StateName,
        ask: Rollback,
    ) -> Result<RolledBack, Error> {
        authorize(caller, Permission::Save, name)?;
        let ask = Arc::new(ask);
        for _ in 0..MAX_ATTEMPTS {
            let found = find(self.engine, name, ask.number).await?;
            found.authorize(caller, &[Permission::Delete, Permission::Save])?;
            let wanted = match found.wanted(name, ask.number) {
                Ok(wanted) => wanted,
                Err(error) => return Err(explained(&self.engine.store, error).await),
            };
            found.check_current(&ask).map_err(Error::NoRollback)?;
            if found.is_unchanged(ask.number) {
                // What clients cannot read is not "current already".
                self.content
                    .bytes_of(name, found.state, wanted, WhenFull::Wait)
                    .await?;
                return Ok(RolledBack::Unchanged(wanted.clone()));
            }
            RollbackTarget::check_encrypted(wanted, &ask).map_err(Error::NoRollback)?;
            let (prepared, reservation) = self.bytes_to_come_back(name, &found, ask.number).await?;
            let touches = Touches::Addresses(found.away.iter().chain([name]).cloned().collect());
            let job = RollbackJob {
                name: name.clone(),
                ask: Arc::clone(&ask),
                found,
                prepared,
                min_free_space: self.engine.limits.min_free_space,
                _reservation: reservation,
            };
            let room = (touches, job.size());
            let run = move |tx: &Tx<'_>, by: LiveCaller<'_>| job.run(tx, by);
            if let Some(version) = append(self.content, caller, name, room, run).await? {
                return Ok(RolledBack::Done(version));
            }
        }
        Err(Error::NoRollback(NoRollback::TooManyConflicts))
    }
}

/// Everything that one attempt needs in its transaction. It may run more than once.
struct RollbackJob {
    name: StateName,
    ask: Arc<Rollback>,
    found: RollbackTarget,
    prepared: Prepared,
    min_free_space: u64,
    // For the frame, for as long as the job waits.
    _reservation: Reservation,
}

impl RollbackJob {
    /// About how many bytes it adds to the database.
    fn size(&self) -> usize {
        self.prepared.blob.frame.len()
    }

    /// None if what was made ready is not right any more. The inner error is why nothing is rolled
    /// back.
    fn run(&self, tx: &Tx<'_>, by: LiveCaller<'_>) -> Acted<Option<Version>> {
        if let Lookup::Moved(to) = tx.lookup(&self.name)?
            && self.found.away.as_ref() != Some(&to)
        {
            // It has gone to an address that this job does not touch.
            return Ok(Ok(None));
        }
        let Some(now) = RollbackTarget::see(tx, &self.name, self.ask.number, self.found.newest)?
        else {
            return Ok(Ok(None));
        };
        if let Err(why) = now.check_current(&self.ask) {
            return Ok(Err(Error::NoRollback(why)));
        }
        if !self.found.is_still(&now) || now.is_unchanged(self.ask.number) {
            return Ok(Ok(None));
        }
        if let Some(lock) = self.lock_in_the_way(tx, by)? {
            return Ok(Err(Error::locked(lock)));
        }
        let held = tx.lock(&self.name)?;
        if held.is_none() && self.ask.lock_id.is_some() {
            return Ok(Err(Error::NoRollback(NoRollback::StaleLockId)));
        }
        tx.needs_room(self.min_free_space)?;
        if let Err(why) = self.judge_quota(tx, &now)? {
            return Ok(Err(why));
        }
        self.store(tx, by, &now, held.as_ref())
            .map(|version| Ok(Some(version)))
    }

    /// Judges the new version by the quota of its workspace, and all that comes with it.
    fn judge_quota(&self, tx: &Tx<'_>, now: &RollbackTarget) -> Acted<()> {
        let adds = now.adds(tx, &self.name, self.prepared.blob.frame.len())?;
        quotas::judge(tx, &self.name, adds)
    }

    fn lock_in_the_way(&self, tx: &Tx<'_>, by: LiveCaller<'_>) -> Result<Option<Lock>, StoreError> {
        // A lock belongs to an address, so none of one's own lets a state leave the one where it
        // is.
        if let Some(away) = &self.found.away
            && let Some(lock) = lock_in_the_way(tx, &by, away, None)?
        {
            return Ok(Some(lock));
        }
        lock_in_the_way(tx, &by, &self.name, self.ask.lock_id.as_deref())
    }

    fn store(
        &self,
        tx: &Tx<'_>,
        by: LiveCaller<'_>,
        now: &RollbackTarget,
        held: Option<&HeldLock>,
    ) -> Result<Version, StoreError> {
        if let Some(away) = &now.away {
            relocated(tx, by, now.state, (away, &self.name), self.min_free_space)?;
        }
        let new = NewVersion {
            sha256: self.prepared.sha256,
            size: self.prepared.size,
            head: self.prepared.head.clone(),
            kind: VersionKind::Rollback,
            from_version: Some(self.ask.number),
            created_at: tx.now(),
            created_by: by.actor.clone(),
            address: by.origin.address.clone(),
            lock: held.map(HeldLock::note),
        };
        let version = tx.append(now.state, &new, &self.prepared.blob)?;
        let append = Appended {
            name: &self.name,
            state: now.state,
            snapshot: None,
            ends_broken_lock: true,
            // Writers whom the guard has refused have not read this version either.
            seen_by: None,
            event: self.event(
                NewEvent::new(EventKind::StateRollback, by, tx.now()),
                now,
                &version,
            ),
        };
        appended(tx, &append)?;
        Ok(version)
    }

    fn event(&self, event: NewEvent, now: &RollbackTarget, version: &Version) -> NewEvent {
        let serial = version.head.serial;
        let is_used_again = self.found.highest >= serial;
        let event = event.on(&self.name).version(version.number);
        let event = event.attention(is_used_again).detail(serde_json::json!({
            "from_version": self.ask.number,
            "from_serial": now.wanted.as_ref().map(|wanted| wanted.head.serial),
            "replaced_version": now.live().map(|live| live.number),
            "replaced_serial": now.live().map(|live| live.head.serial),
            "serial": serial,
            "serial_regression": is_used_again,
        }));
        NewEvent {
            lock_id: self.ask.lock_id.clone(),
            ..event
        }
    }
}
