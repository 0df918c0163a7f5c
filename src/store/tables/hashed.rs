//! The tables whose rows carry a keyed hash, each with its columns declared once, and the verbs by
//! which all of their rows are read, made, changed and removed.
//!
//! A row that does not fit its hash never leaves the store, and nothing is written over it. That a
//! row is not there is said only if the second list, [`super::presence`], has none of it either.

mod declared;

use rusqlite::types::{ToSql, ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, Params, Row, params_from_iter};

use crate::sabotage::{self, Fault};
use crate::store::error::{NotAsWritten, StoreError};
use crate::store::row_hash::{Purpose, RowHash, RowKey};
use crate::store::statements::Prepare as _;
use crate::store::tables::presence;
use crate::store::tx::{Tx, View};
pub(in crate::store) use declared::{
    ACKNOWLEDGEMENTS, ALL, APPROVALS, BROKEN_LOCKS, CONSUMERS, EVENT_GAPS, FREEZES, HOOKS, Hashed,
    KEYS, LOCKS, MOVES, POLICIES, QUOTAS, SPENT_ID_TOKENS, STATES, TOKENS, TRANSFERS, TRUSTS,
    VERSIONS,
};

/// The most characters that are told of a column.
const MAX_TOLD: usize = 64;

/// The values of a primary key, or of another place.
pub(in crate::store) type KeyValues<'a> = &'a [&'a dyn ToSql];

/// A row whose hash has been made: where it is, the hash, and its place in the second list.
pub(in crate::store) struct Entry {
    pub(in crate::store) key: Vec<Value>,
    pub(in crate::store) hash: RowHash,
    pub(in crate::store) place: Option<RowHash>,
}

impl Hashed {
    /// `k1 = ?N AND k2 = ?N+1`, for its primary key.
    pub(in crate::store) fn is_at(&self, first: usize) -> String {
        let conditions = self
            .key
            .iter()
            .zip(first..)
            .map(|(column, at)| format!("{column} = ?{at}"));
        conditions.collect::<Vec<_>>().join(" AND ")
    }

    /// The hash that a row has to have whose columns begin at an index.
    pub(in crate::store) fn hash(
        &self,
        key: &RowKey,
        row: &Row<'_>,
        first: usize,
    ) -> rusqlite::Result<RowHash> {
        let mut hashing = key.begin(Purpose::Row, self.name);
        for (column, at) in self.columns.iter().zip(first..) {
            hashing.column(column, row.get_ref(at)?);
        }
        Ok(hashing.end())
    }

    /// The place of a row whose columns begin at an index.
    fn place_in(
        &self,
        key: &RowKey,
        row: &Row<'_>,
        first: usize,
    ) -> rusqlite::Result<Option<RowHash>> {
        if self.place.is_empty() {
            return Ok(None);
        }
        let mut hashing = key.begin(Purpose::Listed, self.name);
        for (column, at) in self.columns.iter().zip(first..) {
            if self.place.contains(column) {
                hashing.column(column, row.get_ref(at)?);
            }
        }
        Ok(Some(hashing.end()))
    }

    /// The place of the row with these values, in the order of the table's columns.
    fn place_of(&self, key: &RowKey, values: KeyValues<'_>) -> rusqlite::Result<RowHash> {
        let mut hashing = key.begin(Purpose::Listed, self.name);
        for (column, value) in self.place.iter().zip(values) {
            hashing.value(column, *value)?;
        }
        Ok(hashing.end())
    }

    /// What is known of a row whose columns begin at an index.
    pub(in crate::store) fn entry(
        &self,
        key: &RowKey,
        row: &Row<'_>,
        first: usize,
    ) -> rusqlite::Result<Entry> {
        let value = |wanted: &&str| {
            let at = self.columns.iter().position(|column| column == wanted);
            row.get(first + at.unwrap_or(0))
        };
        Ok(Entry {
            key: self
                .key
                .iter()
                .map(value)
                .collect::<rusqlite::Result<_>>()?,
            hash: self.hash(key, row, first)?,
            place: self.place_in(key, row, first)?,
        })
    }

    /// Sees to it that a row is as it was written. Its columns, [`Self::proof`], are the last ones.
    pub(in crate::store) fn prove(&self, key: &RowKey, row: &Row<'_>) -> rusqlite::Result<()> {
        let columns = row.as_ref().column_count();
        self.prove_from(key, row, columns.saturating_sub(self.columns.len() + 1))
    }

    /// The same of a row whose columns begin at an index.
    pub(in crate::store) fn prove_from(
        &self,
        key: &RowKey,
        row: &Row<'_>,
        first: usize,
    ) -> rusqlite::Result<()> {
        if sabotage::is(Fault::RowHash) || self.fits(key, row, first)? {
            return Ok(());
        }
        Err(NotAsWritten::changed(self.name, self.address_in(row, first)).into())
    }

    /// Whether a row has its hash.
    pub(in crate::store) fn fits(
        &self,
        key: &RowKey,
        row: &Row<'_>,
        first: usize,
    ) -> rusqlite::Result<bool> {
        let hash = self.hash(key, row, first)?;
        Ok(match row.get_ref(first + self.columns.len())? {
            ValueRef::Blob(stored) => stored == hash,
            ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) | ValueRef::Text(_) => false,
        })
    }

    /// Which address a row says that it is about, for people.
    pub(in crate::store) fn address_in(&self, row: &Row<'_>, first: usize) -> Option<String> {
        let workspace = self.text_in(row, first, "workspace")?;
        let block = self.text_in(row, first, "building_block");
        Some(block.map_or_else(|| workspace.clone(), |block| format!("{workspace}/{block}")))
    }

    /// The text in one column of a row, for people; none where there is none.
    pub(in crate::store) fn text_in(
        &self,
        row: &Row<'_>,
        first: usize,
        column: &str,
    ) -> Option<String> {
        let at = self.columns.iter().position(|known| *known == column)?;
        let text = row.get_ref(first + at).ok()?.as_str().ok()?;
        Some(text.chars().take(MAX_TOLD).collect())
    }

    /// A statement that finds the next rows by the primary key: from the first on, or after the one
    /// whose key is bound. It selects the columns, then the hash.
    pub(in crate::store) fn step(&self, is_after_one: bool, limit: u32) -> String {
        let key = self.key.join(", ");
        let places = (1..=self.key.len()).map(|at| format!("?{at}"));
        let places = places.collect::<Vec<_>>().join(", ");
        let condition = if is_after_one {
            format!("({key}) > ({places})")
        } else {
            "TRUE".to_owned()
        };
        let (columns, table) = (self.bare, self.name);
        format!("SELECT {columns}, mac FROM {table} WHERE {condition} ORDER BY {key} LIMIT {limit}")
    }
}

