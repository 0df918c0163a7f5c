//! What a backup says of itself, in front of everything that it holds.

use serde::{Deserialize, Serialize};

use crate::model::clock::Timestamp;
use crate::model::signed_head::SignedHead;
use crate::store::{CopyFacts, FILE_NAME, ROW_KEY_FILE, newest_schema};

/// The name of the manifest in an archive.
pub(super) const MANIFEST: &str = "manifest.json";
/// The format of archives that this program writes and reads.
const FORMAT: u32 = 1;
/// The largest manifest in bytes.
pub(super) const MAX_MANIFEST: u64 = 1024 * 1024;
/// What belongs to the data beside the database, by its name in the data directory. Each is in a
/// backup if it is there.
pub(super) const SIDE_FILES: [&str; 1] = [ROW_KEY_FILE];

/// A file in a backup.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BackupFile {
    /// Its name.
    pub name: String,
    /// Its length in bytes.
    pub size: u64,
    /// Its SHA-256.
    pub sha256: String,
}

/// Whether the content of states is sealed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SealedContent {
    /// Whether it is.
    pub content: bool,
    /// The id of the key that opens it.
    pub key: Option<String>,
}

/// The last commit in a backup.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LastCommit {
    /// Its number.
    pub number: u64,
    /// The head of the chain of commits.
    pub head: String,
}

/// The head of the chain of events in a backup.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LastEvent {
    /// The number of the last event.
    pub number: u64,
    /// Its hash.
    pub hash: String,
    /// The same, signed.
    #[serde(default)]
    pub signed: Option<SignedHead>,
}

/// What a backup says of itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BackupManifest {
    /// The format of the archive.
    pub format: u32,
    /// The version of the program that made it.
    pub program: String,
    /// The version of the database's schema.
    pub schema: u32,
    /// Which data it is.
    pub instance: String,
    /// The moment that it holds.
    pub taken_at: String,
    /// States that are not deleted.
    pub states: u64,
    /// Versions.
    pub versions: u64,
    /// Locks that are held.
    pub locks: u64,
    /// API keys, ended ones too.
    pub keys: u64,
    /// When the newest version was written.
    pub newest_version_at: Option<String>,
    /// The number of the last event.
    pub last_event: Option<u64>,
    /// The last commit; none from a program that did not count them.
    #[serde(default)]
    pub last_commit: Option<LastCommit>,
    /// The head of the chain of events; none from a program that did not chain them.
    #[serde(default)]
    pub event_head: Option<LastEvent>,
    /// Whether content is sealed.
    pub sealed: SealedContent,
    /// The database.
    pub database: BackupFile,
    /// What belongs to it.
    pub files: Vec<BackupFile>,
}

impl BackupManifest {
    pub(super) fn new(
        (facts, signed): (&CopyFacts, Option<SignedHead>),
        database: BackupFile,
        files: Vec<BackupFile>,
    ) -> Self {
        Self {
            format: FORMAT,
            program: env!("CARGO_PKG_VERSION").to_owned(),
            schema: facts.schema,
            instance: facts.instance.to_string(),
            taken_at: facts.taken_at.to_string(),
            states: facts.counts.states,
            versions: facts.counts.versions,
            locks: facts.counts.locks,
            keys: facts.counts.keys,
            newest_version_at: facts.newest_version_at.map(|at| at.to_string()),
            last_event: facts.last_event,
            last_commit: Some(LastCommit {
                number: facts.last_commit.0,
                head: facts.last_commit.1.to_string(),
            }),
            event_head: Some(LastEvent {
                number: facts.event_head.number,
                hash: facts.event_head.chain.to_string(),
                signed,
            }),
            sealed: SealedContent {
                content: false,
                key: None,
            },
            database,
            files,
        }
    }

