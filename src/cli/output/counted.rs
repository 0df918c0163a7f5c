//! Numbers of things and sizes, in the words of people.

use serde_json::Value;

/// So many of something, as people write it: `1 state`, `2 states`.
pub(in crate::cli) fn counted<N: Copy + PartialEq + From<u8> + std::fmt::Display>(
    count: N,
    what: &str,
) -> String {
    if count == N::from(1) {
        format!("{count} {what}")
    } else {
        format!("{count} {what}s")
    }
}

/// A number of an answer with what is counted; `-` if it is not told.
pub(in crate::cli) fn counted_in(value: &Value, what: &str) -> String {
    value
        .as_u64()
        .map_or_else(|| format!("- {what}s"), |count| counted(count, what))
}

/// A size of an answer, as people read it.
pub(in crate::cli) fn size(value: &Value) -> String {
    value.as_u64().map_or_else(
        || "-".to_owned(),
        |bytes| bytesize::ByteSize::b(bytes).display().iec().to_string(),
    )
}
