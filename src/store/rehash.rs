//! The hashes of all rows at once: when a file of an older schema is opened first, and when a
//! person confirms a new key.
//!
//! Both are one transaction, so a start that is killed has done all of it or nothing. The key's
//! file is synced before the database names the key, and takes its own name after that. So there
//! is always a file with the key that the database names.

use std::path::Path;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, params_from_iter};

use super::connection::explain;
use super::error::{OpenError, StoreError};
use super::row_hash::{RowHash, RowKey};
use super::row_key::{self, ROW_KEY_FILE};
use super::tables::hashed::{self, Entry, Hashed};
use super::tables::{consumers, event_chain, event_growth, locks};
use crate::model::clock;
use crate::model::confirmed::Confirmed;
use crate::store::statements::Prepare as _;

/// How many rows are in memory at a time.
const ROWS_PER_STEP: u32 = 500;

/// What was done for all rows.
#[derive(Default)]
struct Rehashed {
    rows: i64,
    /// Of those that could be looked at with the key before.
    changed: i64,
    mended: i64,
}

/// The key of the rows' hashes, which all have one after this. Where a person confirms a new key,
/// the rows are believed as they stand.
pub(super) fn key_of(
    connection: &Connection,
    database: &Path,
    confirmed: Confirmed,
) -> Result<RowKey, OpenError> {
    let dir = database.parent().unwrap_or(Path::new("."));
    let proof = known_proof(connection).map_err(|error| explain(database, error))?;
    if confirmed.new_row_key {
        // A file that holds no key is as good as none.
        let old = row_key::read(dir).unwrap_or_default();
        return renew(connection, database, old.as_ref(), true);
    }
    let Some(proof) = proof else {
        if is_hashed(connection).map_err(|error| explain(database, error))? {
            return Err(OpenError::OtherRowKey(dir.join(ROW_KEY_FILE)));
        }
        return renew(connection, database, None, false);
    };
    let found = row_key::read(dir)?;
    if let Some(key) = found.clone().filter(|key| key.proof() == proof) {
        return Ok(key);
    }
    // The start that made it was killed before its file had its name.
    if let Some(key) = row_key::read_next(dir)?.filter(|key| key.proof() == proof) {
        row_key::adopt_next(dir)?;
        return Ok(key);
    }
    let path = dir.join(ROW_KEY_FILE);
    Err(if found.is_some() {
        OpenError::OtherRowKey(path)
    } else {
        OpenError::RowKeyMissing(path)
    })
}

/// Makes a key, and the hashes of all rows with it.
fn renew(
    connection: &Connection,
    database: &Path,
    old: Option<&RowKey>,
    is_confirmed: bool,
) -> Result<RowKey, OpenError> {
    let dir = database.parent().unwrap_or(Path::new("."));
    let key = row_key::make_next(database)?;
    let work = || -> Result<(), StoreError> {
        connection.execute_batch("BEGIN IMMEDIATE")?;
        let done = rehash(connection, &key, old, is_confirmed);
        let end = if done.is_ok() { "COMMIT" } else { "ROLLBACK" };
        connection.execute_batch(end)?;
        done
    };
    work().map_err(|error| {
        if matches!(error, StoreError::Full) {
            OpenError::Full(dir.to_owned())
        } else {
            OpenError::Rows(error.to_string())
        }
    })?;
    row_key::adopt_next(dir)?;
    Ok(key)
}

fn rehash(
    connection: &Connection,
    key: &RowKey,
    old: Option<&RowKey>,
    is_confirmed: bool,
) -> Result<(), StoreError> {
    let mut came_to = Rehashed::default();
    connection.execute("DELETE FROM presence", [])?;
    connection.execute("UPDATE commits SET lock_places = NULL", [])?;
    let mut changed = Vec::new();
    if let Some(old) = old.filter(|_| is_confirmed) {
        for table in hashed::ALL {
            came_to.changed += count_changed(connection, table, old, &mut changed)?;
        }
    }
    if is_confirmed {
        came_to.mended = mend(connection)?;
    }
    consumers::forget_marks(connection)?;
    for table in hashed::ALL {
        came_to.rows += hash_all(connection, table, key)?;
    }
    let old = old.filter(|_| is_confirmed);
    came_to.changed += event_growth::rehash(connection, key, old)?;
    came_to.changed += rehash_head(connection, key, old)?;
    for what in changed {
        tracing::warn!(
            what,
            "a row was not as it was written, and is believed as it stands"
        );
    }
    let sql = "INSERT OR REPLACE INTO row_key (one, proof, made_at, rows, changed, mended, told) \
        VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6)";
    let proof = key.proof();
    let values = rusqlite::params![
        proof.as_slice(),
        clock::now().millis(),
        came_to.rows,
        old.map(|_| came_to.changed),
        came_to.mended,
        !is_confirmed
    ];
    connection.execute(sql, values)?;
    Ok(())
}

