//! `--from`: folders as a storage's own program leaves them. Each preset says which files are
//! states, what is passed over, and what the folder looks like. A folder that does not look like
//! that is refused, so that no state comes in under a name by accident.
//!
//! How backends write the program's workspaces into paths stands in `names` alone. A preset only
//! says which of these ways belongs to it.

use std::fmt;
use std::path::Path;

use clap::ValueEnum;

use super::archive;
use super::beginning::begins_as_state;
use super::key_prefix::KeyPrefix;
use super::names::{self, WorkspaceIn};
use crate::cli::output::ShownPath as _;
use crate::cli::output::{CliError, counted, harmless};

/// How many digits the hash of a project has in GitLab's storage.
const HASH: usize = 64;
/// What a version's file ends in there.
const VERSION: &str = ".tfstate";

/// Which program left a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Preset {
    /// A bucket of S3: each file is a state, and `env:/NAME/KEY` is one of a workspace
    S3Folder,
    /// A container of Azure: each file is a state, and `KEYenv:NAME` is one of a workspace
    AzureFolder,
    /// The storage of GitLab: a folder for each state, with its versions as `N.tfstate`
    Gitlab,
}

/// What a preset says.
struct PresetLayout {
    /// Its word on the command line.
    word: &'static str,
    /// What the folder looks like.
    expected: &'static str,
    /// What states' names end in; nothing if they may be any.
    end: &'static str,
    /// What no state's name ends in.
    other_ends: &'static [&'static str],
    /// Folders of the folder `tmp` at the top in which no state is.
    other_of_tmp: &'static [&'static str],
    /// Where the program's workspaces stand, if anywhere.
    workspaces: Option<WorkspaceIn>,
}

const S3_FOLDER: PresetLayout = PresetLayout {
    word: "s3-folder",
    expected: "the keys of states as paths, those of workspaces as env:/NAME/KEY",
    end: "",
    // The checksum that the program keeps beside a lock.
    other_ends: &["-md5"],
    other_of_tmp: &[],
    workspaces: Some(WorkspaceIn::Folder),
};

const AZURE_FOLDER: PresetLayout = PresetLayout {
    word: "azure-folder",
    expected: "the blobs of states as paths, those of workspaces as KEYenv:NAME",
    end: "",
    other_ends: &[],
    other_of_tmp: &[],
    workspaces: Some(WorkspaceIn::FileName),
};

const GITLAB: PresetLayout = PresetLayout {
    word: "gitlab",
    expected: "a folder for each state with its versions as N.tfstate, below XX/YY/HASH or without",
    end: VERSION,
    other_ends: &[],
    // Where uploads are on their way.
    other_of_tmp: &["cache", "work", "uploads"],
    workspaces: None,
};

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "--from {}", self.layout().word)
    }
}

impl Preset {
    const fn layout(self) -> &'static PresetLayout {
        match self {
            Self::S3Folder => &S3_FOLDER,
            Self::AzureFolder => &AZURE_FOLDER,
            Self::Gitlab => &GITLAB,
        }
    }

    /// Whether a file is taken for a state, or for a version of one.
    pub(super) fn takes(self, path: &str) -> bool {
        let layout = self.layout();
        let tmp = path
            .strip_prefix("tmp/")
            .and_then(|path| path.split_once('/'));
        let is_other = layout.other_ends.iter().any(|end| path.ends_with(end))
            || tmp.is_some_and(|(folder, _)| layout.other_of_tmp.contains(&folder));
        path.ends_with(layout.end) && !is_other
    }

    /// That something else was found than this expects.
    pub(super) fn misfit(self, source: &Path, found: &str) -> CliError {
        CliError::Failed(format!(
            "{} does not fit {self}, which expects {}; found {found}. Nothing was imported",
            source.shown(),
            self.layout().expected
        ))
    }

    /// Whether folders of workspaces can be named for it.
    pub(super) fn has_key_prefixes(self) -> bool {
        self.layout().workspaces == Some(WorkspaceIn::Folder)
    }

    /// Whether it is a folder, and none that says itself what is in it.
    pub(super) fn check_source(self, source: &Path, is_folder: bool) -> Result<(), CliError> {
        if !is_folder {
            return Err(self.misfit(source, "a file"));
        }
        if archive::is_folder(source)? {
            return Err(self.misfit(source, "an export, which names its states: omit --from"));
        }
        Ok(())
    }

    /// Whether the files that it takes are laid out as it expects.
    pub(super) fn check(
        self,
        dir: &Path,
        taken: &[String],
        prefixes: &[KeyPrefix],
    ) -> Result<(), CliError> {
        if taken.is_empty() {
            return Err(self.misfit(dir, "no such file"));
        }
        let stranger = |path: &String| Some(format!("{path}, {}", self.judge(path)?));
        if let Some(found) = taken.iter().find_map(stranger) {
            return Err(self.misfit(dir, &found));
        }
        if let Some(prefix) = KeyPrefix::unused(prefixes, taken) {
            let prefix = harmless(&prefix.to_string());
            return Err(self.misfit(dir, &format!("no key {prefix}/NAME/KEY")));
        }
        if taken.iter().any(|path| begins_as_state(&dir.join(path))) {
            return Ok(());
        }
        let files = counted(taken.len(), "file");
        let why = match self {
            Self::Gitlab => ": GitLab encrypts them unless that is turned off, so use --from-url",
            Self::S3Folder | Self::AzureFolder => "",
        };
        let found = format!("{files}, of which none begins as a state does{why}");
        Err(self.misfit(dir, &found))
    }

    /// What a file says of another layout, if it does.
    fn judge(self, path: &str) -> Option<&'static str> {
        match self {
            Self::S3Folder | Self::AzureFolder => self.judge_key(path),
            Self::Gitlab => judge_version(path),
        }
    }

    fn judge_key(self, path: &str) -> Option<&'static str> {
        if hash_at(path).is_some() {
            return Some("as GitLab stores versions: use --from gitlab");
        }
        let within = names::of_workspace(path)?.within;
        if Some(within) == self.layout().workspaces {
            return None;
        }
        Some(match within {
            WorkspaceIn::Folder => "as the s3 backend names workspaces: use --from s3-folder",
            WorkspaceIn::FileName => "as azurerm names workspaces: use --from azure-folder",
        })
    }
}

