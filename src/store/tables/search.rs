//! Finding: from words to the entries that hold them, workspace by workspace and state by state, in
//! the order of their names.
//!
//! A question looks at rows of its own workspaces alone, so neither its time nor its answer depends
//! on what others have. Whether a state is there, and which version is current, is asked of the
//! state's own rows; the index only says where to look. A page ends when it is full, or when so
//! many rows were looked at.

use rusqlite::{Row, params};

use crate::model::name::{BuildingBlock, StateName, Workspace};
use crate::model::page::DamagedRow;
use crate::model::search::{
    Findable, FoundEntry, FoundKind, FoundPage, Question, SearchPlace, indexed,
};
use crate::model::state::StateId;
use crate::store::error::StoreError;
use crate::store::tables::rows;
use crate::store::tx::View;

/// How many rows are looked at for one page. Behind them it ends, with a place to go on.
const MAX_LOOKED_AT: usize = 20_000;
/// A word that more states of a workspace have is a common one: it is not asked of the index which
/// states these are, but of the states whether they have it.
const MAX_STATES_OF_A_WORD: u32 = 1_000;
/// How many states, and entries of a state, are read at a time.
const AT_A_TIME: u32 = 200;
/// Sorts behind each word that begins as another does.
const LAST_LETTER: char = char::MAX;

/// A question on its way.
struct Finding<'v, 'c> {
    view: &'v View<'c>,
    question: &'v Question,
    /// How many rows may still be looked at.
    room: usize,
    page: FoundPage,
}

/// Whether a page goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Page {
    GoesOn,
    Ends,
}

impl View<'_> {
    /// The entries of current versions that hold all words.
    pub fn find(&self, question: &Question) -> Result<FoundPage, StoreError> {
        let mut finding = Finding {
            view: self,
            question,
            room: MAX_LOOKED_AT,
            page: FoundPage::default(),
        };
        finding.run()?;
        finding.page.behind = self.behind(question)?;
        Ok(finding.page)
    }

    /// With how many states that could be found the index is behind.
    fn behind(&self, question: &Question) -> Result<u64, StoreError> {
        let Some((workspace, block)) = question.workspace.as_ref().zip(question.block.as_ref())
        else {
            return self.count_pending_words(question.workspace.as_deref());
        };
        let id = self.id_at(workspace, block)?;
        let is_behind = id.map_or(Ok(false), |id| self.is_pending(workspace, id))?;
        Ok(u64::from(is_behind))
    }

    fn id_at(&self, workspace: &str, block: &str) -> Result<Option<StateId>, StoreError> {
        let sql = "SELECT id FROM states WHERE workspace = ?1 AND building_block = ?2";
        self.one(sql, [workspace, block], |row| row.get(0))
    }

    /// The first workspace from a name on, or behind it.
    fn workspace_from(&self, name: &str, is_behind: bool) -> Result<Option<Workspace>, StoreError> {
        let sql = if is_behind {
            "SELECT workspace FROM states WHERE workspace > ?1 ORDER BY workspace LIMIT 1"
        } else {
            "SELECT workspace FROM states WHERE workspace >= ?1 ORDER BY workspace LIMIT 1"
        };
        self.one(sql, [name], |row| {
            let name: String = row.get(0)?;
            name.parse().map_err(|error| rows::bad(0, error))
        })
    }

    /// Some states of a workspace behind a building block, in their order.
    fn states_behind(
        &self,
        workspace: &Workspace,
        block: &str,
    ) -> Result<Vec<(BuildingBlock, StateId)>, StoreError> {
        let sql = "SELECT building_block, id FROM states \
            WHERE workspace = ?1 AND building_block > ?2 ORDER BY building_block LIMIT ?3";
        let values = params![workspace.as_str(), block, AT_A_TIME];
        self.all(sql, values, |row| {
            let name: String = row.get(0)?;
            let name = name.parse().map_err(|error| rows::bad(0, error))?;
            Ok((name, row.get(1)?))
        })
    }

    /// The states of a workspace that have a word; none if they are too many.
    fn states_of_word(
        &self,
        workspace: &Workspace,
        word: &str,
    ) -> Result<Option<Vec<StateId>>, StoreError> {
        if self.seals.ring().is_some() {
            // Sealed content has no list of words.
            return Ok(None);
        }
        let sql = "SELECT state_id FROM found_words \
            WHERE workspace = ?1 AND word >= ?2 AND word < ?3 LIMIT ?4";
        let (from, most) = (indexed(word), MAX_STATES_OF_A_WORD + 1);
        let to = format!("{from}{LAST_LETTER}");
        let values = params![workspace.as_str(), from, to, most];
        let read = |row: &Row<'_>| row.get(0);
        let mut states: Vec<StateId> = self.all(sql, values, read)?;
        if states.len() > MAX_STATES_OF_A_WORD as usize {
            return Ok(None);
        }
        states.sort_unstable_by_key(|state| state.number());
        states.dedup();
        Ok(Some(states))
    }
}

