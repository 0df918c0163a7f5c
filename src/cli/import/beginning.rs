//! Whether a file begins as a state does: its first bytes, so that a large folder is looked through
//! without reading it.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// How many bytes of a file are looked at.
const MAX_HEAD: u64 = 4096;

/// Whether a file begins as states do.
pub(super) fn begins_as_state(path: &Path) -> bool {
    let head = || -> io::Result<Vec<u8>> {
        let mut head = Vec::new();
        File::open(path)?.take(MAX_HEAD).read_to_end(&mut head)?;
        Ok(head)
    };
    let head = head().unwrap_or_default();
    let text = String::from_utf8_lossy(&head);
    let has = |name: &str| text.contains(&format!("\"{name}\""));
    text.trim_start().starts_with('{')
        && ((has("serial") && has("lineage")) || has("encrypted_data"))
}
