//! The versions of a state, the oldest first, as a manifest has them. The API lists the newest
//! first, page by page, and a long history does not fit into memory.
//!
//! So the pages are counted first, by their numbers alone, and then read from the last one to the
//! first.

use std::sync::Arc;

use serde_json::Value;

use crate::cli::client::wire::{Wire, following};
use crate::cli::common::request_error::RequestError;
use crate::cli::common::rows::{DAMAGED, damaged_in, rows, take_rows};
use crate::cli::output::CliError;
use crate::model::name::StateName;

/// The versions of a state, page by page.
pub(super) struct OldestFirst {
    wire: Arc<Wire>,
    path: String,
    /// Where the pages begin, the newest first: `before` of each; null for the first one.
    begins: Vec<Value>,
    /// The lowest number that belongs to the page that was read last and not to an older one.
    end: u64,
    /// The page that was read to see whether it is the only one.
    only: Option<Value>,
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

    async fn page(&self, fields: &str, begin: &Value) -> Result<(Value, Value), RequestError> {
        let path = format!("{}{fields}", self.path);
        let mut page = self.wire.page(&path, "before", begin, None).await?;
        if !page["versions"].is_array() {
            return Err(RequestError::of(CliError::Failed(
                "the server's answer is no list; is a statekeep at --url?".to_owned(),
            )));
        }
        let next = following(&mut page, begin).map_err(RequestError::of)?;
        Ok((page, next))
    }

    /// The versions of the next page, the oldest first; none behind the newest.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Value>>, RequestError> {
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

    fn rows_of(&mut self, mut page: Value) -> Vec<Value> {
        self.damaged.extend(rows(&page, DAMAGED).iter().cloned());
        let mut rows = take_rows(&mut page, "versions");
        rows.reverse();
        rows.retain(|row| {
            row["number"]
                .as_u64()
                .is_none_or(|number| number >= self.end)
        });
        rows
    }

    /// The damaged rows that the pages named, in words.
    pub(super) fn damaged(&self) -> Vec<String> {
        damaged_in(&self.damaged)
    }
}
