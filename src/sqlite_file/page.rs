//! Pages of b-trees that hold rows, and their cells.
//!
//! The format: <https://www.sqlite.org/fileformat2.html#b_tree_pages>. Rows of a table stand in its
//! leaves. Rows of an index, and of a table `WITHOUT ROWID`, stand in inner pages as well. A cell
//! that cannot be read costs no other cell of its page.

use super::record::varint;
use super::wal::is_page_size;

/// How much of the first page the header of the database takes, in bytes.
const DATABASE_HEADER: usize = 100;
/// The most bytes of a page that SQLite leaves unused in gaps too small for a cell, with room for
/// one cell that is being replaced.
const MAX_UNUSED_AT_END: usize = 64;
/// The first byte of a page with no rows, between the pages of a table.
const TABLE_INNER: u8 = 0x05;
/// How long the header of an inner page is, in bytes.
const INNER_HEADER: usize = 12;
/// The fewest bytes of a page that can be used.
const MIN_USABLE: usize = 480;

/// How large the pages of a file are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageShape {
    size: u32,
    reserved: u8,
}

impl PageShape {
    /// Pages of this many bytes, of which the last ones are reserved. None if SQLite has no such
    /// pages.
    pub fn new(size: u32, reserved: u8) -> Option<Self> {
        let is_one = is_page_size(size) && size as usize - usize::from(reserved) >= MIN_USABLE;
        is_one.then_some(Self { size, reserved })
    }

    /// How large a page is, in bytes.
    pub fn size(self) -> usize {
        self.size as usize
    }

    /// How much of it SQLite uses, in bytes.
    pub fn usable(self) -> usize {
        self.size() - usize::from(self.reserved)
    }
}

/// What a page holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageKind {
    /// Rows of a table, each with its id.
    TableLeaf,
    /// Rows of an index or of a table `WITHOUT ROWID`.
    IndexLeaf,
    /// The same, between pages with more of them.
    IndexInner,
}

impl PageKind {
    fn parse(byte: u8) -> Option<Self> {
        match byte {
            0x0d => Some(Self::TableLeaf),
            0x0a => Some(Self::IndexLeaf),
            0x02 => Some(Self::IndexInner),
            _ => None,
        }
    }

    fn header_len(self) -> usize {
        match self {
            Self::TableLeaf | Self::IndexLeaf => 8,
            Self::IndexInner => INNER_HEADER,
        }
    }
}

/// A page that holds rows.
#[derive(Clone, Copy, Debug)]
pub struct BtreePage<'a> {
    bytes: &'a [u8],
    shape: PageShape,
    /// What it holds.
    pub kind: PageKind,
    /// Where its header begins.
    start: usize,
    cells: usize,
}

/// A row in a page: its first bytes, and where the others are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BtreeCell<'a> {
    /// The row's id, in a table.
    pub rowid: Option<i64>,
    /// How long its record is, in bytes.
    pub len: u64,
    /// The bytes of the record that are in the page.
    pub local: &'a [u8],
    /// The first overflow page with the others, if there are others.
    pub overflow: Option<u32>,
}

impl<'a> BtreePage<'a> {
    /// Reads a page with this number. None if it is no page with rows; bytes that are missing at
    /// its end cost the cells that were there.
    pub fn parse(bytes: &'a [u8], shape: PageShape, number: u32) -> Option<Self> {
        let start = if number == 1 { DATABASE_HEADER } else { 0 };
        let bytes = &bytes[..bytes.len().min(shape.usable())];
        let kind = PageKind::parse(*bytes.get(start)?)?;
        let cells = usize::from(word(bytes, start + 3)?);
        let pointers = start + kind.header_len();
        let room = bytes.len().saturating_sub(pointers) / 2;
        (cells <= room).then_some(Self {
            bytes,
            shape,
            kind,
            start,
            cells,
        })
    }

    /// How many cells it says that it has.
    pub fn cells(&self) -> usize {
        self.cells
    }

