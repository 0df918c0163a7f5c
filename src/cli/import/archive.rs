//! Reading an export, from its folder or its tar. All of it is hashed before anything is sent:
//! where one hash does not fit, nothing is imported.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::plan::{Content, Plan, Planned};
use crate::cli::export::manifest;
use crate::cli::export::manifest::Manifest;
use crate::cli::export::manifest::Row;
use crate::cli::export::manifest::State;
use crate::cli::output::{self, Failure};
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
    fn content(&self, path: &str) -> Option<Content> {
        match self {
            Self::Folder(dir) => Some(Content::File(dir.join(path))),
            Self::Tar(file, entries) => entries
                .get(path)
                .map(|(offset, size)| Content::Part(Arc::clone(file), *offset, *size)),
        }
    }
}

/// Whether a folder is an export; one that was cut off is an error. Many a folder has a
/// `manifest.json` of something else.
pub(super) fn is_folder(dir: &Path) -> Result<bool, Failure> {
    let begins = |name: &str| -> Result<Option<Vec<u8>>, Failure> {
        let path = dir.join(name);
        if !path.is_file() {
            return Ok(None);
        }
        let mut head = Vec::new();
        let read =
            File::open(&path).and_then(|file| file.take(manifest::MAX_HEAD).read_to_end(&mut head));
        read.map(|_| Some(head))
            .map_err(|error| Failure::Failed(format!("{}: {error}", path.display())))
    };
    if begins(manifest::NAME)?.is_some_and(|head| manifest::is_ours(&head)) {
        return Ok(true);
    }
    // It is empty until all else is written.
    if begins(manifest::UNFINISHED)?.is_some_and(|head| head.is_empty() || manifest::is_ours(&head))
    {
        return Err(Failure::Failed(format!(
            "{} is an incomplete export; nothing was imported",
            dir.display()
        )));
    }
    Ok(false)
}

/// The states of an export in a folder.
pub(super) fn folder(dir: &Path) -> Result<Vec<Plan>, Failure> {
    let path = dir.join(manifest::NAME);
    let told = |error: std::io::Error| Failure::Failed(format!("{}: {error}", path.display()));
    let mut bytes = Vec::new();
    File::open(&path)
        .map_err(told)?
        .take(manifest::MAX_SIZE + 1)
        .read_to_end(&mut bytes)
        .map_err(told)?;
    plans(&bytes, &Files::Folder(dir.to_owned()))
}

/// The states of an export in a tar.
pub(super) fn tar(file: File) -> Result<Vec<Plan>, Failure> {
    let told = |error: std::io::Error| {
        Failure::Failed(format!(
            "the tar cannot be read: {error}; nothing was imported"
        ))
    };
    let file = Arc::new(file);
    let mut archive = tar::Archive::new(BufReader::new(&*file));
    let (mut entries, mut manifest) = (HashMap::new(), None);
    for entry in archive.entries_with_seek().map_err(told)? {
        let entry = entry.map_err(told)?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let path = entry
            .path()
            .map_err(told)?
            .to_string_lossy()
            .trim_start_matches("./")
            .to_owned();
        let place = (entry.raw_file_position(), entry.size());
        if path == manifest::NAME {
            manifest = Some(place);
        } else if entries.len() < MAX_ENTRIES {
            entries.insert(path, place);
        } else {
            return Err(Failure::Failed(format!(
                "the tar has more than {MAX_ENTRIES} files; nothing was imported"
            )));
        }
    }
    let Some((offset, size)) = manifest.filter(|(_, size)| *size <= manifest::MAX_SIZE) else {
        let why = format!(
            "the tar has no {} at its end, so it is no export, or an incomplete one; nothing was \
                imported (unpack a tar of other states first)",
            manifest::NAME
        );
        return Err(Failure::Failed(why));
    };
    let bytes = Content::Part(Arc::clone(&file), offset, size)
        .read()
        .map_err(told)?;
    plans(&bytes, &Files::Tar(file, entries))
}

fn plans(manifest: &[u8], files: &Files) -> Result<Vec<Plan>, Failure> {
    let manifest = Manifest::parse(manifest)?;
    let (mut plans, mut wrong) = (Vec::new(), Vec::new());
    for state in manifest.states {
        plans.push(plan(state, files, &mut wrong)?);
    }
    if wrong.is_empty() {
        return Ok(plans);
    }
    for what in wrong.iter().take(MAX_NAMED) {
        output::message(&output::harmless(what));
    }
    let are = if wrong.len() == 1 { "is" } else { "are" };
    let files = output::counted(wrong.len(), "file");
    Err(Failure::Failed(format!(
        "{files} of the export {are} not what {} says; nothing was imported",
        manifest::NAME
    )))
}

fn plan(state: State, files: &Files, wrong: &mut Vec<String>) -> Result<Plan, Failure> {
    let name = state.name()?;
    let (mut versions, mut last) = (Vec::new(), 0);
    // Of what does not come along, the highest serial of each lineage does.
    let (mut removed, mut newest): (HashMap<String, u64>, Option<String>) = (HashMap::new(), None);
    for row in state.versions {
        let bad = |why: &str| {
            Failure::Failed(format!(
                "{}: {name}: {why}; nothing was imported",
                manifest::NAME
            ))
        };
        let row: Row = serde_json::from_value(row).map_err(|_| bad("a row is no version"))?;
        if row.number <= last {
            return Err(bad("the numbers of its versions do not rise"));
        }
        last = row.number;
        if row.file.is_some() {
            newest = Some(row.lineage.clone());
        }
        let highest = removed.entry(row.lineage.clone()).or_default();
        if row.file.is_none() {
            *highest = row.serial.max(*highest);
            continue;
        }
        let removed_serial = Some(*highest).filter(|highest| *highest > 0);
        versions.push(Planned {
            removed_serial,
            ..version(&name, row, files, wrong)
        });
    }
    // What was removed behind a version is known by the end.
    if let Some((last, lineage)) = versions.last_mut().zip(newest) {
        last.removed_serial = removed
            .get(&lineage)
            .copied()
            .filter(|highest| *highest > 0);
    }
    // Of which no version can be current, it cannot leave again.
    let transferred_to = state
        .transferred_to
        .filter(|_| versions.iter().any(|version| version.rejected.is_none()));
    let deleted = state.deleted_at.is_some() && transferred_to.is_none();
    Ok(Plan {
        name,
        from: "the export".to_owned(),
        versions,
        deleted,
        transferred_to,
        is_known: true,
    })
}

fn version(name: &StateName, row: Row, files: &Files, wrong: &mut Vec<String>) -> Planned {
    let path = manifest::file_of(name, row.number);
    let content = files.content(&path);
    match content.as_ref().map(Content::read) {
        Some(Ok(bytes)) if Digest::of(&bytes).to_string() == row.sha256 => {}
        Some(Ok(_)) => wrong.push(format!("{path}: its SHA-256 is another one")),
        Some(Err(error)) => wrong.push(format!("{path}: {error}")),
        None => wrong.push(format!("{path}: it is not there")),
    }
    Planned {
        content: content.unwrap_or_else(|| Content::Memory(bytes::Bytes::new())),
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
