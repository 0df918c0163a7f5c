//! A backend block in an override file, for a moment: with it the program reads a state from
//! another place than the sources configure.
//!
//! The file is never written over another. It carries the hash of its content. A file that a killed
//! command left is recognised by it and removed; a file that was changed is not. An empty file was
//! cut off, and is ours as well.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::{placing, writing};
use crate::model::digest::Digest;

/// The name of the file. Both programs let the block in it stand for the one in the sources,
/// whether there is one or not.
pub const OVERRIDE_FILE: &str = "statekeep_transfer_override.tf";

const MARKER: &str =
    "# Written by `statekeep` while it moves a state, and removed by it. SHA-256 of what follows: ";
/// A larger file is not ours, in bytes.
const MAX_OURS: u64 = 1024 * 1024;

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
    let settings = config
        .iter()
        .flat_map(|(name, value)| writing::setting(name, value));
    let block = writing::backend(kind, settings.collect());
    format!("{MARKER}{}\n{block}", Digest::of(block.as_bytes()))
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::native;
    use super::*;

    #[test]
    fn what_is_written_says_the_settings() {
        let config = json!({
            "bucket": "b\"${c}",
            "endpoints": { "s3": "http://e" },
            "list": ["a", 1, true],
            "none": null,
            "two": { "a": 1, "b": "%{x}" },
            "bad name": 1,
            "workspaces": [{ "name": "w", "prefix": null }],
        });
        let text = text("s3", config.as_object().expect("an object"));
        let read = native::read(OVERRIDE_FILE, &text, None);
        assert_eq!((read.found.len(), read.doubts.len()), (1, 0), "{text}");
        for line in [
            "bucket = \"b\\\"$${c}\"",
            "endpoints = {\"s3\" = \"http://e\"}",
            "list = [\"a\", 1, true]",
            "workspaces {",
            "name = \"w\"",
            "two = {\"a\" = 1, \"b\" = \"%%{x}\"}",
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
