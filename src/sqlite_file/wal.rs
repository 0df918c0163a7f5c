//! The write-ahead log, frame by frame, also behind a damaged one.
//!
//! The format: <https://www.sqlite.org/fileformat2.html#walformat>. A log is a header of 32 bytes
//! and frames, each a header of 24 bytes and a page. A frame's checksum covers all frames before
//! it, so one wrong bit makes SQLite drop that frame and everything behind. Each frame also stores
//! the checksum that it ends with. A reader can go on from there, and [`WalFrames`] judges every
//! frame both ways.
//!
//! Memory: one page. Frames of an earlier round of the log stand behind those of this one; their
//! salts tell them apart.

use std::io;

use super::source::ReadAt;

/// How long the log's header is, in bytes.
pub const HEADER_LEN: usize = 32;
/// How long a frame's header is, in bytes.
pub const FRAME_HEADER_LEN: usize = 24;

/// The smallest page that SQLite has, in bytes.
pub const MIN_PAGE_SIZE: u32 = 512;
/// The largest, in bytes.
pub const MAX_PAGE_SIZE: u32 = 65_536;

/// The first four bytes of a log whose checksums take words with the lowest byte first. With the
/// highest byte first, the last bit is set.
const MAGIC: u32 = 0x377f_0682;
/// The one version of the format.
const FORMAT: u32 = 3_007_000;

/// The two running sums of the log.
pub type WalChecksum = [u32; 2];

/// Why the first bytes of a file are no header of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WalHeaderError {
    /// There are fewer than 32 bytes.
    #[error("the log ends within its header, after {0} bytes")]
    Short(usize),
    /// It does not begin as a log does.
    #[error("the log's first four bytes are not those of a write-ahead log")]
    Magic,
    /// A format that is not known, or a damaged number.
    #[error("the log has format {0}, which is not known")]
    Format(u32),
    /// No page has this size.
    #[error("the log's page size of {0} bytes is not one that SQLite has")]
    PageSize(u32),
    /// The header is damaged.
    #[error("the checksum of the log's header is not the one stored in it")]
    Checksum,
}

/// The header of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WalHeader {
    /// How large each page is, in bytes.
    pub page_size: u32,
    /// How often the log has started over.
    pub checkpoint_sequence: u32,
    /// Changed each time the log starts over; frames of this round carry the same.
    pub salts: [u32; 2],
    /// Whether the checksums take words with the highest byte first.
    pub big_endian: bool,
    /// With which sums the first frame goes on.
    pub checksum: WalChecksum,
}

impl WalHeader {
    /// Reads the header of a log, and refuses one that SQLite would not take.
    pub fn read(source: &impl ReadAt) -> io::Result<Result<Self, WalHeaderError>> {
        let mut bytes = [0; HEADER_LEN];
        let filled = source.fill_at(&mut bytes, 0)?;
        Ok(Self::parse(&bytes[..filled]))
    }

    /// The same of its first bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, WalHeaderError> {
        let Some(bytes) = bytes.first_chunk::<HEADER_LEN>() else {
            return Err(WalHeaderError::Short(bytes.len()));
        };
        let [
            magic,
            format,
            page_size,
            checkpoint_sequence,
            salts @ ..,
            sum,
            other_sum,
        ] = words::<8>(bytes);
        if magic & !1 != MAGIC {
            return Err(WalHeaderError::Magic);
        }
        if format != FORMAT {
            return Err(WalHeaderError::Format(format));
        }
        if !is_page_size(page_size) {
            return Err(WalHeaderError::PageSize(page_size));
        }
        let big_endian = magic & 1 == 1;
        let checksum = [sum, other_sum];
        if add(big_endian, [0; 2], &bytes[..24]) != checksum {
            return Err(WalHeaderError::Checksum);
        }
        Ok(Self {
            page_size,
            checkpoint_sequence,
            salts,
            big_endian,
            checksum,
        })
    }

    /// Stands for a header that cannot be read. Frames say on their own whether they follow the
    /// one before; none of them is taken for part of this round.
    ///
    /// The page size is one that [`is_page_size`] takes; any other is read as 4096.
    pub fn assumed(page_size: u32, big_endian: bool) -> Self {
        Self {
            page_size: if is_page_size(page_size) {
                page_size
            } else {
                4_096
            },
            checkpoint_sequence: 0,
            salts: [0; 2],
            big_endian,
            checksum: [0; 2],
        }
    }

    /// How long a frame is with its header, in bytes.
    pub fn frame_len(&self) -> u64 {
        FRAME_HEADER_LEN as u64 + u64::from(self.page_size)
    }
}

/// Whether SQLite has pages of this size: a power of two from 512 to 65,536 bytes.
pub fn is_page_size(size: u32) -> bool {
    size.is_power_of_two() && (MIN_PAGE_SIZE..=MAX_PAGE_SIZE).contains(&size)
}

