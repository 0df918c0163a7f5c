//! The size of a file's pages: from its header, or from the pages if the header is damaged.
//!
//! The header: <https://www.sqlite.org/fileformat2.html#the_database_header>.

use std::io;

use super::page::{BtreePage, PageShape};
use super::source::ReadAt;

/// How every database begins.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// How long the header is, in bytes.
pub const HEADER_LEN: usize = 100;
/// How many places of a file are looked at to guess the size of its pages.
const SAMPLES: u64 = 512;
/// The sizes that are tried, the usual one first.
const SIZES: [u32; 8] = [4_096, 8_192, 16_384, 32_768, 65_536, 2_048, 1_024, 512];

/// The shape of pages that a header tells; none if it is damaged there. The rest of the header is
/// not looked at.
pub fn shape_in_header(header: &[u8]) -> Option<PageShape> {
    let size = header.get(16..18)?.first_chunk::<2>()?;
    let size = match u16::from_be_bytes(*size) {
        1 => 65_536,
        size => u32::from(size),
    };
    PageShape::new(size, *header.get(20)?)
}

/// Whether these first bytes say that they are a database's.
pub fn has_magic(header: &[u8]) -> bool {
    header.starts_with(MAGIC)
}

/// The shape of a file's pages: the one by which most of them are sound. Where several are as good,
/// the header decides. None if nothing tells it.
pub fn shape_of(file: &impl ReadAt, len: u64) -> io::Result<Option<PageShape>> {
    let mut header = [0; HEADER_LEN];
    let filled = file.fill_at(&mut header, 0)?;
    let told = shape_in_header(&header[..filled]);
    let guesses = SIZES.iter().filter_map(|size| PageShape::new(*size, 0));
    let mut best = (0, told.filter(|_| has_magic(&header)));
    for shape in told.into_iter().chain(guesses) {
        let covered = sound_pages(file, len, shape)? * shape.size() as u64;
        if covered > best.0 {
            best = (covered, Some(shape));
        }
    }
    Ok(best.1)
}

/// How many of the pages in a sample are sound.
fn sound_pages(file: &impl ReadAt, len: u64, shape: PageShape) -> io::Result<u64> {
    let size = shape.size() as u64;
    let pages = len / size;
    let step = (pages / SAMPLES).max(1);
    let mut page = vec![0; shape.size()];
    let mut sound = 0;
    // The first page has the header in it.
    for number in (1..pages).step_by(usize::try_from(step).unwrap_or(usize::MAX)) {
        let filled = file.fill_at(&mut page, number * size)?;
        let parsed = BtreePage::parse(&page[..filled], shape, 2);
        sound += u64::from(parsed.is_some_and(|page| page.is_sound()));
    }
    Ok(sound)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A database of pages with one row each, of this size.
    fn database(size: usize) -> Vec<u8> {
        let mut file = vec![0; size * 20];
        file[..16].copy_from_slice(MAGIC);
        let stored = if size == 65_536 { 1 } else { size };
        file[16..18].copy_from_slice(&u16::try_from(stored).unwrap().to_be_bytes());
        for page in file.chunks_mut(size).skip(1) {
            let at = u16::try_from(size - 12).unwrap().to_be_bytes();
            page[..10].copy_from_slice(&[0x0d, 0, 0, 0, 1, at[0], at[1], 0, at[0], at[1]]);
            page[size - 12..size - 10].copy_from_slice(&[10, 1]);
        }
        file
    }

    fn size_of(file: &[u8]) -> Option<usize> {
        let shape = shape_of(&file, file.len() as u64).unwrap();
        shape.map(PageShape::size)
    }

    #[test]
    fn a_page_size_is_known_without_the_header() {
        for size in [512, 1_024, 4_096, 16_384, 65_536] {
            let mut file = database(size);
            assert_eq!(size_of(&file), Some(size));
            file[..HEADER_LEN].fill(0);
            assert_eq!(size_of(&file), Some(size), "without a header");
            file[16] = 2;
            assert_eq!(size_of(&file), Some(size), "with a header that lies");
            file[..HEADER_LEN].copy_from_slice(&database(size)[..HEADER_LEN]);
            file[20] = 16;
            let shape = shape_of(&&file[..], file.len() as u64).unwrap().unwrap();
            assert_eq!(shape.usable(), size, "with bytes reserved that are not");
        }
    }

    #[test]
    fn noise_has_no_pages() {
        assert_eq!(size_of(&[0; 10_000]), None);
        assert_eq!(size_of(&[]), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..9_000),
        ) {
            let _ = size_of(&bytes);
        }
    }
}
