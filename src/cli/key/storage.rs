//! `statekeep key new-storage`, `escrow`, `from-escrow` and `rekey-storage`: the key that seals
//! content, from its making to its copy in a safe.

use std::fs::OpenOptions;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use bip39::Mnemonic;
use clap::Subcommand;
use serde_json::json;

use crate::cli::client::api::Client;
use crate::cli::common::flags::Format;
use crate::cli::common::{done, not_made, storage_keys};
use crate::cli::output::{self, CliError, ShownPath as _, text};
use crate::seal::StorageKey;

/// How many words stand in a line.
const WORDS_IN_A_LINE: usize = 6;
/// The most bytes of words that are read.
const MOST: u64 = 64 * 1024;

/// What is done with the file of a storage key alone.
#[derive(Subcommand)]
pub(in crate::cli) enum StorageKeyCommand {
    /// Make a storage key, which seals content, in a new file; no server is asked
    NewStorage {
        /// The file that is to hold it
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Print a storage key in words with a checksum, for a safe; no server is asked
    Escrow {
        /// The file that holds it
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Make the file of a storage key again out of its words, on standard input
    FromEscrow {
        /// The file that is to hold it
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

/// Runs one of them.
pub(super) fn run(command: StorageKeyCommand, format: Format) -> Result<(), CliError> {
    match command {
        StorageKeyCommand::NewStorage { file } => make(&file, format),
        StorageKeyCommand::Escrow { file } => escrow(&file, format),
        StorageKeyCommand::FromEscrow { file } => from_escrow(&file, format),
    }
}

/// Makes a storage key in a file that is not there yet.
fn make(file: &Path, format: Format) -> Result<(), CliError> {
    let key = StorageKey::random().map_err(CliError::because)?;
    write(file, &key)?;
    let mark = key.mark().to_string();
    let answer = json!({ "file": file.shown(), "storage_key": mark });
    let file = file.shown();
    done::tell(&answer, format, || {
        format!(
            "made the storage key {mark} in {file}. Start the server with --storage-key-file {file}"
        )
    })?;
    output::message(&format!(
        "keep a copy of {file} where the data is not: without this key nothing opens what it \
            sealed, and nobody can help. `statekeep key escrow {file}` prints it for a safe"
    ));
    Ok(())
}

/// What follows if words cannot be printed.
const AGAIN: &str = "the key is in its file as before, so run this again";

/// Prints a key in words, for a safe. Here the secret goes to standard output: it is what was asked
/// for.
fn escrow(file: &Path, format: Format) -> Result<(), CliError> {
    let key = storage_keys::read(file)?;
    let words = Mnemonic::from_entropy(key.bytes()).map_err(CliError::because)?;
    let words: Vec<&str> = words.words().collect();
    if format == Format::Json {
        let answer = json!({ "words": words, "storage_key": key.mark().to_string() });
        return output::secret(&answer.to_string(), AGAIN);
    }
    let lines = words.chunks(WORDS_IN_A_LINE).map(|line| line.join(" "));
    output::secret(&lines.collect::<Vec<_>>().join("\n"), AGAIN)?;
    output::note(&format!(
        "these 24 words are the storage key {}; the last one is its checksum. With \
            them everything can be read. `statekeep key from-escrow FILE` makes the file again",
        key.mark()
    ));
    Ok(())
}

/// Makes a key's file out of the words that `escrow` printed, read from standard input.
fn from_escrow(file: &Path, format: Format) -> Result<(), CliError> {
    if output::can_ask() {
        output::prompt("the 24 words, then the end of input (Ctrl-D): ");
    }
    let mut words = String::new();
    std::io::stdin().take(MOST).read_to_string(&mut words)?;
    let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
    let wrong = |why: &dyn std::fmt::Display| {
        CliError::Failed(format!("these are not the words of a storage key: {why}"))
    };
    let words = Mnemonic::parse_normalized(&words.to_lowercase()).map_err(|error| wrong(&error))?;
    let bytes = words.to_entropy().try_into();
    let bytes = bytes.map_err(|_| wrong(&"they are not 24"))?;
    let key = StorageKey::from_bytes(bytes);
    write(file, &key)?;
    let mark = key.mark().to_string();
    let answer = json!({ "file": file.shown(), "storage_key": mark });
    done::tell(&answer, format, || {
        format!("wrote the storage key {mark} into {}", file.shown())
    })
}

/// Goes over to the first storage key that the server was given.
pub(super) async fn rekey(client: &Client, format: Format) -> Result<(), CliError> {
    let answer = client.call("POST", "/api/storage/rekey", None).await?;
    done::tell(&answer, format, || {
        format!(
            "what is written is sealed under the storage key {} from now on, by the data key {}. \
                What is there is sealed anew beside the service; `statekeep encrypt-storage` waits \
                until that is done",
            text(&answer["storage_key"]),
            answer["data_key"],
        )
    })?;
    output::message(
        "keep the earlier storage key until all is sealed anew, and for as long as backups need it",
    );
    Ok(())
}

fn write(path: &Path, key: &StorageKey) -> Result<(), CliError> {
    let make = || -> std::io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        file.write_all(key.to_text().as_bytes())?;
        file.sync_all()
    };
    make().map_err(|error| CliError::Failed(not_made::why(path, &error)))
}
