//! The manifest of an export: what is in it, with hashes. It is written last, so that an export
//! without one was cut off.
//!
//! The path of a file follows from the names and the number alone, which are parsed: a manifest
//! from somewhere else leads to no other file.

use std::io::{self, Read, Write as _};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::cli::output::CliError;
use crate::model::name::StateName;

/// Its name.
pub(in crate::cli) const NAME: &str = "manifest.json";
/// Its name while the export is being written.
pub(in crate::cli) const UNFINISHED: &str = "manifest.json.part";
/// What it says that it is.
const FORMAT: &str = "statekeep-export";
/// The only form of it that there is.
const FORM: u32 = 1;
/// The largest manifest that is read, in bytes: some hundred thousand versions.
pub(in crate::cli) const MAX_SIZE: u64 = 512 * 1024 * 1024;

/// So far into a file it has to say that it is one, in bytes.
pub(in crate::cli) const MAX_HEAD: u64 = 64 * 1024;

/// Whether a file that begins so is a manifest of ours, whole or not.
pub(in crate::cli) fn is_ours(head: &[u8]) -> bool {
    let text = String::from_utf8_lossy(head);
    text.match_indices("\"format\"").any(|(at, name)| {
        let value = text[at + name.len()..]
            .trim_start()
            .strip_prefix(':')
            .map(str::trim_start);
        value
            .and_then(|value| value.strip_prefix('"'))
            .is_some_and(|value| value.starts_with(&format!("{FORMAT}\"")))
    })
}

/// The whole manifest.
#[derive(Serialize, Deserialize)]
pub(in crate::cli) struct Manifest {
    format: String,
    form: u32,
    /// Which program wrote it.
    program: String,
    /// When, in RFC 3339.
    exported_at: String,
    /// Whether all versions are in it, or the current ones alone.
    history: bool,
    /// The states, by name.
    pub(in crate::cli) states: Vec<ManifestState>,
}

/// A state.
#[derive(Serialize, Deserialize)]
pub(in crate::cli) struct ManifestState {
    workspace: String,
    #[serde(rename = "buildingBlock")]
    block: String,
    /// Since when it is hidden, if it is.
    pub(in crate::cli) deleted_at: Option<String>,
    /// The storage elsewhere that it has left for, if that is why it is hidden since then.
    pub(in crate::cli) transferred_to: Option<String>,
    /// Its versions, the oldest first, each as the API shows it, and `file`: where its bytes are;
    /// null if they are not here.
    pub(in crate::cli) versions: Vec<Value>,
}

/// What an import needs to know of a version.
#[derive(Deserialize)]
pub(in crate::cli) struct ManifestVersion {
    pub(in crate::cli) number: u64,
    pub(in crate::cli) sha256: String,
    pub(in crate::cli) serial: u64,
    pub(in crate::cli) lineage: String,
    pub(in crate::cli) created_at: String,
    pub(in crate::cli) rejected: Option<String>,
    pub(in crate::cli) intermediate: bool,
    pub(in crate::cli) held: Option<Held>,
    pub(in crate::cli) file: Option<String>,
}

/// That a version is held.
#[derive(Deserialize)]
pub(in crate::cli) struct Held {
    pub(in crate::cli) reason: String,
}

impl Manifest {
    /// One that has no states yet.
    pub(in crate::cli) fn new(exported_at: String, history: bool) -> Self {
        let program = format!("statekeep {}", env!("CARGO_PKG_VERSION"));
        Self {
            format: FORMAT.to_owned(),
            form: FORM,
            program,
            exported_at,
            history,
            states: Vec::new(),
        }
    }

    /// Reads one.
    pub(in crate::cli) fn parse(bytes: &[u8]) -> Result<Self, CliError> {
        let manifest: Self = serde_json::from_slice(bytes).map_err(|error| {
            CliError::Failed(format!(
                "{NAME} is no manifest (line {}, column {}); nothing was imported",
                error.line(),
                error.column()
            ))
        })?;
        if manifest.format != FORMAT || manifest.form != FORM {
            return Err(CliError::Failed(format!(
                "{NAME} is of another form than this program knows; nothing was imported"
            )));
        }
        Ok(manifest)
    }
}

impl ManifestState {
    /// One without versions.
    pub(in crate::cli) fn new(
        name: &StateName,
        deleted_at: Option<String>,
        transferred_to: Option<String>,
    ) -> Self {
        Self {
            workspace: name.workspace.to_string(),
            block: name.block.to_string(),
            deleted_at,
            transferred_to,
            versions: Vec::new(),
        }
    }

    /// Its name.
    pub(in crate::cli) fn name(&self) -> Result<StateName, CliError> {
        let name = StateName::parse(&self.workspace, &self.block);
        name.map_err(|error| CliError::Failed(format!("{NAME}: {error}; nothing was imported")))
    }
}

