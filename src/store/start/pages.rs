//! Single rows of a database, read from its pages without SQLite, which would change the files.
//!
//! The tables `commits` and `instance` are read, which have one short row each, and the schema as
//! far as it says where they are. [`crate::sqlite_file`] knows the format. All else is
//! skipped, and a damaged page is an error.

use std::collections::HashMap;
use std::fs::File;
use std::io;

use uuid::Uuid;

use crate::model::clock::Timestamp;
use crate::model::commit::Commit;
use crate::model::digest::Digest;
use crate::model::event::EventKind;
use crate::model::event_head::EventHead;
use crate::sqlite_file::page::{BtreePage, PageKind, PageShape, table_children};
use crate::sqlite_file::record::{SqlRecord, SqlValue};
use crate::sqlite_file::source::ReadAt as _;
use crate::sqlite_file::wal::FRAME_HEADER_LEN;

/// Any page but the first one, which begins with the header of the file.
pub(super) const ANY_PAGE: u32 = u32::MAX;
/// The schema of a sound database has far fewer pages; more are a circle.
const MAX_SCHEMA_PAGES: usize = 1_000;

/// A transaction with more pages than this is looked through page by page.
const MAX_SHORT: usize = 65_536;

/// Columns of `events`, which stand where they stood in the first schema.
const KIND: usize = 2;
const LAST_AT: usize = 12;

/// Why a row cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    /// The disk does not give it.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A page does not hold what it has to hold.
    #[error("page {0} of the database is damaged")]
    Damaged(u32),
}

/// The pages of a database file, and over them those of its WAL.
pub(super) struct Pages<'f> {
    database: &'f File,
    wal: Option<&'f File>,
    page_size: usize,
    /// Where in the WAL a committed copy of a page is: the newest, but for those of `long`.
    in_wal: HashMap<u32, u64>,
    /// Committed transactions with too many pages for that.
    long: Vec<Transaction>,
}

/// The pages of one transaction in the WAL, in the order of their frames, which follow each other.
/// A rewrite of the whole database is one transaction: 20 MB here for 20 GB there.
#[derive(Default)]
pub(super) struct Transaction {
    /// Where the page of its first frame is.
    first: u64,
    pages: Vec<u32>,
}

impl Transaction {
    /// Adds a frame's page, which is at this place.
    pub(super) fn add(&mut self, page: u32, offset: u64) {
        if self.pages.is_empty() {
            self.first = offset;
        }
        self.pages.push(page);
    }

    /// Whether it has one of these pages.
    pub(super) fn has_any(&self, pages: &[u32]) -> bool {
        self.pages.iter().any(|page| pages.contains(page))
    }

    fn place(&self, index: usize, page_size: usize) -> u64 {
        self.first + index as u64 * (FRAME_HEADER_LEN + page_size) as u64
    }
}

/// Where the rows are that tell which data this is.
#[derive(Clone, Debug, Default)]
pub(super) struct Roots {
    /// The page of `commits`; none in data of a version that did not count.
    pub(super) commits: Option<u32>,
    instance: Option<u32>,
    events: Option<u32>,
    /// Of the table in which migrations are noted.
    migrations: Option<u32>,
    /// The pages of the schema, which say that.
    pub(super) schema: Vec<u32>,
}

impl Roots {
    /// Notes a row of the schema, if it is about one of these tables.
    fn note(&mut self, row: &SqlRecord<'_>) {
        if row.value(0) != Some(SqlValue::Text(b"table")) {
            return;
        }
        let root = row.value(3).and_then(SqlValue::integer);
        let root = root.and_then(|root| u32::try_from(root).ok());
        match row.value(1) {
            Some(SqlValue::Text(b"commits")) => self.commits = root,
            Some(SqlValue::Text(b"instance")) => self.instance = root,
            Some(SqlValue::Text(b"events")) => self.events = root,
            Some(SqlValue::Text(b"refinery_schema_history")) => self.migrations = root,
            _ => {}
        }
    }
}

impl<'f> Pages<'f> {
    pub(super) fn new(database: &'f File, wal: Option<&'f File>, page_size: usize) -> Self {
        Self {
            database,
            wal,
            page_size,
            in_wal: HashMap::new(),
            long: Vec::new(),
        }
    }

    /// Whether no page of the WAL is over those of the file.
    pub(super) fn is_file_alone(&self) -> bool {
        self.in_wal.is_empty() && self.long.is_empty()
    }

    /// Whether the WAL has a committed copy of a page.
    pub(super) fn has_in_wal(&self, number: u32) -> bool {
        self.in_wal(number).is_some()
    }

