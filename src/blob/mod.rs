//! Blobs: how a version's bytes are kept. Bytes in, bytes out; no database.
//!
//! A blob of format 1 is a full zstd frame. A blob of format 2 is a delta: a zstd frame whose
//! matches reach back into the bytes of another blob, its base, which the reader must have.
//! [`decode`] compares what comes out with the SHA-256 that it was stored under, so no reader ever
//! sees bytes that were not written, whichever frame of the chain is damaged.

mod contexts;
pub mod stream;

use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::{self, CCtx, CParameter, DCtx};

use contexts::Contexts;

use crate::model::digest::Digest;
use crate::sabotage::{self, Fault};

/// zstd's level while a client waits. On states it makes smaller frames than level 3 in two thirds
/// of the time.
const LEVEL: i32 = 1;
/// zstd's level when no client waits: full frames are a seventh smaller, deltas half as large as at
/// level 3. A higher level gains nothing.
const LEVEL_WHEN_SLOW: i32 = 9;

/// The format of a full frame; kept beside each blob, so that formats can be told apart.
pub const FULL: u32 = 1;
/// The format of a delta, which needs the bytes of its base.
pub const DELTA: u32 = 2;

/// The largest content, in bytes, that is kept as a delta or used as a base.
pub const MAX_IN_DELTA: u64 = 256 * 1024 * 1024;
/// Beyond so many bytes, of both together, the compressor's own tables forget the beginning of the
/// base before they come to what is like it. It looks for long matches too, by tables that do not.
const FAR_APART: usize = 32 * 1024 * 1024;
/// What the compressor needs beside the bytes, in bytes, when it has time.
const WORKING_MEMORY: u64 = 32 * 1024 * 1024;
/// The same for what is far apart.
const WORKING_MEMORY_FAR_APART: u64 = 96 * 1024 * 1024;

/// What the compressor needs beside so many bytes, and their base, when it has time.
pub const fn working_memory(bytes: u64) -> u64 {
    if bytes > FAR_APART as u64 {
        WORKING_MEMORY_FAR_APART
    } else {
        WORKING_MEMORY
    }
}

/// Why a blob cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// zstd refuses the frame.
    #[error("the frame cannot be decoded: {0}")]
    Frame(std::io::Error),
    /// The bytes are not those that were written.
    #[error("the bytes are not those that were written: SHA-256 {found} instead of {expected}")]
    Mismatch {
        /// What they were stored under.
        expected: Digest,
        /// What they are now.
        found: Digest,
    },
    /// Another one is needed to read it.
    #[error("the frame is a delta, and the bytes of its base are not there")]
    NoBase,
    /// A newer statekeep wrote it.
    #[error("the blob has format {0}, which this version does not know")]
    UnknownFormat(u32),
    /// The compressor failed.
    #[error("the bytes cannot be compressed: {0}")]
    Encode(std::io::Error),
}

static COMPRESSORS: Contexts<Compressor<'static>> = Contexts::new();
static DECOMPRESSORS: Contexts<Decompressor<'static>> = Contexts::new();

/// Compresses bytes into a full frame.
pub fn encode(bytes: &[u8]) -> Result<Vec<u8>, BlobError> {
    let make = || Compressor::new(LEVEL);
    let mut frame = COMPRESSORS
        .with(bytes.len(), make, |compressor| compressor.compress(bytes))
        .map_err(BlobError::Encode)?;
    // It was made with room for bytes that cannot be compressed at all.
    frame.shrink_to_fit();
    Ok(frame)
}

/// The same when no client waits: smaller, and some ten times slower. With the bytes of a base, the
/// frame is a delta to them.
pub fn encode_slowly(bytes: &[u8], base: Option<&[u8]>) -> Result<Vec<u8>, BlobError> {
    let room = zstd_safe::compress_bound(bytes.len());
    encode_within(bytes, base, room).map_err(encoding_failed)
}

/// The same only if the frame takes no more than so many bytes.
pub fn encode_smaller(bytes: &[u8], base: Option<&[u8]>, most: usize) -> Option<Vec<u8>> {
    let room = zstd_safe::compress_bound(bytes.len());
    encode_within(bytes, base, room.min(most)).ok()
}

