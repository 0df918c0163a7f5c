//! The keys of sealed content: which data keys a database has, and that each can be opened. Content
//! that nobody can open is never begun to be served.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::RwLock;
use rusqlite::{Connection, Row, params};

use super::connection::explain;
use super::error::{OpenError, StoreError};
use super::privacy::replace_file;
use super::row_hash::RowKey;
use super::statements::Prepare as _;
use crate::model::clock;
use crate::seal::{
    DATA_KEYS_FILE, DataKey, Keyring, NotOpened, SealError, SealedKey, StorageKey, StorageKeyMark,
};

/// The copy of the data keys, until it is written.
const UNFINISHED_COPY: &str = "statekeep.datakeys.next";

/// All keys of a data directory.
pub(super) struct DirectoryKeys {
    /// What the rows' hashes are made with.
    pub(super) rows: RowKey,
    /// What content is sealed with.
    pub(super) seals: Seals,
}

/// The data keys in use; none where content stands in the clear.
#[derive(Default)]
pub(super) struct Seals {
    ring: RwLock<Option<Arc<Keyring>>>,
    /// Held while the copy is written: two at once would be in each other's way, and an older one
    /// could come last.
    pub(super) copying: Arc<tokio::sync::Mutex<()>>,
}

impl Seals {
    /// Opens the data keys of a database. Where it has none and a storage key is given, the first
    /// ones are made: from then on what is written is sealed. What is damaged in the database is
    /// mended from the copy beside it.
    pub(super) fn open(
        connection: &Connection,
        database: &Path,
        storage_keys: &[StorageKey],
    ) -> Result<Self, OpenError> {
        let copy = read_copy(database);
        let rows = match key_rows(connection) {
            Err(error) if !copy.is_empty() => {
                tracing::error!(%error, "the rows of data keys cannot be read; their copy is used");
                Vec::new()
            }
            rows => rows.map_err(|source| explain(database, source))?,
        };
        let Some(first) = storage_keys.first() else {
            return match rows.first().or(copy.first()) {
                Some(row) => Err(not_given(row.mark, false)),
                None => Ok(Self::default()),
            };
        };
        let kept = if rows.is_empty() && copy.is_empty() {
            make_first(connection, database, first)?
        } else {
            openable(&rows, &copy, database, storage_keys)?
        };
        let mended = kept
            .iter()
            .filter(|(kept, _)| !rows.contains(kept) && !copy.is_empty());
        for (kept, _) in mended {
            let number = kept.number;
            tracing::warn!(number, "a data key is mended from its copy");
            if let Err(error) = put_row(connection, kept) {
                tracing::error!(number, %error, "it stays in the copy alone");
            }
        }
        let (rows, keys): (Vec<SealedKey>, Vec<DataKey>) = kept.into_iter().unzip();
        let ring = Keyring::of(keys).ok_or_else(|| damaged(database, 0, SealError::NoKey(0)))?;
        write_copy(&rows, database)?;
        let seals = Self::default();
        seals.use_ring(ring);
        Ok(seals)
    }

    /// The keys in use.
    pub(super) fn ring(&self) -> Option<Arc<Keyring>> {
        self.ring.read().clone()
    }

    /// Uses other keys from now on.
    pub(super) fn use_ring(&self, ring: Keyring) {
        *self.ring.write() = Some(Arc::new(ring));
    }
}

impl std::fmt::Debug for DirectoryKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DirectoryKeys(…)")
    }
}

pub(super) fn key_rows(connection: &Connection) -> rusqlite::Result<Vec<SealedKey>> {
    let sql = "SELECT number, storage_key, sealed FROM data_keys ORDER BY number";
    let mut statement = connection.prepared(sql)?;
    let read = |row: &Row<'_>| {
        Ok(SealedKey {
            number: row.get(0)?,
            mark: StorageKeyMark(row.get(1)?),
            sealed: row.get(2)?,
        })
    };
    statement.query_map([], read)?.collect()
}

fn put_row(connection: &Connection, key: &SealedKey) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO data_keys (number, storage_key, sealed, made_at) \
        VALUES (?1, ?2, ?3, ?4)";
    let now = clock::now().millis();
    let values = params![key.number, key.mark.0, key.sealed, now];
    connection.prepared(sql)?.execute(values).map(drop)
}

