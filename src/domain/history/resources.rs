//! The resource instances of a version, without secrets: page by page, or one of them with its
//! neighbours. The version is decoded and proven, and taken apart aside of the cores where it is
//! large.

use std::sync::Arc;

use serde::Serialize;

use crate::diff::{
    MAX_REPORT, NotComparable, ShownInstance, WholeInstance, list_resources, one_resource,
};
use crate::domain::access::authorize;
use crate::domain::content::missing::no_version;
use crate::domain::content::read::SIZE_TAKEN_APART;
use crate::domain::engine::aside::AsideTurn;
use crate::domain::engine::budget::WhenFull;
use crate::domain::engine::leased_bytes::LeasedBytes;
use crate::domain::error::Error;
use crate::domain::error::refusals::NotCompared;
use crate::domain::history::History;
use crate::domain::history::versions::on_state;
use crate::model::caller::Caller;
use crate::model::error_code::ErrorCode;
use crate::model::name::StateName;
use crate::model::permission::Permission;
use crate::model::resource::ResourceFilter;
use crate::model::state::StateId;
use crate::model::version::Version;

/// Versions of more bytes than this are taken apart aside of the cores.
const ASIDE_FROM: u64 = 1024 * 1024;
/// A list, and the answer that is made of it, need so many times the list's limit.
const COPIES_OF_A_LIST: u64 = 2;
/// What small lists take, in bytes, however small the version is.
const LEAST_LIST: u64 = 64 * 1024;
/// Lists take at most so many times the size of the version: each instance is written with texts
/// that the state has once for all instances of a resource.
const SIZE_LISTED: u64 = 8;

/// What an answer says of its version.
#[derive(Serialize)]
struct Head<'a> {
    version: u64,
    serial: u64,
    lineage: &'a str,
    terraform_version: Option<&'a str>,
    encrypted: bool,
    not_shown: Option<NotCompared>,
}

#[derive(Serialize)]
struct List<'a> {
    #[serde(flatten)]
    head: Head<'a>,
    resources: Option<Vec<ShownInstance>>,
    next: Option<String>,
}

#[derive(Serialize)]
struct One<'a> {
    #[serde(flatten)]
    head: Head<'a>,
    resource: Option<WholeInstance>,
}

impl<'a> Head<'a> {
    fn of(version: &'a Version, not_shown: Option<NotCompared>) -> Self {
        let head = &version.head;
        Self {
            version: version.number,
            serial: head.serial,
            lineage: &head.lineage,
            terraform_version: head.terraform_version.as_deref(),
            encrypted: head.encrypted,
            not_shown,
        }
    }
}

