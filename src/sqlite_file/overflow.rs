//! Records that are longer than their page, followed through overflow pages.
//!
//! The format: <https://www.sqlite.org/fileformat2.html#cell_payload_overflow_pages>. Each page of
//! the chain begins with the number of the next one. A chain that ends early, leads out of the file
//! or into a circle gives nothing.

use std::io;

use super::page::{BtreeCell, PageShape};

/// How a reader gets at pages by their numbers.
pub trait ReadPage {
    /// Puts the page's bytes in place of the buffer's; `false` if there is no such page.
    fn read_page(&self, number: u32, buffer: &mut Vec<u8>) -> io::Result<bool>;
}

/// The whole record of a cell; none if it is longer than the limit, in bytes, or cannot be read to
/// its end. Memory grows with the bytes that are there, whatever length the cell claims.
pub fn record_of(
    cell: &BtreeCell<'_>,
    shape: PageShape,
    pages: &impl ReadPage,
    limit: u64,
) -> io::Result<Option<Vec<u8>>> {
    let Some(len) = usize::try_from(cell.len).ok().filter(|_| cell.len <= limit) else {
        return Ok(None);
    };
    let mut record = cell.local.to_vec();
    let mut page = Vec::new();
    let mut next = cell.overflow.unwrap_or(0);
    // A page met again shows a circle: this one is compared with all that follow, and replaced
    // each time that the way has doubled.
    let (mut mark, mut steps, mut mark_at) = (0, 0_u64, 1_u64);
    while record.len() < len {
        if next == 0 || next == mark || !pages.read_page(next, &mut page)? {
            return Ok(None);
        }
        steps += 1;
        if steps == mark_at {
            (mark, mark_at) = (next, mark_at * 2);
        }
        page.truncate(shape.usable());
        let Some((number, content)) = page.split_first_chunk::<4>() else {
            return Ok(None);
        };
        let wanted = content.len().min(len - record.len());
        if wanted == 0 {
            return Ok(None);
        }
        record.extend_from_slice(&content[..wanted]);
        next = u32::from_be_bytes(*number);
    }
    record.truncate(len);
    Ok(Some(record))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Pages of 512 bytes, counted from 1.
    struct Pages(Vec<Vec<u8>>);

    impl ReadPage for Pages {
        fn read_page(&self, number: u32, buffer: &mut Vec<u8>) -> io::Result<bool> {
            let page = (number as usize)
                .checked_sub(1)
                .and_then(|at| self.0.get(at));
            buffer.clear();
            buffer.extend_from_slice(page.map_or(&[], Vec::as_slice));
            Ok(page.is_some())
        }
    }

    fn page(next: u32, fill: u8) -> Vec<u8> {
        let mut page = vec![fill; 512];
        page[..4].copy_from_slice(&next.to_be_bytes());
        page
    }

    fn cell(len: u64, first: u32) -> BtreeCell<'static> {
        BtreeCell {
            rowid: None,
            len,
            local: b"begin",
            overflow: Some(first),
        }
    }

    fn read(cell: &BtreeCell<'_>, pages: &Pages, limit: u64) -> Option<Vec<u8>> {
        record_of(cell, PageShape::new(512, 0).unwrap(), pages, limit).unwrap()
    }

    #[test]
    fn a_record_is_put_together_in_its_order() {
        let pages = Pages(vec![page(0, b'z'), page(1, b'a')]);
        let record = read(&cell(5 + 508 + 2, 2), &pages, 10_000).unwrap();
        assert!(record.starts_with(b"beginaaa") && record.ends_with(b"azz"));
        assert_eq!(record.len(), 515);
        assert!(read(&cell(515, 2), &pages, 514).is_none(), "over the limit");
    }

    #[test]
    fn chains_that_end_early_or_go_round_give_nothing() {
        let pages = Pages(vec![page(0, 1), page(3, 2), page(2, 3)]);
        for first in [0, 1, 2, 3, 99] {
            assert!(read(&cell(1 << 30, first), &pages, 1 << 40).is_none());
        }
    }

    proptest! {
        #[test]
        fn any_chain_ends(
            nexts in proptest::collection::vec(0_u32..9, 0..8),
            len in any::<u64>(),
            first in 0_u32..9,
        ) {
            let pages = Pages(nexts.into_iter().map(|next| page(next, 0)).collect());
            if let Some(record) = read(&cell(len, first), &pages, u64::MAX) {
                prop_assert_eq!(record.len() as u64, len.max(5).min(record.len() as u64));
            }
        }
    }
}
