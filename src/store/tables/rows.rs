//! From columns to the words of the product. A value that does not fit is a damaged row, never a
//! panic.

use rusqlite::types::{FromSql, FromSqlResult, ToSqlOutput, Type, Value, ValueRef};
use rusqlite::{Row, ToSql};
use uuid::Uuid;

use crate::model::actor::Actor;
use crate::model::clock::Timestamp;
use crate::model::digest::Digest;
use crate::model::frame::{BlobId, format_of};
use crate::model::name::StateName;
use crate::model::permission::{PermissionSet, Scope};
use crate::model::state::{StateFilter, StateId};

impl ToSql for StateId {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.number().into())
    }
}

impl FromSql for StateId {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        i64::column_result(value).map(Self::new)
    }
}

impl ToSql for BlobId {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.number().into())
    }
}

impl FromSql for BlobId {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        i64::column_result(value).map(Self::new)
    }
}

/// A count, size or number.
pub(in crate::store) fn unsigned(row: &Row<'_>, index: usize) -> rusqlite::Result<u64> {
    let value: i64 = row.get(index)?;
    u64::try_from(value).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(index, value))
}

/// A count, size or number, or none.
pub(in crate::store) fn maybe_unsigned(
    row: &Row<'_>,
    index: usize,
) -> rusqlite::Result<Option<u64>> {
    if row.get_ref(index)?.data_type() == Type::Null {
        Ok(None)
    } else {
        unsigned(row, index).map(Some)
    }
}

/// A time.
pub(in crate::store) fn time(row: &Row<'_>, index: usize) -> rusqlite::Result<Timestamp> {
    row.get(index).map(Timestamp::from_millis)
}

/// A time, or none.
pub(in crate::store) fn maybe_time(
    row: &Row<'_>,
    index: usize,
) -> rusqlite::Result<Option<Timestamp>> {
    Ok(row
        .get::<_, Option<i64>>(index)?
        .map(Timestamp::from_millis))
}

/// A time, as a column holds it.
pub(in crate::store) fn millis(time: Option<Timestamp>) -> Option<i64> {
    time.map(Timestamp::millis)
}

/// How a blob's frame is to be read, and the number of the data key that has sealed it.
pub(in crate::store) fn format(
    row: &Row<'_>,
    index: usize,
) -> rusqlite::Result<(u32, Option<u32>)> {
    let column = row.get(index)?;
    format_of(column).ok_or(rusqlite::Error::IntegralValueOutOfRange(index, column))
}

/// A SHA-256.
pub(in crate::store) fn digest(row: &Row<'_>, index: usize) -> rusqlite::Result<Digest> {
    row.get(index).map(Digest::from_bytes)
}

/// Text for a column of type ANY: a UUID in its usual spelling takes 16 bytes there.
pub(in crate::store) struct Compact<'a>(pub(in crate::store) &'a str);

impl Compact<'_> {
    fn uuid(&self) -> Option<Uuid> {
        let uuid = Uuid::try_parse(self.0).ok()?;
        // Any other spelling has to come back as it was.
        (*uuid.hyphenated().encode_lower(&mut Uuid::encode_buffer()) == *self.0).then_some(uuid)
    }
}

impl ToSql for Compact<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self.uuid() {
            Some(uuid) => ToSqlOutput::Owned(uuid.as_bytes().to_vec().into()),
            None => ToSqlOutput::Borrowed(self.0.into()),
        })
    }
}

impl From<Compact<'_>> for Value {
    fn from(text: Compact<'_>) -> Self {
        text.uuid().map_or_else(
            || text.0.to_owned().into(),
            |uuid| uuid.as_bytes().to_vec().into(),
        )
    }
}

/// Text from a column of type ANY, or none.
pub(in crate::store) fn maybe_compact(
    row: &Row<'_>,
    index: usize,
) -> rusqlite::Result<Option<String>> {
    match row.get_ref(index)? {
        ValueRef::Null => Ok(None),
        ValueRef::Blob(bytes) => Uuid::from_slice(bytes)
            .map(|uuid| Some(uuid.to_string()))
            .map_err(|error| bad(index, error)),
        ValueRef::Text(_) | ValueRef::Integer(_) | ValueRef::Real(_) => row.get(index),
    }
}

/// Text from a column of type ANY.
pub(in crate::store) fn compact(row: &Row<'_>, index: usize) -> rusqlite::Result<String> {
    maybe_compact(row, index)?.ok_or_else(|| bad(index, std::io::Error::other("a text is missing")))
}

