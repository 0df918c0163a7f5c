//! Finding what is to be imported: a file, standard input, or a folder of states or of an export.
//! A file that is no state is named and left out.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek as _, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::archive;
use super::candidates::{self, Candidate, Candidates};
use super::folder::Listing;
use super::key_prefix::KeyPrefix;
use super::names;
use super::pattern::Pattern;
use super::plan::{MAX_STATE, PlannedVersion, StatePlan, VersionBytes};
use super::presets::Preset;
use super::unnamed::{self, Unnamed};
use crate::cli::output::ShownPath as _;
use crate::cli::output::{CliError, harmless, message};
use crate::model::name::{BuildingBlock, StateName, Workspace};

/// Where in a tar its mark is, and the mark.
const TAR_MARK: (u64, &[u8; 5]) = (257, b"ustar");

/// How the states are named.
pub(super) struct Naming<'a> {
    pub(super) workspace: Option<&'a Workspace>,
    pub(super) block: Option<&'a BuildingBlock>,
    pub(super) pattern: Option<&'a Pattern>,
    /// Whether files are taken whose names do not say that they are states.
    pub(super) all_names: bool,
    /// How the folder is laid out, if that was said.
    pub(super) preset: Option<Preset>,
    /// The folders of the program's workspaces in it, beside the usual one.
    pub(super) key_prefixes: &'a [KeyPrefix],
}

impl Naming<'_> {
    /// The one state that both flags name.
    pub(super) fn one(&self) -> Result<StateName, CliError> {
        match (self.workspace, self.block) {
            (Some(workspace), Some(block)) => Ok(StateName {
                workspace: workspace.clone(),
                block: block.clone(),
            }),
            _ => Err(CliError::Usage(
                "a single state needs --workspace and --building-block".to_owned(),
            )),
        }
    }

    /// An export names its states itself.
    fn none(&self) -> Result<(), CliError> {
        match (self.workspace, self.block, self.pattern) {
            (None, None, None) => Ok(()),
            _ => Err(CliError::Usage(
                "an export names its states itself; leave out --workspace, --building-block and \
                    --name-pattern"
                    .to_owned(),
            )),
        }
    }
}

/// What was found.
#[derive(Default)]
pub(super) struct FoundStates {
    pub(super) plans: Vec<StatePlan>,
    /// What is left out, and why; each was told.
    pub(super) skipped: Vec<String>,
    /// How many files are passed over, since nothing says that they are states.
    pub(super) passed_over: usize,
    /// Those of them that look like states.
    pub(super) look_like_states: Vec<String>,
}

impl FoundStates {
    fn all(plans: Vec<StatePlan>) -> Self {
        Self {
            plans,
            ..Self::default()
        }
    }

    /// One state whose bytes are known.
    pub(super) fn one(name: StateName, from: String, contents: Vec<VersionBytes>) -> Self {
        let versions = contents.into_iter().map(PlannedVersion::of).collect();
        Self::all(vec![StatePlan {
            name,
            from,
            versions,
            deleted: false,
            transferred_to: None,
            is_known: false,
        }])
    }
}

impl FoundStates {
    /// Takes the states of a folder, each with its name. One without a name is left out and told.
    fn take(&mut self, states: Vec<Candidate>, naming: &Naming<'_>) -> Result<(), CliError> {
        let mut taken: HashMap<StateName, String> = HashMap::new();
        let mut unnamed = Vec::new();
        for state in states {
            let name = match name_of(&state.named_by, naming) {
                Ok(name) => name,
                Err(why) => {
                    unnamed.push((state.from, why));
                    continue;
                }
            };
            if let Some(other) = taken.insert(name.clone(), state.from.clone()) {
                // Only a person knows which of them is meant.
                return Err(CliError::Failed(format!(
                    "{other} and {} would both be {name}; nothing was imported, give a \
                        --name-pattern",
                    state.from
                )));
            }
            self.plans.push(state.named(name));
        }
        tell(&unnamed::told(&unnamed));
        let left_out = unnamed.into_iter();
        self.skipped
            .extend(left_out.map(|(path, why)| format!("{path}: {why}")));
        Ok(())
    }
}

