//! `statekeep salvage`: writes out each version of a damaged data directory whose hash fits, and a
//! manifest that `import` takes.
//!
//! It needs no server, no schema and no readable header, and changes nothing in the directory. So
//! it can be run at any time, also beside a server.

mod folder;
mod report;
mod writing;

use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::common::flags::Format;
use crate::cli::common::storage_keys;
use crate::cli::output::ShownPath as _;
use crate::cli::output::{self, CliError};
use crate::salvage::sources::{DamagedFiles, files_beside};
use crate::salvage::{self, Salvage};
use crate::seal::{DATA_KEYS_FILE, Keyring, SealedKey};

use folder::Folder;
use report::SalvageReport;

#[derive(Args)]
#[command(allow_missing_positional = true)]
pub(in crate::cli) struct SalvageArgs {
    /// The damaged data directory, a database file, or a -wal file alone
    #[arg(required_unless_present = "pid", conflicts_with = "pid")]
    source: Option<PathBuf>,
    /// The folder to write to, which must not exist or be empty
    out: PathBuf,
    /// Read the files that a running server holds open, also if they were removed or replaced
    #[arg(long, value_name = "PID")]
    pid: Option<u32>,
    /// How to print what was found
    #[arg(short = 'o', long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// Runs it.
pub(in crate::cli) fn run(args: &SalvageArgs) -> Result<(), CliError> {
    let sources = match (&args.source, args.pid) {
        (_, Some(pid)) => DamagedFiles::of_process(pid),
        (Some(source), None) => DamagedFiles::at(source),
        (None, None) => {
            return Err(CliError::Usage(
                "name the damaged data directory, or a process with --pid".to_owned(),
            ));
        }
    };
    let sources = sources.map_err(CliError::because)?;
    let folder = Folder::open(&args.out, args.source.as_deref())?;
    let dir = args.source.as_deref().filter(|source| source.is_dir());
    let not_read: Vec<String> = dir
        .map(files_beside)
        .unwrap_or_default()
        .iter()
        .map(|file| file.display().to_string())
        .collect();
    let Some(mut found) = salvage::read(sources)? else {
        folder.remove();
        report::tell_not_read(&not_read);
        return Err(CliError::Failed(
            "nothing was found: there is no page of a database, and no frame of a log".to_owned(),
        ));
    };
    open_sealed(&mut found, args.source.as_deref())?;
    let report = writing::write(&found, &folder, not_read)?;
    tell(&report, args)
}

/// Has sealed content opened by the storage key of the environment, and the data keys that lie
/// beside the database.
fn open_sealed(found: &mut Salvage, source: Option<&Path>) -> Result<(), CliError> {
    let storage_keys = storage_keys::of_environment()?;
    let dir = source.map(|source| match source.parent() {
        Some(parent) if !source.is_dir() => parent,
        _ => source,
    });
    let text = dir.and_then(|dir| std::fs::read_to_string(dir.join(DATA_KEYS_FILE)).ok());
    let sealed = SealedKey::parse(&text.unwrap_or_default());
    let keys = sealed.iter().filter_map(|key| key.open(&storage_keys).ok());
    let ring = Keyring::of(keys.collect());
    for dataset in &mut found.datasets {
        dataset.open_with(ring.clone());
        if dataset.is_locked() {
            output::message(&format!(
                "some content is sealed and stays so: name its storage key by \
                    STATEKEEP_STORAGE_KEY_FILE, and put {DATA_KEYS_FILE} beside the database, \
                    from the directory or a backup"
            ));
        }
    }
    Ok(())
}

fn tell(report: &SalvageReport, args: &SalvageArgs) -> Result<(), CliError> {
    report.print(args.format)?;
    let out = args.out.shown();
    match (report.versions(), report.missing()) {
        (0, _) => Err(CliError::Failed(format!(
            "no version was found; {out} has what else is known, in {}",
            folder::REPORT
        ))),
        (_, 0) => Ok(()),
        (_, missing) => Err(CliError::Failed(format!(
            "{missing} missing; {out} has everything that was found. A backup, a client or an \
                older copy of the directory may have the others"
        ))),
    }
}
