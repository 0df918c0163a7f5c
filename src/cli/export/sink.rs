//! Where an export goes: a folder, a tar file, or a tar on stdout. The manifest comes last, and an
//! export on a disk is marked as unfinished until all of it is there.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use crate::cli::common::not_made::{self, missing_folder};
use crate::cli::export::manifest::{self, WrittenManifest};
use crate::cli::output::CliError;
use crate::cli::output::ShownPath as _;
use crate::model::clock::Timestamp;
use crate::model::name::StateName;

/// What is added to the name of a tar file while it is being written.
const UNFINISHED_TAR: &str = ".part";

/// Where an export goes.
pub(super) enum Sink {
    Folder { dir: PathBuf, last: PathBuf },
    Tar(Tar),
}

/// A tar that is being written.
pub(super) struct Tar {
    builder: tar::Builder<BufWriter<Box<dyn Write>>>,
    /// The file and where it goes; none for stdout.
    file: Option<(File, PathBuf)>,
}

impl Sink {
    /// A tar on stdout.
    pub(super) fn stdout() -> Self {
        Self::Tar(Tar::of(Box::new(io::stdout()), None))
    }

    /// A tar file, which must not be there yet. It is for its owner only.
    pub(super) fn tar_file(path: &Path) -> Result<Self, CliError> {
        let part = unfinished(path);
        let is_there = |path: &Path| fs::symlink_metadata(path).is_ok();
        if is_there(path) {
            return Err(CliError::Failed(format!(
                "{} is there already; an export goes to a file of its own",
                path.shown()
            )));
        }
        if is_there(&part) {
            return Err(cut_off(&part, "file"));
        }
        let made = File::create_new(&part).and_then(|file| Ok((file.try_clone()?, file)));
        let (file, same) = made.map_err(|error| failed(path, &error))?;
        Ok(Self::Tar(Tar::of(
            Box::new(same),
            Some((file, path.to_owned())),
        )))
    }

    /// A folder that is made, or is there and empty. Files in it are for their owner only.
    pub(super) fn folder(dir: &Path) -> Result<Self, CliError> {
        let told = |error: io::Error| failed(dir, &error);
        match fs::create_dir(dir) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => made.map_err(told)?,
        }
        if fs::read_dir(dir).map_err(told)?.next().is_some() {
            if dir.join(manifest::UNFINISHED).is_file() {
                return Err(cut_off(dir, "folder"));
            }
            return Err(CliError::Failed(format!(
                "{} is not empty; an export goes to a folder of its own",
                dir.shown()
            )));
        }
        File::create_new(dir.join(manifest::UNFINISHED)).map_err(told)?;
        Ok(Self::Folder {
            dir: dir.to_owned(),
            last: PathBuf::new(),
        })
    }

    /// Whether two files whose names differ by the case of letters alone would be one.
    pub(super) fn takes_letters_of_any_case_as_one(&self) -> bool {
        match self {
            Self::Folder { dir, .. } => {
                dir.join(manifest::UNFINISHED.to_ascii_uppercase()).exists()
            }
            Self::Tar(_) => false,
        }
    }

    /// Takes away the mark of an export, if nothing was exported.
    pub(super) fn remove(self) {
        if let Self::Folder { dir, .. } = self {
            let _ = fs::remove_file(dir.join(manifest::UNFINISHED));
        }
    }

    /// Writes a file. In a folder and in a tar it has the time of its version.
    pub(super) fn put(
        &mut self,
        path: &str,
        bytes: &[u8],
        written: Timestamp,
    ) -> Result<(), CliError> {
        match self {
            Self::Folder { dir, last } => {
                let path = dir.join(path);
                let told = |error: io::Error| incomplete(&path, &error);
                let parent = path.parent().unwrap_or(dir);
                if parent != last {
                    fs::create_dir_all(parent).map_err(told)?;
                    parent.clone_into(last);
                }
                write_file(&path, bytes, written).map_err(told)
            }
            Self::Tar(tar) => tar
                .append((path, bytes.len() as u64), bytes, written)
                .map_err(|error| tar.failed(&error)),
        }
    }

    /// Writes the manifest, if there is to be one, and ends the export.
    pub(super) fn finish(
        self,
        manifest: Option<&WrittenManifest>,
        now: Timestamp,
    ) -> Result<(), CliError> {
        match self {
            Self::Folder { dir, .. } => {
                finish_folder(&dir, manifest).map_err(|error| incomplete(&dir, &error))
            }
            Self::Tar(mut tar) => {
                if let Some(manifest) = manifest {
                    let text = manifest.read().map_err(|error| tar.failed(&error))?;
                    tar.append((manifest::NAME, manifest.length), text, now)
                        .map_err(|error| tar.failed(&error))?;
                }
                tar.finish()
            }
        }
    }
}

