//! Verbs on the index of what can be found: which states it is behind with, what it has of a state,
//! and changing that in small steps.
//!
//! After each transaction the words of a state in `found_words` are those of its rows in
//! `found_entries`, no more and no less. So who goes on after a kill needs nothing but these rows.

use rusqlite::{Row, params};

use crate::model::name::StateName;
use crate::model::search::{Findable, FoundKind, FoundText, PendingWords};
use crate::model::state::StateId;
use crate::store::error::StoreError;
use crate::store::tables::rows;
use crate::store::tx::{Tx, View};

/// Between a path and a value.
const BETWEEN: char = '\u{1f}';
/// No more states are counted that the index is behind with.
const MOST_COUNTED: u32 = 10_000;

/// One change of the index.
#[derive(Clone, Debug)]
pub struct WordsStep {
    /// The entry that is removed, and the one that is made in its place or beside others.
    pub removed: Option<(FoundKind, String)>,
    /// The entry that is made.
    pub made: Option<Findable>,
    /// Words that no entry of the state has any more.
    pub lost: Vec<String>,
    /// Words that no entry of the state had.
    pub gained: Vec<String>,
}

impl WordsStep {
    /// How many rows it changes.
    pub const fn rows(&self) -> usize {
        1 + self.lost.len() + self.gained.len()
    }
}

/// Some steps on the way of one state.
#[derive(Clone, Debug)]
pub struct WordsChange {
    /// Since which change the index was behind.
    pub pending: PendingWords,
    /// The workspace under which the state's words stand.
    pub workspace: String,
    /// The steps.
    pub steps: Vec<WordsStep>,
    /// What is true of the state after them.
    pub then: Then,
}

/// What is true after some steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// More of them are to come.
    Unfinished,
    /// The index has all of this version.
    Has(u64),
    /// The index has nothing of the state, and need not.
    Forgotten,
    /// The index has nothing of the state, and is still behind with it.
    Emptied,
}

/// The type of an instance, and the source of its provider.
pub(in crate::store) type IndexedInstance = (String, Option<String>);

impl View<'_> {
    /// Some states that the index is behind with, behind one of them.
    pub fn pending_words(
        &self,
        after: Option<&PendingWords>,
        limit: u32,
    ) -> Result<Vec<PendingWords>, StoreError> {
        let sql = "SELECT workspace, state_id, stamp FROM pending_words \
            WHERE (workspace, state_id) > (?1, ?2) ORDER BY workspace, state_id LIMIT ?3";
        let (workspace, state) =
            after.map_or(("", 0), |after| (&after.workspace, after.state.number()));
        let read = |row: &Row<'_>| {
            Ok(PendingWords {
                workspace: row.get(0)?,
                state: row.get(1)?,
                stamp: row.get(2)?,
            })
        };
        self.all(sql, params![workspace, state, limit], read)
    }

    /// With how many states of a workspace, or of all, the index is behind; at most 10,000.
    pub fn count_pending_words(&self, workspace: Option<&str>) -> Result<u64, StoreError> {
        let count = |row: &Row<'_>| rows::unsigned(row, 0);
        if let Some(workspace) = workspace {
            let sql = "SELECT count(*) FROM (SELECT 1 FROM pending_words WHERE workspace = ?1 \
                LIMIT ?2)";
            self.only(sql, params![workspace, MOST_COUNTED], count)
        } else {
            let sql = "SELECT count(*) FROM (SELECT 1 FROM pending_words WHERE workspace > '' \
                LIMIT ?1)";
            self.only(sql, [MOST_COUNTED], count)
        }
    }

    /// Whether the index is behind with a state.
    pub fn is_pending(&self, workspace: &str, state: StateId) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM pending_words WHERE workspace = ?1 AND state_id = ?2";
        self.exists(sql, params![workspace, state])
    }

    /// The same, with the stamp of the last change; none if the index is not behind with it.
    pub fn pending_state(
        &self,
        workspace: &str,
        state: StateId,
    ) -> Result<Option<PendingWords>, StoreError> {
        let sql = "SELECT stamp FROM pending_words WHERE workspace = ?1 AND state_id = ?2";
        self.one(sql, params![workspace, state], |row| {
            Ok(PendingWords {
                workspace: workspace.to_owned(),
                state,
                stamp: row.get(0)?,
            })
        })
    }

    /// The workspace under which the index has a state, and the version; none while it is being
    /// changed, or of a state that it has nothing of.
    pub fn indexed_state(
        &self,
        state: StateId,
    ) -> Result<Option<(String, Option<u64>)>, StoreError> {
        let sql = "SELECT workspace, version FROM found_states WHERE state_id = ?1";
        let read = |row: &Row<'_>| Ok((row.get(0)?, rows::maybe_unsigned(row, 1)?));
        self.one(sql, [state], read)
    }

    /// The types of the instances that the index has of a version, and the sources of their
    /// providers: at most so many. None if it has not this version.
    pub fn indexed_instances(
        &self,
        name: &StateName,
        version: u64,
        most: u32,
    ) -> Result<Option<Vec<IndexedInstance>>, StoreError> {
        let sql = "SELECT f.state_id FROM states s JOIN found_states f ON f.state_id = s.id \
            WHERE s.workspace = ?1 AND s.building_block = ?2 AND f.version = ?3";
        let of = params![
            name.workspace.as_str(),
            name.block.as_str(),
            version.cast_signed()
        ];
        let Some(state) = self.one(sql, of, |row| row.get::<_, StateId>(0))? else {
            return Ok(None);
        };
        let sql = "SELECT substr(type, 1, 256), provider FROM found_entries \
            WHERE state_id = ?1 AND kind = ?2 LIMIT ?3";
        let of = params![state, FoundKind::Resource.number(), most];
        let read = |row: &Row<'_>| {
            let of_type: Option<String> = row.get(0)?;
            Ok((of_type.unwrap_or_default(), row.get(1)?))
        };
        Ok(Some(self.all(sql, of, read)?))
    }

    /// Entries of a state, behind one of them, in the order of kinds and addresses.
    pub fn found_entries(
        &self,
        state: StateId,
        after: Option<&(FoundKind, String)>,
        limit: u32,
    ) -> Result<Vec<Findable>, StoreError> {
        let sql = "SELECT kind, address, type, provider, texts FROM found_entries \
            WHERE state_id = ?1 AND (kind, address) > (?2, ?3) ORDER BY kind, address LIMIT ?4";
        let (kind, address) = after.map_or((-1, ""), |(kind, address)| (kind.number(), address));
        self.all(sql, params![state, kind, address, limit], findable)
    }
}