/// The data keys, each in the one of its forms that opens: that of the database, or else its copy.
fn openable(
    rows: &[SealedKey],
    copy: &[SealedKey],
    database: &Path,
    storage_keys: &[StorageKey],
) -> Result<Vec<(SealedKey, DataKey)>, OpenError> {
    let mut found: Vec<(SealedKey, DataKey)> = Vec::new();
    let mut failed = None;
    for form in rows.iter().chain(copy) {
        if found.iter().any(|(known, _)| known.number == form.number) {
            continue;
        }
        match form.open(storage_keys) {
            Ok(key) => found.push((form.clone(), key)),
            Err(why) => failed = failed.or(Some((form.number, why))),
        }
    }
    let is_there = |number| found.iter().any(|(known, _)| known.number == number);
    // A copy may be older: what it alone has may be a key that is not needed any more.
    let is_needed = |(number, _): &(u32, NotOpened)| {
        !is_there(*number) && (rows.is_empty() || rows.iter().any(|row| row.number == *number))
    };
    match failed.filter(is_needed) {
        None => {
            found.sort_by_key(|(key, _)| key.number);
            Ok(found)
        }
        Some((_, NotOpened::NotGiven(mark))) => Err(not_given(mark, true)),
        Some((number, NotOpened::Damaged(error))) => Err(damaged(database, number, error)),
    }
}

fn not_given(mark: StorageKeyMark, is_any_given: bool) -> OpenError {
    OpenError::StorageKey {
        mark: mark.to_string(),
        is_any_given,
    }
}

fn damaged(database: &Path, number: u32, error: SealError) -> OpenError {
    OpenError::DataKeys {
        path: database.to_owned(),
        number,
        error,
    }
}

/// Makes the first data keys. The index has texts of content: it is made anew, sealed.
fn make_first(
    connection: &Connection,
    database: &Path,
    storage_key: &StorageKey,
) -> Result<Vec<(SealedKey, DataKey)>, OpenError> {
    let keys = Keyring::first().map_err(|error| damaged(database, 0, error))?;
    let sealed = keys.iter().map(|key| SealedKey::of(key, storage_key));
    let sealed: Vec<SealedKey> = sealed
        .collect::<Result<_, _>>()
        .map_err(|error| damaged(database, 0, error))?;
    let write = || -> rusqlite::Result<()> {
        connection.execute_batch("BEGIN IMMEDIATE")?;
        for key in &sealed {
            put_row(connection, key)?;
        }
        connection.execute_batch(FORGET_INDEX)?;
        connection.execute_batch("COMMIT")
    };
    if let Err(source) = write() {
        // It may have ended by itself.
        let _ = connection.execute_batch("ROLLBACK");
        return Err(explain(database, source));
    }
    Ok(sealed.into_iter().zip(keys).collect())
}

fn copy_of(database: &Path) -> PathBuf {
    database.with_file_name(DATA_KEYS_FILE)
}

/// The copy of the data keys; empty where it is not there or not to be read.
fn read_copy(database: &Path) -> Vec<SealedKey> {
    let text = std::fs::read_to_string(copy_of(database));
    text.map_or_else(|_| Vec::new(), |text| SealedKey::parse(&text))
}

/// Writes the copy, unless it is as it should be.
pub(super) fn write_copy(keys: &[SealedKey], database: &Path) -> Result<(), OpenError> {
    let path = copy_of(database);
    if read_copy(database) == keys {
        return Ok(());
    }
    let dir = database.parent().unwrap_or(Path::new("."));
    let names = (UNFINISHED_COPY, DATA_KEYS_FILE);
    replace_file(dir, names, SealedKey::to_text(keys).as_bytes())
        .map_err(|source| OpenError::File { path, source })
}

/// Empties the search index, which follows all states again.
const FORGET_INDEX: &str = "DELETE FROM found_words; DELETE FROM found_entries; \
    DELETE FROM found_states; \
    INSERT INTO pending_words (workspace, state_id, stamp) SELECT workspace, id, 1 FROM states \
    WHERE current IS NOT NULL AND deleted_at IS NULL \
    ON CONFLICT (workspace, state_id) DO UPDATE SET stamp = stamp + 1;";

impl From<SealError> for StoreError {
    fn from(error: SealError) -> Self {
        match error {
            SealError::NoRandom | SealError::TooLong => Self::Statement(error.to_string()),
            SealError::Form | SealError::OtherKey | SealError::Changed | SealError::NoKey(_) => {
                Self::BadRow(format!("sealed content does not open: {error}"))
            }
        }
    }
}
