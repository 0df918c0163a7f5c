//! The pointer map: what each page of a file with `auto_vacuum` is, and which page points to it.
//!
//! The format: <https://www.sqlite.org/fileformat2.html#pointer_map_or_ptrmap_pages>. Page 2 is the
//! first page of the map. Each page of it tells of the pages behind it, up to the next one.

/// How long an entry is, in bytes: a kind, and the number of a page.
const ENTRY: usize = 5;
/// The first page of the map.
const FIRST: u32 = 2;
/// The page with this byte of the file belongs to nobody: locks are held on it.
const LOCK_BYTE: usize = 0x4000_0000;

/// What a page is, as far as its entry says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageUse {
    /// The root of a b-tree.
    Root,
    /// A page of a b-tree below this one.
    Below(u32),
    /// Anything else: it is free, or has the end of a long row.
    Other,
}

/// Where the map of a file with such pages is.
#[derive(Clone, Copy, Debug)]
pub struct PointerMap {
    page_size: usize,
    entries: u32,
}

impl PointerMap {
    /// For pages of this size, of which so many bytes are used.
    pub fn new(page_size: usize, usable: usize) -> Option<Self> {
        let entries = u32::try_from(usable / ENTRY).ok()?;
        (page_size >= usable && entries > 0).then_some(Self { page_size, entries })
    }

    /// The page of the map that tells of a page; none for the pages of the map, and for those of
    /// which it does not tell.
    pub fn map_page(self, page: u32) -> Option<u32> {
        let per_map = self.entries + 1;
        let map = page.checked_sub(FIRST)? / per_map * per_map + FIRST;
        let lock = self.lock_page();
        let map = if map == lock { map + 1 } else { map };
        (page > map && page != lock).then_some(map)
    }

    /// How many pages one page of the map tells of.
    pub const fn span(self) -> u32 {
        self.entries + 1
    }

    /// What a page of the map says of a page.
    pub fn entry(self, map_page: u32, bytes: &[u8], page: u32) -> Option<PageUse> {
        let index = usize::try_from(page.checked_sub(map_page + 1)?).ok()?;
        let entry = bytes.get(index * ENTRY..)?.first_chunk::<ENTRY>()?;
        let [kind, parent @ ..] = entry;
        Some(match kind {
            1 => PageUse::Root,
            5 => PageUse::Below(u32::from_be_bytes(*parent)),
            _ => PageUse::Other,
        })
    }

    fn lock_page(self) -> u32 {
        u32::try_from(LOCK_BYTE / self.page_size + 1).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_page_has_its_page_of_the_map() {
        let map = PointerMap::new(4_096, 4_096).unwrap();
        assert_eq!((map.map_page(1), map.map_page(2)), (None, None));
        assert_eq!((map.map_page(3), map.map_page(821)), (Some(2), Some(2)));
        assert_eq!((map.map_page(822), map.map_page(823)), (None, Some(822)));
        assert_eq!(map.map_page(262_145), None, "the page of the locks");
        assert_eq!(map.map_page(262_144), map.map_page(262_146));
    }

    #[test]
    fn an_entry_says_what_a_page_is() {
        let map = PointerMap::new(512, 512).unwrap();
        let bytes = [1, 0, 0, 0, 0, 5, 0, 0, 1, 4, 3, 0, 0, 0, 9];
        assert_eq!(map.entry(2, &bytes, 3), Some(PageUse::Root));
        assert_eq!(map.entry(2, &bytes, 4), Some(PageUse::Below(260)));
        assert_eq!(map.entry(2, &bytes, 5), Some(PageUse::Other));
        assert_eq!(
            (map.entry(2, &bytes, 6), map.entry(2, &bytes, 2)),
            (None, None)
        );
    }
}
