//! Verbs that look for damage: what SQLite says of its own structure, and the facts about rows that
//! refer to each other.
//!
//! Each reads a bounded step at one moment and judges nothing: rows come as they stand, so that one
//! bad row hides no other.

use rusqlite::types::Value;
use rusqlite::{OptionalExtension as _, Row, params, params_from_iter};

use super::error::StoreError;
use super::tables::hashed::{self, Hashed, STATES};
use super::tables::{keys, locks, rows};
use super::tx::View;
use crate::model::key::KeyId;
use crate::model::name::StateName;
use crate::model::state::StateId;
use crate::model::version::Version;
use crate::store::statements::Prepare as _;

/// How many steps a chain of bases is followed.
const MAX_STEPS_FOLLOWED: u32 = 64;

/// The id of a key, and what keeps its row from being read.
pub type KeyFacts = (String, Result<(), StoreError>);

/// What SQLite checks in one step: a table with its indexes, or everything.
#[derive(Clone, Debug)]
pub struct Part(Option<String>);

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Some(table) => write!(f, "the table {table}"),
            None => f.write_str("the database"),
        }
    }
}

/// The lists of addresses outside of `states`.
pub const ADDRESS_LISTS: [&str; 4] = ["moves", "locks", "broken_locks", "stale_writers"];

/// A state's row, as it stands.
#[derive(Clone, Debug)]
pub struct StateFacts {
    /// Which state.
    pub id: StateId,
    /// What should be the name of a workspace.
    pub workspace: String,
    /// What should be the name of a building block.
    pub block: String,
    /// The number of the current version.
    pub current: Option<i64>,
    /// The highest number ever given.
    pub last_number: i64,
    /// Whether its hash fits.
    pub fits: bool,
    /// Whether the second list has it.
    pub is_listed: bool,
    /// What the rows of its versions say, where they can be read.
    pub versions: Result<VersionsOfState, StoreError>,
}

/// What a state's row is held against.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VersionsOfState {
    /// The kind of the current version; none where there is no such version.
    pub current_kind: Option<String>,
    /// The highest number that a version has.
    pub highest: Option<i64>,
    /// The highest number of a version that was not rejected.
    pub highest_accepted: Option<i64>,
    /// How many versions its row says that there are, and how long their frames are.
    pub kept: (i64, i64),
    /// How many there are, and how long their frames are; none where one is not there.
    pub counted: (i64, Option<i64>),
}

/// A version's row and that of its bytes, as they stand.
#[derive(Debug)]
pub struct VersionFacts {
    /// Its number.
    pub number: u64,
    /// The row, where it says what it has to say.
    pub row: Result<Version, StoreError>,
    /// What its bytes' row says; none where the content was removed.
    pub blob: Option<BlobFacts>,
}

/// The row of a version's bytes, as it stands beside the version's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobFacts {
    /// Whether there is one.
    pub is_there: bool,
    /// Whether it has the version's SHA-256 and size, and the frame the length that is stored.
    pub fits: bool,
    /// How many frames are needed beside its own, or why none can be named.
    pub chain: Chain,
}

/// Where a frame's bases lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chain {
    /// To a full frame, after so many steps.
    Ends(u32),
    /// Back to itself, or further than anybody looks.
    Endless,
    /// To a base that is not there.
    Broken,
}

/// The tables beside those of states and versions whose rows have hashes.
pub const ROW_LISTS: [&str; 16] = [
    "moves",
    "transfers",
    "locks",
    "broken_locks",
    "keys",
    "tokens",
    "policies",
    "quotas",
    "approvals",
    "freezes",
    "event_gaps",
    "trusts",
    "spent_id_tokens",
    "acknowledgements",
    "hooks",
    "consumers",
];

/// How far a walk through the rows of a table is.
#[derive(Clone, Debug, Default)]
pub struct RowCursor(Vec<Value>);

/// Whether a row is as it was written, and listed.
#[derive(Clone, Debug)]
pub struct RowFacts {
    /// The workspace that it names, if it names one.
    pub workspace: Option<String>,
    /// The building block that it names, if it names one.
    pub block: Option<String>,
    /// Whether its hash fits.
    pub fits: bool,
    /// Whether the second list has it.
    pub is_listed: bool,
}

fn state_facts(view: &View<'_>, row: &Row<'_>) -> rusqlite::Result<StateFacts> {
    let entry = STATES.entry(view.row_key, row, 5)?;
    Ok(StateFacts {
        fits: STATES.fits(view.row_key, row, 5)?,
        is_listed: view.is_listed(&STATES, entry.place)?,
        id: row.get(0)?,
        workspace: row.get(1)?,
        block: row.get(2)?,
        current: row.get(3)?,
        last_number: row.get(4)?,
        versions: Ok(VersionsOfState::default()),
    })
}

