//! Who reads a state, and whether what they read is what it is now.
//!
//! Reads are counted by reader and day, with a mark of the outputs that the last of them brought.
//! So nobody needs an older version to tell whether its outputs are those of the current one.

use std::sync::Arc;

use serde::Serialize;

use crate::diff::OutputsPlace;
use crate::domain::access::authorize;
use crate::domain::content::outputs::memory_for_outputs;
use crate::domain::engine::budget::WhenFull;
use crate::domain::error::Error;
use crate::domain::history::History;
use crate::domain::history::versions::on_state;
use crate::model::caller::Caller;
use crate::model::clock::Timestamp;
use crate::model::consumer::{ConsumerDay, OTHER_READERS, OutputsMark, UtcDay};
use crate::model::digest::Digest;
use crate::model::name::StateName;
use crate::model::page::{DamagedRow, ListPage};
use crate::model::permission::Permission;
use crate::model::state::StateId;
use crate::model::version::Version;
use crate::store::{StoreError, View};

/// One call looks at so many rows at most: each is a day of a reader.
pub const MAX_ROWS: u32 = 5_000;
/// A reader has no more rows than this: a day each, for as long as they are kept.
const ROWS_OF_ONE: u32 = 402;
/// So many days of a reader are told one by one, the newest ones.
pub const MAX_DAYS: usize = 31;

/// Who read.
#[derive(Debug, Serialize)]
pub struct ReadBy {
    /// The id of their key or trust, or `operator`.
    pub id: String,
    /// Its name at the last read.
    pub name: String,
}

/// The reads of one day.
#[derive(Debug, Serialize)]
pub struct DayOfReads {
    /// The day, in UTC.
    pub day: UtcDay,
    /// The first read.
    pub first_read_at: Timestamp,
    /// The last read.
    pub last_read_at: Timestamp,
    /// How many brought the whole state.
    pub whole: u64,
    /// How many brought its outputs alone.
    pub outputs: u64,
    /// The version that was read last.
    pub version: u64,
}

/// One who reads a state.
#[derive(Debug, Serialize)]
pub struct Consumer {
    /// Who; none for those together who had no row of their own on their day.
    pub key: Option<ReadBy>,
    /// The last read.
    pub last_read_at: Timestamp,
    /// The version that it brought.
    pub version: u64,
    /// Whether the outputs of that version are those of the current one; none if that is not known.
    pub is_current: Option<bool>,
    /// How many reads brought the whole state.
    pub whole: u64,
    /// How many brought its outputs alone.
    pub outputs: u64,
    /// On how many days.
    pub days_read: u64,
    /// The newest of these days, newest first.
    pub days: Vec<DayOfReads>,
}

/// A page of those who read a state, by their ids.
#[derive(Debug, Default)]
pub struct ConsumersPage {
    /// The current version, if the state is there.
    pub version: Option<u64>,
    /// Who reads.
    pub consumers: Vec<Consumer>,
    /// Rows that are damaged.
    pub damaged: Vec<DamagedRow>,
    /// The id behind which the next page begins; none at the end.
    pub next: Option<String>,
}

/// What was found of a state, before it is known what its outputs are now.
struct Found {
    state: StateId,
    current: Option<Version>,
    page: ListPage<ConsumerDay>,
    next: Option<String>,
}