    /// How large a page is, in bytes.
    pub(super) fn page_size(&self) -> u32 {
        u32::try_from(self.page_size).unwrap_or(0)
    }

    /// From now on, the pages of this transaction are the newest. It is empty after that.
    pub(super) fn replace(&mut self, committed: &mut Transaction) {
        if committed.pages.len() > MAX_SHORT {
            self.long.push(std::mem::take(committed));
            return;
        }
        let placed = |(index, page): (usize, &u32)| (*page, committed.place(index, self.page_size));
        self.in_wal
            .extend(committed.pages.iter().enumerate().map(placed));
        committed.pages.clear();
    }

    /// Where in the WAL the newest committed copy of a page is. A later frame is a newer one.
    fn in_wal(&self, number: u32) -> Option<u64> {
        let last = |long: &Transaction| {
            let index = long.pages.iter().rposition(|page| *page == number)?;
            Some(long.place(index, self.page_size))
        };
        let places = self.long.iter().filter_map(last);
        places.chain(self.in_wal.get(&number).copied()).max()
    }

    fn page(&self, number: u32) -> Result<Vec<u8>, Unreadable> {
        let mut bytes = vec![0; self.page_size];
        let read = if let (Some(wal), Some(offset)) = (self.wal, self.in_wal(number)) {
            wal.fill_at(&mut bytes, offset)?
        } else {
            let before = u64::from(number.saturating_sub(1));
            self.database
                .fill_at(&mut bytes, before * self.page_size as u64)?
        };
        if number == 0 || read < bytes.len() {
            return Err(Unreadable::Damaged(number));
        }
        Ok(bytes)
    }

    /// Finds the tables in the schema.
    pub(super) fn roots(&self) -> Result<Roots, Unreadable> {
        let (mut roots, mut left) = (Roots::default(), vec![1]);
        while let Some(number) = left.pop() {
            if roots.schema.len() == MAX_SCHEMA_PAGES {
                return Err(Unreadable::Damaged(1));
            }
            roots.schema.push(number);
            let bytes = self.page(number)?;
            let page = TablePage::of(number, &bytes)?;
            left.extend(page.children);
            page.rows.iter().for_each(|row| roots.note(row));
        }
        Ok(roots)
    }

    /// The last commit, if the table has a row.
    pub(super) fn commit(&self, roots: &Roots) -> Result<Option<Commit>, Unreadable> {
        let Some(root) = roots.commits else {
            return Ok(None);
        };
        commit_in(&self.page(root)?).ok_or(Unreadable::Damaged(root))
    }

    /// The version of the schema: the highest migration that is noted.
    pub(super) fn schema_version(&self) -> Result<u32, Unreadable> {
        let mut left: Vec<u32> = self.roots()?.migrations.into_iter().collect();
        let (mut newest, mut looked_at) = (0, 0);
        while let Some(number) = left.pop() {
            looked_at += 1;
            if looked_at > MAX_SCHEMA_PAGES {
                return Err(Unreadable::Damaged(number));
            }
            let bytes = self.page(number)?;
            let page = TablePage::of(number, &bytes)?;
            left.extend(page.children);
            let versions = page.rows.iter().filter_map(|row| row.value(0)?.integer());
            let versions = versions.map(|version| u32::try_from(version).unwrap_or(u32::MAX));
            newest = versions.fold(newest, u32::max);
        }
        Ok(newest)
    }

    /// The id of the data, if it has one.
    pub(super) fn instance(&self, roots: &Roots) -> Result<Option<Uuid>, Unreadable> {
        let Some(root) = roots.instance else {
            return Ok(None);
        };
        let bytes = self.page(root)?;
        let rows = rows(root, &bytes).ok_or(Unreadable::Damaged(root))?;
        let id = |row: &SqlRecord<'_>| {
            let id = row.value(1).and_then(SqlValue::blob);
            let id = id.and_then(|id| Uuid::from_slice(id).ok());
            id.ok_or(Unreadable::Damaged(root))
        };
        rows.first().map(id).transpose()
    }
}