impl View<'_> {
    /// The row that a statement finds, if it finds one and that is as it was written. The statement
    /// selects the table's [`Hashed::proof`] last.
    pub(in crate::store) fn proven<T>(
        &self,
        table: &Hashed,
        sql: &str,
        values: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, StoreError> {
        self.one(sql, values, |row| {
            table.prove(self.row_key, row)?;
            read(row)
        })
    }

    /// All rows that a statement finds, if each is as it was written.
    pub(in crate::store) fn all_proven<T, C: FromIterator<T>>(
        &self,
        table: &Hashed,
        sql: &str,
        values: impl Params,
        mut read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<C, StoreError> {
        self.all(sql, values, |row| {
            table.prove(self.row_key, row)?;
            read(row)
        })
    }

    /// Sees to it that a row which one look did not find is not there by the second list either.
    /// The values are those of the table's place, in the order of its columns.
    pub(in crate::store) fn agree_on_absence(
        &self,
        table: &Hashed,
        place: KeyValues<'_>,
    ) -> Result<(), StoreError> {
        if sabotage::is(Fault::OneIndex) {
            return Ok(());
        }
        if self.is_listed(table, Some(table.place_of(self.row_key, place)?))? {
            let address = place
                .iter()
                .map(|value| match value.to_sql() {
                    Ok(ToSqlOutput::Borrowed(ValueRef::Text(text))) => {
                        Some(String::from_utf8_lossy(text).into_owned())
                    }
                    _ => None,
                })
                .collect::<Option<Vec<_>>>()
                .map(|parts| parts.join("/"));
            return Err(NotAsWritten::lost(table.name, address).into());
        }
        Ok(())
    }

    /// Whether the second list has a place, or need not have it.
    pub(in crate::store) fn is_listed(
        &self,
        table: &Hashed,
        place: Option<RowHash>,
    ) -> rusqlite::Result<bool> {
        place.map_or(Ok(true), |place| {
            presence::has(self.connection, table.kept, &place)
        })
    }

    /// Sees to it that the row with this primary key is as it was written, if there is one.
    pub(in crate::store) fn prove_row(
        &self,
        table: &Hashed,
        key: KeyValues<'_>,
    ) -> Result<bool, StoreError> {
        Ok(self.proven_entry(table, key)?.is_some())
    }

    fn proven_entry(
        &self,
        table: &Hashed,
        key: KeyValues<'_>,
    ) -> Result<Option<Entry>, StoreError> {
        let sql = format!(
            "SELECT {}, mac FROM {} WHERE {}",
            table.bare,
            table.name,
            table.is_at(1)
        );
        self.one(&sql, key, |row| {
            table.prove_from(self.row_key, row, 0)?;
            table.entry(self.row_key, row, 0)
        })
    }
}

impl Tx<'_> {
    /// Makes one row.
    pub(in crate::store) fn insert_hashed(
        &self,
        table: &Hashed,
        sql: &str,
        values: impl Params,
    ) -> Result<(), StoreError> {
        for made in self.change(table, sql, values)? {
            enter(self.connection, table, made.place)?;
        }
        Ok(())
    }

    /// Changes the row with this primary key, if there is one; says how many were changed. Nothing
    /// is changed if the row is not as it was written.
    pub(in crate::store) fn update_hashed(
        &self,
        table: &Hashed,
        key: KeyValues<'_>,
        sql: &str,
        values: impl Params,
    ) -> Result<usize, StoreError> {
        let Some(was) = self.proven_entry(table, key)? else {
            return Ok(0);
        };
        let changed = self.change(table, sql, values)?;
        for now in &changed {
            if now.place != was.place {
                strike(self.connection, table, was.place)?;
                enter(self.connection, table, now.place)?;
            }
        }
        Ok(changed.len())
    }

    /// Removes the row with this primary key, and says whether there was one.
    pub(in crate::store) fn delete_hashed(
        &self,
        table: &Hashed,
        key: KeyValues<'_>,
    ) -> Result<bool, StoreError> {
        let connection = self.changing(table);
        let sql = format!(
            "DELETE FROM {} WHERE {} RETURNING {}",
            table.name,
            table.is_at(1),
            table.bare
        );
        let mut statement = connection.prepared(&sql)?;
        let mut rows = statement.query(key)?;
        let mut was_there = false;
        while let Some(row) = rows.next()? {
            was_there = true;
            strike(connection, table, table.place_in(self.row_key, row, 0)?)?;
        }
        Ok(was_there)
    }

    /// Strikes a place from the second list, whether there is a row or not. The values are those of
    /// the table's place, in the order of its columns.
    pub(in crate::store) fn strike_place(
        &self,
        table: &Hashed,
        place: KeyValues<'_>,
    ) -> Result<(), StoreError> {
        let place = table.place_of(self.row_key, place)?;
        Ok(strike(self.changing(table), table, Some(place))?)
    }

    /// Makes one row in place of any with this primary key.
    pub(in crate::store) fn put_hashed(
        &self,
        table: &Hashed,
        key: KeyValues<'_>,
        sql: &str,
        values: impl Params,
    ) -> Result<(), StoreError> {
        self.delete_hashed(table, key)?;
        self.insert_hashed(table, sql, values)
    }

    /// Runs a statement that makes or changes rows, and gives them their hashes.
    fn change(
        &self,
        table: &Hashed,
        sql: &str,
        values: impl Params,
    ) -> Result<Vec<Entry>, StoreError> {
        let connection = self.changing(table);
        let mut changed = Vec::new();
        {
            let sql = format!("{sql} RETURNING {}", table.bare);
            let mut statement = connection.prepared(&sql)?;
            let mut rows = statement.query(values)?;
            while let Some(row) = rows.next()? {
                changed.push(table.entry(self.row_key, row, 0)?);
            }
        }
        for entry in &changed {
            keep_hash(connection, table, entry)?;
        }
        Ok(changed)
    }

    fn changing(&self, table: &Hashed) -> &Connection {
        if table.of_credentials {
            self.credentials()
        } else {
            self.connection
        }
    }
}