impl History<'_> {
    /// Those who read a state, behind one of them. Who may see its events may see them.
    pub async fn consumers(
        &self,
        caller: &Caller,
        name: &StateName,
        after: Option<String>,
        limit: u32,
    ) -> Result<ConsumersPage, Error> {
        authorize(caller, Permission::Events, name)?;
        let wanted = name.clone();
        let after = after.unwrap_or_default();
        let find = move |view: &View<'_>| found(view, &wanted, &after, limit);
        let found = self.engine.store.read(find).await??;
        self.engine.store.note_damaged(&found.page.damaged);
        let mark = self.mark_now(caller, name, &found).await?;
        let current = found.current.as_ref().map(|current| current.number);
        let groups = found
            .page
            .rows
            .chunk_by(|one, other| one.reader == other.reader);
        Ok(ConsumersPage {
            version: current,
            consumers: groups
                .filter_map(|days| consumer(days, current, mark))
                .collect(),
            damaged: found.page.damaged,
            next: found.next,
        })
    }

    /// The mark of the current version's outputs, if somebody last read those of another one.
    async fn mark_now(
        &self,
        caller: &Caller,
        name: &StateName,
        found: &Found,
    ) -> Result<Option<OutputsMark>, Error> {
        let state = found.state;
        let Some(current) = &found.current else {
            return Ok(None);
        };
        let rows = &found.page.rows;
        let known = rows.iter().find(|row| row.count.version == current.number);
        if let Some(mark) = known.and_then(|row| row.mark) {
            return Ok(Some(mark));
        }
        let is_asked =
            |row: &ConsumerDay| row.count.version != current.number && row.mark.is_some();
        if current.head.encrypted || !rows.iter().any(is_asked) {
            return Ok(None);
        }
        let Some(digest) = self.outputs_now(caller, (name, state), current).await? else {
            return Ok(None);
        };
        let mark = move |view: &View<'_>| view.mark_of_outputs(state, &digest);
        Ok(Some(self.engine.store.read_inline(mark).await?))
    }

    async fn outputs_now(
        &self,
        caller: &Caller,
        (name, state): (&StateName, StateId),
        current: &Version,
    ) -> Result<Option<Digest>, Error> {
        let turn = self.engine.place_aside(caller)?.turn().await?;
        let bytes = self.content.bytes_of(name, state, current, WhenFull::Wait);
        let bytes = match bytes.await {
            Err(Error::Damaged(_)) => return Ok(None),
            bytes => bytes?,
        };
        let looked_at = Arc::clone(&bytes);
        let find = move || OutputsPlace::in_state(looked_at.as_ref().as_ref());
        let Ok(place) = self.engine.look_aside(&turn, find).await? else {
            return Ok(None);
        };
        let needed = memory_for_outputs(self.engine, &place, current.size);
        let digest = move |_room| place.digest(bytes.as_ref().as_ref()).ok();
        self.engine.aside(turn, needed, digest).await
    }
}

fn found(
    view: &View<'_>,
    name: &StateName,
    after: &str,
    limit: u32,
) -> Result<Result<Found, Error>, StoreError> {
    on_state(view, name, |state| {
        let most = limit.saturating_mul(ROWS_OF_ONE).min(MAX_ROWS);
        let mut page = view.consumers(state, after, most)?;
        let is_full = page.rows.len() >= most as usize;
        let last = page.rows.last().map(|last| last.reader.clone());
        // Of the last one there may be more days than were read.
        if is_full && page.rows.first().map(|first| &first.reader) != last.as_ref() {
            page.rows.retain(|row| Some(&row.reader) != last.as_ref());
        }
        let mut readers = page.rows.chunk_by(|one, other| one.reader == other.reader);
        let mut rows = 0;
        for _ in 0..limit {
            rows += readers.next().map_or(0, <[_]>::len);
        }
        let has_more = is_full || readers.next().is_some();
        page.rows.truncate(rows);
        let next = page.rows.last().filter(|_| has_more);
        Ok(Found {
            state,
            current: view.lookup(name)?.live().cloned(),
            next: next.map(|last| last.reader.clone()),
            page,
        })
    })
}

/// One reader, from the rows of their days in order.
fn consumer(
    days: &[ConsumerDay],
    current: Option<u64>,
    mark: Option<OutputsMark>,
) -> Option<Consumer> {
    let last = days.last()?;
    let sum = |of: fn(&ConsumerDay) -> u64| days.iter().map(of).fold(0, u64::saturating_add);
    let key = (last.reader != OTHER_READERS).then(|| ReadBy {
        id: last.reader.clone(),
        name: last.count.name.clone(),
    });
    let newest = days.iter().rev().take(MAX_DAYS);
    Some(Consumer {
        key,
        last_read_at: last.count.last_at,
        version: last.count.version,
        is_current: current.and_then(|current| is_current(last, current, mark)),
        whole: sum(|day| day.count.whole),
        outputs: sum(|day| day.count.outputs),
        days_read: days.len() as u64,
        days: newest
            .map(|row| DayOfReads {
                day: row.day,
                first_read_at: row.count.first_at,
                last_read_at: row.count.last_at,
                whole: row.count.whole,
                outputs: row.count.outputs,
                version: row.count.version,
            })
            .collect(),
    })
}

fn is_current(last: &ConsumerDay, current: u64, now: Option<OutputsMark>) -> Option<bool> {
    if last.count.version == current {
        return Some(true);
    }
    Some(last.mark? == now?)
}