impl View<'_> {
    /// The steps in which SQLite checks its own structure: one for a database of up to so many
    /// bytes, list of free pages included; else one for each table.
    pub fn parts(&self, whole_up_to: u64) -> Result<Vec<Part>, StoreError> {
        let sql = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size";
        let size: i64 = self.only(sql, [], |row| row.get(0))?;
        if size.unsigned_abs() <= whole_up_to {
            return Ok(vec![Part(None)]);
        }
        let sql = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE \
            'sqlite\\_%' ESCAPE '\\' ORDER BY name";
        let mut statement = self.connection.prepared(sql)?;
        let tables = statement.query_map([], |row| Ok(Part(Some(row.get(0)?))))?;
        Ok(tables.collect::<rusqlite::Result<_>>()?)
    }

    /// What SQLite finds wrong with a part, at most 100 lines; `quick` leaves out whether indexes
    /// have all that they should.
    pub fn structure(&self, part: &Part, quick: bool) -> Result<Vec<String>, StoreError> {
        let check = if quick {
            "quick_check"
        } else {
            "integrity_check"
        };
        let mut lines: Vec<String> = Vec::new();
        let take = |row: &Row<'_>| {
            lines.push(row.get(0)?);
            Ok(())
        };
        let ran = match &part.0 {
            Some(table) => self.connection.pragma(None, check, table, take),
            None => self.connection.pragma_query(None, check, take),
        };
        match ran.map_err(StoreError::from) {
            Ok(()) => lines.retain(|line| line != "ok"),
            Err(StoreError::Damaged(text)) => lines.push(text),
            Err(error) => return Err(error),
        }
        Ok(lines)
    }

    /// How many rows of a table refer to a row that is not there, for at most `limit` pairs of
    /// tables: (table, the other table, rows). Not of versions and blobs, which are looked at one
    /// by one.
    pub fn dangling(&self, limit: u32) -> Result<Vec<(String, String, u64)>, StoreError> {
        let sql = "SELECT m.name, f.parent, count(*) FROM sqlite_master m, \
            pragma_foreign_key_check(m.name) f \
                   WHERE m.type = 'table' AND m.name NOT IN ('versions', 'blobs') GROUP BY 1, 2 \
                   ORDER BY 1, 2 LIMIT ?1";
        let mut statement = self.connection.prepared(sql)?;
        let found = statement.query_map([limit], |row| {
            Ok((
                row.get(0)?,
                row.get(1)?,
                crate::store::tables::rows::unsigned(row, 2)?,
            ))
        })?;
        Ok(found.collect::<rusqlite::Result<_>>()?)
    }

    /// The rows of states from one on, of one workspace or building block where that is given.
    pub fn states_as_they_stand(
        &self,
        from: StateId,
        workspace: Option<&str>,
        block: Option<&str>,
        limit: u32,
    ) -> Result<Vec<StateFacts>, StoreError> {
        let sql = format!(
            "SELECT s.id, s.workspace, s.building_block, s.current, s.last_number{} FROM states s \
             WHERE s.id >= ?1 AND (?2 IS NULL OR s.workspace = ?2) AND (?3 IS NULL OR \
             s.building_block = ?3) ORDER BY s.id LIMIT ?4",
            STATES.proof
        );
        let values = params![from, workspace, block, limit];
        let mut found: Vec<StateFacts> = self.all(&sql, values, |row| state_facts(self, row))?;
        for state in &mut found {
            state.versions = bad_row_as_value(self.versions_of_state(state.id, state.current))?;
        }
        Ok(found)
    }

    fn versions_of_state(
        &self,
        state: StateId,
        current: Option<i64>,
    ) -> Result<VersionsOfState, StoreError> {
        let sql = "SELECT (SELECT kind FROM versions WHERE state_id = ?1 AND number = ?2), (SELECT \
            max(number) FROM versions WHERE state_id = ?1), (SELECT max(number) FROM versions \
            WHERE state_id = ?1 AND kind <> 'rejected'), (SELECT count(*) FROM versions WHERE \
            state_id = ?1), (SELECT iif(count(*) = count(b.id), coalesce(sum(b.stored), \
            0), NULL) FROM (SELECT DISTINCT blob_id FROM versions WHERE state_id = ?1 AND blob_id \
            IS NOT NULL) v LEFT JOIN blobs b ON b.id = v.blob_id), s.versions, s.stored FROM \
            states s WHERE s.id = ?1";
        let facts = |row: &Row<'_>| {
            Ok(VersionsOfState {
                current_kind: row.get(0)?,
                highest: row.get(1)?,
                highest_accepted: row.get(2)?,
                counted: (row.get(3)?, row.get(4)?),
                kept: (row.get(5)?, row.get(6)?),
            })
        };
        self.only(sql, params![state, current], facts)
    }

    /// The versions of a state after a number, in their order.
    pub fn versions_as_they_stand(
        &self,
        state: StateId,
        after: u64,
        limit: u32,
    ) -> Result<Vec<VersionFacts>, StoreError> {
        let sql = "SELECT number FROM versions WHERE state_id = ?1 AND number > ?2 ORDER BY number \
            LIMIT ?3";
        let mut statement = self.connection.prepared(sql)?;
        let numbers = statement.query_map(params![state, after.cast_signed(), limit], |row| {
            crate::store::tables::rows::unsigned(row, 0)
        })?;
        let numbers: Vec<u64> = numbers.collect::<rusqlite::Result<_>>()?;
        let facts = numbers
            .into_iter()
            .map(|number| self.version_as_it_stands(state, number));
        facts.filter_map(Result::transpose).collect()
    }

    /// One version of a state. An error says that not even its row can be found.
    pub fn version_as_it_stands(
        &self,
        state: StateId,
        number: u64,
    ) -> Result<Option<VersionFacts>, StoreError> {
        let sql = "SELECT v.blob_id, b.id IS NOT NULL, b.base, coalesce(b.size = v.size \
                   AND b.stored = length(coalesce(d.frame, b.frame)), FALSE), \
                   coalesce(b.digest, x''), v.sha256, b.format FROM versions v LEFT JOIN blobs b \
                   ON b.id = v.blob_id LEFT JOIN differences d ON d.id = b.difference \
                   WHERE v.state_id = ?1 AND v.number = ?2";
        let facts = |row: &Row<'_>| -> rusqlite::Result<(Option<i64>, bool, Option<i64>, bool)> {
            let fits = row.get::<_, bool>(3)? && self.is_name_of_its_version(row, 4)?;
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, fits))
        };
        let found = self.one(sql, params![state, number.cast_signed()], facts)?;
        let Some((blob, is_there, base, fits)) = found else {
            return Ok(None);
        };
        let blob = match blob {
            Some(_) => Some(BlobFacts {
                is_there,
                fits,
                chain: self.bases(base)?,
            }),
            None => None,
        };
        let row = self.version_of(state, number).and_then(|row| {
            row.ok_or_else(|| StoreError::BadRow("it belongs to no state".to_owned()))
        });
        Ok(Some(VersionFacts { number, row, blob }))
    }

    fn bases(&self, mut base: Option<i64>) -> Result<Chain, StoreError> {
        let mut statement = self
            .connection
            .prepared("SELECT base FROM blobs WHERE id = ?1")?;
        for steps in 0..=MAX_STEPS_FOLLOWED {
            let Some(id) = base else {
                return Ok(Chain::Ends(steps));
            };
            let next: Option<Option<i64>> =
                statement.query_row([id], |row| row.get(0)).optional()?;
            let Some(next) = next else {
                return Ok(Chain::Broken);
            };
            base = next;
        }
        Ok(Chain::Endless)
    }

    /// How many blobs there are in the next `limit` after one, the last of them, and the ids of
    /// those that nothing refers to.
    pub fn blobs_as_they_stand(
        &self,
        after: i64,
        limit: u32,
    ) -> Result<(u64, Option<i64>, Vec<i64>), StoreError> {
        let sql = "SELECT b.id, EXISTS (SELECT 1 FROM versions WHERE blob_id = b.id) OR EXISTS \
            (SELECT 1 FROM blobs d WHERE d.base = b.id) \
                   FROM blobs b WHERE b.id > ?1 ORDER BY b.id LIMIT ?2";
        let mut statement = self.connection.prepared(sql)?;
        let rows =
            statement.query_map(params![after, limit], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let rows: Vec<(i64, bool)> = rows.collect::<rusqlite::Result<_>>()?;
        let unused = rows
            .iter()
            .filter(|(_, used)| !used)
            .map(|(id, _)| *id)
            .collect();
        Ok((rows.len() as u64, rows.last().map(|(id, _)| *id), unused))
    }

    /// How many versions there are of each of at most `limit` states that have no row.
    pub fn versions_without_a_state(&self, limit: u32) -> Result<Vec<u64>, StoreError> {
        // One step for each state of versions, not one for each version.
        let sql = "WITH RECURSIVE owner (id) AS (SELECT min(state_id) FROM versions \
                   UNION ALL SELECT (SELECT min(state_id) FROM versions WHERE state_id > owner.id) \
                   FROM owner WHERE owner.id IS NOT NULL) \
                   SELECT (SELECT count(*) FROM versions WHERE state_id = owner.id) FROM owner \
                   WHERE owner.id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM states WHERE id = \
                   owner.id) LIMIT ?1";
        let mut statement = self.connection.prepared(sql)?;
        let found =
            statement.query_map([limit], |row| crate::store::tables::rows::unsigned(row, 0))?;
        Ok(found.collect::<rusqlite::Result<_>>()?)
    }

    /// The addresses of one of [`ADDRESS_LISTS`] after one of them, each with whether a state lives
    /// there too.
    pub fn addresses_as_they_stand(
        &self,
        list: &'static str,
        after: &(String, String),
        limit: u32,
    ) -> Result<Vec<(String, String, bool)>, StoreError> {
        let sql = format!(
            "SELECT DISTINCT l.workspace, l.building_block, \
             EXISTS (SELECT 1 FROM states s WHERE s.workspace = l.workspace AND s.building_block = \
             l.building_block) \
             FROM {list} l WHERE (l.workspace, l.building_block) > (?1, ?2) ORDER BY 1, 2 LIMIT ?3"
        );
        self.all(&sql, params![after.0, after.1, limit], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
    }

    /// Whether a lock's row can be read, where there is one.
    pub fn lock_as_it_stands(
        &self,
        name: &StateName,
    ) -> Result<Result<(), StoreError>, StoreError> {
        let sql = format!(
            "SELECT {} FROM locks WHERE workspace = ?1 AND building_block = ?2",
            locks::COLUMNS
        );
        let key = params![name.workspace.as_str(), name.block.as_str()];
        bad_row_as_value(self.one(&sql, key, locks::held).map(drop))
    }

    /// The ids of keys after one of them, each with what keeps its row from being read.
    pub fn keys_as_they_stand(&self, after: &str, limit: u32) -> Result<Vec<KeyFacts>, StoreError> {
        let mut statement = self
            .connection
            .prepared("SELECT id FROM keys WHERE id > ?1 ORDER BY id LIMIT ?2")?;
        let ids = statement.query_map(params![after, limit], |row| row.get(0))?;
        let ids: Vec<String> = ids.collect::<rusqlite::Result<_>>()?;
        let sql = format!("SELECT {} FROM keys WHERE id = ?1", keys::COLUMNS);
        let judged = ids.into_iter().map(|id| {
            let read = match id.parse::<KeyId>() {
                Ok(_) => bad_row_as_value(self.one(&sql, [&id], keys::key).map(drop))?,
                Err(_) => Err(StoreError::BadRow("its id is no UUID".to_owned())),
            };
            Ok((id, read))
        });
        judged.collect()
    }
}

impl View<'_> {
    /// The next rows of one of [`ROW_LISTS`], and how far that is; none at the end.
    pub fn rows_as_they_stand(
        &self,
        table: &'static str,
        after: &RowCursor,
        limit: u32,
    ) -> Result<(Vec<RowFacts>, Option<RowCursor>), StoreError> {
        let Some(table) = hashed::ALL.iter().find(|hashed| hashed.name == table) else {
            return Ok((Vec::new(), None));
        };
        let sql = table.step(!after.0.is_empty(), limit);
        let mut last = None;
        let found = self.all(&sql, params_from_iter(&after.0), |row| {
            let (facts, key) = self.row_facts(table, row)?;
            last = Some(RowCursor(key));
            Ok(facts)
        })?;
        Ok((found, last))
    }

    fn row_facts(&self, table: &Hashed, row: &Row<'_>) -> rusqlite::Result<(RowFacts, Vec<Value>)> {
        let entry = table.entry(self.row_key, row, 0)?;
        let facts = RowFacts {
            workspace: table.text_in(row, 0, "workspace"),
            block: table.text_in(row, 0, "building_block"),
            fits: table.fits(self.row_key, row, 0)?,
            is_listed: self.is_listed(table, entry.place)?,
        };
        Ok((facts, entry.key))
    }

    /// How many rows there are that should be in the second list, and how many that has.
    pub fn listed(&self) -> Result<(u64, u64), StoreError> {
        let counts = hashed::ALL
            .iter()
            .filter(|table| !table.place.is_empty())
            .map(|table| format!("(SELECT count(*) FROM {} NOT INDEXED)", table.name));
        let counts = counts.collect::<Vec<_>>().join(" + ");
        let sql = format!(
            "SELECT {counts}, (SELECT count(*) FROM presence) + (SELECT \
                coalesce(sum(length(lock_places)) / 16, 0) FROM commits)"
        );
        self.only(&sql, [], |row| {
            Ok((rows::unsigned(row, 0)?, rows::unsigned(row, 1)?))
        })
    }
}

/// A row that cannot be read is what is looked for; anything else keeps from looking.
fn bad_row_as_value<T>(read: Result<T, StoreError>) -> Result<Result<T, StoreError>, StoreError> {
    match read {
        Ok(value) => Ok(Ok(value)),
        Err(error @ (StoreError::BadRow(_) | StoreError::Damaged(_))) => Ok(Err(error)),
        Err(error) => Err(error),
    }
}
