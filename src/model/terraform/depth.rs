//! How deep brackets are nested, without recursion: no input can exhaust the stack.

use crate::model::json_words::{JsonWord, JsonWords};

/// Whether brackets outside texts are open more than `limit` deep somewhere.
pub(super) fn is_deeper_than(bytes: &[u8], limit: usize) -> bool {
    // Most states have fewer brackets than that in all, which is seen much faster.
    if brackets(bytes) <= limit {
        return false;
    }
    let mut depth = 0_usize;
    JsonWords::of(bytes).any(|(word, _)| {
        match word {
            JsonWord::Open => depth += 1,
            JsonWord::Close => depth = depth.saturating_sub(1),
            JsonWord::Text | JsonWord::Scalar => {}
        }
        depth > limit
    })
}

/// How many opening brackets there are, in texts too. Counted in bytes, which compilers turn into
/// instructions that take many bytes at once.
fn brackets(bytes: &[u8]) -> usize {
    let in_chunk = |chunk: &[u8]| {
        chunk
            .iter()
            .map(|byte| u8::from(matches!(byte, b'{' | b'[')))
            .sum::<u8>()
    };
    bytes
        .chunks(usize::from(u8::MAX))
        .map(|chunk| usize::from(in_chunk(chunk)))
        .sum()
}
