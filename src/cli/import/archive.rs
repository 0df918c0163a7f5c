//! Reading an export, from its folder or its tar. All of it is hashed before anything is sent:
//! if one hash does not fit, nothing is imported.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use super::plan::{PlannedVersion, StatePlan, VersionBytes};
use crate::cli::export::manifest;
use crate::cli::export::manifest::Manifest;
use crate::cli::export::manifest::ManifestState;
use crate::cli::export::manifest::ManifestVersion;
use crate::cli::output::ShownPath as _;
use crate::cli::output::{self, CliError};
use crate::model::digest::Digest;
use crate::model::name::StateName;

/// The most files that a tar may have.
const MAX_ENTRIES: usize = 10_000_000;
/// How many files that do not fit are named.
const MAX_NAMED: usize = 20;

/// Where the files of an export are.
enum Files {
    Folder(PathBuf),
    Tar(Arc<File>, HashMap<String, (u64, u64)>),
}

impl Files {
    fn content(&self, path: &str) -> Option<VersionBytes> {
        match self {
            Self::Folder(dir) => Some(VersionBytes::File(dir.join(path))),
            Self::Tar(file, entries) => entries
                .get(path)
                .map(|(offset, size)| VersionBytes::Part(Arc::clone(file), *offset, *size)),
        }
    }
}

/// Whether a folder is an export; one that was cut off is an error. Many a folder has a
/// `manifest.json` of something else.
pub(super) fn is_folder(dir: &Path) -> Result<bool, CliError> {
    let begins = |name: &str| -> Result<Option<Vec<u8>>, CliError> {
        let path = dir.join(name);
        if !path.is_file() {
            return Ok(None);
        }
        let mut head = Vec::new();
        let read =
            File::open(&path).and_then(|file| file.take(manifest::MAX_HEAD).read_to_end(&mut head));
        read.map(|_| Some(head))
            .map_err(|error| CliError::Failed(format!("{}: {error}", path.shown())))
    };
    if begins(manifest::NAME)?.is_some_and(|head| manifest::is_ours(&head)) {
        return Ok(true);
    }
    // It is empty until all else is written.
    if begins(manifest::UNFINISHED)?.is_some_and(|head| head.is_empty() || manifest::is_ours(&head))
    {
        return Err(CliError::Failed(format!(
            "{} is an incomplete export; nothing was imported",
            dir.shown()
        )));
    }
    Ok(false)
}

/// The states of an export in a folder.
pub(super) fn folder(dir: &Path) -> Result<Vec<StatePlan>, CliError> {
    let path = dir.join(manifest::NAME);
    let told = |error: std::io::Error| CliError::Failed(format!("{}: {error}", path.shown()));
    let mut bytes = Vec::new();
    File::open(&path)
        .map_err(told)?
        .take(manifest::MAX_SIZE + 1)
        .read_to_end(&mut bytes)
        .map_err(told)?;
    plans(&bytes, &Files::Folder(dir.to_owned()))
}

/// The states of an export in a tar.
pub(super) fn tar(file: File) -> Result<Vec<StatePlan>, CliError> {
    let (manifest, files) = open_tar(file)?;
    plans(&manifest, &files)
}

/// The versions that an import takes out of the tar of an export and sends. None if a file has
/// other bytes than the manifest says.
///
/// Nobody vouches for such a tar, so a fuzzer tries this reader.
pub fn versions_of_tar(file: File) -> Result<Option<Vec<ExportedVersion>>, String> {
    let told = CliError::into_message;
    let (manifest, files) = open_tar(file).map_err(told)?;
    let (plans, wrong) = read(&manifest, &files).map_err(told)?;
    if !wrong.is_empty() {
        return Ok(None);
    }
    let version = |name: &StateName, version: PlannedVersion| ExportedVersion {
        state: name.clone(),
        number: version.number,
        sha256: version.sha256,
        bytes: version.content.read().ok(),
    };
    let of_state = |plan: StatePlan| {
        let name = plan.name;
        let versions = plan.versions.into_iter();
        versions
            .map(move |planned| version(&name, planned))
            .collect::<Vec<_>>()
    };
    Ok(Some(plans.into_iter().flat_map(of_state).collect()))
}

/// A version of an export, as an import reads it.
#[derive(Debug)]
pub struct ExportedVersion {
    /// The state.
    pub state: StateName,
    /// The version's number.
    pub number: Option<u64>,
    /// The SHA-256 that the manifest says.
    pub sha256: Option<String>,
    /// Its bytes; none if they cannot be read any more.
    pub bytes: Option<bytes::Bytes>,
}

/// The manifest of the export in a tar, and where its files are.
fn open_tar(file: File) -> Result<(bytes::Bytes, Files), CliError> {
    let file = Arc::new(file);
    let mut entries = list(&file)?;
    let manifest = entries.remove(manifest::NAME);
    let Some((offset, size)) = manifest.filter(|(_, size)| *size <= manifest::MAX_SIZE) else {
        return Err(CliError::Failed(format!(
            "the tar has no {} at its end, so it is no export, or an incomplete one; nothing was \
                imported (unpack a tar of other states first)",
            manifest::NAME
        )));
    };
    let bytes = VersionBytes::Part(Arc::clone(&file), offset, size).read();
    let bytes = bytes.map_err(|error| bad_tar(&error))?;
    Ok((bytes, Files::Tar(file, entries)))
}

