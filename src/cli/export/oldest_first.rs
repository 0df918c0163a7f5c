//! The versions of a state, the oldest first, as a manifest has them. The API lists the newest
//! first, page by page, and a long history does not fit into memory.
//!
//! So the pages are counted first, by their numbers alone, and then read from the last one to the
//! first.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use crate::cli::client::pages::{RawRows, VERSIONS, taken_apart};
use crate::cli::client::wire::{Wire, following};
use crate::cli::common::request_error::RequestError;
use crate::cli::common::rows::{DAMAGED, damaged_in, rows};
use crate::model::name::StateName;

/// A page as the server wrote it.
struct Page {
    rows: RawRows,
    /// What stands beside the rows.
    rest: Value,
}

/// The number of a version.
#[derive(Deserialize)]
struct Numbered {
    number: u64,
}

/// The versions of a state, page by page.
pub(super) struct OldestFirst {
    wire: Arc<Wire>,
    path: String,
    /// Where the pages begin, the newest first: `before` of each; null for the first one.
    begins: Vec<Value>,
    /// The lowest number that belongs to the page that was read last and not to an older one.
    end: u64,
    /// The page that was read to see whether it is the only one.
    only: Option<Page>,
    damaged: Vec<Value>,
}

impl OldestFirst {
    /// Looks at how many pages there are.
    pub(super) async fn of(wire: &Arc<Wire>, name: &StateName) -> Result<Self, RequestError> {
        let mut versions = Self {
            wire: Arc::clone(wire),
            path: format!("{}/versions?intermediate=true", name.path()),
            begins: Vec::new(),
            end: 0,
            only: None,
            damaged: Vec::new(),
        };
        let (page, next) = versions.page("", &Value::Null).await?;
        if next.is_null() {
            versions.only = Some(page);
            return Ok(versions);
        }
        let mut begin = Value::Null;
        while !begin.is_null() || versions.begins.is_empty() {
            let (_, next) = versions.page("&fields=number", &begin).await?;
            versions.begins.push(std::mem::replace(&mut begin, next));
        }
        Ok(versions)
    }

    /// A page's rows, the newest first, what it names as damaged, and where the next one begins.
    async fn page(&self, fields: &str, begin: &Value) -> Result<(Page, Value), RequestError> {
        let path = format!("{}{fields}", self.path);
        let page = self
            .wire
            .page_as_sent(&path, VERSIONS.cursor, begin, None)
            .await?;
        let (rows, mut rest) = taken_apart(page, VERSIONS.rows).map_err(RequestError::of)?;
        let next = following(&mut rest, begin).map_err(RequestError::of)?;
        Ok((Page { rows, rest }, next))
    }

    /// The versions of the next page, the oldest first; none behind the newest.
    pub(super) async fn next(&mut self) -> Result<Option<RawRows>, RequestError> {
        if let Some(only) = self.only.take() {
            return Ok(Some(self.rows_of(only)));
        }
        let Some(begin) = self.begins.pop() else {
            return Ok(None);
        };
        let (page, _) = self.page("", &begin).await?;
        let rows = self.rows_of(page);
        // Where versions were pruned meanwhile, a page reaches into the one that was read before.
        if let Some(begin) = begin.as_u64() {
            self.end = begin;
        }
        Ok(Some(rows))
    }

    fn rows_of(&mut self, page: Page) -> RawRows {
        self.damaged
            .extend(rows(&page.rest, DAMAGED).iter().cloned());
        let mut rows = page.rows;
        rows.reverse();
        rows.retain(|row| {
            let row: Option<Numbered> = serde_json::from_str(row.get()).ok();
            row.is_none_or(|row| row.number >= self.end)
        });
        rows
    }

    /// The damaged rows that the pages named, in words.
    pub(super) fn damaged(&self) -> Vec<String> {
        damaged_in(&self.damaged)
    }
}
