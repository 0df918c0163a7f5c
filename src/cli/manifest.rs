//! The manifest of an export: what is in it, with hashes. It is written last, so that an export
//! without one was cut off.
//!
//! The path of a file follows from the names and the number alone, which are parsed: a manifest
//! from somewhere else leads to no other file.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::output::Failure;
use crate::model::name::StateName;

/// Its name.
pub(super) const NAME: &str = "manifest.json";
/// Its name while the export is being written.
pub(super) const UNFINISHED: &str = "manifest.json.part";
/// What it says that it is.
const FORMAT: &str = "statekeep-export";
/// The only form of it that there is.
const FORM: u32 = 1;
/// The largest manifest that is read, in bytes: some hundred thousand versions.
pub(super) const MAX_SIZE: u64 = 512 * 1024 * 1024;

/// So far into a file it has to say that it is one, in bytes.
pub(super) const MAX_HEAD: u64 = 64 * 1024;

/// Whether a file that begins so is a manifest of ours, whole or not.
pub(super) fn is_ours(head: &[u8]) -> bool {
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
pub(super) struct Manifest {
    format: String,
    form: u32,
    /// Which program wrote it.
    program: String,
    /// When, in RFC 3339.
    exported_at: String,
    /// Whether all versions are in it, or the current ones alone.
    history: bool,
    /// The states, by name.
    pub(super) states: Vec<State>,
}

/// A state.
#[derive(Serialize, Deserialize)]
pub(super) struct State {
    workspace: String,
    #[serde(rename = "buildingBlock")]
    block: String,
    /// Since when it is hidden, if it is.
    pub(super) deleted_at: Option<String>,
    /// The storage elsewhere that it has left for, if that is why it is hidden since then.
    pub(super) transferred_to: Option<String>,
    /// Its versions, the oldest first, each as the API shows it, and `file`: where its bytes are;
    /// null where they are not here.
    pub(super) versions: Vec<Value>,
}

/// What an import needs to know of a version.
#[derive(Deserialize)]
pub(super) struct Row {
    pub(super) number: u64,
    pub(super) sha256: String,
    pub(super) serial: u64,
    pub(super) lineage: String,
    pub(super) created_at: String,
    pub(super) rejected: Option<String>,
    pub(super) intermediate: bool,
    pub(super) held: Option<Held>,
    pub(super) file: Option<String>,
}

/// That a version is held.
#[derive(Deserialize)]
pub(super) struct Held {
    pub(super) reason: String,
}

impl Manifest {
    /// One that has no states yet.
    pub(super) fn new(exported_at: String, history: bool) -> Self {
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
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Failure> {
        let manifest: Self = serde_json::from_slice(bytes).map_err(|error| {
            Failure::Failed(format!(
                "{NAME} is no manifest (line {}, column {}); nothing was imported",
                error.line(),
                error.column()
            ))
        })?;
        if manifest.format != FORMAT || manifest.form != FORM {
            return Err(Failure::Failed(format!(
                "{NAME} is of another form than this program knows; nothing was imported"
            )));
        }
        Ok(manifest)
    }
}

impl State {
    /// One without versions.
    pub(super) fn new(
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
    pub(super) fn name(&self) -> Result<StateName, Failure> {
        let name = StateName::parse(&self.workspace, &self.block);
        name.map_err(|error| Failure::Failed(format!("{NAME}: {error}; nothing was imported")))
    }
}

/// Where in an export the bytes of a version are.
pub(super) fn file_of(name: &StateName, number: u64) -> String {
    format!("{name}/{number}.tfstate")
}

#[cfg(test)]
mod tests {
    use super::*;

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
