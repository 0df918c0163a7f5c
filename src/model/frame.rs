//! Frames: how a version's bytes are kept, in full or as deltas, and how far a chain of them goes.

use super::digest::Digest;
use super::state::StateId;

/// The most deltas in a chain, between a version's bytes and the full frame.
pub const MAX_STEPS: u32 = 8;

/// A version's bytes as they are kept; the store does not look inside.
#[derive(Clone)]
pub struct StoredBlob {
    /// How the frame is to be read.
    pub format: u32,
    /// How many bytes come out of it.
    pub size: u64,
    /// The frame.
    pub frame: Vec<u8>,
}

/// How the column `format` of a blob tells which data key has sealed the frame: its number, times
/// this, above how the frame is to be read.
const SEALED: i64 = 256;

/// The format of a frame, and the number of the data key that has sealed it; none if either cannot
/// be.
pub fn format_of(column: i64) -> Option<(u32, Option<u32>)> {
    let (number, format) = (column / SEALED, column % SEALED);
    let (number, format) = (u32::try_from(number).ok()?, u32::try_from(format).ok()?);
    Some((format, Some(number).filter(|number| *number > 0)))
}

/// The column that tells a format and the number of a data key.
pub fn format_column(format: u32, seal: Option<u32>) -> i64 {
    i64::from(seal.unwrap_or(0)) * SEALED + i64::from(format)
}

/// A blob, as versions refer to it. The number has no meaning outside of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BlobId(i64);

impl BlobId {
    /// The blob with this number.
    pub const fn new(number: i64) -> Self {
        Self(number)
    }

    /// Its number.
    pub const fn number(self) -> i64 {
        self.0
    }
}

/// How a version's bytes are kept at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// In which blob.
    pub id: BlobId,
    /// The blob that its frame is a delta to; none when the frame is full.
    pub base: Option<BlobId>,
    /// How many bytes they are.
    pub size: u64,
    /// How long the frame is, in bytes.
    pub stored: u64,
    /// By what the exact bytes are known: their SHA-256; keyed, if the frame is sealed.
    pub digest: Digest,
    /// The number of the data key that has sealed the frame, if one has.
    pub seal: Option<u32>,
}

/// Whose bytes are meant.
#[derive(Clone, Copy, Debug)]
pub enum Bytes {
    /// Those of a version.
    Of(StateId, u64),
    /// Those in a blob.
    In(BlobId),
}

/// The frames that lead to some bytes, each a delta to what comes out of the one before.
#[derive(Default)]
pub struct FrameChain {
    /// In that order; none if the bytes were removed.
    pub frames: Vec<StoredBlob>,
    /// Whether the first one is a delta to bytes that are known already, and no full frame.
    pub is_onto_known: bool,
}

/// What it takes to get at a version's bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct ChainSize {
    /// How long all frames of the chain are together, in bytes.
    pub stored: u64,
    /// The largest bytes that come out of one of them.
    pub largest: u64,
    /// How many frames.
    pub frames: u64,
}

/// A version, as far as a purge looks at it.
#[derive(Clone, Copy, Debug)]
pub struct Purgeable {
    /// Its number.
    pub number: u64,
    /// Its content; none when that was removed.
    pub content: Option<(BlobId, Digest)>,
    /// Whether it is held.
    pub held: bool,
    /// Whether clients get it.
    pub current: bool,
}