fn encode_within(
    bytes: &[u8],
    base: Option<&[u8]>,
    room: usize,
) -> Result<Vec<u8>, zstd_safe::ErrorCode> {
    let mut context = CCtx::create();
    context.set_parameter(CParameter::CompressionLevel(LEVEL_WHEN_SLOW))?;
    if let Some(base) = base {
        let both = base.len() + bytes.len();
        // Matches have to reach from the end of the bytes back to the beginning of the base.
        let window = (usize::BITS - both.leading_zeros()).max(MIN_WINDOW_LOG);
        context.set_parameter(CParameter::WindowLog(window))?;
        let far = CParameter::EnableLongDistanceMatching(both > FAR_APART);
        context.set_parameter(far)?;
        context.ref_prefix(base)?;
    }
    let mut frame = Vec::with_capacity(room);
    context.compress2(&mut frame, bytes)?;
    frame.shrink_to_fit();
    Ok(frame)
}

/// The smallest window that zstd has, as a power of two.
const MIN_WINDOW_LOG: u32 = 10;

fn encoding_failed(code: zstd_safe::ErrorCode) -> BlobError {
    BlobError::Encode(std::io::Error::other(zstd_safe::get_error_name(code)))
}

/// A frame as it is kept, and what has to come out of it.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// [`FULL`] or [`DELTA`].
    pub format: u32,
    /// How many bytes come out of it.
    pub size: u64,
    /// The frame itself.
    pub bytes: &'a [u8],
}

/// Decodes a delta chain, the full frame first, and hands the last bytes out only if they are those
/// that were written.
pub fn decode<'a>(
    frames: impl IntoIterator<Item = Frame<'a>>,
    expected: Digest,
) -> Result<Vec<u8>, BlobError> {
    decode_onto(None, frames, std::convert::identity, expected)
}

/// The same from the bytes of a base on, if there is one, and where bytes are known by another name
/// than their SHA-256: `named` makes it of that.
pub fn decode_onto<'a>(
    base: Option<&[u8]>,
    frames: impl IntoIterator<Item = Frame<'a>>,
    named: impl FnOnce(Digest) -> Digest,
    expected: Digest,
) -> Result<Vec<u8>, BlobError> {
    let mut bytes: Option<Vec<u8>> = None;
    for frame in frames {
        bytes = Some(decode_one(frame, bytes.as_deref().or(base))?);
    }
    verified(bytes.ok_or(BlobError::NoBase)?, named, expected)
}

/// How many bytes a frame says that come out of it; none if it does not say so, or is no frame.
pub fn content_size(frame: &[u8]) -> Option<u64> {
    zstd_safe::get_frame_content_size(frame).ok().flatten()
}

/// Decodes one frame and compares nothing: any bytes may come out. Only for a reader of damaged
/// files, which tries several frames and compares the last bytes itself.
pub fn decode_unverified(frame: Frame<'_>, base: Option<&[u8]>) -> Result<Vec<u8>, BlobError> {
    decode_one(frame, base)
}

fn decode_one(frame: Frame<'_>, base: Option<&[u8]>) -> Result<Vec<u8>, BlobError> {
    // The frame says how large it is: no damaged number makes us ask for memory that the bytes do
    // not need.
    if content_size(frame.bytes) != Some(frame.size) {
        return Err(BlobError::Frame(std::io::Error::other(
            "its size is not the one that was stored",
        )));
    }
    let size = usize::try_from(frame.size)
        .map_err(|error| BlobError::Frame(std::io::Error::other(error)))?;
    match (frame.format, base) {
        (FULL, _) => DECOMPRESSORS
            .with(size, Decompressor::new, |context| {
                context.decompress(frame.bytes, size)
            })
            .map_err(BlobError::Frame),
        (DELTA, None) => Err(BlobError::NoBase),
        (DELTA, Some(base)) => {
            let failed =
                |code| BlobError::Frame(std::io::Error::other(zstd_safe::get_error_name(code)));
            let mut context = DCtx::create();
            context.ref_prefix(base).map_err(failed)?;
            let mut bytes = Vec::with_capacity(size);
            context
                .decompress(&mut bytes, frame.bytes)
                .map_err(failed)?;
            Ok(bytes)
        }
        (unknown, _) => Err(BlobError::UnknownFormat(unknown)),
    }
}