/// A frame as it is in the log, with all that tells whether it can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is judged on its own")]
pub struct WalFrame {
    /// Which one it is, from 0.
    pub index: u64,
    /// Where its page begins in the log, in bytes.
    pub offset: u64,
    /// Which page of the database it is.
    pub page: u32,
    /// For the last frame of a commit: how many pages the database has after it.
    pub commit: Option<u32>,
    /// Its salts.
    pub salts: [u32; 2],
    /// Whether its salts are the header's: it belongs to this round of the log.
    pub in_round: bool,
    /// The checksum that it stores.
    pub checksum: WalChecksum,
    /// Whether that is the sum over the header and all frames up to here. Only damage within a
    /// stored checksum leaves this true for frames behind it.
    pub continues_chain: bool,
    /// Whether that is the sum over this frame, from the checksum stored in the one before. This
    /// is true of undamaged frames behind a damaged one, also of an earlier round.
    pub continues_previous: bool,
    /// Whether SQLite's recovery reads as far as this frame: it and all before it are in the round
    /// and continue the chain. Recovery then drops the frames behind the last commit among them.
    pub recovered: bool,
}

/// All whole frames of a log, in order.
pub struct WalFrames<S> {
    source: S,
    header: WalHeader,
    next: u64,
    /// The frame's header and its page.
    bytes: Vec<u8>,
    /// The sums over everything so far.
    running: WalChecksum,
    /// The sums that the frame before stores.
    stored: WalChecksum,
    recovered: bool,
    torn: u64,
    is_done: bool,
}

impl<S: ReadAt> WalFrames<S> {
    /// The frames of a log with this header.
    pub fn new(source: S, header: WalHeader) -> Self {
        let len = FRAME_HEADER_LEN + header.page_size as usize;
        Self {
            source,
            next: 0,
            bytes: vec![0; len],
            running: header.checksum,
            stored: header.checksum,
            recovered: true,
            torn: 0,
            is_done: false,
            header,
        }
    }

    /// The page in the frame that was given out last; zeroes before the first.
    pub fn page(&self) -> &[u8] {
        &self.bytes[FRAME_HEADER_LEN..]
    }

    /// How many bytes stand behind the last whole frame. Known when all frames were given out.
    pub fn torn(&self) -> u64 {
        self.torn
    }

    fn read(&mut self) -> io::Result<Option<WalFrame>> {
        let index = self.next;
        let at = (HEADER_LEN as u64).saturating_add(index.saturating_mul(self.header.frame_len()));
        let filled = self.source.fill_at(&mut self.bytes, at)?;
        if filled < self.bytes.len() {
            self.torn = filled as u64;
            return Ok(None);
        }
        self.next += 1;
        let Some(frame_header) = self.bytes.first_chunk::<FRAME_HEADER_LEN>() else {
            return Ok(None);
        };
        let [page, commit, salts @ .., sum, other_sum] = words::<6>(frame_header);
        let checksum = [sum, other_sum];
        let from_stored = self.sum_from(self.stored);
        let from_running = if self.running == self.stored {
            from_stored
        } else {
            self.sum_from(self.running)
        };
        let in_round = salts == self.header.salts;
        let continues_chain = checksum == from_running;
        self.recovered &= in_round && continues_chain && page != 0;
        (self.running, self.stored) = (from_running, checksum);
        Ok(Some(WalFrame {
            index,
            offset: at + FRAME_HEADER_LEN as u64,
            page,
            commit: (commit != 0).then_some(commit),
            salts,
            in_round,
            checksum,
            continues_chain,
            continues_previous: checksum == from_stored,
            recovered: self.recovered,
        }))
    }

    /// What the sums are after this frame: its page number, its size of the database, its page.
    fn sum_from(&self, sums: WalChecksum) -> WalChecksum {
        let sums = add(self.header.big_endian, sums, &self.bytes[..8]);
        add(self.header.big_endian, sums, self.page())
    }
}

/// Ends after the last whole frame, or after an error of the disk.
impl<S: ReadAt> Iterator for WalFrames<S> {
    type Item = io::Result<WalFrame>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_done {
            return None;
        }
        let read = self.read().transpose();
        self.is_done = !matches!(read, Some(Ok(_)));
        read
    }
}

/// Adds bytes to the sums; a rest of fewer than eight bytes is left out.
fn add(big_endian: bool, [mut first, mut second]: WalChecksum, bytes: &[u8]) -> WalChecksum {
    let (pairs, _) = bytes.as_chunks::<8>();
    for &[a, b, c, d, e, f, g, h] in pairs {
        let (low, high) = if big_endian {
            (
                u32::from_be_bytes([a, b, c, d]),
                u32::from_be_bytes([e, f, g, h]),
            )
        } else {
            (
                u32::from_le_bytes([a, b, c, d]),
                u32::from_le_bytes([e, f, g, h]),
            )
        };
        first = first.wrapping_add(low).wrapping_add(second);
        second = second.wrapping_add(high).wrapping_add(first);
    }
    [first, second]
}