/// Makes the hash of the last event anew. Says how many did not fit the key before.
fn rehash_head(
    connection: &Connection,
    key: &RowKey,
    old: Option<&RowKey>,
) -> rusqlite::Result<i64> {
    let Some(known) = event_chain::read_head(connection, old.unwrap_or(key))? else {
        return Ok(0);
    };
    event_chain::write_head(connection, key, &known.head, known.begun)?;
    Ok(i64::from(old.is_some() && !known.fits))
}

/// How the key of the hashes is known; none where there has been none.
fn known_proof(connection: &Connection) -> rusqlite::Result<Option<RowHash>> {
    connection
        .query_row("SELECT proof FROM row_key WHERE one = 1", [], |row| {
            row.get(0)
        })
        .optional()
}

/// Whether there are hashes, though no key is known: the row that names it is lost.
fn is_hashed(connection: &Connection) -> rusqlite::Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM presence) OR EXISTS (SELECT 1 FROM keys WHERE mac IS \
        NOT NULL)";
    connection.query_row(sql, [], |row| row.get(0))
}

/// The next rows of a table, by its primary key.
fn step<T>(
    connection: &Connection,
    table: &Hashed,
    after: Option<&[Value]>,
    mut read: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    let sql = table.step(after.is_some(), ROWS_PER_STEP);
    let mut statement = connection.prepared(&sql)?;
    let values = params_from_iter(after.unwrap_or_default());
    statement.query_map(values, |row| read(row))?.collect()
}

fn hash_all(connection: &Connection, table: &Hashed, key: &RowKey) -> Result<i64, StoreError> {
    let (mut after, mut rows): (Option<Vec<Value>>, i64) = (None, 0);
    loop {
        let entries: Vec<Entry> = step(connection, table, after.as_deref(), |row| {
            table.entry(key, row, 0)
        })?;
        let Some(last) = entries.last() else {
            return Ok(rows);
        };
        after = Some(last.key.clone());
        for entry in &entries {
            hashed::keep_hash(connection, table, entry)?;
            hashed::enter(connection, table, entry.place)?;
            rows += 1;
        }
    }
}

/// How many rows of a table do not fit the key before, and which.
fn count_changed(
    connection: &Connection,
    table: &Hashed,
    old: &RowKey,
    changed: &mut Vec<String>,
) -> Result<i64, StoreError> {
    const MAX_TOLD: usize = 100;
    let (mut after, mut count): (Option<Vec<Value>>, i64) = (None, 0);
    loop {
        let rows = step(connection, table, after.as_deref(), |row| {
            let fits = table.fits(old, row, 0)?;
            let address = table.address_in(row, 0).unwrap_or_default();
            Ok((table.entry(old, row, 0)?.key, fits, address))
        })?;
        let Some((last, ..)) = rows.last() else {
            return Ok(count);
        };
        after = Some(last.clone());
        for (_, _, address) in rows.iter().filter(|(_, fits, _)| !fits) {
            count += 1;
            if changed.len() < MAX_TOLD {
                changed.push(format!("{} {address}", table.name));
            }
        }
    }
}

/// Counts anew what triggers keep of each state's history.
const COUNT_AGAIN: &str = "UPDATE states SET versions = (SELECT count(*) FROM versions v WHERE \
    v.state_id = states.id), stored = (SELECT coalesce(sum(b.stored), 0) FROM blobs b WHERE b.id \
    IN (SELECT v.blob_id FROM versions v WHERE v.state_id = states.id))";

/// Mends what would keep a state from being used though its rows are believed: a current version
/// that is not the highest accepted one, and a lock that nobody can read, and so nobody release.
fn mend(connection: &Connection) -> Result<i64, StoreError> {
    let highest = "(SELECT max(number) FROM versions WHERE state_id = states.id AND kind <> \
        'rejected')";
    let last = "(SELECT coalesce(max(number), 0) FROM versions WHERE state_id = states.id)";
    let current = format!("UPDATE states SET current = {highest} WHERE current IS NOT {highest}");
    let numbers = format!(
        "UPDATE states SET last_number = max(last_number, {last}) WHERE last_number < {last}"
    );
    let mended = connection.execute(&current, [])?;
    connection.execute(&numbers, [])?;
    connection.execute(COUNT_AGAIN, [])?;
    let mut count = i64::try_from(mended).unwrap_or(i64::MAX);
    let sql = format!(
        "SELECT {}, workspace, building_block FROM locks",
        locks::COLUMNS
    );
    let mut statement = connection.prepare(&sql)?;
    let unreadable: Vec<(Value, Value)> = statement
        .query_map([], |row| {
            let key = (row.get(locks::NAME_AT)?, row.get(locks::NAME_AT + 1)?);
            Ok((key, locks::held(row).is_err()))
        })?
        .filter_map(|found| match found {
            Ok((key, true)) => Some(Ok(key)),
            Ok((_, false)) => None,
            Err(error) => Some(Err(error)),
        })
        .collect::<rusqlite::Result<_>>()?;
    for (workspace, block) in unreadable {
        let sql = "DELETE FROM locks WHERE workspace = ?1 AND building_block = ?2";
        connection.execute(sql, [workspace, block])?;
        count += 1;
    }
    Ok(count)
}
