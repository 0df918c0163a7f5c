//! The bytes of a b-tree page that nothing uses: the gap between its cell pointers and its cells,
//! and what free blocks hold behind their headers.
//!
//! The format: <https://www.sqlite.org/fileformat2.html#b_tree_pages>. When SQLite moves cells from
//! page to page, copies of them stay in the gap, also with `secure_delete`. Nothing reads them, so
//! they can be overwritten at any time. A page that does not look right is left alone.

use std::ops::Range;

/// How long the header of a leaf is, in bytes; an inner page has four more.
const LEAF_HEADER: usize = 8;
const INNER_HEADER: usize = 12;
/// The header of a free block: where the next one is, and its length.
const FREE_HEADER: usize = 4;

/// Overwrites with zeros what a page does not use, and says whether there was anything else. The
/// first `usable` bytes are SQLite's. None, and nothing is done, for a page that is no sound
/// b-tree page, and for the first page of a file.
pub fn clear_unused(page: &mut [u8], usable: usize) -> Option<bool> {
    let mut has_cleared = false;
    for range in unused(page.get(..usable)?)? {
        let part = page.get_mut(range)?;
        if part.iter().any(|byte| *byte != 0) {
            part.fill(0);
            has_cleared = true;
        }
    }
    Some(has_cleared)
}

fn unused(page: &[u8]) -> Option<Vec<Range<usize>>> {
    let header = match page.first()? {
        0x0a | 0x0d => LEAF_HEADER,
        0x02 | 0x05 => INNER_HEADER,
        _ => return None,
    };
    let pointers_end = header + 2 * word(page, 3)?;
    // 0 stands for 65,536, which does not fit into two bytes.
    let content = match word(page, 5)? {
        0 => 65_536,
        content => content,
    };
    let is_sound = pointers_end <= content && content <= page.len();
    let mut pointers = (header..pointers_end).step_by(2);
    if !is_sound || pointers.any(|at| word(page, at).is_none_or(|cell| cell < content)) {
        return None;
    }
    let between = pointers_end..content;
    let mut unused = Vec::from([between]);
    let (mut block, mut before) = (word(page, 1)?, content);
    while block != 0 {
        let end = block + word(page, block + 2)?;
        // Free blocks stand in the order of their places, and none overlaps another.
        if block < before || end < block + FREE_HEADER || end > page.len() {
            return None;
        }
        unused.push(block + FREE_HEADER..end);
        (block, before) = (word(page, block)?, end);
    }
    Some(unused)
}

fn word(page: &[u8], at: usize) -> Option<usize> {
    let bytes = page.get(at..)?.first_chunk::<2>()?;
    Some(usize::from(u16::from_be_bytes(*bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A leaf of 512 bytes with one cell at the end, a free block before it, and no zero elsewhere.
    fn leaf() -> Vec<u8> {
        let mut page = vec![0xee; 512];
        // One cell at 500, a free block of 40 bytes at 400, cells from 400 on.
        page[..10].copy_from_slice(&[0x0d, 1, 144, 0, 1, 1, 144, 0, 1, 244]);
        page[400..404].copy_from_slice(&[0, 0, 0, 40]);
        page
    }

    #[test]
    fn the_gap_and_free_blocks_are_cleared_and_nothing_else() {
        let (mut page, before) = (leaf(), leaf());
        assert_eq!(clear_unused(&mut page, 512), Some(true));
        assert!(page[10..400].iter().all(|byte| *byte == 0));
        assert!(page[404..440].iter().all(|byte| *byte == 0));
        assert_eq!(page[..10], before[..10]);
        assert_eq!(page[400..404], before[400..404]);
        assert_eq!(page[440..], before[440..]);
        assert_eq!(clear_unused(&mut page, 512), Some(false), "all is clear");
    }

    #[test]
    fn a_page_that_is_not_sound_is_left_alone() {
        // No kind of page; cells before their pointers; a cell in the gap; a free block that ends
        // behind the page, that is too short, and that points to itself.
        let damage: [(usize, u8); 6] = [(0, 7), (6, 3), (9, 100), (403, 250), (403, 3), (401, 1)];
        for (at, byte) in damage {
            let mut page = leaf();
            page[at] = byte;
            if at == 6 {
                page[5] = 0;
            }
            if at == 9 {
                page[8] = 0;
            }
            let before = page.clone();
            assert_eq!(clear_unused(&mut page, 512), None, "{at}");
            assert_eq!(page, before);
        }
    }

    #[test]
    fn no_bytes_make_it_panic_or_loop() {
        let mut random = 88_172_645_463_325_252_u64;
        let mut byte = || {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random.to_le_bytes()[0] & random.to_le_bytes()[1]
        };
        for kind in [0x02, 0x05, 0x0a, 0x0d].repeat(2_000) {
            let mut page: Vec<u8> = (0..512).map(|_| byte()).collect();
            page[0] = kind;
            let _ = clear_unused(&mut page, 512);
            let _ = clear_unused(&mut page[..3], 3);
            let _ = clear_unused(&mut page, 513);
        }
    }
}
