//! Finding what is to be imported: a file, standard input, or a folder of states or of an export. What cannot be one is named and left out.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use super::super::output::Failure;
use super::archive;
use super::names::{self, Pattern};
use super::plan::{Content, MAX_STATE, Plan, Planned};
use crate::model::name::{BuildingBlock, StateName, Workspace};

/// How deep folders are looked into.
const MAX_DEPTH: usize = 16;
/// How many files a folder and those below it may have.
const MAX_FILES: usize = 1_000_000;
/// Where in a tar its mark is, and the mark.
const TAR_MARK: (u64, &[u8; 5]) = (257, b"ustar");

/// How the states are named.
pub(super) struct Naming<'a> {
    pub(super) workspace: Option<&'a Workspace>,
    pub(super) block: Option<&'a BuildingBlock>,
    pub(super) pattern: Option<&'a Pattern>,
}

impl Naming<'_> {
    /// The one state that both flags name.
    pub(super) fn one(&self) -> Result<StateName, Failure> {
        match (self.workspace, self.block) {
            (Some(workspace), Some(block)) => Ok(StateName { workspace: workspace.clone(), block: block.clone() }),
            _ => Err(Failure::Usage("a single state needs --workspace and --building-block".to_owned())),
        }
    }

    /// An export names its states itself.
    fn none(&self) -> Result<(), Failure> {
        match (self.workspace, self.block, self.pattern) {
            (None, None, None) => Ok(()),
            _ => Err(Failure::Usage(
                "an export names its states itself; leave out --workspace, --building-block and --name-pattern".to_owned(),
            )),
        }
    }
}

/// What was found.
#[derive(Default)]
pub(super) struct Found {
    pub(super) plans: Vec<Plan>,
    /// What is left out, and why.
    pub(super) skipped: Vec<String>,
}

impl Found {
    fn all(plans: Vec<Plan>) -> Self {
        Self { plans, skipped: Vec::new() }
    }

    /// One state whose bytes are known.
    pub(super) fn one(name: StateName, from: String, contents: Vec<Content>) -> Self {
        let versions = contents.into_iter().map(Planned::of).collect();
        Self::all(vec![Plan { name, from, versions, deleted: false, transferred_to: None, is_known: false }])
    }
}

/// Looks at what a person gave.
pub(super) fn find(source: &Path, naming: &Naming<'_>) -> Result<Found, Failure> {
    if source.as_os_str() == "-" {
        return from_stdin(naming);
    }
    let told = |error: io::Error| Failure::Failed(format!("{}: {error}", source.display()));
    if !fs::metadata(source).map_err(told)?.is_dir() {
        let file = File::open(source).map_err(told)?;
        if is_tar(&file) {
            naming.none()?;
            return archive::tar(file).map(Found::all);
        }
        return Ok(Found::one(naming.one()?, source.display().to_string(), vec![Content::File(source.to_owned())]));
    }
    if archive::is_folder(source)? {
        naming.none()?;
        return archive::folder(source).map(Found::all);
    }
    in_folder(source, naming)
}

fn is_tar(file: &File) -> bool {
    let mut mark = [0; TAR_MARK.1.len()];
    file.read_exact_at(&mut mark, TAR_MARK.0).is_ok() && mark == *TAR_MARK.1
}

/// A state, or the tar of an export, which has to be looked through twice.
fn from_stdin(naming: &Naming<'_>) -> Result<Found, Failure> {
    let told = |error: io::Error| Failure::Failed(format!("standard input: {error}"));
    let mut stdin = io::stdin().lock();
    let mut head = Vec::new();
    stdin.by_ref().take(512).read_to_end(&mut head).map_err(told)?;
    let mark = usize::try_from(TAR_MARK.0).unwrap_or_default();
    if head.get(mark..mark + TAR_MARK.1.len()) == Some(&TAR_MARK.1[..]) {
        naming.none()?;
        let mut file = unnamed_file().map_err(told)?;
        file.write_all(&head).and_then(|()| io::copy(&mut stdin, &mut file)).and_then(|_| file.rewind()).map_err(told)?;
        return archive::tar(file).map(Found::all);
    }
    let name = naming.one()?;
    stdin.take(MAX_STATE + 1).read_to_end(&mut head).map_err(told)?;
    Ok(Found::one(name, "standard input".to_owned(), vec![Content::Memory(head.into())]))
}

/// A file that has no name any more, so that it goes with this process.
fn unnamed_file() -> io::Result<File> {
    let path = std::env::temp_dir().join(format!(".statekeep-import-{}", uuid::Uuid::new_v4()));
    let file = File::options().read(true).write(true).create_new(true).open(&path)?;
    fs::remove_file(path)?;
    Ok(file)
}

/// The states in a folder and those below it.
fn in_folder(dir: &Path, naming: &Naming<'_>) -> Result<Found, Failure> {
    let mut files = Vec::new();
    look_into(dir, "", 0, &mut files)?;
    files.sort();
    let mut found = Found::default();
    let mut taken: HashMap<StateName, String> = HashMap::new();
    let is_alone = files.len() == 1;
    if naming.block.is_some() && !is_alone {
        let why = format!("--building-block names one state, and there are {} in {}", files.len(), dir.display());
        return Err(Failure::Usage(format!("{why}; use --name-pattern")));
    }
    for path in files {
        let name = match naming.block {
            Some(_) => naming.one()?,
            None => match names::name_of(&path, naming.pattern, naming.workspace.map(Workspace::as_str)) {
                Ok(name) => name,
                Err(why) => {
                    found.skipped.push(format!("{path}: {why}"));
                    continue;
                }
            },
        };
        if let Some(other) = taken.insert(name.clone(), path.clone()) {
            // Which of them is meant, only a person knows.
            return Err(Failure::Failed(format!("{other} and {path} would both be {name}; nothing was imported, give a --name-pattern")));
        }
        found.plans.push(with_backup(dir, &path, name));
    }
    Ok(found)
}

fn with_backup(dir: &Path, path: &str, name: StateName) -> Plan {
    let backup = dir.join(format!("{path}.backup"));
    let contents = [backup.is_file().then_some(backup), Some(dir.join(path))];
    let versions = contents.into_iter().flatten().map(|path| Planned::of(Content::File(path))).collect();
    Plan { name, from: path.to_owned(), versions, deleted: false, transferred_to: None, is_known: false }
}

/// Finds files that end in `.tfstate`. Hidden ones are passed over: `.terraform/terraform.tfstate` is no state.
fn look_into(dir: &Path, prefix: &str, depth: usize, files: &mut Vec<String>) -> Result<(), Failure> {
    let told = |error: io::Error| Failure::Failed(format!("{}: {error}", dir.display()));
    if depth > MAX_DEPTH {
        return Err(Failure::Failed(format!("{}: folders are more than {MAX_DEPTH} deep; nothing was imported", dir.display())));
    }
    for entry in fs::read_dir(dir).map_err(told)? {
        let entry = entry.map_err(told)?;
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| !name.starts_with('.')) else { continue };
        let path: PathBuf = entry.path();
        // Links are followed to files, and not to folders, which could lead in circles.
        if entry.file_type().map_err(told)?.is_dir() {
            look_into(&path, &format!("{prefix}{name}/"), depth + 1, files)?;
        } else if name.ends_with(".tfstate") && path.is_file() {
            files.push(format!("{prefix}{name}"));
        }
        if files.len() > MAX_FILES {
            return Err(Failure::Failed(format!("there are more than {MAX_FILES} states; nothing was imported")));
        }
    }
    Ok(())
}