/// A manifest that is being written while the export goes on. A version's row is some 700 bytes of
/// JSON, and there may be millions: they wait compressed until all files are there.
pub(super) struct ManifestWriter {
    text: zstd::stream::write::Encoder<'static, Vec<u8>>,
    /// Bytes so far.
    length: u64,
    /// States so far.
    pub(super) states: usize,
    has_rows: bool,
}

/// A manifest that is whole.
pub(super) struct WrittenManifest {
    compressed: Vec<u8>,
    /// How many bytes it is.
    pub(super) length: u64,
}

impl ManifestWriter {
    /// Begins one that has no states yet.
    pub(super) fn begin(exported_at: String, history: bool) -> Result<Self, CliError> {
        let head = serde_json::to_string_pretty(&Manifest::new(exported_at, history))
            .map_err(CliError::because)?;
        let mut writer = Self {
            text: zstd::stream::write::Encoder::new(Vec::new(), zstd::DEFAULT_COMPRESSION_LEVEL)?,
            length: 0,
            states: 0,
            has_rows: false,
        };
        writer.push(head.trim_end_matches("]\n}"))?;
        Ok(writer)
    }

    /// Begins a state; its versions follow.
    pub(super) fn state(&mut self, state: &ManifestState) -> Result<(), CliError> {
        let text = serde_json::to_string(state).map_err(CliError::because)?;
        let before = if self.states == 0 { "\n" } else { "]},\n" };
        self.states += 1;
        self.has_rows = false;
        self.push(before)?;
        self.push(text.trim_end_matches("]}"))
    }

    /// Adds a version to the state that was begun last.
    pub(super) fn version(&mut self, row: &Value) -> Result<(), CliError> {
        let before = if self.has_rows { ",\n" } else { "\n" };
        self.has_rows = true;
        self.push(before)?;
        self.push(&row.to_string())
    }

    /// Ends it.
    pub(super) fn finish(mut self) -> Result<WrittenManifest, CliError> {
        self.push(if self.states == 0 {
            "]\n}\n"
        } else {
            "]}\n]\n}\n"
        })?;
        Ok(WrittenManifest {
            compressed: self.text.finish()?,
            length: self.length,
        })
    }

    fn push(&mut self, text: &str) -> Result<(), CliError> {
        self.length += text.len() as u64;
        Ok(self.text.write_all(text.as_bytes())?)
    }
}

impl WrittenManifest {
    /// Reads it from its beginning.
    pub(super) fn read(&self) -> io::Result<impl Read + '_> {
        zstd::stream::read::Decoder::with_buffer(self.compressed.as_slice())
    }
}

/// Where in an export the bytes of a version are.
pub(in crate::cli) fn file_of(name: &StateName, number: u64) -> String {
    format!("{name}/{number}.tfstate")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_that_was_written_row_by_row_is_read_as_a_whole() {
        let written = |states: &[(&str, u64)]| {
            let mut writer = ManifestWriter::begin("now".to_owned(), true).expect("begun");
            for (block, versions) in states {
                let name = StateName::parse("team", block).expect("a name");
                let state = ManifestState::new(&name, Some("then".to_owned()), None);
                writer.state(&state).expect("a state");
                let row = |number| serde_json::json!({ "number": number, "odd": "]}\n" });
                let rows = (1..=*versions).map(row);
                rows.for_each(|row| writer.version(&row).expect("a version"));
            }
            let manifest = writer.finish().expect("finished");
            let mut bytes = Vec::new();
            let read = manifest
                .read()
                .and_then(|mut text| text.read_to_end(&mut bytes));
            assert_eq!(read.expect("read") as u64, manifest.length);
            assert!(is_ours(&bytes));
            let states = Manifest::parse(&bytes).expect("a manifest").states;
            let counts = states
                .into_iter()
                .map(|state| (state.block, state.versions.len() as u64));
            counts.collect::<Vec<_>>()
        };
        for states in [&[][..], &[("a", 0)], &[("a", 2), ("b", 0), ("c", 1)]] {
            let wanted: Vec<_> = states
                .iter()
                .map(|(block, count)| ((*block).to_owned(), *count))
                .collect();
            assert_eq!(written(states), wanted);
        }
    }

    #[test]
    fn a_manifest_is_known_by_what_it_says() {
        let ours = serde_json::to_vec_pretty(&Manifest::new("now".to_owned(), true)).expect("JSON");
        assert!(
            is_ours(&ours)
                && is_ours(&ours[..60])
                && is_ours(br#"{"exported_at":"x","form":1,"format":"statekeep-export"}"#)
        );
        for other in [
            "",
            "{}",
            r#"{"name":"app","format":"other"}"#,
            r#"{"name":"statekeep-export"}"#,
            r#"{"format":["statekeep-export"]}"#,
        ] {
            assert!(!is_ours(other.as_bytes()), "{other}");
        }
    }
}
