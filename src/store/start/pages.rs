//! Single rows of a database, read from its pages without SQLite, which would change the files.
//!
//! This knows so much of the format that the tables `commits` and `instance` can be read, which
//! have one short row each. Whatever else is there is skipped, and a damaged page is an error.

use std::collections::HashMap;
use std::fs::File;
use std::io;

use uuid::Uuid;

use crate::model::clock::Timestamp;
use crate::model::commit::Commit;
use crate::model::digest::Digest;
use crate::sqlite_file::source::ReadAt as _;

/// The types of pages of tables, in their first byte.
const LEAF: u8 = 13;
const INNER: u8 = 5;
/// How long the header of the database file is, with which its first page begins, in bytes.
const FILE_HEADER: usize = 100;
/// The schema of a sound database has far fewer pages; more are a circle.
const MAX_SCHEMA_PAGES: usize = 1_000;

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
    /// Where in the WAL the newest committed copy of a page is.
    in_wal: HashMap<u32, u64>,
}

/// Where the rows are that tell which data this is.
#[derive(Clone, Debug, Default)]
pub(super) struct Roots {
    /// The page of `commits`; none in data of a version that did not count.
    pub(super) commits: Option<u32>,
    instance: Option<u32>,
    /// Of the table in which migrations are noted.
    migrations: Option<u32>,
    /// The pages of the schema, which say that.
    pub(super) schema: Vec<u32>,
}

impl Roots {
    /// Notes a row of the schema, if it is about one of these tables.
    fn note(&mut self, row: &[Field<'_>]) {
        let Some(
            [
                Field::Bytes(b"table"),
                Field::Bytes(name),
                _,
                Field::Integer(root),
            ],
        ) = row.first_chunk()
        else {
            return;
        };
        let root = u32::try_from(*root).ok();
        match *name {
            b"commits" => self.commits = root,
            b"instance" => self.instance = root,
            b"refinery_schema_history" => self.migrations = root,
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
        }
    }

    /// Whether no page of the WAL is over those of the file.
    pub(super) fn is_file_alone(&self) -> bool {
        self.in_wal.is_empty()
    }

    /// How large a page is, in bytes.
    pub(super) fn page_size(&self) -> u32 {
        u32::try_from(self.page_size).unwrap_or(0)
    }

    /// From now on, these pages are the ones at these places of the WAL.
    pub(super) fn replace(&mut self, pages: impl IntoIterator<Item = (u32, u64)>) {
        self.in_wal.extend(pages);
    }

    fn page(&self, number: u32) -> Result<Vec<u8>, Unreadable> {
        let mut bytes = vec![0; self.page_size];
        let read = if let (Some(wal), Some(offset)) = (self.wal, self.in_wal.get(&number)) {
            wal.fill_at(&mut bytes, *offset)?
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
            let page = Page::of(number, &bytes).ok_or(Unreadable::Damaged(number))?;
            let children = page.children().ok_or(Unreadable::Damaged(number))?;
            left.extend(children);
            let rows = page.rows().ok_or(Unreadable::Damaged(number))?;
            for row in rows {
                roots.note(&row);
            }
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
            let damaged = || Unreadable::Damaged(number);
            looked_at += 1;
            if looked_at > MAX_SCHEMA_PAGES {
                return Err(damaged());
            }
            let bytes = self.page(number)?;
            let page = Page::of(number, &bytes).ok_or_else(damaged)?;
            left.extend(page.children().ok_or_else(damaged)?);
            let rows = page.rows().ok_or_else(damaged)?;
            let versions = rows.iter().filter_map(|row| match row.first() {
                Some(Field::Integer(version)) => Some(u32::try_from(*version).unwrap_or(u32::MAX)),
                _ => None,
            });
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
        let rows = Page::of(root, &bytes).and_then(|page| page.rows());
        match rows.ok_or(Unreadable::Damaged(root))?.first() {
            None => Ok(None),
            Some(row) => match row[..] {
                [_, Field::Bytes(id), ..] => Uuid::from_slice(id)
                    .map(Some)
                    .map_err(|_| Unreadable::Damaged(root)),
                _ => Err(Unreadable::Damaged(root)),
            },
        }
    }
}

/// The commit in a page of `commits`: none where there is no row, and an outer none where the page
/// is another one.
#[expect(
    clippy::option_option,
    reason = "a page without a row, and no such page"
)]
pub(super) fn commit_in(page: &[u8]) -> Option<Option<Commit>> {
    let rows = Page::of(u32::MAX, page)?.rows()?;
    let Some(row) = rows.first() else {
        return Some(None);
    };
    let [
        _,
        Field::Integer(generation),
        Field::Integer(number),
        Field::Integer(at),
        Field::Bytes(head),
        ..,
    ] = row[..]
    else {
        return None;
    };
    Some(Some(Commit {
        generation: u64::try_from(generation).ok()?,
        number: u64::try_from(number).ok()?,
        at: Timestamp::from_millis(at),
        head: Digest::from_bytes(head.try_into().ok()?),
    }))
}

