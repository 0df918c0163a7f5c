//! The states of a folder before they have names: a file with its older version, or a folder of
//! versions. The times of a state's versions never fall from one to the next.

use std::collections::BTreeMap;
use std::path::Path;

use super::beginning::begins_as_state;
use super::plan::{PlannedVersion, StatePlan, VersionBytes};
use super::presets::{Preset, VersionFile};
use crate::cli::output::counted;
use crate::model::name::StateName;

/// A state that has no name yet.
pub(super) struct Candidate {
    /// Where it is, for people.
    pub(super) from: String,
    /// The path that says its name.
    pub(super) named_by: String,
    /// The oldest first.
    versions: Vec<PlannedVersion>,
}

impl Candidate {
    /// The state by its name.
    pub(super) fn named(self, name: StateName) -> StatePlan {
        StatePlan {
            name,
            from: self.from,
            versions: self.versions,
            deleted: false,
            transferred_to: None,
            is_known: false,
        }
    }
}

/// What is in a folder.
#[derive(Default)]
pub(super) struct Candidates {
    pub(super) states: Vec<Candidate>,
    /// What is left out since nobody but the storage can read it, and why.
    pub(super) unreadable: Vec<String>,
}

/// The states that files of a folder are, by a preset or each by itself.
pub(super) fn of(dir: &Path, files: &[String], preset: Option<Preset>) -> Candidates {
    if preset == Some(Preset::Gitlab) {
        return of_versions(dir, files);
    }
    let states = files.iter().map(|path| with_backup(dir, path));
    Candidates {
        states: states.collect(),
        ..Candidates::default()
    }
}

fn with_backup(dir: &Path, path: &str) -> Candidate {
    let backup = dir.join(format!("{path}.backup"));
    let contents = [backup.is_file().then_some(backup), Some(dir.join(path))];
    let files = contents.into_iter().flatten().map(VersionBytes::File);
    Candidate {
        from: path.to_owned(),
        named_by: path.to_owned(),
        versions: in_order_of_time(files.map(PlannedVersion::of).collect()),
    }
}

/// Folders whose files are numbered: each is a state. One is left out if any of its versions does
/// not begin as a state does, since what would be imported is a history with holes.
fn of_versions(dir: &Path, files: &[String]) -> Candidates {
    let mut folders: BTreeMap<&str, BTreeMap<u64, &str>> = BTreeMap::new();
    let mut found = Candidates::default();
    for path in files {
        if let Some(version) = VersionFile::of(path) {
            let versions = folders.entry(version.folder).or_default();
            versions.insert(version.number, path);
        }
    }
    for (folder, versions) in folders {
        let files = versions.values().map(|path| dir.join(path));
        let sealed = files.clone().filter(|path| !begins_as_state(path)).count();
        if sealed > 0 {
            found.unreadable.push(format!(
                "{folder}: {sealed} of {} do not begin as states do. GitLab encrypts what it \
                    stores unless that is turned off; such a state comes by --from-url … --history",
                counted(versions.len(), "version")
            ));
            continue;
        }
        let versions = files.map(VersionBytes::File).map(PlannedVersion::of);
        found.states.push(Candidate {
            from: folder.to_owned(),
            named_by: VersionFile::named_by(folder),
            versions: in_order_of_time(versions.collect()),
        });
    }
    found
}

/// Files may have been copied in any order: none is later than the one that follows it.
fn in_order_of_time(mut versions: Vec<PlannedVersion>) -> Vec<PlannedVersion> {
    let mut latest: Option<String> = None;
    for version in versions.iter_mut().rev() {
        if let Some(latest) = &latest {
            version.created_at = version.created_at.take().min(Some(latest.clone()));
        }
        latest.clone_from(&version.created_at);
    }
    versions
}