/// Looks at what a person gave.
pub(super) fn find(source: &Path, naming: &Naming<'_>) -> Result<FoundStates, CliError> {
    if source.as_os_str() == "-" {
        return match naming.preset {
            Some(preset) => Err(preset.misfit(source, "standard input")),
            None => from_stdin(naming),
        };
    }
    let told = |error: io::Error| {
        let is_address = error.kind() == io::ErrorKind::NotFound;
        let advice = source
            .to_str()
            .filter(|_| is_address)
            .and_then(instead_of_an_address);
        CliError::Failed(advice.unwrap_or_else(|| format!("{}: {error}", source.shown())))
    };
    let is_folder = fs::metadata(source).map_err(told)?.is_dir();
    if let Some(preset) = naming.preset {
        preset.check_source(source, is_folder)?;
        return in_folder(source, naming);
    }
    if !is_folder {
        let file = File::open(source).map_err(told)?;
        if is_tar(&file) {
            naming.none()?;
            return archive::tar(file).map(FoundStates::all);
        }
        return Ok(FoundStates::one(
            naming.one()?,
            source.display().to_string(),
            vec![VersionBytes::File(source.to_owned())],
        ));
    }
    if archive::is_folder(source)? {
        naming.none()?;
        return archive::folder(source).map(FoundStates::all);
    }
    in_folder(source, naming)
}

/// What to do if an address was given for a path.
fn instead_of_an_address(source: &str) -> Option<String> {
    let (scheme, _) = source.split_once("://")?;
    let how = match scheme {
        "http" | "https" => {
            return Some(
                "an address is given with --from-url; what was named is no file, and \
                nothing was imported"
                    .to_owned(),
            );
        }
        "s3" => "`aws s3 sync` or `mc mirror`",
        "gs" | "gcs" => "`gcloud storage cp -r`",
        "az" | "azblob" | "abfs" | "azurerm" | "wasbs" => "`az storage blob download-batch`",
        "oss" => "`ossutil cp -r`",
        "cos" => "`coscli cp -r`",
        "consul" => "`consul kv export`",
        _ => "the storage's own program",
    };
    Some(format!(
        "{source} is an address, and no file or folder: copy what is there into a folder first \
            ({how}), and import that"
    ))
}

fn is_tar(file: &File) -> bool {
    let mut mark = [0; TAR_MARK.1.len()];
    file.read_exact_at(&mut mark, TAR_MARK.0).is_ok() && mark == *TAR_MARK.1
}

/// A file without a name that holds a beginning and the rest of a stream.
fn kept(head: &[u8], rest: &mut impl Read) -> io::Result<File> {
    let mut file = unnamed_file()?;
    file.write_all(head)?;
    io::copy(rest, &mut file)?;
    file.rewind()?;
    Ok(file)
}

/// A state, or the tar of an export, which has to be looked through twice.
fn from_stdin(naming: &Naming<'_>) -> Result<FoundStates, CliError> {
    let told = |error: io::Error| CliError::Failed(format!("standard input: {error}"));
    let mut stdin = io::stdin().lock();
    let mut head = Vec::new();
    stdin
        .by_ref()
        .take(512)
        .read_to_end(&mut head)
        .map_err(told)?;
    let mark = usize::try_from(TAR_MARK.0).unwrap_or_default();
    if head.get(mark..mark + TAR_MARK.1.len()) == Some(&TAR_MARK.1[..]) {
        naming.none()?;
        let file = kept(&head, &mut stdin).map_err(told)?;
        return archive::tar(file).map(FoundStates::all);
    }
    let name = naming.one()?;
    stdin
        .take(MAX_STATE + 1)
        .read_to_end(&mut head)
        .map_err(told)?;
    Ok(FoundStates::one(
        name,
        "standard input".to_owned(),
        vec![VersionBytes::Memory(head.into())],
    ))
}

