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
pub(super) struct Seals(RwLock<Option<Arc<Keyring>>>);

impl Seals {
    /// Opens the data keys of a database. Where it has none and a storage key is given, the first
    /// ones are made: from then on what is written is sealed. What is damaged in the database is
    /// mended from the copy beside it.
    pub(super) fn open(
        connection: &Connection,
        database: &Path,
        storage_keys: &[StorageKey],
    ) -> Result<Self, OpenError> {
        let explained = |source| explain(database, source);
        let (rows, copy) = (
            key_rows(connection).map_err(explained)?,
            read_copy(database),
        );
        let known = if rows.is_empty() { &copy } else { &rows };
        let ring = match (known.is_empty(), storage_keys.first()) {
            (true, None) => return Ok(Self::default()),
            (true, Some(first)) => make_first(connection, database, first)?,
            (false, _) => {
                let mut keys = Vec::with_capacity(known.len());
                for row in known {
                    let (kept, key) = opened(row, &copy, database, storage_keys)?;
                    if !rows.contains(kept) {
                        let number = kept.number;
                        tracing::warn!(number, "a data key is mended from its copy");
                        put_row(connection, kept).map_err(explained)?;
                    }
                    keys.push(key);
                }
                Keyring::of(keys).ok_or_else(|| damaged(database, 0, SealError::NoKey(0)))?
            }
        };
        write_copy(&key_rows(connection).map_err(explained)?, database)?;
        Ok(Self(RwLock::new(Some(Arc::new(ring)))))
    }

    /// The keys in use.
    pub(super) fn ring(&self) -> Option<Arc<Keyring>> {
        self.0.read().clone()
    }

    /// Uses other keys from now on.
    pub(super) fn use_ring(&self, ring: Keyring) {
        *self.0.write() = Some(Arc::new(ring));
    }
}

impl std::fmt::Debug for DirectoryKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DirectoryKeys(…)")
    }
}

pub(super) fn key_rows(connection: &Connection) -> rusqlite::Result<Vec<SealedKey>> {
    let sql = "SELECT number, storage_key, sealed FROM data_keys ORDER BY number";
    let mut statement = connection.prepare(sql)?;
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
    connection.execute(sql, values).map(drop)
}

/// A data key, and the one of its forms that opens: that of the database, or else its copy.
fn opened<'k>(
    row: &'k SealedKey,
    copy: &'k [SealedKey],
    database: &Path,
    storage_keys: &[StorageKey],
) -> Result<(&'k SealedKey, DataKey), OpenError> {
    let why = match row.open(storage_keys) {
        Ok(key) => return Ok((row, key)),
        Err(why) => why,
    };
    let copies = copy.iter().filter(|kept| kept.number == row.number);
    for kept in copies {
        if let Ok(key) = kept.open(storage_keys) {
            return Ok((kept, key));
        }
    }
    Err(match why {
        NotOpened::NotGiven(mark) => OpenError::StorageKey {
            mark: mark.to_string(),
            is_any_given: !storage_keys.is_empty(),
        },
        NotOpened::Damaged(error) => damaged(database, row.number, error),
    })
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
) -> Result<Keyring, OpenError> {
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
    Keyring::of(keys.into()).ok_or_else(|| damaged(database, 0, SealError::NoKey(0)))
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
pub(super) const FORGET_INDEX: &str = "DELETE FROM found_words; DELETE FROM found_entries; \
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
