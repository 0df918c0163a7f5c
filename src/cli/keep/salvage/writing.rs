//! Writing out what was found: each version as a file, the rest under `unnamed/`, and a manifest in
//! the form of an export's, so that `import` takes it as one.

use std::collections::HashSet;
use std::io;

use serde_json::Value;

use crate::cli::export::manifest::{self, Manifest, ManifestState};
use crate::cli::output::CliError;
use crate::model::clock;
use crate::model::digest::Digest;
use crate::model::name::StateName;
use crate::model::version::Version;
use crate::salvage::{Dataset, FoundBytes, FoundState, FoundVersion, Reader, Salvage};

use super::folder::{Folder, REPORT};
use super::report::{SalvageReport, StateFound, UnnamedFile};

/// The folder with the states of a log that is another server's.
const OTHER_LOG: &str = "other-log";

/// Writes out everything, and says what it was.
pub(super) fn write(
    found: &Salvage,
    folder: &Folder,
    not_read: Vec<String>,
) -> Result<SalvageReport, CliError> {
    let mut report = SalvageReport {
        pages: found.pages,
        frames: found.frames,
        not_read,
        ..SalvageReport::default()
    };
    let Some((first, others)) = found.datasets.split_first() else {
        return Ok(report);
    };
    for dataset in others {
        report.doubts.push(format!(
            "the WAL is another server's; its states are in {OTHER_LOG}/, with a manifest of \
                their own"
        ));
        let below = folder.below(OTHER_LOG)?;
        let prefix = format!("{OTHER_LOG}/");
        let manifest = Writing::new(&below, &prefix, &mut report).write(dataset)?;
        below.finish(&manifest)?;
    }
    let manifest = Writing::new(folder, "", &mut report).write(first)?;
    folder.put_json(REPORT, &report)?;
    folder.finish(&manifest)?;
    Ok(report)
}

/// The data of one server that is being written.
struct Writing<'a> {
    folder: &'a Folder,
    /// Where that folder is, in the report.
    prefix: &'a str,
    report: &'a mut SalvageReport,
    manifest: Manifest,
    unnamed: HashSet<Digest>,
}

impl<'a> Writing<'a> {
    fn new(folder: &'a Folder, prefix: &'a str, report: &'a mut SalvageReport) -> Self {
        Self {
            folder,
            prefix,
            report,
            manifest: Manifest::new(clock::now().to_string(), true),
            unnamed: HashSet::new(),
        }
    }

    fn write(mut self, dataset: &Dataset) -> Result<Manifest, CliError> {
        let (states, doubts) = dataset.states();
        self.report.doubts.extend(doubts);
        self.report.images_with_rows += dataset.images_with_rows();
        self.report.unreadable_pages += dataset.unreadable();
        let mut reader = dataset.reader();
        for state in &states {
            match &state.name {
                Some(name) => self.state(&mut reader, state, name)?,
                None => self.nameless(&mut reader, state)?,
            }
        }
        self.others(&mut reader)?;
        Ok(self.manifest)
    }

    fn state(
        &mut self,
        reader: &mut Reader<'_>,
        state: &FoundState,
        name: &StateName,
    ) -> Result<(), CliError> {
        let deleted_at = state.deleted_at.map(|at| at.to_string());
        let mut listed = ManifestState::new(name, deleted_at, state.transferred_to.clone());
        let mut told = StateFound::of(state, name, self.prefix);
        for number in &state.numbers {
            match reader.version(state, *number).map_err(CliError::because)? {
                FoundVersion::Whole(version, found) => {
                    let path = manifest::file_of(name, *number);
                    self.folder.put(&path, &found.bytes)?;
                    told.found.push(*number);
                    listed.versions.push(row(&version, path.into())?);
                }
                FoundVersion::Purged(version) => {
                    listed.versions.push(row(&version, Value::Null)?);
                }
                FoundVersion::Missing(version, sha256) => {
                    told.missing.push(*number);
                    let line =
                        format!("version {number} of {name}: no bytes with SHA-256 {sha256}");
                    self.report.missing.push(line);
                    let known = version.map(|version| row(&version, Value::Null));
                    listed.versions.extend(known.transpose()?);
                }
                FoundVersion::Gone => {}
            }
        }
        if let Some(current) = state.current.filter(|_| state.is_live)
            && !state.numbers.contains(&current)
        {
            told.missing.push(current);
            let line = format!("version {current} of {name}, its current one: no row was found");
            self.report.missing.push(line);
        }
        if !listed.versions.is_empty() {
            self.manifest.states.push(listed);
        }
        self.report.states.push(told);
        Ok(())
    }

    /// The versions of a state whose name is not known.
    fn nameless(&mut self, reader: &mut Reader<'_>, state: &FoundState) -> Result<(), CliError> {
        for number in &state.numbers {
            match reader.version(state, *number).map_err(CliError::because)? {
                FoundVersion::Whole(version, found) => self.unnamed(&found, Some(&version))?,
                FoundVersion::Missing(_, sha256) => self.report.missing.push(format!(
                    "version {number} of a state without a name: no bytes with SHA-256 {sha256}"
                )),
                FoundVersion::Purged(_) | FoundVersion::Gone => {}
            }
        }
        Ok(())
    }

    /// Bytes that no version's row names.
    fn others(&mut self, reader: &mut Reader<'_>) -> Result<(), CliError> {
        let mut failed = Ok(());
        let missing = reader.others(|found| {
            failed = self.unnamed(&found, None);
            match &failed {
                Ok(()) => Ok(()),
                Err(_) => Err(io::ErrorKind::Other.into()),
            }
        });
        failed?;
        for _ in 0..missing.map_err(CliError::because)? {
            let line = "content that no version was found for: its bytes cannot be read";
            self.report.missing.push(line.to_owned());
        }
        Ok(())
    }

    fn unnamed(&mut self, found: &FoundBytes, version: Option<&Version>) -> Result<(), CliError> {
        if !self.unnamed.insert(found.sha256) {
            return Ok(());
        }
        let path = format!("unnamed/{}.tfstate", found.sha256);
        self.folder.put(&path, &found.bytes)?;
        self.report.unnamed.push(UnnamedFile {
            sha256: found.sha256.to_string(),
            size: found.bytes.len(),
            file: format!("{}{path}", self.prefix),
            number: version.map(|version| version.number),
            created_at: version.map(|version| version.created_at.to_string()),
        });
        Ok(())
    }
}

impl StateFound {
    fn of(state: &FoundState, name: &StateName, prefix: &str) -> Self {
        let note = match (&state.transferred_to, state.deleted_at, state.has_row) {
            (Some(_), _, _) => Some("has left for another backend"),
            (None, Some(_), _) => Some("deleted"),
            (None, None, false) => Some("its row was lost: it may have been deleted"),
            (None, None, true) => None,
        };
        Self {
            workspace: name.workspace.to_string(),
            block: name.block.to_string(),
            folder: format!("{prefix}{name}"),
            found: Vec::new(),
            missing: Vec::new(),
            current: state.current,
            note: note.map(str::to_owned),
        }
    }
}

/// A version's row in the manifest, as an export has it.
fn row(version: &Version, file: Value) -> Result<Value, CliError> {
    let mut row = serde_json::to_value(version).map_err(CliError::because)?;
    row["file"] = file;
    Ok(row)
}