impl History<'_> {
    /// The instances of a version that a filter wants, as JSON.
    pub async fn resources(
        &self,
        caller: &Caller,
        (name, number): (&StateName, u64),
        filter: ResourceFilter,
    ) -> Result<Arc<LeasedBytes>, Error> {
        let work = move |version: &Version, bytes: Option<&[u8]>| {
            let listed = bytes
                .map(|bytes| list_resources(bytes, &filter))
                .transpose();
            let (page, why) = told(version, listed);
            let unknown = || {
                let detail = "after has to be the address of an instance of this version, as \
                    `next` gives it; leave it out to begin again";
                Error::invalid(ErrorCode::BadQuery, detail)
            };
            let page = page.map(|page| page.ok_or_else(unknown)).transpose()?;
            let (resources, next) =
                page.map_or((None, None), |page| (Some(page.resources), page.next));
            json(&List {
                head: Head::of(version, why),
                resources,
                next,
            })
        };
        self.look_into(caller, (name, number), work).await
    }

    /// One instance of a version with its neighbours, as JSON.
    pub async fn resource(
        &self,
        caller: &Caller,
        (name, number): (&StateName, u64),
        address: String,
    ) -> Result<Arc<LeasedBytes>, Error> {
        let state = name.clone();
        let work = move |version: &Version, bytes: Option<&[u8]>| {
            let found = bytes.map(|bytes| one_resource(bytes, &address)).transpose();
            let (found, why) = told(version, found);
            let unknown = || Error::NoResource(state, number);
            let resource = found.map(|found| found.ok_or_else(unknown)).transpose()?;
            json(&One {
                head: Head::of(version, why),
                resource,
            })
        };
        self.look_into(caller, (name, number), work).await
    }

    /// Makes something of a version's bytes; of none if it cannot be looked into.
    async fn look_into(
        &self,
        caller: &Caller,
        (name, number): (&StateName, u64),
        work: impl FnOnce(&Version, Option<&[u8]>) -> Result<Vec<u8>, Error> + Send + 'static,
    ) -> Result<Arc<LeasedBytes>, Error> {
        authorize(caller, Permission::Inspect, name)?;
        let (state, version) = self.version_to_show(name, number).await?;
        let turn = if version.size > ASIDE_FROM {
            Some(self.engine.place_aside(caller)?.turn().await?)
        } else {
            None
        };
        let made = self.made_of(name, (state, version), turn, work).await?;
        self.events.count_read(caller, name, Some(number));
        Ok(made)
    }

    async fn version_to_show(
        &self,
        name: &StateName,
        number: u64,
    ) -> Result<(StateId, Version), Error> {
        let store = &self.engine.store;
        let found = store.read_inline(|view| {
            on_state(view, name, |state| {
                Ok((state, view.version(state, number)?))
            })
        });
        match found.await?? {
            (_, None) => Err(no_version(store, name, number).await),
            (_, Some(version)) if version.purged => Err(Error::Purged(name.clone(), number)),
            (state, Some(version)) => Ok((state, version)),
        }
    }

    async fn made_of(
        &self,
        name: &StateName,
        (state, version): (StateId, Version),
        turn: Option<AsideTurn>,
        work: impl FnOnce(&Version, Option<&[u8]>) -> Result<Vec<u8>, Error> + Send + 'static,
    ) -> Result<Arc<LeasedBytes>, Error> {
        let most = self.engine.limits.max_in_flight / (SIZE_TAKEN_APART + 1);
        let is_open = !version.head.encrypted && version.size <= most;
        let (bytes, needed) = if is_open {
            let bytes = self.content.bytes_of(name, state, &version, WhenFull::Wait);
            (Some(bytes.await?), self.memory_to_list(&version))
        } else {
            (None, 0)
        };
        let size = version.size;
        let make = move |reservation| {
            let bytes = bytes.as_deref().map(AsRef::as_ref);
            work(&version, bytes).map(|made| LeasedBytes::new(made, reservation))
        };
        if let Some(turn) = turn {
            return self.engine.aside(turn, needed, make).await?;
        }
        let reservation = self.engine.reserve_for_copies(needed, WhenFull::Wait);
        self.engine
            .on_a_core(size, reservation.await?, make)
            .await?
    }

    /// The memory that a version's instances take while they are listed, beside its bytes.
    fn memory_to_list(&self, version: &Version) -> u64 {
        let most = self
            .engine
            .limits
            .max_in_flight
            .saturating_sub(version.size + LEAST_LIST);
        let list = (MAX_REPORT as u64).min(version.size.saturating_mul(SIZE_LISTED) + LEAST_LIST);
        let apart = version.size.saturating_mul(SIZE_TAKEN_APART);
        most.min(apart + list * COPIES_OF_A_LIST)
    }
}

/// What was found in a version, or why it is not shown.
fn told<T>(
    version: &Version,
    found: Result<Option<T>, NotComparable>,
) -> (Option<T>, Option<NotCompared>) {
    match found {
        Ok(Some(found)) => (Some(found), None),
        Ok(None) if version.head.encrypted => (None, Some(NotComparable::Encrypted.into())),
        Ok(None) => (None, Some(NotCompared::one_too_large())),
        Err(why) => (None, Some(why.into())),
    }
}

fn json(answer: &impl Serialize) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(answer).map_err(|error| Error::Internal(error.to_string()))
}