fn judge_version(path: &str) -> Option<&'static str> {
    if VersionFile::of(path).is_none() {
        return Some("which is no version N.tfstate in a folder");
    }
    let is_deep = hash_at(path).is_some_and(|at| at > 0);
    is_deep.then_some("with folders above the hash: give the folder in which XX/YY/HASH lies")
}

/// At which part of a path the folders of a project's hash are: its first two digits, the next two,
/// and all of them.
fn hash_at(path: &str) -> Option<usize> {
    let parts: Vec<&str> = path.split('/').collect();
    let is_hash = |parts: &[&str]| {
        let [first, second, hash] = parts else {
            return false;
        };
        let is_hex = hash.len() == HASH && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_hex && hash.get(..2) == Some(first) && hash.get(2..4) == Some(second)
    };
    parts.windows(3).position(is_hash)
}

/// A version of a state as GitLab stores it.
pub(super) struct VersionFile<'a> {
    /// The folder of the state.
    pub(super) folder: &'a str,
    /// Its number, which is the serial of the state in it.
    pub(super) number: u64,
}

impl<'a> VersionFile<'a> {
    /// The version at a path, if it is one.
    pub(super) fn of(path: &'a str) -> Option<Self> {
        let (folder, name) = path.rsplit_once('/')?;
        let digits = name.strip_suffix(VERSION)?;
        let number: u64 = digits.parse().ok()?;
        // One number is one file: 7 is not written as 07.
        (digits == number.to_string()).then_some(Self { folder, number })
    }

    /// The path that says the name of a state in a folder: without the hash of its project.
    pub(super) fn named_by(folder: &str) -> String {
        let hash = if hash_at(folder).is_some() { 3 } else { 0 };
        let parts: Vec<&str> = folder.split('/').skip(hash).collect();
        format!("{}/terraform{VERSION}", parts.join("/"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_which_layout_it_is_of() {
        let hash = "2099a9b5f777e242d1f9e19d27e232cc71e2fa7964fc988a319fce5671ca7f73";
        let stored = format!("20/99/{hash}/0b7d/3.tfstate");
        let other = format!("20/98/{hash}/0b7d/3.tfstate");
        let deep = format!("terraform_state/{stored}");
        for (path, s3, azure, gitlab) in [
            ("net.tfstate", true, true, false),
            ("stacks/net", true, true, false),
            ("env:/blue/stacks/net", true, false, false),
            ("stacks/netenv:blue", false, true, false),
            (stored.as_str(), false, false, true),
            (deep.as_str(), false, false, false),
            // Without a hash that fits, the folders are names.
            (other.as_str(), true, true, true),
            ("team/net/12.tfstate", true, true, true),
            ("12.tfstate", true, true, false),
            ("net/12a.tfstate", true, true, false),
            ("net/07.tfstate", true, true, false),
            ("net/.tfstate", true, true, false),
        ] {
            let fits = |preset: Preset| preset.judge(path).is_none();
            let found = (
                fits(Preset::S3Folder),
                fits(Preset::AzureFolder),
                fits(Preset::Gitlab),
            );
            assert_eq!(found, (s3, azure, gitlab), "{path}");
        }
        assert_eq!(
            VersionFile::named_by(&format!("20/99/{hash}/0b7d")),
            "0b7d/terraform.tfstate"
        );
        assert_eq!(
            VersionFile::named_by("team/net"),
            "team/net/terraform.tfstate"
        );
    }

    #[test]
    fn what_is_no_state_is_passed_over() {
        for (path, preset, is_taken) in [
            ("net.tfstate-md5", Preset::S3Folder, false),
            ("net.tfstate-md5", Preset::AzureFolder, true),
            ("db", Preset::S3Folder, true),
            ("db", Preset::Gitlab, false),
            ("tmp/cache/1/2.tfstate", Preset::Gitlab, false),
            ("tmp/2.tfstate", Preset::Gitlab, true),
            ("team/tmp/cache/2.tfstate", Preset::Gitlab, true),
        ] {
            assert_eq!(preset.takes(path), is_taken, "{path} {preset:?}");
        }
    }
}
