//! How often states were written on each of the last days.
//!
//! Nothing is counted in advance: the newest versions of a state are looked at until one is older.
//! Of a state that has not changed since, none is looked at.

use crate::domain::access::{authorize_somewhere, narrow};
use crate::domain::error::Error;
use crate::domain::states::States;
use crate::domain::states::read::list_states;
use crate::model::caller::Caller;
use crate::model::clock;
use crate::model::consumer::UtcDay;
use crate::model::name::StateName;
use crate::model::page::DamagedRow;
use crate::model::permission::Permission;
use crate::model::state::{Lookup, StateFilter, StateSummary};
use crate::model::version::{Version, VersionFilter, VersionKind};
use crate::store::{StoreError, View};

/// So many days are told at most.
pub const MAX_DAYS: u32 = 90;
/// So many versions of a state are looked at; of one with more, only the newest are counted.
const MAX_OF_ONE: u32 = 1_000;
/// So many versions are looked at for a page; then it ends.
const MAX_LOOKED_AT: u32 = 20_000;
/// Versions that are read at a time.
const CHUNK: u32 = 100;

/// How often a state was written.
#[derive(Debug)]
pub struct Activity {
    /// The state.
    pub name: StateName,
    /// The versions of each day, the oldest day first.
    pub writes: Vec<u64>,
    /// Whether all versions of these days were counted.
    pub complete: bool,
}

/// A page of what was written.
#[derive(Debug)]
pub struct ActivityPage {
    /// The first of the days; today is the last.
    pub since: UtcDay,
    /// The states that were written, in the order of their names.
    pub states: Vec<Activity>,
    /// Rows that are damaged.
    pub damaged: Vec<DamagedRow>,
    /// The name behind which the next page begins; none at the end.
    pub next: Option<StateName>,
}

impl States<'_> {
    /// How often the states that a caller may see were written on the last days, today included.
    pub async fn activity(
        &self,
        caller: &Caller,
        mut filter: StateFilter,
        days: u32,
    ) -> Result<ActivityPage, Error> {
        authorize_somewhere(caller, Permission::Inspect)?;
        let today = UtcDay::of(clock::now()).number();
        let mut page = ActivityPage {
            since: UtcDay::from_number(today - i64::from(days) + 1),
            states: Vec::new(),
            damaged: Vec::new(),
            next: None,
        };
        let scope = &caller.grant.scope;
        if !narrow(scope, &mut filter.workspace, &mut filter.block) {
            return Ok(page);
        }
        let store = &self.engine.store;
        let fill = move |view: &View<'_>| {
            fill(view, &filter, days as usize, &mut page)?;
            Ok(page)
        };
        let page = store.read(fill).await?;
        store.note_damaged(&page.damaged);
        Ok(page)
    }
}

fn fill(
    view: &View<'_>,
    filter: &StateFilter,
    days: usize,
    page: &mut ActivityPage,
) -> Result<(), StoreError> {
    let list = list_states(view, filter)?;
    page.damaged = list.page.damaged;
    page.next = list.next;
    let mut room = MAX_LOOKED_AT;
    for listed in list.page.rows {
        if room < MAX_OF_ONE {
            // The page ends behind the state that was looked at last.
            break;
        }
        let name = listed.summary.name.clone();
        let looked = Walk::over(view, &listed.summary, page, days)?;
        room -= looked;
        if room < MAX_OF_ONE {
            page.next = Some(name);
        }
    }
    Ok(())
}

/// A walk back through the versions of a state.
struct Walk {
    since: UtcDay,
    writes: Vec<u64>,
}

impl Walk {
    /// Adds a state to a page, if it was written; tells how many of its versions were looked at.
    fn over(
        view: &View<'_>,
        summary: &StateSummary,
        page: &mut ActivityPage,
        days: usize,
    ) -> Result<u32, StoreError> {
        let changed = summary.updated_at.map(UtcDay::of);
        if changed.is_none_or(|day| day < page.since) {
            return Ok(0);
        }
        let Lookup::State { id, .. } = view.lookup(&summary.name)? else {
            return Ok(0);
        };
        let mut walk = Self {
            since: page.since,
            writes: vec![0; days],
        };
        let (mut looked, mut before, mut is_recent) = (0, None, true);
        let mut is_readable = true;
        while is_recent && looked < MAX_OF_ONE {
            let filter = VersionFilter {
                before,
                kind: None,
                without_intermediate: false,
                limit: CHUNK,
            };
            let found = view.versions(id, &filter)?;
            let of_state = |damaged: DamagedRow| DamagedRow::of(&summary.name, damaged.detail);
            is_readable &= found.damaged.is_empty();
            page.damaged.extend(found.damaged.into_iter().map(of_state));
            let count = u32::try_from(found.rows.len()).unwrap_or(CHUNK);
            looked += count;
            let are_recent = found.rows.iter().all(|version| walk.count(version));
            is_recent = are_recent && count == CHUNK;
            before = found.rows.last().map(|version| version.number);
        }
        if walk.writes.iter().any(|writes| *writes > 0) {
            page.states.push(Activity {
                name: summary.name.clone(),
                writes: walk.writes,
                complete: is_readable && !is_recent,
            });
        }
        Ok(looked)
    }

    /// Counts a version; `false` if it and all before it are older. Imported ones keep the time of
    /// their file, so they say nothing about those before them.
    fn count(&mut self, version: &Version) -> bool {
        let day = UtcDay::of(version.created_at).number() - self.since.number();
        let Ok(day) = usize::try_from(day) else {
            return version.kind == VersionKind::Import;
        };
        let is_write = !matches!(version.kind, VersionKind::Rejected(_));
        if is_write && let Some(writes) = self.writes.get_mut(day) {
            *writes += 1;
        }
        true
    }
}