/// The words of a header, each with its highest byte first.
fn words<const N: usize>(bytes: &[u8]) -> [u32; N] {
    let (words, _) = bytes.as_chunks::<4>();
    std::array::from_fn(|n| words.get(n).map_or(0, |word| u32::from_be_bytes(*word)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PAGE: usize = 512;

    /// A log of this many frames, each of which is a commit, as SQLite writes it.
    fn log(frames: u8, salts: [u32; 2], big_endian: bool) -> Vec<u8> {
        let magic = MAGIC | u32::from(big_endian);
        let page_size = u32::try_from(PAGE).unwrap();
        let mut bytes = [magic, FORMAT, page_size, 7, salts[0], salts[1]]
            .map(u32::to_be_bytes)
            .concat();
        let mut sums = add(big_endian, [0; 2], &bytes);
        bytes.extend(sums.map(u32::to_be_bytes).concat());
        for n in 0..frames {
            let start = [u32::from(n) + 1, 9].map(u32::to_be_bytes).concat();
            let page = [n; PAGE];
            sums = add(big_endian, add(big_endian, sums, &start), &page);
            bytes.extend(start);
            bytes.extend(
                [salts, sums]
                    .concat()
                    .into_iter()
                    .flat_map(u32::to_be_bytes),
            );
            bytes.extend(page);
        }
        bytes
    }

    fn read(bytes: &[u8]) -> Vec<WalFrame> {
        let header = WalHeader::parse(bytes).unwrap();
        WalFrames::new(bytes, header).map(Result::unwrap).collect()
    }

    fn at(frame: usize) -> usize {
        HEADER_LEN + frame * (FRAME_HEADER_LEN + PAGE)
    }

    #[test]
    fn a_whole_log_is_read_as_sqlite_reads_it() {
        for big_endian in [false, true] {
            let bytes = log(3, [5, 6], big_endian);
            let frames = read(&bytes);
            assert_eq!(frames.len(), 3);
            assert!(
                frames
                    .iter()
                    .all(|frame| frame.recovered && frame.continues_previous)
            );
            assert_eq!((frames[2].page, frames[2].commit), (3, Some(9)));
            let mut reader = WalFrames::new(&bytes[..], WalHeader::parse(&bytes).unwrap());
            assert_eq!(reader.nth(1).unwrap().unwrap().index, 1);
            assert_eq!(reader.page(), [1; PAGE]);
        }
    }

    #[test]
    fn frames_behind_a_damaged_page_are_still_judged() {
        let mut bytes = log(4, [5, 6], false);
        bytes[at(1) + FRAME_HEADER_LEN + 100] ^= 1;
        let frames = read(&bytes);
        let recovered: Vec<_> = frames.iter().map(|frame| frame.recovered).collect();
        let follows: Vec<_> = frames
            .iter()
            .map(|frame| frame.continues_previous)
            .collect();
        assert_eq!(recovered, [true, false, false, false]);
        assert_eq!(follows, [true, false, true, true]);
    }

    #[test]
    fn frames_behind_a_damaged_checksum_are_still_judged() {
        let mut bytes = log(4, [5, 6], false);
        bytes[at(1) + 20] ^= 1;
        let frames = read(&bytes);
        let chain: Vec<_> = frames.iter().map(|frame| frame.continues_chain).collect();
        assert_eq!(chain, [true, false, true, true]);
        assert!(!frames[2].continues_previous && !frames[2].recovered);
    }

    #[test]
    fn frames_of_an_earlier_round_follow_each_other_only() {
        let mut bytes = log(4, [5, 6], false);
        let newer = log(2, [6, 7], false);
        bytes[..newer.len()].copy_from_slice(&newer);
        let frames = read(&bytes);
        let in_round: Vec<_> = frames.iter().map(|frame| frame.in_round).collect();
        assert_eq!(in_round, [true, true, false, false]);
        assert!(!frames[2].continues_previous && frames[3].continues_previous);
        assert!(frames[1].recovered && !frames[2].recovered);
    }

    #[test]
    fn a_torn_frame_is_told_and_not_read() {
        let bytes = log(2, [5, 6], false);
        let cut = &bytes[..bytes.len() - 100];
        let mut frames = WalFrames::new(cut, WalHeader::parse(cut).unwrap());
        assert_eq!(frames.by_ref().count(), 1);
        assert_eq!(frames.torn(), (FRAME_HEADER_LEN + PAGE - 100) as u64);
    }

    #[test]
    fn each_damaged_bit_of_a_header_is_told() {
        let bytes = log(0, [5, 6], false);
        for bit in 0..HEADER_LEN * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(WalHeader::parse(&damaged).is_err(), "bit {bit}");
        }
        assert_eq!(
            WalHeader::parse(&bytes[..31]),
            Err(WalHeaderError::Short(31))
        );
        assert!(WalHeader::parse(&bytes).is_ok());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_to_their_end(
            bytes in proptest::collection::vec(any::<u8>(), 0..4_000),
            shift in 0_u32..20,
        ) {
            let _ = WalHeader::parse(&bytes);
            let header = WalHeader::assumed(1 << shift, true);
            let read = WalFrames::new(&bytes[..], header).count() as u64;
            let frames = (bytes.len() as u64).saturating_sub(32) / header.frame_len();
            prop_assert_eq!(read, frames);
        }
    }
}
