//! The folder that a salvage writes to: empty at first, outside the damaged directory, and for its
//! owner only.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::cli::common::not_made;
use crate::cli::export::manifest;
use crate::cli::output::CliError;
use crate::cli::output::ShownPath as _;

/// Where everything that was found is told, beside the manifest.
pub(super) const REPORT: &str = "salvage.json";

/// The folder.
pub(super) struct Folder {
    dir: PathBuf,
    was_made: bool,
}

impl Folder {
    /// Makes the folder, or takes an empty one. Fails if it is within the damaged directory.
    pub(super) fn open(dir: &Path, source: Option<&Path>) -> Result<Self, CliError> {
        let told = |error: io::Error| CliError::Failed(not_made::why(dir, &error));
        let was_made = match fs::create_dir(dir) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
            made => made.map(|()| true).map_err(told)?,
        };
        let folder = Self {
            dir: dir.to_owned(),
            was_made,
        };
        let within = source.map(|source| folder.is_within(source));
        if within.transpose().map_err(told)? == Some(true) {
            folder.remove();
            return Err(CliError::Usage(format!(
                "{} is in the damaged directory, where nothing is written; name a folder elsewhere",
                dir.shown()
            )));
        }
        if fs::read_dir(dir).map_err(told)?.next().is_some() {
            return Err(CliError::Failed(format!(
                "{} is not empty; name a folder that is empty or does not exist",
                dir.shown()
            )));
        }
        folder.begin()?;
        Ok(folder)
    }

    fn is_within(&self, source: &Path) -> io::Result<bool> {
        let (dir, source) = (self.dir.canonicalize()?, source.canonicalize()?);
        Ok(source.is_dir() && dir.starts_with(source))
    }

    /// Until the manifest is there, an import refuses the folder.
    fn begin(&self) -> Result<(), CliError> {
        let path = self.dir.join(manifest::UNFINISHED);
        File::create_new(&path)
            .map(drop)
            .map_err(|error| told(&path, &error))
    }

    /// A folder in this one, for the states of another server.
    pub(super) fn below(&self, name: &str) -> Result<Self, CliError> {
        let dir = self.dir.join(name);
        fs::create_dir(&dir).map_err(|error| told(&dir, &error))?;
        let below = Self {
            dir,
            was_made: true,
        };
        below.begin()?;
        Ok(below)
    }

    /// Takes back what was made, if nothing was written.
    pub(super) fn remove(&self) {
        let _ = fs::remove_file(self.dir.join(manifest::UNFINISHED));
        if self.was_made {
            let _ = fs::remove_dir(&self.dir);
        }
    }

    /// Writes a file.
    pub(super) fn put(&self, path: &str, bytes: &[u8]) -> Result<(), CliError> {
        let path = self.dir.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(|error| told(&path, &error))?;
        }
        File::create_new(&path)
            .and_then(|mut file| file.write_all(bytes))
            .map_err(|error| told(&path, &error))
    }

    /// Writes a file of JSON.
    pub(super) fn put_json(&self, path: &str, value: &impl Serialize) -> Result<(), CliError> {
        let bytes = serde_json::to_vec_pretty(value).map_err(CliError::because)?;
        self.put(path, &bytes)
    }

    /// Writes the manifest, when all else is on the disk.
    pub(super) fn finish(&self, manifest: &impl Serialize) -> Result<(), CliError> {
        let bytes = serde_json::to_vec_pretty(manifest).map_err(CliError::because)?;
        let path = self.dir.join(manifest::UNFINISHED);
        let written = || -> io::Result<()> {
            let folder = File::open(&self.dir)?;
            rustix::fs::syncfs(&folder)?;
            let mut file = File::create(&path)?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            fs::rename(&path, self.dir.join(manifest::NAME))?;
            folder.sync_all()
        };
        written().map_err(|error| told(&path, &error))
    }
}

fn told(path: &Path, error: &io::Error) -> CliError {
    CliError::Failed(format!(
        "{}: {error}; the folder is incomplete, remove it and salvage again",
        path.shown()
    ))
}
