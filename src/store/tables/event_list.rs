//! The list of events: which ones a filter finds, page by page, newest first.
//!
//! A page reads a bounded number of events: in the order of one index, or of their places where no
//! index fits. Where these hold fewer that fit than were asked for, the page says from where the
//! next one goes on. Times are turned into places first. Events that are in no index yet are read
//! by their places, before an index is asked.

use std::collections::BinaryHeap;

use rusqlite::types::{Value, ValueRef};
use rusqlite::{Params, Row, params};

use crate::model::event::{Event, EventFilter, EventPage};
use crate::model::page::ListPage;
use crate::store::error::StoreError;
use crate::store::statements::Prepare as _;
use crate::store::tables::event_blocks::BLOCK;
use crate::store::tables::events::{COLUMNS, event};
use crate::store::tables::pages::add_row;
use crate::store::tables::rows;
use crate::store::tables::rows::Compact;
use crate::store::tx::View;

/// How many events a page reads at most: some 20 ms.
const MAX_READ: usize = 50_000;
/// How many of a workspace's events a page reads at most. Each is looked for by itself.
const MAX_READ_ONE_BY_ONE: usize = 10_000;
/// A workspace with events of more building blocks has so many events that they are found in the
/// order of places.
const MAX_BLOCKS: usize = 1_000;

/// The places in which events that fit may be: from the first on, and before the second.
type Places = (i64, i64);

/// What a filter asks of a row, in the form that rows have.
struct Wanted<'f> {
    filter: &'f EventFilter,
    key: Option<Value>,
    family: Option<&'f str>,
}

impl<'f> Wanted<'f> {
    fn by(filter: &'f EventFilter) -> Self {
        let kind = filter.kind.as_deref();
        Self {
            filter,
            key: filter.key.as_deref().map(|key| Compact(key).into()),
            family: kind.and_then(|kind| kind.strip_suffix('*')),
        }
    }

    /// Whether an event fits. Its columns are those of the list.
    fn fits(&self, row: &Row<'_>) -> rusqlite::Result<bool> {
        let filter = self.filter;
        let is = |at: usize, wanted: &Option<String>| -> rusqlite::Result<bool> {
            let Some(wanted) = wanted else {
                return Ok(true);
            };
            Ok(row.get_ref(at)? == ValueRef::Text(wanted.as_bytes()))
        };
        let is_key = match &self.key {
            Some(key) => row.get_ref(3)? == ValueRef::from(key),
            None => true,
        };
        Ok(is_key
            && self.is_kind(row)?
            && is(7, &filter.workspace)?
            && is(8, &filter.block)?
            && self.is_in_time(row)?
            && filter
                .attention
                .is_none_or(|wanted| row.get::<_, bool>(13).is_ok_and(|is| is == wanted)))
    }

    /// Whether an event is acknowledged, or not, as it is wanted.
    fn fits_acknowledged(&self, event: &Event) -> bool {
        let is_acknowledged = event.acknowledged.is_some();
        self.filter
            .acknowledged
            .is_none_or(|wanted| wanted == is_acknowledged)
    }

    fn is_kind(&self, row: &Row<'_>) -> rusqlite::Result<bool> {
        let Some(wanted) = &self.filter.kind else {
            return Ok(true);
        };
        let kind = row.get_ref(2)?.as_bytes().unwrap_or_default();
        Ok(match self.family {
            Some(family) => kind.starts_with(family.as_bytes()),
            None => kind == wanted.as_bytes(),
        })
    }

    fn is_in_time(&self, row: &Row<'_>) -> rusqlite::Result<bool> {
        let (since, until) = (self.filter.since, self.filter.until);
        let is_after = match since {
            Some(since) => rows::time(row, 12)? >= since,
            None => true,
        };
        let is_before = match until {
            Some(until) => rows::time(row, 1)? < until,
            None => true,
        };
        Ok(is_after && is_before)
    }
}

