//! The history of one resource instance, or of one attribute of it: the versions that changed it,
//! newest first, without secrets.
//!
//! Which versions are worth a look is known from what each has recorded of itself: one that changed
//! no instance is passed over unread. A call compares a bounded number of the others, and says
//! where the next one goes on.

use std::sync::Arc;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::diff::{Diff, ResourceChange};
use crate::domain::access::authorize;
use crate::domain::engine::leased_bytes::LeasedBytes;
use crate::domain::error::Error;
use crate::domain::error::refusals::NotCompared;
use crate::domain::history::History;
use crate::domain::history::compare::{Against, compare_aside, hindrance};
use crate::domain::history::versions::on_state;
use crate::model::caller::Caller;
use crate::model::name::StateName;
use crate::model::permission::Permission;
use crate::model::resource::ResourceTrail;
use crate::model::state::StateId;
use crate::model::version::{ChangeCounts, Version, VersionFilter, VersionKind};
use crate::store::View;

/// A call looks at the rows of at most so many versions.
const MAX_LOOKED_AT: u32 = 1_000;
/// A call compares at most so many of them, each with the one before it.
const MAX_COMPARED: usize = 50;
/// A call compares no further version once it has read so many bytes of them.
const MAX_READ: u64 = 64 * 1024 * 1024;
/// A call compares no further version once its changes take so many bytes.
const MAX_ANSWER: usize = 4 * 1024 * 1024;

/// A version that changed the instance.
#[derive(Serialize)]
struct Entry<'a> {
    version: &'a Version,
    from: Option<u64>,
    from_reason: Option<&'static str>,
    change: ResourceChange,
}

/// A version of which it is not known whether it changed the instance.
#[derive(Serialize)]
struct Gap {
    version: u64,
    not_compared: NotCompared,
}

/// Where the history goes on: further back, and at the address that the instance had there.
#[derive(Serialize)]
struct Next {
    address: String,
    before: u64,
}

#[derive(Serialize)]
struct Answer<'a> {
    changes: Vec<&'a RawValue>,
    gaps: &'a [Gap],
    next: Option<Next>,
}

/// A change, and the address before it if the instance moved there.
type Found = (Arc<LeasedBytes>, Option<String>);

/// What a call has found so far.
struct Walk {
    trail: ResourceTrail,
    changes: Vec<Arc<LeasedBytes>>,
    gaps: Vec<Gap>,
    compared: usize,
    read: u64,
    written: usize,
}

impl Walk {
    fn is_full(&self) -> bool {
        self.changes.len() >= self.trail.limit
            || self.compared >= MAX_COMPARED
            || self.read >= MAX_READ
            || self.written >= MAX_ANSWER
    }

    fn note(&mut self, found: Found) {
        let (change, previous) = found;
        self.written += change.as_ref().as_ref().len();
        self.changes.push(change);
        if let Some(previous) = previous {
            self.trail.address = previous;
        }
    }

    fn answer(&self, before: Option<u64>) -> Result<Vec<u8>, Error> {
        let internal = |error: serde_json::Error| Error::Internal(error.to_string());
        let changes = self.changes.iter().map(|change| as_json(change));
        let changes: serde_json::Result<Vec<&RawValue>> = changes.collect();
        let answer = Answer {
            changes: changes.map_err(internal)?,
            gaps: &self.gaps,
            next: before.map(|before| Next {
                address: self.trail.address.clone(),
                before,
            }),
        };
        serde_json::to_vec(&answer).map_err(internal)
    }
}

fn as_json(change: &LeasedBytes) -> serde_json::Result<&RawValue> {
    serde_json::from_slice(change.as_ref())
}

/// Whether a version may have changed an instance, as far as its row tells.
fn is_worth_a_look(version: &Version) -> bool {
    let is_rejected = matches!(version.kind, VersionKind::Rejected(_));
    !is_rejected && version.counts != Some(ChangeCounts::default())
}

