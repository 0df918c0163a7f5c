//! Reads one file in the language that its name says.

use std::time::Instant;

use super::names::{Language, language};
use super::places::Places;
use super::reading::SourceReading;
use super::syntax::TOO_LONG;
use super::{json, native};
use crate::model::clock;

/// Reads one file. One that is not read by a time, if one is given, is in doubt.
pub(super) fn read(
    name: &str,
    content: &Result<Vec<u8>, String>,
    until: Option<Instant>,
) -> SourceReading {
    if until.is_some_and(|until| clock::monotonic() >= until) {
        return SourceReading::doubt(name, None, TOO_LONG);
    }
    let bytes = match content {
        Ok(bytes) => bytes,
        Err(reason) => return SourceReading::doubt(name, None, reason),
    };
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let valid = std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default();
            let (line, _) = Places::new(valid).of(valid.len());
            return SourceReading::doubt(name, Some(line), "the file is not UTF-8");
        }
    };
    match language(name) {
        Some(Language::Json) => json::read(name, text),
        Some(Language::Native) | None => native::read(name, text, until),
    }
}
