//! Remains: copies of content that SQLite left in the unused bytes of pages.
//!
//! SQLite overwrites what is deleted (`secure_delete`). But where it moved cells from page to page
//! before, copies of them stay in the gaps. So after a purge each page of the b-trees that have
//! content is looked at, a few at a time and beside the writers. Only pages with anything in their
//! gaps are written, in small transactions.
//!
//! When a sweep has ended, no page of these b-trees has a copy of content that was removed before
//! it began. Pages that change meanwhile are looked at again; see [`super::changed_pages`].

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OptionalExtension as _};

use super::changed_pages::ChangedPages;
use super::error::StoreError;
use super::readers::{Readers, Reading};
use super::statements::Prepare as _;
use super::tx::{Tx, View};
use super::writer::{Erasure, WritingThread};
use crate::sqlite_file::page::PageShape;
use crate::sqlite_file::pointer_map::{PageUse, PointerMap};
use crate::sqlite_file::unused::clear_unused;

/// How many pages one transaction overwrites at most (256 KiB): writers wait for no more.
pub(super) const PAGES_PER_STEP: usize = 64;
/// The tables that have content, or words of it.
const TABLES: [&str; 5] = [
    "blobs",
    "differences",
    "found_states",
    "found_entries",
    "found_words",
];
/// How deep a b-tree may be. SQLite's own limit is 20.
const DEEPEST: usize = 20;
/// How many pages of the pointer map are kept in memory at a time (1 MiB).
const MAPS: usize = 256;

/// How far a sweep has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SweptPages {
    /// Pages of the file that were looked at.
    pub done: u32,
    /// Pages that the file has.
    pub pages: u32,
}

/// The pages of a database as one transaction sees them.
pub(super) struct RawPages<'c> {
    connection: &'c Connection,
    shape: PageShape,
    map: PointerMap,
    count: u32,
    /// The roots of the b-trees that have content.
    roots: Vec<u32>,
    maps: HashMap<u32, Vec<u8>>,
    /// Whether a page of a b-tree is in one that has content.
    known: HashMap<u32, bool>,
}

impl<'c> RawPages<'c> {
    pub(super) fn of(connection: &'c Connection) -> Result<Self, StoreError> {
        let first = read(connection, 1)?.ok_or_else(|| unreadable("it has no first page"))?;
        let number = |at: usize| {
            let bytes = first.get(at..)?.first_chunk::<4>()?;
            Some(u32::from_be_bytes(*bytes))
        };
        let reserved = first.get(20).copied().unwrap_or_default();
        let shape = u32::try_from(first.len())
            .ok()
            .and_then(|size| PageShape::new(size, reserved))
            .ok_or_else(|| unreadable("its pages have a strange size"))?;
        let map = PointerMap::new(shape.size(), shape.usable())
            .filter(|_| number(52).is_some_and(|largest_root| largest_root != 0))
            .ok_or_else(|| unreadable("it has no pointer map (auto_vacuum)"))?;
        let count = connection.pragma_query_value(None, "page_count", |row| row.get(0))?;
        let sql = "SELECT rootpage FROM sqlite_schema WHERE type = 'table' AND name IN \
            (?1, ?2, ?3, ?4, ?5)";
        let mut statement = connection.prepared(sql)?;
        let roots = statement.query_map(TABLES, |row| row.get(0))?;
        Ok(Self {
            connection,
            shape,
            map,
            count,
            roots: roots.collect::<rusqlite::Result<_>>()?,
            maps: HashMap::new(),
            known: HashMap::new(),
        })
    }

    /// Those of some pages in which something remains.
    pub(super) fn with_remains(
        &mut self,
        pages: impl Iterator<Item = u32>,
    ) -> Result<Vec<u32>, StoreError> {
        let mut found = Vec::new();
        for page in pages {
            if self.cleared(page)?.is_some() {
                found.push(page);
            }
        }
        Ok(found)
    }

    /// A page of a b-tree with content without what remains in it; none if nothing does.
    fn cleared(&mut self, page: u32) -> Result<Option<Vec<u8>>, StoreError> {
        if !self.has_content(page)? {
            return Ok(None);
        }
        let Some(mut bytes) = read(self.connection, page)? else {
            return Ok(None);
        };
        match clear_unused(&mut bytes, self.shape.usable()) {
            Some(has_changed) => Ok(has_changed.then_some(bytes)),
            None => Err(unreadable(&format!("page {page} is damaged"))),
        }
    }

    /// Whether a page belongs to a b-tree that has content, and not to its overflow pages.
    fn has_content(&mut self, page: u32) -> Result<bool, StoreError> {
        let mut way = Vec::new();
        let mut at = page;
        let is_content = loop {
            if self.roots.contains(&at) {
                break true;
            }
            if let Some(known) = self.known.get(&at) {
                break *known;
            }
            match self.entry(at)? {
                PageUse::Below(parent) if way.len() < DEEPEST => {
                    way.push(at);
                    at = parent;
                }
                PageUse::Below(_) | PageUse::Root | PageUse::Other => break false,
            }
        };
        // The parents of many pages are the same few.
        self.known
            .extend(way.into_iter().skip(1).map(|page| (page, is_content)));
        Ok(is_content)
    }

    fn entry(&mut self, page: u32) -> Result<PageUse, StoreError> {
        let Some(map_page) = self.map.map_page(page).filter(|_| page <= self.count) else {
            return Ok(PageUse::Other);
        };
        if self.maps.len() >= MAPS {
            self.maps.clear();
        }
        if !self.maps.contains_key(&map_page) {
            let bytes = read(self.connection, map_page)?.unwrap_or_default();
            self.maps.insert(map_page, bytes);
        }
        let bytes = self.maps.get(&map_page).map_or(&[][..], Vec::as_slice);
        Ok(self
            .map
            .entry(map_page, bytes, page)
            .unwrap_or(PageUse::Other))
    }

