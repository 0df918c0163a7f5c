//! A backend block for a moment, in an override file, so that the program reads a state from
//! another place than the sources say.
//!
//! The file is never written over another. It carries the hash of what is in it, so that one that a
//! killed command left is recognised and taken away, and one that somebody changed is not. An empty
//! one was cut off, and is ours as well.

use std::fmt::Write as _;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::placing;
use super::quoting::quoted;
use crate::model::digest::Digest;

/// The name of the file. Both programs let the block in it stand for the one in the sources,
/// whether there is one or not.
pub const OVERRIDE_FILE: &str = "statekeep_transfer_override.tf";

const MARKER: &str =
    "# Written by `statekeep` while it moves a state, and removed by it. SHA-256 of what follows: ";
/// A larger file is not ours, in bytes.
const MAX_OURS: u64 = 1024 * 1024;
/// How deep settings may nest; deeper ones are left out.
const MAX_LEVELS: usize = 8;

/// The file, for as long as this lives.
pub struct OverrideFile(PathBuf);

impl OverrideFile {
    /// Writes the file for a backend with these settings.
    pub fn create(dir: &Path, kind: &str, config: &Map<String, Value>) -> io::Result<Self> {
        placing::create(dir, OVERRIDE_FILE, text(kind, config).as_bytes())?;
        Ok(Self(dir.join(OVERRIDE_FILE)))
    }

    /// Takes away a file that a killed command left; says whether there was one.
    pub fn sweep(dir: &Path) -> io::Result<bool> {
        let path = dir.join(OVERRIDE_FILE);
        let is_file = match path.symlink_metadata() {
            Ok(metadata) => metadata.is_file(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        let mut bytes = Vec::new();
        if is_file {
            std::fs::File::open(&path)?
                .take(MAX_OURS)
                .read_to_end(&mut bytes)?;
        }
        if !is_file || !(bytes.is_empty() || is_ours(&bytes)) {
            return Ok(false);
        }
        std::fs::remove_file(path)?;
        Ok(true)
    }
}

impl Drop for OverrideFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn text(kind: &str, config: &Map<String, Value>) -> String {
    let mut body = format!("terraform {{\n  backend {} {{\n", quoted(kind));
    for (name, value) in config
        .iter()
        .filter(|(name, value)| is_name(name) && !value.is_null())
    {
        setting(&mut body, name, value);
    }
    body.push_str("  }\n}\n");
    format!("{MARKER}{}\n{body}", Digest::of(body.as_bytes()))
}

fn is_ours(bytes: &[u8]) -> bool {
    let Some(rest) = bytes.strip_prefix(MARKER.as_bytes()) else {
        return false;
    };
    let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
        return false;
    };
    rest[..end] == *Digest::of(&rest[end + 1..]).to_string().as_bytes()
}

/// Objects in lists are blocks, as in `workspaces {}`; all else is written as it is.
fn setting(out: &mut String, name: &str, value: &Value) {
    match value {
        Value::Array(items) if !items.is_empty() && items.iter().all(Value::is_object) => {
            for item in items {
                block(out, name, item);
            }
        }
        Value::Object(_) if name == "workspaces" => block(out, name, value),
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_) => {
            let _ = writeln!(out, "    {name} = {}", literal(value, 0));
        }
    }
}

fn block(out: &mut String, name: &str, members: &Value) {
    let _ = writeln!(out, "    {name} {{");
    for (name, value) in members
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(name, value)| is_name(name) && !value.is_null())
    {
        let _ = writeln!(out, "      {name} = {}", literal(value, 0));
    }
    out.push_str("    }\n");
}

fn literal(value: &Value, level: usize) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::Array(items) if level < MAX_LEVELS => {
            format!(
                "[{}]",
                items
                    .iter()
                    .map(|item| literal(item, level + 1))
                    .collect::<Vec<_>>()
                    .join(", ")
            )
        }
        Value::Object(members) if level < MAX_LEVELS => {
            let members = members
                .iter()
                .map(|(name, value)| format!("{} = {}", quoted(name), literal(value, level + 1)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
        }
        Value::Null | Value::Array(_) | Value::Object(_) => "null".to_owned(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-'))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::native;
    use super::*;

    #[test]
    fn what_is_written_says_the_settings() {
        let config = json!({
            "bucket": "b\"${c}", "endpoints": { "s3": "http://e" }, "list": ["a", 1, true], "none": null, "bad name": 1,
            "workspaces": [{ "name": "w", "prefix": null }],
        });
        let text = text("s3", config.as_object().expect("an object"));
        let read = native::read(OVERRIDE_FILE, &text);
        assert_eq!((read.found.len(), read.doubts.len()), (1, 0), "{text}");
        for line in [
            "bucket = \"b\\\"$${c}\"",
            "endpoints = {\"s3\" = \"http://e\"}",
            "list = [\"a\", 1, true]",
            "workspaces {",
            "name = \"w\"",
        ] {
            assert!(text.contains(line), "{line}: {text}");
        }
        assert!(
            !text.contains("null") && !text.contains("bad name"),
            "{text}"
        );
    }

    #[test]
    fn only_an_unchanged_file_of_ours_is_swept_away() {
        let dir = tempfile::TempDir::new().expect("a directory");
        let path = dir.path().join(OVERRIDE_FILE);
        assert!(!OverrideFile::sweep(dir.path()).expect("swept"));
        std::mem::forget(OverrideFile::create(dir.path(), "local", &Map::new()).expect("created"));
        assert!(
            OverrideFile::create(dir.path(), "local", &Map::new()).is_err(),
            "never over another"
        );
        assert!(path.exists());
        assert!(OverrideFile::sweep(dir.path()).expect("swept") && !path.exists());
        std::fs::write(&path, text("local", &Map::new()).replace("local", "s3")).expect("changed");
        assert!(!OverrideFile::sweep(dir.path()).expect("not ours") && path.exists());
        std::fs::write(&path, "").expect("cut off");
        assert!(OverrideFile::sweep(dir.path()).expect("swept") && !path.exists());
        drop(OverrideFile::create(dir.path(), "local", &Map::new()).expect("created"));
        assert!(!path.exists());
    }
}
