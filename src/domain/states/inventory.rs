//! What the states that a caller may see are made of: programs, providers, types of instances.
//!
//! Nothing of it is read out of states: it is what the rows of versions and the index of what can
//! be found have. Of a state that the index does not have, it is said why, and nothing is guessed.

use std::collections::BTreeMap;

use crate::domain::access::{authorize_somewhere, narrow};
use crate::domain::error::Error;
use crate::domain::states::States;
use crate::domain::states::read::{Listed, ListedStates, list_states};
use crate::model::caller::Caller;
use crate::model::name::StateName;
use crate::model::page::DamagedRow;
use crate::model::permission::Permission;
use crate::model::state::StateFilter;
use crate::store::{StoreError, View};

/// How many instances are counted for one page. It ends before the state that has more, or says
/// of this one alone that it has too many.
const MAX_COUNTED: u32 = 20_000;

/// How many there are, by what they are.
pub type InstanceCounts = BTreeMap<String, u64>;

/// The instances of a state's current version.
#[derive(Debug, PartialEq, Eq)]
pub enum Instances {
    /// By their types, and by the sources of their providers as far as they name one.
    Counted {
        /// By their types.
        types: InstanceCounts,
        /// By the sources of their providers.
        providers: InstanceCounts,
    },
    /// They are not known; the word says why.
    NotCounted(&'static str),
}

/// A page of the inventory.
#[derive(Default)]
pub struct InventoryPage {
    /// States, in the order of their names.
    pub states: Vec<(Listed, Instances)>,
    /// Rows that are damaged.
    pub damaged: Vec<DamagedRow>,
    /// The name behind which the next page begins; none at the end.
    pub next: Option<StateName>,
}

impl States<'_> {
    /// What the states that a caller may see are made of.
    pub async fn inventory(
        &self,
        caller: &Caller,
        mut filter: StateFilter,
    ) -> Result<InventoryPage, Error> {
        authorize_somewhere(caller, Permission::Inspect)?;
        let scope = &caller.grant.scope;
        if !narrow(scope, &mut filter.workspace, &mut filter.block) {
            return Ok(InventoryPage::default());
        }
        let store = &self.engine.store;
        let page = store.read(move |view| page_of(view, &filter)).await?;
        store.note_damaged(&page.damaged);
        Ok(page)
    }
}

fn page_of(view: &View<'_>, filter: &StateFilter) -> Result<InventoryPage, StoreError> {
    let ListedStates { page, next } = list_states(view, filter)?;
    let mut made = InventoryPage {
        states: Vec::new(),
        damaged: page.damaged,
        next,
    };
    let mut room = MAX_COUNTED;
    for listed in page.rows {
        let instances = instances_of(view, &listed, &mut room)?;
        if let Some((last, _)) = made.states.last()
            && instances == Instances::NotCounted("too_many")
            && room < MAX_COUNTED
        {
            made.next = Some(last.summary.name.clone());
            break;
        }
        made.states.push((listed, instances));
    }
    Ok(made)
}

fn instances_of(view: &View<'_>, listed: &Listed, room: &mut u32) -> Result<Instances, StoreError> {
    let Some(current) = &listed.summary.current else {
        return Ok(Instances::NotCounted("nothing_written"));
    };
    if current.head.encrypted {
        return Ok(Instances::NotCounted("encrypted"));
    }
    let (name, most) = (&listed.summary.name, *room + 1);
    let Some(found) = view.indexed_instances(name, current.number, most)? else {
        return Ok(Instances::NotCounted("behind"));
    };
    let count = u32::try_from(found.len()).unwrap_or(u32::MAX);
    if count > *room {
        return Ok(Instances::NotCounted("too_many"));
    }
    if found.is_empty() && current.head.resources != Some(0) {
        // The index has the name alone of what it could not look into.
        return Ok(Instances::NotCounted("not_indexed"));
    }
    *room -= count;
    let (mut types, mut providers) = (InstanceCounts::new(), InstanceCounts::new());
    for (of_type, provider) in found {
        *types.entry(of_type).or_default() += 1;
        if let Some(provider) = provider {
            *providers.entry(provider).or_default() += 1;
        }
    }
    Ok(Instances::Counted { types, providers })
}