impl History<'_> {
    /// The versions that changed an instance, as JSON.
    pub async fn trail(
        &self,
        caller: &Caller,
        name: &StateName,
        trail: ResourceTrail,
    ) -> Result<Arc<LeasedBytes>, Error> {
        authorize(caller, Permission::Inspect, name)?;
        let (state, versions) = self.versions_to_walk(name, trail.before).await?;
        let mut walk = Walk {
            trail,
            changes: Vec::new(),
            gaps: Vec::new(),
            compared: 0,
            read: 0,
            written: 0,
        };
        let mut next = versions
            .last()
            .filter(|_| versions.len() >= MAX_LOOKED_AT as usize)
            .map(|oldest| oldest.number);
        for version in versions.iter().filter(|version| is_worth_a_look(version)) {
            if walk.is_full() {
                next = Some(version.number + 1);
                break;
            }
            self.step(caller, (name, state), version, &mut walk).await?;
        }
        self.events.count_read(caller, name, None);
        self.engine.reserve_for_answer(walk.answer(next)?)
    }

    async fn versions_to_walk(
        &self,
        name: &StateName,
        before: Option<u64>,
    ) -> Result<(StateId, Vec<Version>), Error> {
        let filter = VersionFilter {
            before,
            limit: MAX_LOOKED_AT,
            ..VersionFilter::default()
        };
        let wanted = name.clone();
        let read = move |view: &View<'_>| {
            on_state(view, &wanted, |state| {
                Ok((state, view.versions(state, &filter)?))
            })
        };
        let (state, list) = self.engine.store.read(read).await??;
        self.engine.store.note_damaged(&list.damaged);
        Ok((state, list.rows))
    }

    /// Looks whether one version changed the instance.
    async fn step(
        &self,
        caller: &Caller,
        (name, state): (&StateName, StateId),
        version: &Version,
        walk: &mut Walk,
    ) -> Result<(), Error> {
        let store = &self.engine.store;
        let before = store.read_inline(|view| view.before(state, version.number));
        let from = Against::of(before.await?);
        let not_compared = self.why_not(&from, version);
        let found = if let Some(why) = not_compared {
            Ok(Err(why))
        } else {
            walk.compared += 1;
            walk.read += version.size;
            let both = (from, version.clone());
            self.change_in(caller, (name, state), both, &walk.trail)
                .await
        };
        let why = match found {
            Ok(Ok(None)) => return Ok(()),
            Ok(Ok(Some(found))) => {
                walk.note(found);
                return Ok(());
            }
            Ok(Err(why)) => why,
            Err(Error::Damaged(detail)) => NotCompared::new("damaged", detail),
            Err(error) => return Err(error),
        };
        walk.gaps.push(Gap {
            version: version.number,
            not_compared: why,
        });
        Ok(())
    }

    /// Why a version is not compared with the one before it, as far as both rows tell.
    fn why_not(&self, from: &Against, version: &Version) -> Option<NotCompared> {
        if matches!(from, Against::Gone) {
            return Some(NotCompared::pruned(version));
        }
        let mut both = from.version().into_iter().chain([version]);
        if let Some(purged) = both.find(|version| version.purged) {
            let detail = format!("the content of version {} has been removed", purged.number);
            return Some(NotCompared::new("purged", detail));
        }
        hindrance(&self.engine.limits, from.version(), version)
    }

    /// How a version changed the instance, if it did.
    async fn change_in(
        &self,
        caller: &Caller,
        (name, state): (&StateName, StateId),
        (from, version): (Against, Version),
        trail: &ResourceTrail,
    ) -> Result<Result<Option<Found>, NotCompared>, Error> {
        let versions = (from.version(), &version);
        let both = self.content.bytes_of_both(name, state, versions).await?;
        let turn = self.engine.place_aside(caller)?.turn().await?;
        let (address, attribute) = (trail.address.clone(), trail.attribute.clone());
        let find = move |diff: Result<Diff<'_>, NotCompared>, reservation| {
            let change = diff.map(|diff| diff.change_of(&address, attribute.as_deref()));
            let change = match change {
                Ok(Some(change)) => change,
                Ok(None) => return Ok(Ok(None)),
                Err(why) => return Ok(Err(why)),
            };
            let previous = change.previous_address.clone();
            let previous = previous.filter(|_| change.address == address);
            let entry = Entry {
                version: &version,
                from: from.version().map(|from| from.number),
                from_reason: from.reason(),
                change,
            };
            let made = serde_json::to_vec(&entry);
            let made = made.map_err(|error| Error::Internal(error.to_string()))?;
            Ok(Ok(Some((LeasedBytes::new(made, reservation), previous))))
        };
        compare_aside(self.engine, turn, both, find).await?
    }
}
