//! Blobs: how a version's bytes are kept. Bytes in, bytes out; no database.
//!
//! A blob of format 1 is one zstd frame that stands alone. What comes out of [`decode`] is only handed on after it has been
//! compared with the SHA-256 that it was stored under: no reader ever sees bytes that were not written.

mod contexts;

use zstd::bulk::{Compressor, Decompressor};

use contexts::Contexts;

use crate::model::digest::Digest;

/// zstd's level. On states it makes smaller frames than level 3 in two thirds of the time; level 9 saves another tenth and takes ten times as long.
const LEVEL: i32 = 1;

/// The format of the blobs that [`encode`] makes; kept beside each blob, so that a later format can be told apart.
pub const FORMAT: u32 = 1;

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
    /// A newer statekeep wrote it.
    #[error("the blob has format {0}, which this version does not know")]
    UnknownFormat(u32),
    /// The compressor failed.
    #[error("the bytes cannot be compressed: {0}")]
    Encode(std::io::Error),
}

static COMPRESSORS: Contexts<Compressor<'static>> = Contexts::new();
static DECOMPRESSORS: Contexts<Decompressor<'static>> = Contexts::new();

/// Compresses bytes into a frame that stands alone.
pub fn encode(bytes: &[u8]) -> Result<Vec<u8>, BlobError> {
    let make = || Compressor::new(LEVEL);
    let mut frame = COMPRESSORS.with(bytes.len(), make, |compressor| compressor.compress(bytes)).map_err(BlobError::Encode)?;
    // It was made with room for bytes that cannot be compressed at all.
    frame.shrink_to_fit();
    Ok(frame)
}

/// Decodes a frame of a known size, and hands the bytes out only when they are those that were written.
pub fn decode(frame: &[u8], format: u32, size: u64, expected: Digest) -> Result<Vec<u8>, BlobError> {
    if format != FORMAT {
        return Err(BlobError::UnknownFormat(format));
    }
    // The frame says how large it is: no damaged number makes us ask for memory that the bytes do not need.
    if zstd::zstd_safe::get_frame_content_size(frame).ok().flatten() != Some(size) {
        return Err(BlobError::Frame(std::io::Error::other("its size is not the one that was stored")));
    }
    let size = usize::try_from(size).map_err(|error| BlobError::Frame(std::io::Error::other(error)))?;
    let bytes =
        DECOMPRESSORS.with(size, Decompressor::new, |decompressor| decompressor.decompress(frame, size)).map_err(BlobError::Frame)?;
    verified(bytes, expected)
}

fn verified(bytes: Vec<u8>, expected: Digest) -> Result<Vec<u8>, BlobError> {
    let found = Digest::of(&bytes);
    if found == expected { Ok(bytes) } else { Err(BlobError::Mismatch { expected, found }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_back_the_exact_bytes() {
        for bytes in [&b"{}"[..], &vec![0; 100_000], &[]] {
            let frame = encode(bytes).unwrap();
            assert_eq!(decode(&frame, FORMAT, bytes.len() as u64, Digest::of(bytes)).unwrap(), bytes);
        }
    }

    #[test]
    fn never_gives_back_others() {
        let bytes = b"{\"serial\": 1, \"serial\": 1, \"serial\": 1}".repeat(20);
        let (frame, digest, size) = (encode(&bytes).unwrap(), Digest::of(&bytes), bytes.len() as u64);
        for position in 0..frame.len() {
            for bit in 0..8 {
                let mut damaged = frame.clone();
                damaged[position] ^= 1 << bit;
                assert!(decode(&damaged, FORMAT, size, digest).map_or(true, |read| read == bytes), "bit {bit} of byte {position}");
            }
        }
        assert!(decode(&frame, FORMAT, size - 1, digest).is_err());
        assert!(decode(&frame, FORMAT, size, Digest::of(b"other")).is_err());
        assert!(decode(&frame, FORMAT + 1, size, digest).is_err());
    }
}