impl Finding<'_, '_> {
    fn run(&mut self) -> Result<(), StoreError> {
        let (question, after) = (self.question, self.question.after.clone());
        if let Some(wanted) = &question.workspace {
            let Ok(workspace) = wanted.parse::<Workspace>() else {
                return Ok(());
            };
            return match after {
                Some(after) if after.workspace.as_str() > workspace.as_str() => Ok(()),
                Some(after) if after.workspace == workspace && after.block.is_none() => Ok(()),
                after => self.workspace(&workspace, after.as_ref()).map(drop),
            };
        }
        let from = after.as_ref().map_or("", |after| after.workspace.as_str());
        let is_behind = after.as_ref().is_some_and(|after| after.block.is_none());
        let mut next = self.view.workspace_from(from, is_behind)?;
        while let Some(workspace) = next {
            if self.workspace(&workspace, after.as_ref())? == Page::Ends {
                return Ok(());
            }
            next = self.view.workspace_from(workspace.as_str(), true)?;
            if self.room == 0 && next.is_some() {
                self.page.next = Some(SearchPlace {
                    workspace,
                    block: None,
                    entry: None,
                });
                return Ok(());
            }
        }
        Ok(())
    }

    /// Finds what a workspace has, behind a place if that is in it.
    fn workspace(
        &mut self,
        workspace: &Workspace,
        after: Option<&SearchPlace>,
    ) -> Result<Page, StoreError> {
        let after = after.filter(|after| after.workspace == *workspace);
        let block = after.and_then(|after| after.block.as_ref());
        if let (Some(block), Some((kind, address))) =
            (block, after.and_then(|after| after.entry.clone()))
            && let Some(id) = self.view.id_at(workspace.as_str(), block.as_str())?
            && self.state(workspace, (block, id), Some((kind, address)))? == Page::Ends
        {
            return Ok(Page::Ends);
        }
        let behind = block.map_or("", BuildingBlock::as_str);
        if let Some(only) = self.question.block.clone() {
            let Ok(only) = only.parse::<BuildingBlock>() else {
                return Ok(Page::GoesOn);
            };
            let id = self.view.id_at(workspace.as_str(), only.as_str())?;
            return match id.filter(|_| only.as_str() > behind) {
                Some(id) => self.state(workspace, (&only, id), None),
                None => Ok(Page::GoesOn),
            };
        }
        match self.candidates(workspace)? {
            Some(states) => self.rare(workspace, &states, behind),
            None => self.common(workspace, behind),
        }
    }

    /// The states that have all of the words that are not common ones; none if all are common.
    fn candidates(&mut self, workspace: &Workspace) -> Result<Option<Vec<StateId>>, StoreError> {
        let mut all: Option<Vec<StateId>> = None;
        for word in &self.question.words {
            self.room = self.room.saturating_sub(1);
            let Some(states) = self.view.states_of_word(workspace, word)? else {
                continue;
            };
            let is_in = |state: &StateId| {
                let place = states.binary_search_by_key(&state.number(), |other| other.number());
                place.is_ok()
            };
            let both = |known: Vec<StateId>| known.into_iter().filter(is_in).collect();
            let rest = all.map_or_else(|| states.clone(), both);
            if rest.is_empty() {
                return Ok(Some(rest));
            }
            all = Some(rest);
        }
        Ok(all)
    }

