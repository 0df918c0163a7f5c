//! What is done with a body before it queues for the writer: checked, hashed, compressed, off the request threads.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};

use super::error::Error;
use crate::blob;
use crate::model::digest::{self, Digest};
use crate::model::tfstate::{self, NotAState, StateHead};
use crate::store::StoredBlob;

/// How many bytes two digests take in turns: two blocks of either.
const SIDE_BY_SIDE: usize = 128;

/// A body that is a valid state, ready to be stored.
pub(super) struct Prepared {
    pub(super) sha256: Digest,
    pub(super) size: u64,
    pub(super) head: StateHead,
    pub(super) blob: StoredBlob,
}

/// Checks, hashes and compresses a state. Its MD5 may be known already.
pub(super) fn prepare(bytes: &[u8], content_md5: Option<&str>, md5: Option<[u8; 16]>, max_nesting: usize) -> Result<Prepared, Error> {
    let sha256 = match (content_md5, md5) {
        (Some(expected), Some(md5)) => {
            compare_md5(expected, md5)?;
            Digest::of(bytes)
        }
        (Some(expected), None) => {
            let (sha256, md5) = both_digests(bytes);
            compare_md5(expected, md5)?;
            sha256
        }
        (None, _) => Digest::of(bytes),
    };
    let head = tfstate::read_head(bytes, max_nesting).map_err(|error| {
        let code = match error {
            NotAState::TooDeep(_) => "too_deep",
            NotAState::DuplicateKey(_) => "duplicate_key",
            NotAState::LooksLikeALock => "looks_like_a_lock",
            NotAState::Empty | NotAState::NotJson(_) => "bad_body",
            NotAState::NotAState(_) => "not_a_state",
        };
        Error::invalid(code, format!("{error}; nothing was stored"))
    })?;
    let frame = blob::encode(bytes).map_err(|error| Error::Internal(error.to_string()))?;
    let blob = StoredBlob { format: blob::WHOLE, size: bytes.len() as u64, frame };
    Ok(Prepared { sha256, size: bytes.len() as u64, head, blob })
}

/// The SHA-256 and the MD5 of some bytes, computed side by side: both wait for their own last step most of the time, so a processor does two
/// of them in little more than the time of one.
fn both_digests(bytes: &[u8]) -> (Digest, [u8; 16]) {
    let (mut sha256, mut md5) = (digest::Hasher::default(), Md5::new());
    for piece in bytes.chunks(SIDE_BY_SIDE) {
        sha256.update(piece);
        md5.update(piece);
    }
    (sha256.finish(), md5.finalize().into())
}

/// Refuses bytes that are not those the client sent.
pub fn check_md5(bytes: &[u8], content_md5: Option<&str>) -> Result<(), Error> {
    let Some(expected) = content_md5 else { return Ok(()) };
    compare_md5(expected, Md5::digest(bytes).into())
}

fn compare_md5(expected: &str, found: [u8; 16]) -> Result<(), Error> {
    if STANDARD.decode(expected.trim()).is_ok_and(|expected| expected == found) {
        return Ok(());
    }
    Err(Error::invalid(
        "md5_mismatch",
        "the body is not the one that its Content-MD5 belongs to; it was changed or cut on the way, send it again",
    ))
}
