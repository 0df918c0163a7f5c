//! Where an export goes: a folder, or a tar on stdout. The manifest comes last, and in a folder
//! only when all else is on the disk.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write as _};
use std::path::{Path, PathBuf};

use crate::cli::export::manifest::{self, WrittenManifest};
use crate::cli::output::CliError;
use crate::cli::output::ShownPath as _;
use crate::model::clock::Timestamp;

/// Where an export goes.
pub(super) enum Sink {
    Folder { dir: PathBuf, last: PathBuf },
    Tar(tar::Builder<BufWriter<io::Stdout>>),
}

impl Sink {
    /// A tar on stdout.
    pub(super) fn tar() -> Self {
        Self::Tar(tar::Builder::new(BufWriter::new(io::stdout())))
    }

    /// A folder that is made, or is there and empty. Files in it are for their owner only.
    pub(super) fn folder(dir: &Path) -> Result<Self, CliError> {
        let told = |error: io::Error| CliError::Failed(format!("{}: {error}", dir.shown()));
        match fs::create_dir(dir) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => made.map_err(told)?,
        }
        if fs::read_dir(dir).map_err(told)?.next().is_some() {
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

    /// Writes a file.
    pub(super) fn put(
        &mut self,
        path: &str,
        bytes: &[u8],
        written: Timestamp,
    ) -> Result<(), CliError> {
        match self {
            Self::Folder { dir, last } => {
                let path = dir.join(path);
                let told = |error: io::Error| {
                    CliError::Failed(format!(
                        "{}: {error}; the export is incomplete",
                        path.shown()
                    ))
                };
                let parent = path.parent().unwrap_or(dir);
                if parent != last {
                    fs::create_dir_all(parent).map_err(told)?;
                    parent.clone_into(last);
                }
                File::create_new(&path)
                    .and_then(|mut file| file.write_all(bytes))
                    .map_err(told)
            }
            Self::Tar(builder) => {
                let named = (path, bytes.len() as u64);
                append(builder, named, bytes, written).map_err(|error| to_stdout(&error))
            }
        }
    }

    /// Writes the manifest.
    pub(super) fn finish(self, manifest: &WrittenManifest, now: Timestamp) -> Result<(), CliError> {
        match self {
            Self::Folder { dir, .. } => finish_folder(&dir, manifest).map_err(|error| {
                CliError::Failed(format!(
                    "{}: {error}; the export is incomplete",
                    dir.shown()
                ))
            }),
            Self::Tar(mut builder) => {
                let text = manifest.read().map_err(|error| to_stdout(&error))?;
                let named = (manifest::NAME, manifest.length);
                let written = append(&mut builder, named, text, now);
                written
                    .and_then(|()| builder.into_inner()?.flush())
                    .map_err(|error| to_stdout(&error))
            }
        }
    }
}

fn to_stdout(error: &io::Error) -> CliError {
    CliError::Failed(format!(
        "cannot write to stdout: {error}; the export is incomplete"
    ))
}

fn append(
    builder: &mut tar::Builder<BufWriter<io::Stdout>>,
    (path, size): (&str, u64),
    content: impl Read,
    written: Timestamp,
) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(size);
    header.set_mode(0o600);
    header.set_mtime(written.minute().unsigned_abs() * 60);
    builder.append_data(&mut header, path, content)
}

/// Everything else is on the disk before the manifest has its name.
fn finish_folder(dir: &Path, manifest: &WrittenManifest) -> io::Result<()> {
    let unfinished = dir.join(manifest::UNFINISHED);
    let folder = File::open(dir)?;
    rustix::fs::syncfs(&folder)?;
    let mut file = File::create(&unfinished)?;
    io::copy(&mut manifest.read()?, &mut file)?;
    file.sync_all()?;
    fs::rename(&unfinished, dir.join(manifest::NAME))?;
    folder.sync_all()
}