    /// Overwrites what remains in some pages, and says in how many there was anything.
    pub(super) fn clear(&mut self, pages: &[u32]) -> Result<usize, StoreError> {
        let defensive = DbConfig::SQLITE_DBCONFIG_DEFENSIVE;
        // Only bytes that nothing uses are changed, which is what this is there to keep safe.
        self.connection.set_db_config(defensive, false)?;
        let cleared = self.clear_all(pages);
        self.connection.set_db_config(defensive, true)?;
        cleared
    }

    fn clear_all(&mut self, pages: &[u32]) -> Result<usize, StoreError> {
        let sql = "UPDATE sqlite_dbpage SET data = ?2 WHERE pgno = ?1";
        let mut count = 0;
        for page in pages {
            if let Some(bytes) = self.cleared(*page)? {
                let values = rusqlite::params![page, bytes];
                self.connection.prepared(sql)?.execute(values)?;
                count += 1;
            }
        }
        Ok(count)
    }
}

fn read(connection: &Connection, page: u32) -> rusqlite::Result<Option<Vec<u8>>> {
    let sql = "SELECT data FROM sqlite_dbpage WHERE pgno = ?1";
    let mut statement = connection.prepared(sql)?;
    statement.query_row([page], |row| row.get(0)).optional()
}

/// Why the file cannot be swept. Nothing that was acknowledged depends on it.
fn unreadable(why: &str) -> StoreError {
    StoreError::Statement(format!("the file's pages cannot be swept: {why}"))
}

impl View<'_> {
    /// Pages in which something remains, among those that one page of the pointer map tells of;
    /// and how far that is.
    fn remains_from(&self, page: u32) -> Result<(Vec<u32>, SweptPages), StoreError> {
        let mut pages = RawPages::of(self.connection)?;
        let (count, span) = (pages.count, pages.map.span());
        let end = page.saturating_add(span).min(count.saturating_add(1));
        let found = pages.with_remains(page..end)?;
        let swept = SweptPages {
            done: end.saturating_sub(1).min(count),
            pages: count,
        };
        Ok((found, swept))
    }
}

impl Tx<'_> {
    /// Overwrites what remains in some pages.
    fn clear_remains(&self, pages: &[u32]) -> Result<(), StoreError> {
        RawPages::of(self.connection)?.clear(pages).map(drop)
    }
}

/// Sweeps the pages of a store, in steps.
pub struct Sweeper<'s> {
    readers: &'s Readers,
    writer: &'s WritingThread,
    changed_pages: &'s Arc<ChangedPages>,
}

impl<'s> Sweeper<'s> {
    pub(super) const fn new(
        readers: &'s Readers,
        writer: &'s WritingThread,
        changed_pages: &'s Arc<ChangedPages>,
    ) -> Self {
        Self {
            readers,
            writer,
            changed_pages,
        }
    }

    /// Begins a sweep: from now on, pages that change are noted.
    pub async fn begin(&self) -> Result<(), StoreError> {
        self.writer.erase(Erasure::WatchPages).await.map(drop)
    }

    /// Looks at some pages behind those that were done, and overwrites what remains in them.
    pub async fn go_on(&self, done: u32) -> Result<SweptPages, StoreError> {
        let find = move |view: &View<'_>| view.remains_from(done.saturating_add(1));
        let (found, swept) = self.readers.read(Reading::Long, find).await?;
        self.clear(&found).await?;
        Ok(swept)
    }

    /// Looks again at the pages that have changed meanwhile. Says whether the sweep has ended:
    /// otherwise there were too many of them for the one transaction that ends it.
    pub async fn end(&self) -> Result<bool, StoreError> {
        let changed = self.changed_pages.take()?;
        if let Err(error) = self.look_again_at(changed.clone()).await {
            self.changed_pages.put_back(&changed);
            return Err(error);
        }
        if !self.clear_the_last().await? {
            return Ok(false);
        }
        self.writer.erase(Erasure::NoteSwept).await
    }

    /// Forgets which pages have changed.
    pub fn give_up(&self) {
        self.changed_pages.end();
    }

    async fn look_again_at(&self, pages: Vec<u32>) -> Result<(), StoreError> {
        let find =
            move |view: &View<'_>| RawPages::of(view.connection)?.with_remains(pages.into_iter());
        let found = self.readers.read(Reading::Long, find).await?;
        self.clear(&found).await
    }

    async fn clear(&self, pages: &[u32]) -> Result<(), StoreError> {
        for some in pages.chunks(PAGES_PER_STEP) {
            let some = some.to_vec();
            let step = move |tx: &Tx<'_>| tx.clear_remains(&some);
            self.writer.write_alone(step).await?;
        }
        Ok(())
    }

    /// Overwrites what remains in the last pages that have changed. As no other job is in this
    /// transaction, nothing can change in between.
    async fn clear_the_last(&self) -> Result<bool, StoreError> {
        let changed = Arc::clone(self.changed_pages);
        let step = move |tx: &Tx<'_>| {
            let pages = changed.take()?;
            let is_few = pages.len() <= PAGES_PER_STEP;
            let cleared = if is_few {
                tx.clear_remains(&pages)
            } else {
                Ok(())
            };
            // If this is not committed, or runs once more, they are still to be done.
            changed.put_back(&pages);
            cleared.map(|()| is_few)
        };
        self.writer.write_alone(step).await
    }
}

#[cfg(test)]
mod tests;
