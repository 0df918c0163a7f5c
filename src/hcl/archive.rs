//! Files that a client sends: a map of names to contents, or a tar. Files below the root belong to
//! child modules and are not looked at.

use std::collections::HashSet;
use std::io::Read as _;

use super::folder::{MAX_FILE, MAX_FILES};
use super::names;
use super::reading::Source;

/// The most entries of an archive, of any kind.
const MAX_ENTRIES: usize = 20_000;
/// The longest name that is looked at, in bytes.
const MAX_NAME: usize = 1_024;

/// Why an entry of an archive has no content.
const NO_FILE: &str = "this is a link or no file, which an archive does not hold the content of; \
    send it with `tar -h`";

/// Why files that were sent cannot be looked at.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadFiles {
    /// Not a tar, or cut short.
    #[error("the body is no tar archive, or it is cut short; send an uncompressed one")]
    NotATar,
    /// Too many entries.
    #[error("there are more than {0} files, the most that is taken")]
    TooMany(usize),
    /// The same name twice.
    #[error("there are two files named {0:?}")]
    Twice(String),
    /// Nothing at the top.
    #[error(
        "there are files, but none in the root; name them as seen from the root module: `tar -C \
            MODULE -c .`"
    )]
    NoRoot,
    /// A name that leads out.
    #[error("the name {0:?} leads out of the module; name files as seen from the root module")]
    BadName(String),
}

/// Gathers the files of the root.
#[derive(Default)]
struct Gathering {
    sources: Vec<Source>,
    names: HashSet<String>,
    has_root: bool,
    has_deeper: bool,
}

impl Gathering {
    /// A file's name in the root, if that is where it lies and one of the programs would load it.
    fn name(&mut self, path: &str) -> Result<Option<String>, BadFiles> {
        let mut parts = path.split('/').filter(|part| !matches!(*part, "" | "."));
        if path.starts_with('/') || path.len() > MAX_NAME || parts.clone().any(|part| part == "..")
        {
            return Err(BadFiles::BadName(path.chars().take(100).collect()));
        }
        let (Some(name), None) = (parts.next(), parts.next()) else {
            self.has_deeper = true;
            return Ok(None);
        };
        self.has_root = true;
        if names::language(name).is_none() {
            return Ok(None);
        }
        if !self.names.insert(name.to_owned()) {
            return Err(BadFiles::Twice(name.to_owned()));
        }
        if self.sources.len() >= MAX_FILES {
            return Err(BadFiles::TooMany(MAX_FILES));
        }
        Ok(Some(name.to_owned()))
    }

    fn done(self) -> Result<Vec<Source>, BadFiles> {
        if self.has_deeper && !self.has_root {
            Err(BadFiles::NoRoot)
        } else {
            Ok(self.sources)
        }
    }
}

/// The files of a map of names to contents.
///
/// # Errors
///
/// Where names make no sense, or there are too many.
pub fn of_map(files: Vec<(String, String)>) -> Result<Vec<Source>, BadFiles> {
    let mut gathering = Gathering::default();
    for (path, content) in files {
        if let Some(name) = gathering.name(&path)? {
            gathering.sources.push(Source {
                name,
                content: Ok(content.into_bytes()),
            });
        }
    }
    gathering.done()
}

/// The files of a tar that is not compressed.
///
/// # Errors
///
/// Where it is none, names make no sense, or there are too many.
pub fn of_archive(bytes: &[u8]) -> Result<Vec<Source>, BadFiles> {
    // An archive ends with two empty blocks, which is all that there is of an empty one.
    if bytes.len() < 1024 || !bytes.len().is_multiple_of(512) {
        return Err(BadFiles::NotATar);
    }
    let mut gathering = Gathering::default();
    let mut archive = tar::Archive::new(bytes);
    let entries = archive.entries().map_err(|_| BadFiles::NotATar)?;
    for (index, entry) in entries.enumerate() {
        if index >= MAX_ENTRIES {
            return Err(BadFiles::TooMany(MAX_ENTRIES));
        }
        gathering.entry(&mut entry.map_err(|_| BadFiles::NotATar)?)?;
    }
    gathering.done()
}

impl Gathering {
    fn entry(&mut self, entry: &mut tar::Entry<'_, &[u8]>) -> Result<(), BadFiles> {
        let kind = entry.header().entry_type();
        if kind.is_dir() || kind.is_pax_global_extensions() {
            return Ok(());
        }
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if let Some(name) = self.name(&path)? {
            let content = if kind.is_file() {
                Ok(content(entry)?)
            } else {
                Err(NO_FILE.to_owned())
            };
            self.sources.push(Source { name, content });
        }
        Ok(())
    }
}

/// The bytes of a file in an archive, up to the most that a file may have.
fn content(entry: &mut tar::Entry<'_, &[u8]>) -> Result<Vec<u8>, BadFiles> {
    let size = entry.size();
    let mut content = Vec::new();
    entry
        .take(MAX_FILE)
        .read_to_end(&mut content)
        .map_err(|_| BadFiles::NotATar)?;
    if content.len() as u64 == size {
        Ok(content)
    } else {
        Err(BadFiles::NotATar)
    }
}