/// A file that has no name any more, so that it goes with this process.
fn unnamed_file() -> io::Result<File> {
    let path = std::env::temp_dir().join(format!(".statekeep-import-{}", uuid::Uuid::new_v4()));
    let file = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&path)?;
    fs::remove_file(path)?;
    Ok(file)
}

/// The states in a folder and those below it.
fn in_folder(dir: &Path, naming: &Naming<'_>) -> Result<FoundStates, CliError> {
    let listing = Listing::of(dir, naming.all_names, naming.preset)?;
    tell(&listing.told(naming.preset));
    if let Some(preset) = naming.preset {
        preset.check(dir, &listing.states, naming.key_prefixes)?;
    }
    let unsaved = listing.errored.iter();
    let unsaved: Vec<String> = unsaved.map(|path| unsaved_in(dir, path, naming)).collect();
    tell(&unsaved);
    if listing.states.is_empty() {
        return Err(none(dir, naming));
    }
    let Candidates {
        states: candidates,
        unreadable,
    } = candidates::of(dir, &listing.states, naming.preset);
    tell(&unreadable);
    let states = candidates.len();
    if naming.block.is_some() && states > 1 {
        return Err(CliError::Usage(format!(
            "--building-block names one state, and there are {states} in {}; use --name-pattern",
            dir.shown()
        )));
    }
    let mut found = FoundStates {
        passed_over: listing.passed_over(),
        look_like_states: listing.look_like_states,
        skipped: [unsaved, unreadable].concat(),
        ..FoundStates::default()
    };
    found.take(candidates, naming)?;
    Ok(found)
}

fn tell(lines: &[String]) {
    for line in lines {
        message(&harmless(line));
    }
}

fn name_of(path: &str, naming: &Naming<'_>) -> Result<StateName, Unnamed> {
    match (naming.workspace, naming.block) {
        (Some(workspace), Some(block)) => Ok(StateName {
            workspace: workspace.clone(),
            block: block.clone(),
        }),
        _ => names::name_of(
            path,
            naming.pattern,
            naming.workspace.map(Workspace::as_str),
            naming.key_prefixes,
        ),
    }
}

/// What a command could not save belongs to the state of its module, and is newer: only a person
/// knows whether it is to follow it.
fn unsaved_in(dir: &Path, path: &str, naming: &Naming<'_>) -> String {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let beside = if folder.is_empty() {
        "terraform.tfstate".to_owned()
    } else {
        format!("{folder}/terraform.tfstate")
    };
    let (workspace, block) = match name_of(&beside, naming) {
        Ok(name) => (name.workspace.to_string(), name.block.to_string()),
        Err(_) => (
            naming
                .workspace
                .map_or_else(|| "W".to_owned(), ToString::to_string),
            "B".to_owned(),
        ),
    };
    format!(
        "{path}: this is what a command of the module in its folder could not save, so it is that \
            module's newest state and none of its own; once the \
         module's state is there, `statekeep import {} --workspace {workspace} --building-block \
         {block} --append` brings it in",
        dir.join(path).display()
    )
}

/// That there is nothing to import, and what was looked for.
fn none(dir: &Path, naming: &Naming<'_>) -> CliError {
    let names = if naming.all_names {
        "files of any name but hidden ones, backups and locks"
    } else {
        "files whose names end in .tfstate, or have a workspace in them as backends write it \
            (KEYenv:NAME, PATH-env:NAME, env:/NAME/KEY)"
    };
    let more = if naming.all_names {
        ""
    } else {
        "; --all-names takes other files as well"
    };
    CliError::Failed(format!(
        "there is no state in {}: looked for {names}, in it and below. Nothing was imported{more}",
        dir.shown()
    ))
}