/// An id and a name in two columns, one after the other.
pub(in crate::store) fn actor(row: &Row<'_>, index: usize) -> rusqlite::Result<Actor> {
    Ok(Actor {
        id: compact(row, index)?,
        name: row.get(index + 1)?,
    })
}

/// A workspace and a building block in two columns, one after the other.
pub(in crate::store) fn name(row: &Row<'_>, index: usize) -> rusqlite::Result<StateName> {
    let (workspace, block): (String, String) = (row.get(index)?, row.get(index + 1)?);
    StateName::parse(&workspace, &block).map_err(|error| bad(index, error))
}

/// A scope in two columns, a set of permissions in the one after them.
pub(in crate::store) fn grant(
    row: &Row<'_>,
    index: usize,
) -> rusqlite::Result<crate::model::permission::Grant> {
    let (workspace, block): (Option<String>, Option<String>) =
        (row.get(index)?, row.get(index + 1)?);
    let scope = Scope::from_parts(workspace.as_deref(), block.as_deref())
        .map_err(|error| bad(index, error))?;
    let names: String = row.get(index + 2)?;
    let permissions = PermissionSet::parse(names.split_whitespace(), &scope)
        .map_err(|error| bad(index + 2, error))?;
    Ok(crate::model::permission::Grant { scope, permissions })
}

/// A column whose text does not say what it has to say.
pub(in crate::store) fn bad(
    index: usize,
    error: impl std::error::Error + Send + Sync + 'static,
) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(index, Type::Text, Box::new(error))
}

/// A query with only those conditions that are asked for, so that each set of them finds its index.
pub(in crate::store) struct Query {
    sql: String,
    values: Vec<Value>,
}

impl Query {
    /// A query that ends in a condition.
    pub(in crate::store) fn new(sql: &str) -> Self {
        Self {
            sql: sql.to_owned(),
            values: Vec::new(),
        }
    }

    /// One more condition with one value, if there is one.
    pub(in crate::store) fn and(&mut self, condition: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.sql.push_str(" AND ");
            self.sql.push_str(condition);
            self.values.push(value.into());
        }
    }

    /// One more condition with two values.
    pub(in crate::store) fn and_two(&mut self, condition: &str, first: String, second: String) {
        self.and(condition, Some(first));
        self.values.push(second.into());
    }

    /// Only what a filter's workspace, building block and beginning allow, by the columns that have
    /// the names.
    pub(in crate::store) fn within(
        &mut self,
        (workspace, block): (&str, &str),
        filter: &StateFilter,
    ) {
        self.and(&format!("{workspace} = ?"), filter.workspace.clone());
        self.and(&format!("{block} = ?"), filter.block.clone());
        let Some(after) = &filter.after else {
            return;
        };
        let after_workspace = after.workspace.to_string();
        if filter.workspace.as_ref() == Some(&after_workspace) {
            // Of two columns together, an index would find the workspace's first row.
            self.and(&format!("{block} > ?"), Some(after.block.to_string()));
        } else {
            self.and_two(
                &format!("({workspace}, {block}) > (?, ?)"),
                after_workspace,
                after.block.to_string(),
            );
        }
    }

    /// The end of the query, with one last value.
    pub(in crate::store) fn finish(
        mut self,
        end: &str,
        value: impl Into<Value>,
    ) -> (String, Vec<Value>) {
        self.sql.push(' ');
        self.sql.push_str(end);
        self.values.push(value.into());
        (self.sql, self.values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_comes_back_as_it_was_and_uuids_are_short() {
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        let uuid = "0f8fad5b-d9cb-469f-a165-70867728950e";
        let upper = uuid.to_uppercase();
        for (text, stored) in [
            (uuid, "blob"),
            (&upper, "text"),
            (&uuid.replace('-', ""), "text"),
            ("operator", "text"),
            ("", "text"),
            ("0123456789abcdef", "text"),
        ] {
            let read = |sql: &str| {
                connection
                    .query_row(sql, [Compact(text)], |row| compact(row, 0))
                    .unwrap()
            };
            assert_eq!(
                (
                    read("SELECT ?1").as_str(),
                    read("SELECT typeof(?1)").as_str()
                ),
                (text, stored)
            );
        }
        assert!(
            connection
                .query_row("SELECT x'00'", [], |row| compact(row, 0))
                .is_err()
        );
        assert!(
            connection
                .query_row("SELECT NULL", [], |row| compact(row, 0))
                .is_err()
        );
        assert_eq!(
            connection
                .query_row("SELECT NULL", [], |row| maybe_compact(row, 0))
                .unwrap(),
            None
        );
    }
}
