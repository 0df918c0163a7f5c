//! Bringing a deleted, transferred or moved state back.

use crate::domain::access::{Acted, authorize, lock_in_the_way, stale_lock};
use crate::domain::engine::budget::WhenFull;
use crate::domain::error::Error;
use crate::domain::history::History;
use crate::domain::history::relocate::{may_relocate, relocated};
use crate::domain::quotas;
use crate::domain::states::append::{Appended, append, appended};
use crate::model::caller::{Caller, LiveCaller};
use crate::model::event::{EventKind, NewEvent};
use crate::model::lock::Lock;
use crate::model::name::StateName;
use crate::model::permission::Permission;
use crate::model::quota::WorkspaceUse;
use crate::model::state::{Lookup, StateId, Visibility};
use crate::model::version::{NewVersion, Version, VersionKind};
use crate::store::{StoreError, Touches, Tx};

/// How often a restore looks anew because the state went to another address in between.
const MAX_ATTEMPTS: u32 = 8;

impl History<'_> {
    /// Brings a deleted or transferred state back as a new version with the same bytes, and a moved
    /// one to its old address, where it is brought back as well if it was deleted since. A live
    /// state stays as it is.
    ///
    /// Refused while the state is locked, unless `lock_id` names a lock of the caller's own.
    pub async fn restore(
        &self,
        caller: &Caller,
        name: &StateName,
        lock_id: Option<String>,
    ) -> Result<Version, Error> {
        authorize(caller, Permission::Save, name)?;
        for _ in 0..MAX_ATTEMPTS {
            let store = &self.engine.store;
            let lookup = store.read_inline(|view| view.lookup(name)).await?;
            let (lookup, away) = match lookup {
                Lookup::Moved(away) => (
                    store.read_inline(|view| view.lookup(&away)).await?,
                    Some(away),
                ),
                lookup @ (Lookup::State { .. } | Lookup::Free) => (lookup, None),
            };
            match (&lookup, &away) {
                (
                    Lookup::State {
                        current: Some(current),
                        visibility: Visibility::Live,
                        ..
                    },
                    None,
                ) => return Ok((**current).clone()),
                (_, Some(away)) => may_relocate(caller, away)?,
                (Lookup::State { .. } | Lookup::Moved(_) | Lookup::Free, None) => {}
            }
            if let Lookup::State {
                id,
                current: Some(current),
                visibility: Visibility::Deleted | Visibility::Transferred(_),
            } = &lookup
            {
                // What is to come back has to be readable; a damaged version is told before it is
                // current again.
                self.content
                    .bytes_of(away.as_ref().unwrap_or(name), *id, current, WhenFull::Wait)
                    .await?;
            }
            let touches = Touches::Addresses(away.iter().chain([name]).cloned().collect());
            let job = Restore {
                name: name.clone(),
                away,
                lock_id: lock_id.clone(),
                min_free_space: self.engine.limits.min_free_space,
            };
            let run = move |tx: &Tx<'_>, by: LiveCaller<'_>| job.run(tx, by);
            if let Some(version) = append(self.content, caller, name, (touches, 0), run).await? {
                return Ok(version);
            }
        }
        Err(Error::QueueFull)
    }
}

/// A state that is to come back, as its transaction needs it. It may run more than once.
pub(in crate::domain) struct Restore {
    pub(in crate::domain) name: StateName,
    /// Where it has moved to, and comes back from.
    pub(in crate::domain) away: Option<StateName>,
    pub(in crate::domain) lock_id: Option<String>,
    pub(in crate::domain) min_free_space: u64,
}

