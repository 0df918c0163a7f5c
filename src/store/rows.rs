//! From columns to the words of the product. Whatever does not fit is a damaged row, never a panic.

use rusqlite::Row;
use rusqlite::types::{Type, Value};

use crate::model::caller::Actor;
use crate::model::clock::Timestamp;
use crate::model::digest::Digest;
use crate::model::name::StateName;
use crate::model::permission::{PermissionSet, Scope};

/// A count, size or number.
pub(super) fn unsigned(row: &Row<'_>, index: usize) -> rusqlite::Result<u64> {
    let value: i64 = row.get(index)?;
    u64::try_from(value).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(index, value))
}

/// A count, size or number, or none.
pub(super) fn maybe_unsigned(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<u64>> {
    if row.get_ref(index)?.data_type() == Type::Null { Ok(None) } else { unsigned(row, index).map(Some) }
}

/// A time.
pub(super) fn time(row: &Row<'_>, index: usize) -> rusqlite::Result<Timestamp> {
    row.get(index).map(Timestamp::from_millis)
}

/// A time, or none.
pub(super) fn maybe_time(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<Timestamp>> {
    Ok(row.get::<_, Option<i64>>(index)?.map(Timestamp::from_millis))
}

/// A time, as a column holds it.
pub(super) fn millis(time: Option<Timestamp>) -> Option<i64> {
    time.map(Timestamp::millis)
}

/// A SHA-256.
pub(super) fn digest(row: &Row<'_>, index: usize) -> rusqlite::Result<Digest> {
    row.get(index).map(Digest::from_bytes)
}

/// An id and a name in two columns, one after the other.
pub(super) fn actor(row: &Row<'_>, index: usize) -> rusqlite::Result<Actor> {
    Ok(Actor { id: row.get(index)?, name: row.get(index + 1)? })
}

/// A workspace and a building block in two columns, one after the other.
pub(super) fn name(row: &Row<'_>, index: usize) -> rusqlite::Result<StateName> {
    let (workspace, block): (String, String) = (row.get(index)?, row.get(index + 1)?);
    StateName::parse(&workspace, &block).map_err(|error| bad(index, error))
}

/// A scope in two columns, a set of permissions in the one after them.
pub(super) fn grant(row: &Row<'_>, index: usize) -> rusqlite::Result<crate::model::permission::Grant> {
    let (workspace, block): (Option<String>, Option<String>) = (row.get(index)?, row.get(index + 1)?);
    let scope = Scope::from_parts(workspace.as_deref(), block.as_deref()).map_err(|error| bad(index, error))?;
    let names: String = row.get(index + 2)?;
    let permissions = PermissionSet::parse(names.split_whitespace(), &scope).map_err(|error| bad(index + 2, error))?;
    Ok(crate::model::permission::Grant { scope, permissions })
}

/// A column whose text does not say what it has to say.
pub(super) fn bad(index: usize, error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(index, Type::Text, Box::new(error))
}

/// A query with only those conditions that are asked for, so that each set of them finds its index.
pub(super) struct Query {
    sql: String,
    values: Vec<Value>,
}

impl Query {
    /// A query that ends in a condition.
    pub(super) fn new(sql: &str) -> Self {
        Self { sql: sql.to_owned(), values: Vec::new() }
    }

    /// One more condition with one value, if there is one.
    pub(super) fn and(&mut self, condition: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.sql.push_str(" AND ");
            self.sql.push_str(condition);
            self.values.push(value.into());
        }
    }

    /// One more condition with two values.
    pub(super) fn and_two(&mut self, condition: &str, first: String, second: String) {
        self.and(condition, Some(first));
        self.values.push(second.into());
    }

    /// The end of the query, with one last value.
    pub(super) fn finish(mut self, end: &str, value: impl Into<Value>) -> (String, Vec<Value>) {
        self.sql.push(' ');
        self.sql.push_str(end);
        self.values.push(value.into());
        (self.sql, self.values)
    }
}