    /// One of its cells, counted from 0; none if it cannot be read.
    pub fn cell(&self, index: usize) -> Option<BtreeCell<'a>> {
        self.cell_and_end(index).map(|(cell, _)| cell)
    }

    /// Whether it is built as SQLite builds a page of this size: each cell can be read and lies
    /// within the content, which reaches to the page's end.
    pub fn is_sound(&self) -> bool {
        let Some(content) = word(self.bytes, self.start + 5) else {
            return false;
        };
        let content = if content == 0 {
            65_536
        } else {
            usize::from(content)
        };
        let pointers_end = self.start + self.kind.header_len() + 2 * self.cells;
        if self.cells == 0 || content < pointers_end {
            return false;
        }
        let mut reach = self.free_reach();
        for index in 0..self.cells {
            match (self.pointer(index), self.cell_and_end(index)) {
                (Some(at), Some((_, end))) if at >= content => reach = reach.max(end),
                _ => return false,
            }
        }
        reach <= self.shape.usable() && reach + MAX_UNUSED_AT_END >= self.shape.usable()
    }

    /// Where the last free block of the page ends.
    fn free_reach(&self) -> usize {
        let (mut reach, mut at) = (0, word(self.bytes, self.start + 1).map_or(0, usize::from));
        while at > reach {
            let (Some(next), Some(len)) = (word(self.bytes, at), word(self.bytes, at + 2)) else {
                break;
            };
            reach = at + usize::from(len);
            at = usize::from(next);
        }
        reach
    }

    fn pointer(&self, index: usize) -> Option<usize> {
        let at = self.start + self.kind.header_len() + 2 * index;
        (index < self.cells)
            .then(|| word(self.bytes, at).map(usize::from))
            .flatten()
    }

    fn cell_and_end(&self, index: usize) -> Option<(BtreeCell<'a>, usize)> {
        let mut at = self.pointer(index)?;
        if self.kind == PageKind::IndexInner {
            at += 4;
        }
        let (len, read) = varint(self.bytes.get(at..)?)?;
        at += read;
        let mut rowid = None;
        if self.kind == PageKind::TableLeaf {
            let (id, read) = varint(self.bytes.get(at..)?)?;
            at += read;
            rowid = Some(id.cast_signed());
        }
        let local = self.local_len(len);
        let bytes = self.bytes.get(at..at + local)?;
        at += local;
        let mut overflow = None;
        if (local as u64) < len {
            let number = self.bytes.get(at..)?.first_chunk::<4>()?;
            overflow = Some(u32::from_be_bytes(*number));
            at += 4;
        }
        let cell = BtreeCell {
            rowid,
            len,
            local: bytes,
            overflow,
        };
        Some((cell, at))
    }

    /// How much of a record of this length is in the page; see "cell payload overflow pages".
    fn local_len(&self, len: u64) -> usize {
        let usable = self.shape.usable();
        let most = match self.kind {
            PageKind::TableLeaf => usable - 35,
            PageKind::IndexLeaf | PageKind::IndexInner => (usable - 12) * 64 / 255 - 23,
        };
        if let Ok(whole) = usize::try_from(len)
            && whole <= most
        {
            return whole;
        }
        let least = (usable - 12) * 32 / 255 - 23;
        let rest = len.saturating_sub(least as u64) % (usable as u64 - 4);
        match usize::try_from(rest) {
            Ok(rest) if least + rest <= most => least + rest,
            _ => least,
        }
    }
}

