//! What is done with a body before it queues for the writer: checked, hashed, compressed, off the request threads.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::Digest as _;

use super::error::Error;
use crate::blob;
use crate::model::digest::Digest;
use crate::model::tfstate::{self, NotAState, StateHead};
use crate::store::StoredBlob;

/// A body that is a valid state, ready to be stored.
pub(super) struct Prepared {
    pub(super) sha256: Digest,
    pub(super) size: u64,
    pub(super) head: StateHead,
    pub(super) blob: StoredBlob,
}

/// Checks, hashes and compresses a state.
pub(super) fn prepare(bytes: &[u8], content_md5: Option<&str>) -> Result<Prepared, Error> {
    check_md5(bytes, content_md5)?;
    let head = tfstate::read_head(bytes).map_err(|error| {
        let code = match error {
            NotAState::TooDeep => "too_deep",
            NotAState::DuplicateKey(_) => "duplicate_key",
            NotAState::LooksLikeALock => "looks_like_a_lock",
            NotAState::Empty | NotAState::NotJson(_) => "bad_body",
            NotAState::NotAState(_) => "not_a_state",
        };
        Error::invalid(code, format!("{error}; nothing was stored"))
    })?;
    let frame = blob::encode(bytes).map_err(|error| Error::Internal(error.to_string()))?;
    let blob = StoredBlob { format: blob::FORMAT, frame };
    Ok(Prepared { sha256: Digest::of(bytes), size: bytes.len() as u64, head, blob })
}

/// Refuses bytes that are not those the client sent.
pub fn check_md5(bytes: &[u8], content_md5: Option<&str>) -> Result<(), Error> {
    let Some(expected) = content_md5 else { return Ok(()) };
    if STANDARD.decode(expected.trim()).is_ok_and(|expected| expected == md5::Md5::digest(bytes).as_slice()) {
        return Ok(());
    }
    Err(Error::invalid(
        "md5_mismatch",
        "the body is not the one that its Content-MD5 belongs to; it was changed or cut on the way, send it again",
    ))
}