    /// Looks at the states that the index has named.
    fn rare(
        &mut self,
        workspace: &Workspace,
        states: &[StateId],
        behind: &str,
    ) -> Result<Page, StoreError> {
        let mut named = Vec::with_capacity(states.len());
        for id in states {
            let name = match self.view.name_of(*id) {
                Err(StoreError::BadRow(detail)) => {
                    self.page.damaged.push(DamagedRow { row: None, detail });
                    continue;
                }
                name => name?,
            };
            // It may have moved since.
            let name = name.filter(|name| name.workspace == *workspace);
            named.extend(name.map(|name| (name.block, *id)));
        }
        named.retain(|(block, _)| block.as_str() > behind);
        named.sort_unstable_by(|(one, _), (other, _)| one.as_str().cmp(other.as_str()));
        self.all_of(workspace, &named)
    }

    /// Looks at each state of a workspace.
    fn common(&mut self, workspace: &Workspace, behind: &str) -> Result<Page, StoreError> {
        let mut behind = behind.to_owned();
        loop {
            let states = self.view.states_behind(workspace, &behind)?;
            let Some((last, _)) = states.last() else {
                return Ok(Page::GoesOn);
            };
            last.as_str().clone_into(&mut behind);
            if self.all_of(workspace, &states)? == Page::Ends {
                return Ok(Page::Ends);
            }
        }
    }

    fn all_of(
        &mut self,
        workspace: &Workspace,
        states: &[(BuildingBlock, StateId)],
    ) -> Result<Page, StoreError> {
        for (block, id) in states {
            if self.state(workspace, (block, *id), None)? == Page::Ends {
                return Ok(Page::Ends);
            }
        }
        Ok(Page::GoesOn)
    }

    /// Looks at the entries of a state behind one of them, if the index has the current version.
    fn state(
        &mut self,
        workspace: &Workspace,
        (block, id): (&BuildingBlock, StateId),
        mut after: Option<(FoundKind, String)>,
    ) -> Result<Page, StoreError> {
        let name = StateName {
            workspace: workspace.clone(),
            block: block.clone(),
        };
        self.room = self.room.saturating_sub(1);
        let version = match self.searchable(&name, id) {
            Err(StoreError::BadRow(detail)) => {
                self.page.damaged.push(DamagedRow::of(&name, detail));
                None
            }
            version => version?,
        };
        let Some(version) = version else {
            return Ok(self.ends_at(&name, None));
        };
        loop {
            let entries = self.view.found_entries(id, after.as_ref(), AT_A_TIME)?;
            let Some(last) = entries.last() else {
                return Ok(self.ends_at(&name, None));
            };
            after = Some((last.kind, last.address.clone()));
            let mut entries = entries.into_iter();
            if entries.any(|entry| self.entry((&name, version), entry) == Page::Ends) {
                return Ok(Page::Ends);
            }
        }
    }

    /// Keeps an entry if it is asked for.
    fn entry(&mut self, (name, version): (&StateName, u64), entry: Findable) -> Page {
        self.room = self.room.saturating_sub(1);
        let place = (entry.kind, entry.address.clone());
        if self.question.wants(&entry) {
            self.page.found.push(FoundEntry {
                name: name.clone(),
                version,
                entry: entry.reduced_to(&self.question.words),
            });
        }
        self.ends_at(name, Some(place))
    }

    /// The current version of a state that is there, if the index has it.
    fn searchable(&self, name: &StateName, id: StateId) -> Result<Option<u64>, StoreError> {
        if self.view.is_pending(name.workspace.as_str(), id)? {
            return Ok(None);
        }
        let lookup = self.view.lookup(name)?;
        let current = lookup.live().filter(|_| lookup.id() == Some(id));
        let indexed = self.view.indexed_state(id)?;
        let version = current.map(|version| version.number);
        let is_indexed = |number: &u64| {
            indexed.is_some_and(|(workspace, version)| {
                workspace == name.workspace.as_str() && version == Some(*number)
            })
        };
        Ok(version.filter(is_indexed))
    }

    /// Ends the page behind a place, if it is full or enough was looked at for it.
    fn ends_at(&mut self, name: &StateName, entry: Option<(FoundKind, String)>) -> Page {
        let is_full = self.page.found.len() >= self.question.limit as usize;
        if !is_full && self.room > 0 {
            return Page::GoesOn;
        }
        self.page.next = Some(SearchPlace {
            workspace: name.workspace.clone(),
            block: Some(name.block.clone()),
            entry,
        });
        Page::Ends
    }
}