impl Pages<'_> {
    /// When it was last noted that a person accepted that writes are missing. All events are looked
    /// at.
    pub(super) fn loss_accepted_at(&self, roots: &Roots) -> Result<Option<Timestamp>, Unreadable> {
        let (mut left, mut newest) = (Vec::from_iter(roots.events), None);
        let (mut looked_at, length) = (0, self.database.metadata()?.len());
        while let Some(number) = left.pop() {
            looked_at += 1;
            // More pages than the file and its WAL can have are a circle.
            if looked_at > length / self.page_size as u64 + self.in_wal.len() as u64 {
                return Err(Unreadable::Damaged(number));
            }
            let bytes = self.page(number)?;
            let page = TablePage::of(number, &bytes)?;
            left.extend(page.children);
            let accepted = |row: &&SqlRecord<'_>| {
                row.value(KIND) == Some(SqlValue::Text(EventKind::LossAccepted.name().as_bytes()))
            };
            let accepted = page.rows.iter().filter(accepted);
            let at = accepted.filter_map(|row| row.value(LAST_AT)?.integer());
            newest = newest.max(at.max());
        }
        Ok(newest.map(Timestamp::from_millis))
    }
}

/// The commit in a page of `commits`: none where there is no row, and an outer none where the page
/// is another one.
#[expect(
    clippy::option_option,
    reason = "a page without a row, and no such page"
)]
pub(super) fn commit_in(page: &[u8]) -> Option<Option<Commit>> {
    let rows = rows(ANY_PAGE, page)?;
    let Some(row) = rows.first() else {
        return Some(None);
    };
    let integer = |column| row.value(column)?.integer();
    let digest = |column| {
        let bytes = row.value(column)?.blob()?;
        Some(Digest::from_bytes(bytes.try_into().ok()?))
    };
    // A schema before the chain of events has no such columns.
    let events = integer(5).zip(digest(6));
    Some(Some(Commit {
        generation: u64::try_from(integer(1)?).ok()?,
        number: u64::try_from(integer(2)?).ok()?,
        at: Timestamp::from_millis(integer(3)?),
        head: digest(4)?,
        events: match events {
            Some((number, chain)) => EventHead {
                number: u64::try_from(number).ok()?,
                chain,
            },
            None => EventHead::NONE,
        },
    }))
}

/// The shape of a page of our databases, which reserve no bytes.
fn shape(bytes: &[u8]) -> Option<PageShape> {
    PageShape::new(u32::try_from(bytes.len()).ok()?, 0)
}

/// The rows of a page with this number, as far as they lie on it. None if it is no leaf of a table,
/// or one of its rows cannot be read.
pub(super) fn rows(number: u32, bytes: &[u8]) -> Option<Vec<SqlRecord<'_>>> {
    let page = BtreePage::parse(bytes, shape(bytes)?, number)?;
    if page.kind != PageKind::TableLeaf {
        return None;
    }
    let row = |index| {
        let cell = page.cell(index)?;
        SqlRecord::parse(cell.local, cell.len)
    };
    (0..page.cells()).map(row).collect()
}

/// A page of a table.
struct TablePage<'p> {
    /// The pages below; none of a leaf.
    children: Vec<u32>,
    /// The rows; none of an inner page.
    rows: Vec<SqlRecord<'p>>,
}

impl<'p> TablePage<'p> {
    fn of(number: u32, bytes: &'p [u8]) -> Result<Self, Unreadable> {
        let below = shape(bytes).and_then(|shape| table_children(bytes, shape, number));
        let page = match below {
            Some(children) => Some(Self {
                children,
                rows: Vec::new(),
            }),
            None => rows(number, bytes).map(|rows| Self {
                children: Vec::new(),
                rows,
            }),
        };
        page.ok_or(Unreadable::Damaged(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_copy_of_a_page_counts_in_long_transactions_and_in_short_ones() {
        let file = tempfile::tempfile().unwrap();
        let mut pages = Pages::new(&file, None, 512);
        let frame = |index: u64| 56 + index * 536;
        let mut commit = |from: u64, numbers: &[u32]| {
            let mut transaction = Transaction::default();
            for (index, number) in (from..).zip(numbers) {
                transaction.add(*number, frame(index));
            }
            pages.replace(&mut transaction);
            assert!(!transaction.has_any(&[1, 2, 3]));
        };
        commit(0, &[1, 2, 3, 2]);
        let long: Vec<u32> = (2..=100_001).collect();
        commit(4, &long);
        commit(100_004, &[3]);
        let place = |number| pages.in_wal(number);
        assert_eq!(place(1), Some(frame(0)), "before the long one");
        assert_eq!(place(2), Some(frame(4)), "in the long one");
        assert_eq!(place(3), Some(frame(100_004)), "behind it");
        assert_eq!(place(100_001), Some(frame(100_003)));
        assert_eq!(place(100_002), None);
        assert_eq!(pages.in_wal.len(), 3, "no more is remembered one by one");
    }
}
