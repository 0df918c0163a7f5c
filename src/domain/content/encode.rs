//! What is done with a body before it queues for the writer: checked, hashed, compressed, off the
//! request threads.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};

use crate::blob;
use crate::domain::error::Error;
use crate::model::digest::{self, Digest};
use crate::model::error_code::ErrorCode;
use crate::model::frame::StoredBlob;
use crate::model::terraform::tfstate::{self, NotAState, StateHead};

/// How many bytes two digests take in turns: two blocks of either.
const SIDE_BY_SIDE: usize = 128;
/// From this size on, a body is hashed by one core while another checks and compresses it, if there
/// is another that is idle.
const WORTH_TWO_CORES: usize = 128 * 1024;

/// A body that is a valid state, ready to be stored.
pub(in crate::domain) struct Prepared {
    pub(in crate::domain) sha256: Digest,
    pub(in crate::domain) size: u64,
    pub(in crate::domain) head: StateHead,
    pub(in crate::domain) blob: StoredBlob,
}

/// Checks, hashes and compresses a state.
pub(in crate::domain) fn prepare(
    bytes: &[u8],
    content_md5: Option<&str>,
    max_nesting: usize,
) -> Result<Prepared, Error> {
    let sha256 = || digest(bytes, content_md5);
    let rest = || check_and_compress(bytes, max_nesting);
    let is_among_cores = rayon::current_thread_index().is_some();
    let (rest, sha256) = if is_among_cores && bytes.len() >= WORTH_TWO_CORES {
        rayon::join(rest, sha256)
    } else {
        (rest(), sha256())
    };
    let (sha256, (head, frame)) = (sha256?, rest?);
    let size = bytes.len() as u64;
    Ok(Prepared {
        sha256,
        size,
        head,
        blob: StoredBlob {
            format: blob::FULL,
            size,
            frame,
        },
    })
}

fn check_and_compress(bytes: &[u8], max_nesting: usize) -> Result<(StateHead, Vec<u8>), Error> {
    let head = tfstate::read_head(bytes, max_nesting).map_err(|error| {
        let code = match error {
            NotAState::TooDeep(_) => ErrorCode::TooDeep,
            NotAState::DuplicateKey(_) => ErrorCode::DuplicateKey,
            NotAState::LooksLikeALock => ErrorCode::LooksLikeALock,
            NotAState::Empty | NotAState::NotJson(_) | NotAState::CutShort(_) => ErrorCode::BadBody,
            NotAState::NotAState(_) | NotAState::Instead(_) => ErrorCode::NotAState,
        };
        Error::invalid(code, format!("{error}; nothing was stored"))
    })?;
    Ok((
        head,
        blob::encode(bytes).map_err(|error| Error::Internal(error.to_string()))?,
    ))
}

/// The SHA-256 of the bytes that a client sent, if they have the MD5 that it sent with them.
fn digest(bytes: &[u8], content_md5: Option<&str>) -> Result<Digest, Error> {
    let Some(expected) = content_md5 else {
        return Ok(Digest::of(bytes));
    };
    let (sha256, md5) = both_digests(bytes);
    compare_md5(expected, md5).map(|()| sha256)
}

/// The SHA-256 and the MD5 of some bytes, computed side by side: both wait for their own last step
/// most of the time, so a processor does two of them in little more than the time of one.
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
    let Some(expected) = content_md5 else {
        return Ok(());
    };
    compare_md5(expected, Md5::digest(bytes).into())
}

fn compare_md5(expected: &str, found: [u8; 16]) -> Result<(), Error> {
    if STANDARD
        .decode(expected.trim())
        .is_ok_and(|expected| expected == found)
    {
        return Ok(());
    }
    Err(Error::invalid(
        ErrorCode::Md5Mismatch,
        "the body is not the one that its Content-MD5 belongs to; it was changed or cut on the \
            way, send it again",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn md5(bytes: &[u8]) -> [u8; 16] {
        Md5::digest(bytes).into()
    }

    #[test]
    fn the_digest_is_that_of_the_body_which_was_sent_and_of_no_other() {
        let bytes = b"{}";
        let (right, wrong) = (STANDARD.encode(md5(bytes)), STANDARD.encode(md5(b"other")));
        for content_md5 in [None, Some(&*right)] {
            let found = digest(bytes, content_md5).ok();
            assert_eq!(found, Some(Digest::of(bytes)));
        }
        for content_md5 in [&*wrong, "?"] {
            assert!(digest(bytes, Some(content_md5)).is_err(), "{content_md5}");
        }
    }
}