/// What an event's row says that it is.
fn place_of(row: &Row<'_>) -> Option<String> {
    let seq = row.get::<_, i64>(0).ok()?;
    Some(format!("event {seq}"))
}

/// A page that is being filled.
struct Filling<'f> {
    wanted: Wanted<'f>,
    page: EventPage,
    read: usize,
}

impl Filling<'_> {
    /// Takes one more event, and says whether the page is at its end. `most` are read.
    fn take(&mut self, view: &View<'_>, row: &Row<'_>, most: usize) -> Result<bool, StoreError> {
        let place = rows::unsigned(row, 0)?;
        self.read += 1;
        let wanted = &self.wanted;
        add_row(&mut self.page.events, row, &place_of, |row| {
            if !wanted.fits(row)? {
                return Ok(None);
            }
            let event = view.with_acknowledgement(event(row)?)?;
            Ok(Some(event).filter(|event| wanted.fits_acknowledged(event)))
        })?;
        let is_full = self.page.events.rows.len() >= self.wanted.filter.limit as usize;
        let is_end = is_full || self.read >= most;
        if is_end {
            self.page.next = Some(place);
        }
        Ok(is_end)
    }
}

impl View<'_> {
    /// The events that fit, newest first, as far as one page reads.
    pub fn events(&self, filter: &EventFilter) -> Result<EventPage, StoreError> {
        let mut filling = Filling {
            wanted: Wanted::by(filter),
            page: EventPage::default(),
            read: 0,
        };
        let Some((low, high)) = self.places_of(filter)? else {
            return Ok(filling.page);
        };
        let fresh = low.max(self.first_fresh()?);
        let newest = params![fresh, high];
        if fresh < high && self.read_events("NOT INDEXED WHERE", newest, &mut filling)? {
            return Ok(filling.page);
        }
        let high = high.min(fresh);
        match (&filter.workspace, &filter.block) {
            (Some(workspace), Some(block)) => {
                let by = "INDEXED BY events_state WHERE fresh IS NULL AND workspace = ?3 AND \
                    building_block = ?4 AND";
                self.read_events(by, params![low, high, workspace, block], &mut filling)?;
            }
            _ if filter.attention == Some(true) => {
                let by = "INDEXED BY events_attention WHERE attention = 1 AND";
                self.read_events(by, params![low, high], &mut filling)?;
            }
            _ if filter.key.is_some() => {
                let by = "INDEXED BY events_actor WHERE fresh IS NULL AND actor = ?3 AND";
                let key = filter.key.as_deref().map(Compact);
                self.read_events(by, params![low, high, key], &mut filling)?;
            }
            (Some(workspace), None) => {
                if let Some(blocks) = self.blocks_with_events(workspace)? {
                    self.read_merged(workspace, &blocks, (low, high), &mut filling)?;
                } else {
                    self.read_events("NOT INDEXED WHERE", params![low, high], &mut filling)?;
                }
            }
            (None, _) => {
                self.read_events("NOT INDEXED WHERE", params![low, high], &mut filling)?;
            }
        }
        Ok(filling.page)
    }

    /// The events behind a place, oldest first, at most so many, and the last place that was read;
    /// none at the end of the log.
    pub fn events_after(
        &self,
        place: u64,
        limit: u32,
    ) -> Result<(ListPage<Event>, Option<u64>), StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM events NOT INDEXED WHERE seq > ?1 ORDER BY seq LIMIT ?2"
        );
        let (mut page, mut last) = (ListPage::default(), None);
        let mut statement = self.connection.prepared(&sql)?;
        let mut found = statement.query(params![place.cast_signed(), limit])?;
        while let Some(row) = found.next()? {
            last = Some(rows::unsigned(row, 0)?);
            add_row(&mut page, row, &place_of, |row| Ok(Some(event(row)?)))?;
        }
        Ok((page, last))
    }

    /// The events at these places, as far as there are any.
    pub fn events_at(&self, places: &[u64]) -> Result<ListPage<Event>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM events WHERE seq = ?1");
        let (mut page, mut statement) = (ListPage::default(), self.connection.prepared(&sql)?);
        for place in places {
            let mut found = statement.query([place.cast_signed()])?;
            if let Some(row) = found.next()? {
                add_row(&mut page, row, &place_of, |row| Ok(Some(event(row)?)))?;
            }
        }
        Ok(page)
    }

    /// Reads events in the order of an index, or of their places. The condition is the end of the
    /// statement's, and its first two values are the places. Says whether the page is at its end.
    fn read_events(
        &self,
        by: &str,
        values: impl Params,
        filling: &mut Filling<'_>,
    ) -> Result<bool, StoreError> {
        let sql =
            format!("SELECT {COLUMNS} FROM events {by} seq >= ?1 AND seq < ?2 ORDER BY seq DESC");
        let mut statement = self.connection.prepared(&sql)?;
        let mut found = statement.query(values)?;
        while let Some(row) = found.next()? {
            if filling.take(self, row, MAX_READ)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Of which building blocks a workspace has events that are not fresh, with one that is none
    /// for those of the workspace itself. None where there are very many.
    fn blocks_with_events(
        &self,
        workspace: &str,
    ) -> Result<Option<Vec<Option<String>>>, StoreError> {
        let sql = "SELECT building_block FROM events INDEXED BY events_state WHERE fresh IS NULL \
            AND workspace = ?1 AND building_block > ?2 ORDER BY building_block LIMIT 1";
        let mut blocks = vec![None];
        let mut last = String::new();
        while let Some(block) = self.one(sql, [workspace, &last], |row| row.get::<_, String>(0))? {
            if blocks.len() > MAX_BLOCKS {
                return Ok(None);
            }
            last.clone_from(&block);
            blocks.push(Some(block));
        }
        Ok(Some(blocks))
    }

    /// Reads the events of several building blocks as if they stood in one index.
    fn read_merged(
        &self,
        workspace: &str,
        blocks: &[Option<String>],
        (low, high): Places,
        filling: &mut Filling<'_>,
    ) -> Result<(), StoreError> {
        let newest = |block: usize, before: i64| -> Result<Option<(i64, usize)>, StoreError> {
            let sql = "SELECT seq FROM events INDEXED BY events_state WHERE fresh IS NULL AND \
                workspace = ?1 AND building_block IS ?2 AND seq >= ?3 AND seq < ?4 ORDER BY seq \
                DESC LIMIT 1";
            let values = params![workspace, blocks[block], low, before];
            self.one(sql, values, |row| Ok((row.get(0)?, block)))
        };
        let mut next = BinaryHeap::new();
        for block in 0..blocks.len() {
            next.extend(newest(block, high)?);
        }
        let sql = format!("SELECT {COLUMNS} FROM events WHERE seq = ?1");
        let mut statement = self.connection.prepared(&sql)?;
        while let Some((place, block)) = next.pop() {
            let mut found = statement.query([place])?;
            if let Some(row) = found.next()?
                && filling.take(self, row, MAX_READ_ONE_BY_ONE)?
            {
                break;
            }
            next.extend(newest(block, place)?);
        }
        Ok(())
    }

    /// In which places the times of a filter may be; none where nowhere.
    fn places_of(&self, filter: &EventFilter) -> Result<Option<Places>, StoreError> {
        let before = filter
            .before
            .map_or(i64::MAX, |seq| i64::try_from(seq).unwrap_or(i64::MAX));
        let low = match filter.since {
            Some(since) => self.first_block_since(since)? * BLOCK,
            None => 0,
        };
        let Some(until) = filter.until else {
            return Ok(Some((low, before)));
        };
        let last = self.last_block_until(until)?;
        Ok(last.map(|block| {
            (
                low,
                before.min(block.saturating_add(1).saturating_mul(BLOCK)),
            )
        }))
    }
}