impl Restore {
    /// None if the state is not where it was when it was looked at. The inner error is why it does
    /// not come back.
    pub(in crate::domain) fn run(&self, tx: &Tx<'_>, by: LiveCaller<'_>) -> Acted<Option<Version>> {
        let here = tx.lookup(&self.name)?;
        let lookup = match (&here, &self.away) {
            (Lookup::Moved(away), Some(from)) if away == from => tx.lookup(away)?,
            (Lookup::Moved(_), _) | (Lookup::State { .. }, Some(_)) => return Ok(Ok(None)),
            (Lookup::State { .. }, None) | (Lookup::Free, _) => here,
        };
        let Lookup::State {
            id,
            current: Some(current),
            visibility,
        } = lookup
        else {
            return Ok(Err(Error::no_state(&self.name)));
        };
        if visibility == Visibility::Live && self.away.is_none() {
            // Nobody has to bring it back, or somebody else did in between.
            return Ok(Ok(Some(*current)));
        }
        if visibility != Visibility::Live && current.purged {
            return Ok(Err(Error::Purged(self.name.clone(), current.number)));
        }
        if let Some(lock) = self.lock_in_the_way(tx, by)? {
            return Ok(Err(Error::locked(lock)));
        }
        if let Some(why) = stale_lock(tx, &self.name, self.lock_id.as_deref())? {
            return Ok(Err(why));
        }
        if self.away.is_some() && !tx.may_take(id, &self.name)? {
            return Ok(Err(Error::AddressTaken(self.name.clone())));
        }
        let is_live = visibility == Visibility::Live;
        if let Err(why) = self.judge_quota(tx, id, is_live)? {
            return Ok(Err(why));
        }
        // From here on something is done, and nothing is refused any more.
        if let Some(away) = &self.away {
            relocated(tx, by, id, (away, &self.name), self.min_free_space)?;
        }
        let transferred_to = match visibility {
            Visibility::Live => return Ok(Ok(Some(*current))),
            Visibility::Deleted => None,
            Visibility::Transferred(to) => Some(to),
        };
        self.bring_back(tx, by, (id, &current), transferred_to)
            .map(|version| Ok(Some(version)))
    }

    /// Judges all that the state brings by the quota of its workspace, and the version by which a
    /// hidden one comes back; that shares the bytes that are there.
    fn judge_quota(&self, tx: &Tx<'_>, id: StateId, is_live: bool) -> Acted<()> {
        let mut adds = WorkspaceUse::default();
        if let Some(away) = &self.away {
            adds = quotas::of_move(tx, id, (away, &self.name))?;
        }
        if !is_live {
            adds = adds.with(quotas::of_version(false, 0));
        }
        quotas::judge(tx, &self.name, adds)
    }

    fn lock_in_the_way(&self, tx: &Tx<'_>, by: LiveCaller<'_>) -> Result<Option<Lock>, StoreError> {
        // A lock belongs to an address, so none of one's own lets a state leave the one where it
        // is.
        if let Some(away) = &self.away
            && let Some(lock) = lock_in_the_way(tx, &by, away, None)?
        {
            return Ok(Some(lock));
        }
        lock_in_the_way(tx, &by, &self.name, self.lock_id.as_deref())
    }

    fn bring_back(
        &self,
        tx: &Tx<'_>,
        by: LiveCaller<'_>,
        (id, current): (StateId, &Version),
        transferred_to: Option<String>,
    ) -> Result<Version, StoreError> {
        let restored = NewVersion {
            sha256: current.sha256,
            size: current.size,
            head: current.head.clone(),
            kind: VersionKind::Restore,
            from_version: Some(current.number),
            created_at: tx.now(),
            created_by: by.actor.clone(),
            address: by.origin.address.clone(),
            lock: None,
        };
        let version = tx.append_again(id, &restored)?;
        let mut detail = serde_json::json!({ "from_version": current.number });
        if let Some(to) = transferred_to {
            detail["transferred_to"] = to.into();
        }
        let append = Appended {
            name: &self.name,
            state: id,
            snapshot: None,
            ends_broken_lock: true,
            seen_by: None,
            event: NewEvent::new(EventKind::StateRestore, by, tx.now())
                .on(&self.name)
                .version(version.number)
                .detail(detail),
        };
        appended(tx, &append)?;
        Ok(version)
    }
}