/// The files in a tar, each with where its bytes begin and how many there are.
fn list(file: &File) -> Result<HashMap<String, (u64, u64)>, CliError> {
    let told = |error: std::io::Error| bad_tar(&error);
    let mut archive = tar::Archive::new(BufReader::new(file));
    let mut entries = HashMap::new();
    for entry in archive.entries_with_seek().map_err(told)? {
        let entry = entry.map_err(told)?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let path = entry.path().map_err(told)?;
        let path = path.to_string_lossy().trim_start_matches("./").to_owned();
        entries.insert(path, (entry.raw_file_position(), entry.size()));
        if entries.len() > MAX_ENTRIES {
            return Err(CliError::Failed(format!(
                "the tar has more than {MAX_ENTRIES} files; nothing was imported"
            )));
        }
    }
    Ok(entries)
}

fn bad_tar(error: &std::io::Error) -> CliError {
    CliError::Failed(format!(
        "the tar cannot be read: {error}; nothing was imported"
    ))
}

/// The states of a manifest. Files that are not what it says are named, and nothing is given.
fn plans(manifest: &[u8], files: &Files) -> Result<Vec<StatePlan>, CliError> {
    let (plans, wrong) = read(manifest, files)?;
    if wrong.is_empty() {
        return Ok(plans);
    }
    for what in wrong.iter().take(MAX_NAMED) {
        output::message(&output::harmless(what));
    }
    let are = if wrong.len() == 1 { "is" } else { "are" };
    let files = output::counted(wrong.len(), "file");
    Err(CliError::Failed(format!(
        "{files} of the export {are} not what {} says; nothing was imported",
        manifest::NAME
    )))
}

/// The states of a manifest, and which files are not what it says.
fn read(manifest: &[u8], files: &Files) -> Result<(Vec<StatePlan>, Vec<String>), CliError> {
    let manifest = Manifest::parse(manifest)?;
    let (mut plans, mut wrong, mut names) = (Vec::new(), Vec::new(), HashSet::new());
    for state in manifest.states {
        let plan = plan(state, files, &mut wrong)?;
        // Two of them would be sent at the same time, to one address.
        if !names.insert(plan.name.clone()) {
            return Err(CliError::Failed(format!(
                "{}: it has {} twice; nothing was imported",
                manifest::NAME,
                plan.name
            )));
        }
        plans.push(plan);
    }
    Ok((plans, wrong))
}

fn plan(
    state: ManifestState,
    files: &Files,
    wrong: &mut Vec<String>,
) -> Result<StatePlan, CliError> {
    let name = state.name()?;
    let mut removed = Removed::default();
    let mut versions: Vec<PlannedVersion> = Vec::new();
    for row in rows(&name, state.versions)? {
        let removed_serial = removed.before(&row);
        if row.file.is_some() {
            versions.push(PlannedVersion {
                removed_serial,
                ..version(&name, row, files, wrong)
            });
        }
    }
    // What was removed behind a version is known by the end.
    if let Some(last) = versions.last_mut() {
        last.removed_serial = removed.in_the_end();
    }
    // Of which no version can be current, it cannot leave again.
    let can_live = versions.iter().any(|version| version.rejected.is_none());
    let transferred_to = state.transferred_to.filter(|_| can_live);
    Ok(StatePlan {
        name,
        from: "the export".to_owned(),
        versions,
        deleted: state.deleted_at.is_some() && transferred_to.is_none(),
        transferred_to,
        is_known: true,
    })
}

/// The rows of a state's versions, whose numbers rise.
fn rows(name: &StateName, rows: Vec<Value>) -> Result<Vec<ManifestVersion>, CliError> {
    let manifest = manifest::NAME;
    let bad = |why| CliError::Failed(format!("{manifest}: {name}: {why}; nothing was imported"));
    let (mut parsed, mut last) = (Vec::new(), 0);
    for row in rows {
        let row: ManifestVersion =
            serde_json::from_value(row).map_err(|_| bad("a row is no version"))?;
        if row.number <= last {
            return Err(bad("the numbers of its versions do not rise"));
        }
        last = row.number;
        parsed.push(row);
    }
    Ok(parsed)
}

/// The versions that do not come along: of each lineage the highest serial does.
#[derive(Default)]
struct Removed {
    highest: HashMap<String, u64>,
    /// The lineage of the newest version that comes along.
    newest: Option<String>,
}

impl Removed {
    /// Takes note of a version. Gives the highest serial of those before it in its lineage that do
    /// not come along.
    fn before(&mut self, row: &ManifestVersion) -> Option<u64> {
        let highest = self.highest.entry(row.lineage.clone()).or_default();
        if row.file.is_none() {
            *highest = row.serial.max(*highest);
        } else {
            self.newest = Some(row.lineage.clone());
        }
        Some(*highest).filter(|highest| *highest > 0)
    }

    /// The same for the newest version that comes along, with those behind it.
    fn in_the_end(&self) -> Option<u64> {
        let highest = self.highest.get(self.newest.as_ref()?).copied();
        highest.filter(|highest| *highest > 0)
    }
}

fn version(
    name: &StateName,
    row: ManifestVersion,
    files: &Files,
    wrong: &mut Vec<String>,
) -> PlannedVersion {
    let path = manifest::file_of(name, row.number);
    let content = files.content(&path);
    match content.as_ref().map(VersionBytes::read) {
        Some(Ok(bytes)) if Digest::of(&bytes).to_string() == row.sha256 => {}
        Some(Ok(_)) => wrong.push(format!("{path}: its SHA-256 is another one")),
        Some(Err(error)) => wrong.push(format!("{path}: {error}")),
        None => wrong.push(format!("{path}: it is not there")),
    }
    PlannedVersion {
        content: content.unwrap_or_else(|| VersionBytes::Memory(bytes::Bytes::new())),
        sha256: Some(row.sha256),
        serial: Some(row.serial),
        removed_serial: None,
        number: Some(row.number),
        created_at: Some(row.created_at),
        rejected: row.rejected,
        intermediate: row.intermediate,
        held: row.held.map(|held| held.reason),
    }
}
