//! Where the storage key of sealed content comes from: a file, a credential of systemd, or a
//! command that asks a TPM or a key service. It is read once, and never written anywhere.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::Args;

use crate::cli::common::reach::warn_of_readers;
use crate::cli::output::{CliError, ShownPath as _};
use crate::seal::StorageKey;

/// The variable that names the files.
const VARIABLE: &str = "STATEKEEP_STORAGE_KEY_FILE";
/// The credential that a unit may hand over by `LoadCredential`.
const CREDENTIAL: &str = "statekeep.storage-key";
/// The most bytes that are read of a file or a command.
const MOST: u64 = 64 * 1024;

#[derive(Args)]
pub(in crate::cli) struct StorageKeyArgs {
    /// The file with the key that seals content; separate several by commas: the first one seals
    #[arg(
        long,
        env = "STATEKEEP_STORAGE_KEY_FILE",
        value_name = "FILE",
        value_delimiter = ','
    )]
    storage_key_file: Vec<PathBuf>,
    /// A command that prints that key, for a TPM or a key service; it is run by /bin/sh
    #[arg(
        long,
        env = "STATEKEEP_STORAGE_KEY_COMMAND",
        value_name = "COMMAND",
        conflicts_with = "storage_key_file"
    )]
    storage_key_command: Option<String>,
}

impl StorageKeyArgs {
    /// The keys that are given.
    pub(in crate::cli) fn keys(&self) -> Result<Vec<StorageKey>, CliError> {
        if let Some(command) = &self.storage_key_command {
            return Ok(vec![of_command(command)?]);
        }
        of_files(&self.storage_key_file)
    }
}

/// The keys that the environment gives a command which opens the data directory itself.
pub(in crate::cli) fn of_environment() -> Result<Vec<StorageKey>, CliError> {
    let given = std::env::var_os(VARIABLE).unwrap_or_default();
    let given = given.to_string_lossy();
    let names = given.split(',').filter(|name| !name.is_empty());
    of_files(&names.map(PathBuf::from).collect::<Vec<_>>())
}

/// Those of files; where none is named, that of systemd, if there is one.
fn of_files(files: &[PathBuf]) -> Result<Vec<StorageKey>, CliError> {
    if !files.is_empty() {
        return files.iter().map(|file| read(file)).collect();
    }
    let folder = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    let credential = folder.map(|folder| folder.join(CREDENTIAL));
    match credential.filter(|file| file.exists()) {
        Some(file) => Ok(vec![read(&file)?]),
        None => Ok(Vec::new()),
    }
}

/// The key in a file.
pub(in crate::cli) fn read(path: &Path) -> Result<StorageKey, CliError> {
    let about = |why: &dyn std::fmt::Display| {
        CliError::Failed(format!("the storage key file {}: {why}", path.shown()))
    };
    let file = std::fs::File::open(path).map_err(|error| about(&error))?;
    warn_of_readers(&file, &path.shown());
    let mut text = String::new();
    let read = file.take(MOST).read_to_string(&mut text);
    read.map_err(|error| about(&error))?;
    StorageKey::parse(&text).map_err(|error| about(&error))
}

fn of_command(command: &str) -> Result<StorageKey, CliError> {
    let failed = |why: &dyn std::fmt::Display| {
        CliError::Failed(format!("the storage key command gave no key: {why}"))
    };
    let mut child = Command::new("/bin/sh")
        .args(["-c", command])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| failed(&error))?;
    let mut text = String::new();
    if let Some(output) = child.stdout.take() {
        let read = output.take(MOST).read_to_string(&mut text);
        read.map_err(|error| failed(&error))?;
    }
    let ended = child.wait().map_err(|error| failed(&error))?;
    if !ended.success() {
        return Err(failed(&ended));
    }
    StorageKey::parse(&text).map_err(|error| failed(&error))
}