fn verified(
    bytes: Vec<u8>,
    named: impl FnOnce(Digest) -> Digest,
    expected: Digest,
) -> Result<Vec<u8>, BlobError> {
    let found = named(Digest::of(&bytes));
    if found == expected || sabotage::is(Fault::NoHash) {
        Ok(bytes)
    } else {
        Err(BlobError::Mismatch { expected, found })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(bytes: &[u8], size: u64) -> Frame<'_> {
        Frame {
            format: FULL,
            size,
            bytes,
        }
    }

    fn last(bytes: &[u8], size: u64) -> Frame<'_> {
        Frame {
            format: DELTA,
            size,
            bytes,
        }
    }

    /// Two states that differ a little.
    fn states() -> (Vec<u8>, Vec<u8>) {
        let one = (0..2_000).fold(String::new(), |state, n| {
            format!("{state}i-{:x},", n * 7_919)
        });
        let other = one.replacen("i-1eef", "changed", 1);
        (one.into_bytes(), other.into_bytes())
    }

    fn each_bit_wrong(frame: &[u8]) -> impl Iterator<Item = Vec<u8>> {
        (0..frame.len() * 8).map(|bit| {
            let mut damaged = frame.to_vec();
            damaged[bit / 8] ^= 1 << (bit % 8);
            damaged
        })
    }

    #[test]
    fn gives_back_the_exact_bytes() {
        for bytes in [&b"{}"[..], &vec![0; 100_000], &[]] {
            for frame in [encode(bytes).unwrap(), encode_slowly(bytes, None).unwrap()] {
                assert_eq!(
                    decode([whole(&frame, bytes.len() as u64)], Digest::of(bytes)).unwrap(),
                    bytes
                );
            }
        }
    }

    #[test]
    fn a_difference_is_small_and_needs_its_base() {
        let (one, other) = states();
        let (base, difference) = (
            encode(&one).unwrap(),
            encode_slowly(&other, Some(&one)).unwrap(),
        );
        assert!(
            difference.len() < 100 && base.len() > 1_000,
            "{} after {}",
            difference.len(),
            base.len()
        );
        let first = whole(&base, one.len() as u64);
        let second = Frame {
            format: DELTA,
            size: other.len() as u64,
            bytes: &difference,
        };
        let expected = Digest::of(&other);
        assert_eq!(decode([first, second], expected).unwrap(), other);
        let onto = |base: &[u8]| decode_onto(Some(base), [second], |name| name, expected);
        assert_eq!(onto(&one).unwrap(), other, "from the bytes of its base on");
        assert!(onto(&one[..one.len() - 1]).is_err(), "and of no other");
        assert!(matches!(decode([second], expected), Err(BlobError::NoBase)));
        assert!(matches!(
            decode([first], expected),
            Err(BlobError::Mismatch { .. })
        ));
        assert!(matches!(decode([], expected), Err(BlobError::NoBase)));
        assert!(decode([second, first], expected).is_err());
    }

    #[test]
    fn never_gives_back_others() {
        let bytes = b"{\"serial\": 1, \"serial\": 1, \"serial\": 1}".repeat(20);
        let (frame, digest, size) = (
            encode(&bytes).unwrap(),
            Digest::of(&bytes),
            bytes.len() as u64,
        );
        let other = bytes.repeat(2);
        let (difference, longer, at) = (
            encode_slowly(&other, Some(&bytes)).unwrap(),
            Digest::of(&other),
            other.len() as u64,
        );
        for damaged in each_bit_wrong(&frame) {
            assert!(decode([whole(&damaged, size)], digest).map_or(true, |read| read == bytes));
            assert!(
                decode([whole(&damaged, size), last(&difference, at)], longer)
                    .map_or(true, |read| read == other)
            );
        }
        for damaged in each_bit_wrong(&difference) {
            assert!(
                decode([whole(&frame, size), last(&damaged, at)], longer)
                    .map_or(true, |read| read == other)
            );
        }
        assert!(decode([whole(&frame, size - 1)], digest).is_err());
        assert!(decode([whole(&frame, size)], Digest::of(b"other")).is_err());
        assert!(matches!(
            decode(
                [Frame {
                    format: 3,
                    size,
                    bytes: &frame
                }],
                digest
            ),
            Err(BlobError::UnknownFormat(3))
        ));
    }
}
