//! What an event costs more because it is a link in a chain: one SHA-256 of the link before and of
//! its own columns. It is a copy of what `store` does, which shows it to nobody.

use statekeep::model::digest::{Digest, Hasher};

/// A write's event, column by column.
const EVENT: [(&str, &str); 13] = [
    ("seq", "00000001"),
    ("at", "00000001"),
    ("kind", "state.write"),
    ("actor", "0123456789abcdef"),
    ("actor_name", "pipeline-of-a-team"),
    ("address", "2001:db8:0:1:2:3:4:5"),
    ("request_id", "0123456789abcdef"),
    ("workspace", "a-workspace"),
    ("building_block", "a-building-block"),
    ("version", "00000001"),
    ("lock_id", "0123456789abcdef"),
    ("detail", r#"{"serial":1234,"resources":270}"#),
    ("lasting", "00000001"),
];

/// The link before, and the name, the kind and the value of each column of a write's event.
pub(crate) fn link(before: &Digest) -> Digest {
    let mut hasher = Hasher::default();
    hasher.update(before.as_bytes());
    for column in EVENT {
        for part in [column.0.as_bytes(), b"t", column.1.as_bytes()] {
            hasher.update(&part.len().to_be_bytes());
            hasher.update(part);
        }
    }
    hasher.finish()
}