impl Tar {
    fn of(to: Box<dyn Write>, file: Option<(File, PathBuf)>) -> Self {
        let builder = tar::Builder::new(BufWriter::new(to));
        Self { builder, file }
    }

    fn append(
        &mut self,
        (path, size): (&str, u64),
        content: impl Read,
        written: Timestamp,
    ) -> io::Result<()> {
        let mut header = tar::Header::new_gnu();
        header.set_size(size);
        header.set_mode(0o600);
        header.set_mtime(written.millis().unsigned_abs() / 1000);
        self.builder.append_data(&mut header, path, content)
    }

    fn failed(&self, error: &io::Error) -> CliError {
        match &self.file {
            Some((_, path)) => incomplete(&unfinished(path), error),
            None => to_stdout(error),
        }
    }

    /// A file has its name only when all of it is on the disk.
    fn finish(self) -> Result<(), CliError> {
        let Self { builder, file } = self;
        let ended = builder.into_inner().and_then(|mut tar| tar.flush());
        let Some((file, path)) = file else {
            return ended.map_err(|error| to_stdout(&error));
        };
        let folder = path.parent().filter(|dir| !dir.as_os_str().is_empty());
        ended
            .and_then(|()| file.sync_all())
            .and_then(|()| fs::rename(unfinished(&path), &path))
            .and_then(|()| File::open(folder.unwrap_or(Path::new(".")))?.sync_all())
            .map_err(|error| incomplete(&path, &error))
    }
}

/// That something is left of an export, or still in its making.
fn cut_off(left: &Path, what: &str) -> CliError {
    CliError::Failed(format!(
        "{} is of an export that was cut off or still runs; if none runs, remove this {what} and \
            export again. Nothing was exported",
        left.shown()
    ))
}

fn unfinished(tar: &Path) -> PathBuf {
    let mut name = tar.as_os_str().to_owned();
    name.push(UNFINISHED_TAR);
    name.into()
}

/// Why the target cannot be made. Whoever leaves the target out has named a state in its place.
fn failed(target: &Path, error: &io::Error) -> CliError {
    let why = not_made::why(target, error);
    let name = target.to_str().unwrap_or_default();
    let is_state = name.parse::<StateName>().is_ok() && missing_folder(target).is_some();
    let or = if is_state {
        format!(". If {name} is a state, name a place before it: `statekeep export out {name}`")
    } else {
        String::new()
    };
    CliError::Failed(format!("{why}{or}. Nothing was exported"))
}

fn incomplete(path: &Path, error: &io::Error) -> CliError {
    CliError::Failed(format!(
        "{}: {error}; the export is incomplete: remove it and export again",
        path.shown()
    ))
}

fn to_stdout(error: &io::Error) -> CliError {
    CliError::Failed(format!(
        "cannot write to stdout: {error}; the export is incomplete"
    ))
}

fn write_file(path: &Path, bytes: &[u8], written: Timestamp) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    file.write_all(bytes)?;
    file.set_modified(written.system_time())
}

/// Everything else is on the disk before the manifest has its name, or the mark is gone.
fn finish_folder(dir: &Path, manifest: Option<&WrittenManifest>) -> io::Result<()> {
    let unfinished = dir.join(manifest::UNFINISHED);
    let folder = File::open(dir)?;
    rustix::fs::syncfs(&folder)?;
    match manifest {
        Some(manifest) => {
            let mut file = File::create(&unfinished)?;
            io::copy(&mut manifest.read()?, &mut file)?;
            file.sync_all()?;
            fs::rename(&unfinished, dir.join(manifest::NAME))?;
        }
        None => fs::remove_file(&unfinished)?,
    }
    folder.sync_all()
}