    /// As it stands in the archive: for people too.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    /// Reads one, and says why this program cannot restore what it is about.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, BadBackup> {
        #[derive(Deserialize)]
        struct Head {
            format: u32,
        }
        let broken = |error: serde_json::Error| {
            BadBackup::NoBackup(format!("its {MANIFEST} cannot be read: {error}"))
        };
        let Head { format } = serde_json::from_slice(bytes).map_err(broken)?;
        if format != FORMAT {
            return Err(BadBackup::OtherFormat(format));
        }
        let manifest: Self = serde_json::from_slice(bytes).map_err(broken)?;
        if manifest.schema > newest_schema() {
            return Err(BadBackup::NewerSchema {
                found: manifest.schema,
                known: newest_schema(),
                program: manifest.program,
            });
        }
        if manifest.schema == 0 || Timestamp::parse(&manifest.taken_at).is_none() {
            return Err(BadBackup::NoBackup(format!(
                "its {MANIFEST} names no schema or no time"
            )));
        }
        manifest.check_files()?;
        Ok(manifest)
    }

    /// Only files that a data directory has, each once.
    fn check_files(&self) -> Result<(), BadBackup> {
        let mut left: Vec<&str> = SIDE_FILES.to_vec();
        let database = &self.database.name;
        if database != FILE_NAME {
            return Err(BadBackup::Foreign(database.clone()));
        }
        for file in &self.files {
            let Some(place) = left.iter().position(|name| *name == file.name) else {
                return Err(BadBackup::Foreign(file.name.clone()));
            };
            left.remove(place);
        }
        Ok(())
    }

    /// The files behind the manifest, in their order.
    pub(super) fn contents(&self) -> impl Iterator<Item = &BackupFile> {
        std::iter::once(&self.database).chain(&self.files)
    }
}

/// Why a file is not taken for a backup that can be restored.
#[derive(Debug, thiserror::Error)]
pub enum BadBackup {
    /// It is something else.
    #[error("this is no backup of statekeep: {0}")]
    NoBackup(String),
    /// It has another format.
    #[error(
        "the backup has format {0}, and this program reads format {FORMAT}; restore it with the \
            program that made it, or a newer one"
    )]
    OtherFormat(u32),
    /// A newer program made it.
    #[error(
        "the backup was made by statekeep {program}, which is newer (its schema is version \
            {found}, this one knows {known}); restore it with that version, or a newer one"
    )]
    NewerSchema {
        /// The version of its schema.
        found: u32,
        /// The newest that this program knows.
        known: u32,
        /// The version of the program that made it.
        program: String,
    },
    /// It holds a file that no backup has.
    #[error("the backup holds {0:?}, which no backup of statekeep has; it was not made by one")]
    Foreign(String),
    /// It does not hold what it says.
    #[error("the backup is damaged: {0}; take another one")]
    Damaged(String),
    /// It ends too early.
    #[error("the backup ends too early; it was not copied to its end, take it again")]
    CutOff,
    /// There is no room for what it holds.
    #[error("there is no room for what the backup holds, {needed} bytes")]
    NoRoom {
        /// How much it needs.
        needed: u64,
    },
    /// It cannot be read, or what it holds cannot be written.
    #[error("{0}")]
    Failed(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> serde_json::Value {
        serde_json::json!({
            "format": 1, "program": "0.1.0", "schema": 1, "instance": "x",
            "taken_at": "2026-01-02T03:04:05Z", "states": 1, "versions": 1, "locks": 0, "keys": 1,
            "newest_version_at": null, "last_event": 7,
            "sealed": { "content": false, "key": null },
            "database": { "name": "statekeep.db", "size": 1, "sha256": "00" },
            "files": [{ "name": "statekeep.rowkey", "size": 32, "sha256": "00" }],
        })
    }

    fn read(manifest: &serde_json::Value) -> Result<BackupManifest, BadBackup> {
        BackupManifest::read(manifest.to_string().as_bytes())
    }

    #[test]
    fn a_manifest_names_only_what_a_data_directory_has() {
        assert!(read(&manifest()).is_ok());
        for name in ["../x", "statekeep.lock", "/etc/passwd", "statekeep.db", ""] {
            let mut other = manifest();
            other["files"][0]["name"] = name.into();
            assert!(matches!(read(&other), Err(BadBackup::Foreign(_))), "{name}");
            let mut other = manifest();
            other["database"]["name"] = format!("{name}x").into();
            assert!(matches!(read(&other), Err(BadBackup::Foreign(_))), "{name}");
        }
        let mut twice = manifest();
        let file = twice["files"][0].clone();
        twice["files"] = serde_json::json!([file, file]);
        assert!(matches!(read(&twice), Err(BadBackup::Foreign(_))));
    }

    #[test]
    fn what_is_newer_or_of_another_format_is_refused_by_name() {
        let mut newer = manifest();
        newer["schema"] = 9_999.into();
        assert!(matches!(read(&newer), Err(BadBackup::NewerSchema { .. })));
        let other = serde_json::json!({ "format": 2 });
        assert!(matches!(read(&other), Err(BadBackup::OtherFormat(2))));
        for broken in [serde_json::json!({}), serde_json::json!([])] {
            assert!(matches!(read(&broken), Err(BadBackup::NoBackup(_))));
        }
    }
}
