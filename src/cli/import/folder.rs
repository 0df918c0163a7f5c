//! Looking into a folder: which files are states by their names, which are what a command could not
//! save, and what is passed over.
//!
//! Nothing is passed over in silence: a file that is not taken is named or counted, and one that
//! looks like a state all the same comes first.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

use super::beginning::begins_as_state;
use super::names;
use super::presets::Preset;
use super::unnamed::some;
use crate::cli::output::ShownPath as _;
use crate::cli::output::{CliError, counted};

/// How deep folders are looked into.
const MAX_DEPTH: usize = 16;
/// How many files a folder and those below it may have.
const MAX_FILES: usize = 1_000_000;
/// How many of the files that are passed over are looked at.
const MAX_LOOKED_AT: usize = 10_000;
/// What states' names end in.
const STATE: &str = ".tfstate";
/// What both programs call the state that they could not save, in the folder in which they ran.
const ERRORED: &str = "errored.tfstate";
/// What is never a state of its own: older versions, locks, and what has moved to a server.
const NEVER: [&str; 3] = [".backup", ".tflock", ".lock.info"];
const MOVED: &str = ".moved-to-statekeep";

/// What is in a folder and those below it, by paths from there.
#[derive(Default)]
pub(super) struct Listing {
    /// What is taken for states.
    pub(super) states: Vec<String>,
    /// What commands could not save.
    pub(super) errored: Vec<String>,
    /// Files that are passed over, though they look like states.
    pub(super) look_like_states: Vec<String>,
    /// Other files that are passed over.
    others: Vec<String>,
    /// Hidden files and folders, links to folders, and what is no file.
    unseen: Vec<String>,
}

impl Listing {
    /// Looks into a folder; with `all_names` every file is taken but for what is never a state, and
    /// with a preset what that takes.
    pub(super) fn of(
        dir: &Path,
        all_names: bool,
        preset: Option<Preset>,
    ) -> Result<Self, CliError> {
        let (mut listing, mut files) = (Self::default(), BTreeSet::new());
        look_into(dir, "", 0, &mut files, &mut listing.unseen)?;
        let defaults: BTreeSet<String> = files
            .iter()
            .filter_map(|path| Some(names::of_workspace(path)?.key))
            .collect();
        for path in files {
            let name = path.rsplit('/').next().unwrap_or_default();
            let never = NEVER.iter().any(|end| name.ends_with(end)) || name.contains(MOVED);
            let is_state = || {
                name.ends_with(STATE)
                    || names::of_workspace(&path).is_some()
                    || defaults.contains(&path)
            };
            let is_taken = match preset {
                Some(preset) => preset.takes(&path),
                None => all_names || is_state(),
            };
            match () {
                () if name == ERRORED => listing.errored.push(path),
                () if !never && is_taken => listing.states.push(path),
                () => listing.others.push(path),
            }
        }
        listing.find_states_among_others(dir);
        listing.unseen.sort();
        Ok(listing)
    }

    fn find_states_among_others(&mut self, dir: &Path) {
        let taken: BTreeSet<&str> = self.states.iter().map(String::as_str).collect();
        let (mut like, mut others, mut looked_at) = (Vec::new(), Vec::new(), 0);
        for path in std::mem::take(&mut self.others) {
            // The older version of a state that is taken goes along with it.
            if path
                .strip_suffix(".backup")
                .is_some_and(|state| taken.contains(state))
            {
                continue;
            }
            looked_at += 1;
            let is_like = looked_at <= MAX_LOOKED_AT && begins_as_state(&dir.join(&path));
            if is_like {
                like.push(path);
            } else {
                others.push(path);
            }
        }
        (self.look_like_states, self.others) = (like, others);
    }

    /// How many files are passed over.
    pub(super) fn passed_over(&self) -> usize {
        self.look_like_states.len() + self.others.len()
    }

    /// What is to be told of what is passed over.
    pub(super) fn told(&self, preset: Option<Preset>) -> Vec<String> {
        let line = |names: &[String], what: &str, why: &str| {
            let were = if names.len() == 1 { "was" } else { "were" };
            (!names.is_empty()).then(|| {
                format!(
                    "{} {were} passed over, {why}: {}",
                    counted(names.len(), what),
                    some(names)
                )
            })
        };
        let (of_these, of_others) = match preset {
            Some(preset) => (
                format!("with what looks like a state in it, but not as {preset} names them"),
                format!("since {preset} names no state like that"),
            ),
            None => (
                "with what looks like a state in it (--all-names takes it too, but for backups)"
                    .to_owned(),
                "with another name than states have (--all-names takes it too, but for locks)"
                    .to_owned(),
            ),
        };
        let lines = [
            line(&self.look_like_states, "file", &of_these),
            line(&self.others, "file", &of_others),
            line(
                &self.unseen,
                "other name",
                "hidden, no file, or a link to a folder",
            ),
        ];
        lines.into_iter().flatten().collect()
    }
}

/// Finds the files. Hidden ones are passed over: `.terraform/terraform.tfstate` is no state.
fn look_into(
    dir: &Path,
    prefix: &str,
    depth: usize,
    files: &mut BTreeSet<String>,
    unseen: &mut Vec<String>,
) -> Result<(), CliError> {
    let told = |error: io::Error| CliError::Failed(format!("{}: {error}", dir.shown()));
    if depth > MAX_DEPTH {
        return Err(CliError::Failed(format!(
            "{}: folders are more than {MAX_DEPTH} deep; nothing was imported",
            dir.shown()
        )));
    }
    for entry in fs::read_dir(dir).map_err(told)? {
        let entry = entry.map_err(told)?;
        let path = entry.path();
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| !name.starts_with('.')) else {
            unseen.push(format!("{prefix}{}", name.to_string_lossy()));
            continue;
        };
        // Links are followed to files, and not to folders, which could lead in circles.
        if entry.file_type().map_err(told)?.is_dir() {
            look_into(&path, &format!("{prefix}{name}/"), depth + 1, files, unseen)?;
        } else if path.is_file() {
            files.insert(format!("{prefix}{name}"));
        } else {
            unseen.push(format!("{prefix}{name}"));
        }
        if files.len() + unseen.len() > MAX_FILES {
            return Err(CliError::Failed(format!(
                "there are more than {MAX_FILES} files; nothing was imported"
            )));
        }
    }
    Ok(())
}