/// The pages below an inner page of a table, in their order. None if it is no such page, or one of
/// its cells cannot be read.
pub fn table_children(bytes: &[u8], shape: PageShape, number: u32) -> Option<Vec<u32>> {
    let start = if number == 1 { DATABASE_HEADER } else { 0 };
    let bytes = &bytes[..bytes.len().min(shape.usable())];
    if *bytes.get(start)? != TABLE_INNER {
        return None;
    }
    let child = |at: usize| {
        bytes
            .get(at..)?
            .first_chunk()
            .copied()
            .map(u32::from_be_bytes)
    };
    let (cells, pointers) = (usize::from(word(bytes, start + 3)?), start + INNER_HEADER);
    let pointed = |cell| child(usize::from(word(bytes, pointers + 2 * cell)?));
    let mut children: Vec<u32> = (0..cells).map(pointed).collect::<Option<_>>()?;
    children.push(child(start + 8)?);
    Some(children)
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    bytes
        .get(at..)?
        .first_chunk::<2>()
        .map(|two| u16::from_be_bytes(*two))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shape() -> PageShape {
        PageShape::new(512, 0).unwrap()
    }

    /// A leaf of a table with rows of these records.
    fn leaf(records: &[&[u8]]) -> Vec<u8> {
        let mut page = vec![0; 512];
        let mut end = 512;
        for (index, record) in records.iter().enumerate() {
            let id = u8::try_from(index + 1).unwrap();
            let cell = [&[u8::try_from(record.len()).unwrap(), id], *record].concat();
            page[end - cell.len()..end].copy_from_slice(&cell);
            end -= cell.len();
            page[8 + 2 * index..10 + 2 * index]
                .copy_from_slice(&u16::try_from(end).unwrap().to_be_bytes());
        }
        page[0] = 0x0d;
        page[4] = u8::try_from(records.len()).unwrap();
        page[5..7].copy_from_slice(&u16::try_from(end).unwrap().to_be_bytes());
        page
    }

    #[test]
    fn the_rows_of_a_leaf_are_read() {
        let bytes = leaf(&[b"one", b"other"]);
        let page = BtreePage::parse(&bytes, shape(), 2).unwrap();
        assert_eq!((page.kind, page.cells()), (PageKind::TableLeaf, 2));
        let cell = page.cell(1).unwrap();
        assert_eq!((cell.rowid, cell.local), (Some(2), &b"other"[..]));
        assert!(page.is_sound() && page.cell(2).is_none());
        assert!(!leaf_of(&bytes[..256], 256), "half a page has no end");
    }

    fn leaf_of(bytes: &[u8], len: usize) -> bool {
        let page = BtreePage::parse(&bytes[..len], shape(), 2);
        page.is_some_and(|page| page.is_sound())
    }

    #[test]
    fn a_damaged_pointer_costs_its_own_row_alone() {
        let mut bytes = leaf(&[b"one", b"other"]);
        bytes[8..10].copy_from_slice(&[0xff, 0xff]);
        let page = BtreePage::parse(&bytes, shape(), 2).unwrap();
        assert!(page.cell(0).is_none() && !page.is_sound());
        assert_eq!(page.cell(1).unwrap().local, b"other");
    }

    #[test]
    fn a_page_of_another_size_is_not_sound() {
        let bytes = [leaf(&[b"one"]), leaf(&[b"other"])].concat();
        let double = PageShape::new(1_024, 0).unwrap();
        let page = BtreePage::parse(&bytes, double, 2).unwrap();
        assert!(page.cell(0).is_some() && !page.is_sound());
    }

    #[test]
    fn the_pages_below_an_inner_page_of_a_table_are_read() {
        let mut bytes = vec![0; 512];
        (bytes[0], bytes[4]) = (TABLE_INNER, 2);
        bytes[8..12].copy_from_slice(&9_u32.to_be_bytes());
        bytes[12..16].copy_from_slice(&[1, 0x90, 1, 0x80]);
        for (at, child) in [(400, 7_u32), (384, 8)] {
            bytes[at..at + 4].copy_from_slice(&child.to_be_bytes());
        }
        assert_eq!(table_children(&bytes, shape(), 2), Some(vec![7, 8, 9]));
        bytes[12] = 0xff;
        assert_eq!(table_children(&bytes, shape(), 2), None);
        assert_eq!(table_children(&leaf(&[b"one"]), shape(), 2), None);
    }

    #[test]
    fn long_records_go_on_in_overflow_pages() {
        let mut bytes = leaf(&[b""]);
        bytes[8..10].copy_from_slice(&300_u16.to_be_bytes());
        // 600 bytes: 92 of them here, since the other 508 fill one overflow page.
        bytes[300..304].copy_from_slice(&[0x84, 0x58, 1, 7]);
        bytes[303 + 92..303 + 96].copy_from_slice(&9_u32.to_be_bytes());
        let page = BtreePage::parse(&bytes, shape(), 2).unwrap();
        let cell = page.cell(0).unwrap();
        assert_eq!(
            (cell.len, cell.local.len(), cell.overflow),
            (600, 92, Some(9))
        );
    }

    #[test]
    fn no_page_is_smaller_than_sqlite_allows() {
        assert!(PageShape::new(512, 33).is_none() && PageShape::new(1_000, 0).is_none());
        assert_eq!(PageShape::new(4_096, 8).unwrap().usable(), 4_088);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(
            mut bytes in proptest::collection::vec(any::<u8>(), 0..1_100),
            kind in prop::sample::select(vec![0x0d_u8, 0x0a, 0x02, 0x05]),
            few in any::<u8>(),
            number in 1_u32..3,
        ) {
            let start = if number == 1 { 100 } else { 0 };
            if bytes.len() > start + 5 {
                bytes[start] = kind;
                bytes[start + 3] = 0;
                bytes[start + 4] = few;
            }
            for shape in [PageShape::new(512, 32), PageShape::new(1_024, 0)] {
                let _ = table_children(&bytes, shape.unwrap(), number);
                if let Some(page) = BtreePage::parse(&bytes, shape.unwrap(), number) {
                    let _ = page.is_sound();
                    for index in 0..=page.cells() {
                        let _ = page.cell(index);
                    }
                }
            }
        }
    }
}
