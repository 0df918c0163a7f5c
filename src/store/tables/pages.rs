//! Pages of lists: damaged rows are told beside the others, which they do not hide.

use rusqlite::{Params, Row};

use crate::model::page::{DamagedRow, ListPage};
use crate::store::error::StoreError;
use crate::store::statements::Prepare as _;
use crate::store::tx::View;

/// How many damaged rows a page tells of. With more, the list itself cannot be told.
const MAX_DAMAGED: usize = 1_000;

/// A list of which a page is read.
pub(in crate::store) struct ListOf<'s> {
    /// The statement that finds its rows in their order.
    pub(in crate::store) sql: &'s str,
    /// How many rows a page has at most, without damaged ones.
    pub(in crate::store) limit: u32,
    /// What a damaged row says that it is.
    pub(in crate::store) says: &'s dyn Fn(&Row<'_>) -> Option<String>,
}

impl View<'_> {
    /// Reads a page. Rows of which nothing comes are not part of the list. A damaged row takes no
    /// place in the page, so the next one begins behind its last row.
    pub(in crate::store) fn page<T>(
        &self,
        list: &ListOf<'_>,
        values: impl Params,
        mut read: impl FnMut(&Row<'_>) -> Result<Option<T>, StoreError>,
    ) -> Result<ListPage<T>, StoreError> {
        let mut page = ListPage::default();
        let mut statement = self.connection.prepared(list.sql)?;
        let mut found = statement.query(values)?;
        while page.rows.len() < list.limit as usize
            && let Some(row) = found.next()?
        {
            add_row(&mut page, row, list.says, &mut read)?;
        }
        Ok(page)
    }
}

/// Adds a row to a page: as one of the list, if it is one, or beside them if it is damaged.
pub(super) fn add_row<T>(
    page: &mut ListPage<T>,
    row: &Row<'_>,
    says: &dyn Fn(&Row<'_>) -> Option<String>,
    read: impl FnOnce(&Row<'_>) -> Result<Option<T>, StoreError>,
) -> Result<(), StoreError> {
    match read(row) {
        Ok(found) => page.rows.extend(found),
        Err(StoreError::BadRow(detail)) if page.damaged.len() < MAX_DAMAGED => {
            let row = says(row);
            page.damaged.push(DamagedRow { row, detail });
        }
        Err(error) => return Err(error),
    }
    Ok(())
}
