//! What is done with a body before it queues for the writer: checked, hashed, compressed, off the
//! request threads.

use std::sync::OnceLock;

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

/// A body that comes with its MD5 or without, and its SHA-256, which whoever needs it first
/// computes.
pub(in crate::domain) struct Body {
    bytes: Vec<u8>,
    content_md5: Option<String>,
    sha256: OnceLock<Result<Digest, Error>>,
}

impl Body {
    pub(in crate::domain) fn new(bytes: Vec<u8>, content_md5: Option<String>) -> Self {
        Self {
            bytes,
            content_md5,
            sha256: OnceLock::new(),
        }
    }

    pub(in crate::domain) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether it comes with its MD5.
    pub(in crate::domain) fn has_md5(&self) -> bool {
        self.content_md5.is_some()
    }

    /// Its SHA-256, or that it is not the body which was sent. Its MD5 may be known already.
    /// Whoever asks while it is computed waits for it.
    pub(in crate::domain) fn sha256(&self, md5: Option<[u8; 16]>) -> Result<Digest, Error> {
        self.sha256
            .get_or_init(|| digest(&self.bytes, self.content_md5.as_deref(), md5))
            .clone()
    }

    /// Checks, hashes and compresses a state.
    pub(in crate::domain) fn prepare(
        &self,
        md5: Option<[u8; 16]>,
        max_nesting: usize,
    ) -> Result<Prepared, Error> {
        prepare_with(&self.bytes, || self.sha256(md5), max_nesting)
    }
}

/// Checks, hashes and compresses a state.
pub(in crate::domain) fn prepare(
    bytes: &[u8],
    content_md5: Option<&str>,
    max_nesting: usize,
) -> Result<Prepared, Error> {
    prepare_with(bytes, || digest(bytes, content_md5, None), max_nesting)
}

fn prepare_with(
    bytes: &[u8],
    sha256: impl FnOnce() -> Result<Digest, Error> + Send,
    max_nesting: usize,
) -> Result<Prepared, Error> {
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
fn digest(bytes: &[u8], content_md5: Option<&str>, md5: Option<[u8; 16]>) -> Result<Digest, Error> {
    let Some(expected) = content_md5 else {
        return Ok(Digest::of(bytes));
    };
    let Some(md5) = md5 else {
        let (sha256, md5) = both_digests(bytes);
        return compare_md5(expected, md5).map(|()| sha256);
    };
    compare_md5(expected, md5).map(|()| Digest::of(bytes))
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
    fn all_who_ask_get_the_digest_of_a_body_that_is_the_one_sent_and_of_no_other() {
        let bytes = b"{}".to_vec();
        let (right, wrong) = (STANDARD.encode(md5(&bytes)), STANDARD.encode(md5(b"other")));
        let ask = |content_md5: Option<&str>, known| {
            let body = Body::new(bytes.clone(), content_md5.map(str::to_owned));
            let of_all: Vec<_> = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| body.sha256(known))).collect();
                threads
                    .into_iter()
                    .map(|thread| thread.join().unwrap())
                    .collect()
            });
            of_all.into_iter().map(Result::ok).collect::<Vec<_>>()
        };
        let found = vec![Some(Digest::of(&bytes)); 4];
        for (content_md5, known) in [
            (None, None),
            (Some(&*right), None),
            (Some(&*right), Some(md5(&bytes))),
        ] {
            assert_eq!(ask(content_md5, known), found);
        }
        for (content_md5, known) in [
            (&*wrong, None),
            (&*wrong, Some(md5(&bytes))),
            (&*right, Some(md5(b"other"))),
            ("?", None),
        ] {
            assert_eq!(ask(Some(content_md5), known), [None; 4]);
        }
    }
}
