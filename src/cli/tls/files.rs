//! The folder of an authority and of the certificate that it signs: who may read which file, and
//! that each is there whole or not at all.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::cli::common::not_made;
use crate::cli::output::CliError;
use crate::model::secret::Secret;

/// Modes of what everybody may read, and of what only its owner may.
const FOR_ALL: u32 = 0o644;
const FOR_OWNER: u32 = 0o600;
const FOLDER: u32 = 0o755;

/// The folder, with the names of what is in it.
pub(super) struct TlsFolder(PathBuf);

impl TlsFolder {
    /// Makes the folder if it is missing.
    pub(super) fn open(path: &Path) -> Result<Self, CliError> {
        let is_new = !path.exists();
        let made = fs::create_dir_all(path).and_then(|()| {
            let mode = Permissions::from_mode(FOLDER);
            if is_new {
                fs::set_permissions(path, mode)
            } else {
                Ok(())
            }
        });
        made.map_err(|error| failed(path, &error))?;
        Ok(Self(path.to_owned()))
    }

    /// The authority's certificate, which clients trust.
    pub(super) fn authority(&self) -> PathBuf {
        self.0.join("ca.pem")
    }

    /// Its key, with which certificates are signed.
    pub(super) fn authority_key(&self) -> PathBuf {
        self.0.join("ca.key")
    }

    /// The server's certificate.
    pub(super) fn server(&self) -> PathBuf {
        self.0.join("server.pem")
    }

    /// Its key.
    pub(super) fn server_key(&self) -> PathBuf {
        self.0.join("server.key")
    }
}

/// The text of a file; none if there is none.
pub(super) fn read(path: &Path) -> Result<Option<String>, CliError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(path, &error)),
    }
}

/// Makes a file that must not be there.
pub(super) fn create(path: &Path, text: &str) -> Result<(), CliError> {
    whole(path, text, FOR_ALL, |new| fs::hard_link(new, path))
}

/// The same for a key.
pub(super) fn create_key(path: &Path, key: &Secret) -> Result<(), CliError> {
    whole(path, key.reveal(), FOR_OWNER, |new| {
        fs::hard_link(new, path)
    })
}

/// Writes a file, and what is there before goes.
pub(super) fn replace(path: &Path, text: &str) -> Result<(), CliError> {
    whole(path, text, FOR_ALL, |new| fs::rename(new, path))
}

/// The same for a key.
pub(super) fn replace_key(path: &Path, key: &Secret) -> Result<(), CliError> {
    whole(path, key.reveal(), FOR_OWNER, |new| fs::rename(new, path))
}

/// Writes a file beside its place, and moves it there.
fn whole(
    path: &Path,
    text: &str,
    mode: u32,
    place: impl FnOnce(&Path) -> io::Result<()>,
) -> Result<(), CliError> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let new = PathBuf::from(name);
    let written = write(&new, text, mode).and_then(|()| place(&new));
    let _ = fs::remove_file(&new);
    written.map_err(|error| failed(path, &error))
}

fn write(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file: File = options
        .write(true)
        .create_new(true)
        .mode(FOR_OWNER)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    file.set_permissions(Permissions::from_mode(mode))?;
    file.sync_all()
}

fn failed(path: &Path, error: &io::Error) -> CliError {
    CliError::Failed(not_made::why(path, error))
}
