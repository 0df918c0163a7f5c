//! A list page by page, so that a command prints its first rows before it has read the last ones,
//! and never holds more than one page.
//!
//! The first page is a small one: a person sees it at once, and from its rows a table has its
//! widths. Rows stay as the server wrote them until they are shown.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::cli::client::wire::{ApiReply, Wire, following};
use crate::cli::common::nearest;
use crate::cli::common::request_error::RequestError;
use crate::cli::common::rows::DAMAGED;
use crate::cli::output;
use crate::cli::output::CliError;

/// The rows of the first page.
const FIRST_PAGE: usize = 100;

/// A list that the API gives in pages.
#[derive(Clone, Copy)]
pub(in crate::cli) struct ListName {
    /// The member of the answer that has the rows.
    pub(in crate::cli) rows: &'static str,
    /// The parameter that says where a page begins.
    pub(in crate::cli) cursor: &'static str,
}

pub(in crate::cli) const STATES: ListName = ListName {
    rows: "states",
    cursor: "after",
};
pub(in crate::cli) const VERSIONS: ListName = ListName {
    rows: "versions",
    cursor: "before",
};
pub(in crate::cli) const KEYS: ListName = ListName {
    rows: "keys",
    cursor: "after",
};

pub(in crate::cli) const TRUSTS: ListName = ListName {
    rows: "trusts",
    cursor: "after",
};

pub(in crate::cli) const RESOURCES: ListName = ListName {
    rows: "resources",
    cursor: "after",
};

pub(in crate::cli) const CONSUMERS: ListName = ListName {
    rows: "consumers",
    cursor: "after",
};

pub(in crate::cli) const EVENTS: ListName = ListName {
    rows: "events",
    cursor: "before",
};

pub(in crate::cli) const FOUND: ListName = ListName {
    rows: "found",
    cursor: "after",
};

pub(in crate::cli) const POLICIES: ListName = ListName {
    rows: "workspaces",
    cursor: "after",
};

pub(in crate::cli) const QUOTAS: ListName = ListName {
    rows: "quotas",
    cursor: "after",
};

/// The member that says with how many states an index is behind.
const BEHIND: &str = "behind";

/// The pages of a list, one behind the other.
pub(in crate::cli) struct ListPages {
    wire: Arc<Wire>,
    path: String,
    list: ListName,
    /// Where the next page begins; none behind the last one.
    next: Option<Value>,
    is_first: bool,
    /// How many rows are still wanted, if not all.
    missing: Option<usize>,
    /// How many rows there were.
    count: usize,
    /// The damaged rows that the pages so far have named.
    pub(in crate::cli) damaged: Vec<Value>,
    /// With how many states the index is behind that the list is made from.
    pub(in crate::cli) behind: u64,
}

/// The rows of a page, as the server wrote them.
pub(in crate::cli) type RawRows = Vec<Box<RawValue>>;

impl ListPages {
    /// The pages of the list at a path, from its beginning to its end or to a number of rows.
    pub(in crate::cli) fn new(
        wire: Arc<Wire>,
        path: String,
        list: ListName,
        wanted: Option<usize>,
    ) -> Self {
        Self {
            wire,
            path,
            list,
            next: Some(Value::Null),
            is_first: true,
            missing: wanted,
            count: 0,
            damaged: Vec::new(),
            behind: 0,
        }
    }

    /// The next page to print; none behind the last one, and none once nobody reads what is
    /// printed.
    pub(in crate::cli) async fn next(&mut self) -> Result<Option<RawRows>, CliError> {
        if output::reader_has_left() {
            return Ok(None);
        }
        match self.ask().await {
            Ok(rows) => Ok(rows),
            Err(refusal) => Err(nearest::explained(&self.wire, refusal).await),
        }
    }

    /// The next page, or why there is none in the server's words.
    pub(in crate::cli) async fn ask(&mut self) -> Result<Option<RawRows>, RequestError> {
        if self.missing == Some(0) {
            return Ok(None);
        }
        let Some(from) = self.next.take() else {
            return Ok(None);
        };
        let wanted = if self.is_first {
            Some(self.missing.unwrap_or(FIRST_PAGE).min(FIRST_PAGE))
        } else {
            self.missing
        };
        self.is_first = false;
        let page = self
            .wire
            .page_as_sent(&self.path, self.list.cursor, &from, wanted)
            .await?;
        let (mut rows, mut rest) = taken_apart(page, self.list.rows).map_err(RequestError::of)?;
        let next = following(&mut rest, &from).map_err(RequestError::of)?;
        if let Some(damaged) = rest[DAMAGED].as_array_mut() {
            self.damaged.append(damaged);
        }
        self.behind = rest[BEHIND].as_u64().unwrap_or(0);
        if let Some(missing) = &mut self.missing {
            rows.truncate(*missing);
            *missing -= rows.len();
        }
        self.next = Some(next).filter(|next| !next.is_null());
        self.count += rows.len();
        Ok(Some(rows))
    }

    /// Whether the list is at its end and had nothing in it, not even a damaged row.
    pub(in crate::cli) fn is_empty(&self) -> bool {
        self.count == 0 && self.next.is_none() && self.damaged.is_empty()
    }

    /// Where the list goes on, for a script that has asked for a part of it; null at its end.
    pub(in crate::cli) fn next_page(&self) -> Value {
        self.next.clone().unwrap_or_default()
    }
}

/// The rows of an answer, and the two members beside them that lists have.
pub(in crate::cli) fn taken_apart(
    page: ApiReply,
    name: &str,
) -> Result<(RawRows, Value), CliError> {
    let no_list =
        |_| CliError::Failed("the server's answer is no list; is a statekeep at --url?".to_owned());
    let bytes: Bytes = page.bytes;
    let mut members: HashMap<String, &RawValue> =
        serde_json::from_slice(&bytes).map_err(no_list)?;
    if let Some(why) = members.get("not_shown").filter(|why| why.get() != "null") {
        let why: Value = serde_json::from_str(why.get()).map_err(no_list)?;
        let detail = format!("{name} are not known: {}", output::text(&why["detail"]));
        return Err(CliError::Failed(detail));
    }
    let rows = members.remove(name).map_or("null", RawValue::get);
    let rows = serde_json::from_str(rows).map_err(no_list)?;
    let mut rest = Value::Null;
    for name in ["next", DAMAGED, BEHIND] {
        if let Some(raw) = members.get(name) {
            rest[name] = serde_json::from_str(raw.get()).map_err(no_list)?;
        }
    }
    Ok((rows, rest))
}