/// Writes a row's hash into it.
pub(in crate::store) fn keep_hash(
    connection: &Connection,
    table: &Hashed,
    entry: &Entry,
) -> rusqlite::Result<()> {
    let sql = format!(
        "UPDATE {} SET mac = ?1 WHERE {}",
        table.name,
        table.is_at(2)
    );
    let values = std::iter::once(Value::Blob(entry.hash.to_vec())).chain(entry.key.clone());
    connection
        .prepared(&sql)?
        .execute(params_from_iter(values))
        .map(drop)
}

/// Enters a place in the second list, which cannot have it yet.
pub(in crate::store) fn enter(
    connection: &Connection,
    table: &Hashed,
    place: Option<RowHash>,
) -> Result<(), StoreError> {
    let Some(place) = place else {
        return Ok(());
    };
    if !presence::add(connection, table.kept, place)? {
        return Err(NotAsWritten::lost(table.name, None).into());
    }
    Ok(())
}

/// Strikes a place from the second list. One that it has lost is gone from both by that.
fn strike(connection: &Connection, table: &Hashed, place: Option<RowHash>) -> rusqlite::Result<()> {
    place.map_or(Ok(()), |place| {
        presence::remove(connection, table.kept, &place)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{FILE_NAME, Store};

    #[test]
    fn each_table_with_a_hash_has_the_columns_that_are_declared() {
        let dir = tempfile::tempdir().unwrap();
        let _store = Store::open(dir.path(), 1, &std::sync::Arc::default()).unwrap();
        let connection = Connection::open(dir.path().join(FILE_NAME)).unwrap();
        let columns = |table: &str, is_key: bool| -> Vec<String> {
            let sql = "SELECT name FROM pragma_table_info(?1) WHERE pk > 0 OR NOT ?2 ORDER BY \
                iif(?2, pk, 0), cid";
            let mut statement = connection.prepare(sql).unwrap();
            let names = statement.query_map((table, is_key), |row| row.get(0));
            names.unwrap().map(Result::unwrap).collect()
        };
        let hashed = "SELECT count(*) FROM sqlite_master m, pragma_table_info(m.name) c \
            WHERE m.type = 'table' AND c.name = 'mac'";
        let hashed: i64 = connection.query_row(hashed, [], |row| row.get(0)).unwrap();
        assert_eq!(hashed.unsigned_abs(), ALL.len() as u64);
        for table in ALL {
            let mut declared: Vec<&str> = table.columns.to_vec();
            let mut found = columns(table.name, false);
            // Triggers keep these, and no trigger can make a hash.
            let is_counter =
                |column: &str| table.name == "states" && ["versions", "stored"].contains(&column);
            found.retain(|column| column != "mac" && !is_counter(column));
            found.sort_unstable();
            declared.sort_unstable();
            assert_eq!(found, declared, "{}", table.name);
            assert_eq!(columns(table.name, true), table.key, "{}", table.name);
        }
    }
}