/// A value in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field<'p> {
    Null,
    Integer(i64),
    /// Text or a blob.
    Bytes(&'p [u8]),
    /// A number that is no integer, or one that lies on another page.
    Other,
}

/// A page of a table.
pub(super) struct Page<'p> {
    bytes: &'p [u8],
    kind: u8,
    /// Where its cells are.
    cells: Vec<usize>,
    /// Of an inner page: its last child.
    last_child: u32,
}

impl<'p> Page<'p> {
    /// The page with this number; none if it is no page of a table.
    pub(super) fn of(number: u32, bytes: &'p [u8]) -> Option<Self> {
        let start = if number == 1 { FILE_HEADER } else { 0 };
        let kind = *bytes.get(start)?;
        let pointers = match kind {
            LEAF => start + 8,
            INNER => start + 12,
            _ => return None,
        };
        let count = usize::from(u16_at(bytes, start + 3)?);
        let cells = (0..count).map(|cell| u16_at(bytes, pointers + 2 * cell).map(usize::from));
        let last_child = if kind == INNER {
            u32_at(bytes, start + 8)?
        } else {
            0
        };
        Some(Self {
            bytes,
            kind,
            cells: cells.collect::<Option<_>>()?,
            last_child,
        })
    }

    /// The pages below.
    fn children(&self) -> Option<Vec<u32>> {
        if self.kind == LEAF {
            return Some(Vec::new());
        }
        let children = self.cells.iter().map(|cell| u32_at(self.bytes, *cell));
        let mut children = children.collect::<Option<Vec<u32>>>()?;
        children.push(self.last_child);
        Some(children)
    }

    /// The rows, as far as they lie on this page; none on an inner page.
    pub(super) fn rows(&self) -> Option<Vec<Vec<Field<'p>>>> {
        let cells = self.cells.iter().filter(|_| self.kind == LEAF);
        cells
            .map(|cell| {
                let (length, rest) = varint(self.bytes.get(*cell..)?)?;
                let (_, payload) = varint(rest)?;
                let length = usize::try_from(length).ok()?;
                fields(&payload[..payload.len().min(length)])
            })
            .collect()
    }
}

/// The values of a row.
fn fields(payload: &[u8]) -> Option<Vec<Field<'_>>> {
    let (length, _) = varint(payload)?;
    let length = usize::try_from(length).ok()?;
    let (mut header, mut content) = payload.split_at_checked(length)?;
    header = varint(header)?.1;
    let mut fields = Vec::new();
    while !header.is_empty() {
        let (kind, rest) = varint(header)?;
        header = rest;
        let length = match kind {
            0 | 8 | 9 => 0,
            1..=4 => usize::try_from(kind).ok()?,
            5 => 6,
            6 | 7 => 8,
            10 | 11 => return None,
            _ => usize::try_from((kind - 12) / 2).ok()?,
        };
        let (value, after) = content.split_at_checked(length).unwrap_or((&[], &[]));
        fields.push(match kind {
            _ if value.len() < length => Field::Other,
            0 => Field::Null,
            8 => Field::Integer(0),
            9 => Field::Integer(1),
            1..=6 => Field::Integer(integer(value)),
            7 => Field::Other,
            _ => Field::Bytes(value),
        });
        content = after;
    }
    Some(fields)
}

/// An integer with its sign, its highest byte first.
fn integer(bytes: &[u8]) -> i64 {
    let first = bytes
        .first()
        .map_or(0, |byte| i64::from(byte.cast_signed()));
    let rest = bytes.iter().skip(1);
    rest.fold(first, |value, byte| (value << 8) | i64::from(*byte))
}

fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0_u64;
    for (index, byte) in bytes.iter().take(9).enumerate() {
        if index == 8 {
            return Some(((value << 8) | u64::from(*byte), &bytes[9..]));
        }
        value = (value << 7) | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((value, &bytes[index + 1..]));
        }
    }
    None
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u16::from_be_bytes(*bytes))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_be_bytes(*bytes))
}
