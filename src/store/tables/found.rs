//! Verbs on the index of what can be found: which states it is behind with, what it has of a state,
//! and changing that in small steps.
//!
//! After each transaction the words of a state in `found_words` are those of its rows in
//! `found_entries`, no more and no less. So who goes on after a kill needs nothing but these rows.

use std::borrow::Cow;

use rusqlite::{Row, params};

use crate::model::name::StateName;
use crate::model::search::{Findable, FoundKind, FoundText, PendingWords};
use crate::model::state::StateId;
use crate::seal::SealError;
use crate::store::error::StoreError;
use crate::store::tables::rows;
use crate::store::tx::{Tx, View};

/// Between a path and a value.
const BETWEEN: char = '\u{1f}';
/// Between the members of an entry that is sealed.
const BETWEEN_MEMBERS: char = '\u{1e}';
/// How many times its size an entry takes in memory, about: each of its short texts is apart there.
const SIZE_OPENED: u64 = 4;
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

/// By what an entry's row is known, and what is sealed of it.
type NamedEntry = (String, Option<Vec<u8>>);
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
        let sql = "SELECT substr(type, 1, 256), provider, address, sealed FROM found_entries \
            WHERE state_id = ?1 AND kind = ?2 LIMIT ?3";
        let of = params![state, FoundKind::Resource.number(), most];
        let read = |row: &Row<'_>| {
            let of_type: Option<String> = row.get(0)?;
            let sealed: Option<Vec<u8>> = row.get(3)?;
            let in_clear = (of_type.unwrap_or_default(), row.get(1)?);
            Ok((in_clear, (row.get::<_, String>(2)?, sealed)))
        };
        let found: Vec<(IndexedInstance, NamedEntry)> = self.all(sql, of, read)?;
        let opened = found.into_iter().map(|(in_clear, (name, sealed))| {
            let Some(sealed) = sealed else {
                return Ok(in_clear);
            };
            let entry = self.opened_entry(&name, &sealed)?;
            Ok((entry.resource_type.unwrap_or_default(), entry.provider))
        });
        opened.collect::<Result<_, StoreError>>().map(Some)
    }

    /// How many bytes all entries of a state take in memory, about.
    pub fn found_size(&self, state: StateId) -> Result<u64, StoreError> {
        let sql = "SELECT count(*), coalesce(sum(octet_length(address) + octet_length(texts) \
            + coalesce(octet_length(type), 0) + coalesce(octet_length(provider), 0) \
            + coalesce(octet_length(sealed), 0)), 0) FROM found_entries WHERE state_id = ?1";
        let read = |row: &Row<'_>| Ok((rows::unsigned(row, 0)?, rows::unsigned(row, 1)?));
        let (entries, bytes) = self.only(sql, [state], read)?;
        Ok(entries * size_of::<Findable>() as u64 + bytes.saturating_mul(SIZE_OPENED))
    }

    /// Entries of a state, behind one of them, in the order of kinds and addresses.
    pub fn found_entries(
        &self,
        state: StateId,
        after: Option<&(FoundKind, String)>,
        limit: u32,
    ) -> Result<Vec<Findable>, StoreError> {
        let sql = "SELECT kind, address, type, provider, texts, sealed FROM found_entries \
            WHERE state_id = ?1 AND (kind, address) > (?2, ?3) ORDER BY kind, address LIMIT ?4";
        let after = after.map(|(kind, address)| (kind.number(), self.entry_name(state, address)));
        let (kind, name) = after.unwrap_or((-1, Cow::Borrowed("")));
        let found: Vec<Result<Findable, (String, Vec<u8>)>> =
            self.all(sql, params![state, kind, name, limit], found_row)?;
        let opened = found.into_iter().map(|found| match found {
            Ok(entry) => Ok(entry),
            Err((name, sealed)) => self.opened_entry(&name, &sealed),
        });
        opened.collect()
    }

    /// By what an entry's row is known: its address; keyed, where content is sealed.
    fn entry_name<'a>(&self, state: StateId, address: &'a str) -> Cow<'a, str> {
        match self.seals.ring() {
            Some(ring) => Cow::Owned(ring.names().entry(state.number(), address)),
            None => Cow::Borrowed(address),
        }
    }

    fn opened_entry(&self, name: &str, sealed: &[u8]) -> Result<Findable, StoreError> {
        let ring = self.seals.ring();
        let opened = ring.ok_or(SealError::NoKey(1))?.open_entry(name, sealed)?;
        let parse = || -> Option<Findable> {
            let text = String::from_utf8(opened).ok()?;
            let mut parts = text.splitn(5, BETWEEN_MEMBERS);
            let kind: i64 = parts.next()?.parse().ok()?;
            let mut member = || parts.next().map(str::to_owned);
            let (address, of_type, provider) = (member()?, member()?, member()?);
            Some(Findable {
                kind: FoundKind::of_number(kind)?,
                address,
                resource_type: Some(of_type).filter(|of_type| !of_type.is_empty()),
                provider: Some(provider).filter(|provider| !provider.is_empty()),
                texts: texts(parts.next()?),
            })
        };
        parse().ok_or_else(|| StoreError::BadRow("an entry of the index is none".to_owned()))
    }

    /// An entry as it is to stand: its name, and what is sealed; that is none in the clear.
    fn standing_entry<'e>(
        &self,
        state: StateId,
        entry: &'e Findable,
    ) -> Result<(Cow<'e, str>, Option<Vec<u8>>), StoreError> {
        let name = self.entry_name(state, &entry.address);
        let Some(ring) = self.seals.ring() else {
            return Ok((name, None));
        };
        let members = [
            &entry.kind.number().to_string(),
            &entry.address,
            entry.resource_type.as_deref().unwrap_or_default(),
            entry.provider.as_deref().unwrap_or_default(),
            &lines(&entry.texts),
        ];
        let text = members.join(&BETWEEN_MEMBERS.to_string());
        let sealed = ring.seal_entry(&name, text.as_bytes())?;
        Ok((name, Some(sealed)))
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
            let name = self.entry_name(state, address);
            self.run(sql, params![state, kind.number(), name])?;
        }
        if let Some(made) = &step.made {
            let sql = "INSERT INTO found_entries (state_id, kind, address, type, provider, texts, \
                sealed) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
            let (name, sealed) = self.standing_entry(state, made)?;
            let in_clear = sealed.is_none().then_some(made);
            let of_type = in_clear.and_then(|made| made.resource_type.as_deref());
            let provider = in_clear.and_then(|made| made.provider.as_deref());
            let texts = in_clear.map_or_else(String::new, |made| lines(&made.texts));
            let kind = made.kind.number();
            self.run(
                sql,
                params![state, kind, name, of_type, provider, texts, sealed],
            )?;
        }
        for word in &step.lost {
            let sql = "DELETE FROM found_words \
                WHERE workspace = ?1 AND word = ?2 AND state_id = ?3";
            self.run(sql, params![workspace, word, state])?;
        }
        // Sealed content has no words in the clear: its entries are opened and looked at.
        let gained = if self.seals.ring().is_some() {
            &[]
        } else {
            step.gained.as_slice()
        };
        for word in gained {
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
    Ok(Findable {
        kind: FoundKind::of_number(kind)
            .ok_or(rusqlite::Error::IntegralValueOutOfRange(0, kind))?,
        address: row.get(1)?,
        resource_type: row.get(2)?,
        provider: row.get(3)?,
        texts: texts(row.get_ref(4)?.as_str()?),
    })
}

/// The same, or the name and the sealed bytes of one that is sealed, in a sixth column.
fn found_row(row: &Row<'_>) -> rusqlite::Result<Result<Findable, (String, Vec<u8>)>> {
    let sealed: Option<Vec<u8>> = row.get(5)?;
    Ok(match sealed {
        Some(sealed) => Err((row.get(1)?, sealed)),
        None => Ok(findable(row)?),
    })
}

fn texts(lines: &str) -> Vec<FoundText> {
    let texts = lines.lines().filter_map(|line| {
        let (path, value) = line.split_once(BETWEEN)?;
        Some(FoundText {
            path: path.to_owned(),
            value: value.to_owned(),
        })
    });
    texts.collect()
}