impl Tx<'_> {
    /// Changes what the index has of a state, unless the state has changed since that was prepared;
    /// says whether it has done so.
    pub fn change_words(&self, change: &WordsChange) -> Result<bool, StoreError> {
        let PendingWords {
            workspace,
            state,
            stamp,
        } = &change.pending;
        let is_as_it_was = "SELECT 1 FROM pending_words WHERE workspace = ?1 AND state_id = ?2 \
            AND stamp = ?3";
        if !self.exists(is_as_it_was, params![workspace, state, stamp])? {
            return Ok(false);
        }
        for step in &change.steps {
            self.change_entry(*state, &change.workspace, step)?;
        }
        let has = |version: Option<u64>| {
            let sql = "INSERT OR REPLACE INTO found_states (state_id, workspace, version) \
                VALUES (?1, ?2, ?3)";
            let version = version.map(u64::cast_signed);
            self.run(sql, params![state, change.workspace, version])
        };
        match change.then {
            Then::Unfinished => has(None)?,
            Then::Has(version) => has(Some(version))?,
            Then::Forgotten | Then::Emptied => {
                self.run("DELETE FROM found_states WHERE state_id = ?1", [state])?;
            }
        }
        if matches!(change.then, Then::Has(_) | Then::Forgotten) {
            let done = "DELETE FROM pending_words WHERE workspace = ?1 AND state_id = ?2";
            self.run(done, params![workspace, state])?;
        }
        Ok(true)
    }

    fn change_entry(
        &self,
        state: StateId,
        workspace: &str,
        step: &WordsStep,
    ) -> Result<(), StoreError> {
        if let Some((kind, address)) = &step.removed {
            let sql = "DELETE FROM found_entries \
                WHERE state_id = ?1 AND kind = ?2 AND address = ?3";
            self.run(sql, params![state, kind.number(), address])?;
        }
        if let Some(made) = &step.made {
            let sql = "INSERT INTO found_entries (state_id, kind, address, type, provider, texts) \
                VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
            let (kind, texts) = (made.kind.number(), lines(&made.texts));
            let of = (&made.address, &made.resource_type, &made.provider);
            self.run(sql, params![state, kind, of.0, of.1, of.2, texts])?;
        }
        for word in &step.lost {
            let sql = "DELETE FROM found_words \
                WHERE workspace = ?1 AND word = ?2 AND state_id = ?3";
            self.run(sql, params![workspace, word, state])?;
        }
        for word in &step.gained {
            let sql = "INSERT OR IGNORE INTO found_words (workspace, word, state_id) \
                VALUES (?1, ?2, ?3)";
            self.run(sql, params![workspace, word, state])?;
        }
        Ok(())
    }
}

fn lines(texts: &[FoundText]) -> String {
    let mut lines = String::new();
    for text in texts {
        lines.extend([&text.path, "\u{1f}", &text.value, "\n"]);
    }
    lines
}

/// An entry in the columns kind, address, type, provider, texts.
pub(super) fn findable(row: &Row<'_>) -> rusqlite::Result<Findable> {
    let kind = row.get(0)?;
    let texts = row.get_ref(4)?.as_str()?.lines();
    let texts = texts.filter_map(|line| {
        let (path, value) = line.split_once(BETWEEN)?;
        Some(FoundText {
            path: path.to_owned(),
            value: value.to_owned(),
        })
    });
    Ok(Findable {
        kind: FoundKind::of_number(kind)
            .ok_or(rusqlite::Error::IntegralValueOutOfRange(0, kind))?,
        address: row.get(1)?,
        resource_type: row.get(2)?,
        provider: row.get(3)?,
        texts: texts.collect(),
    })
}
