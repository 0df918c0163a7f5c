//! `statekeep salvage`: writes out each version of a damaged data directory whose hash fits, and a
//! manifest that `import` takes.
//!
//! It needs no server, no schema and no readable header, and changes nothing in the directory. So
//! it can be run at any time, also beside a server.

mod folder;
mod report;
mod writing;

use std::path::PathBuf;

use clap::Args;

use crate::cli::common::flags::Format;
use crate::cli::output::CliError;
use crate::cli::output::ShownPath as _;
use crate::salvage;
use crate::salvage::sources::{DamagedFiles, files_beside};

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
    let Some(found) = salvage::read(sources)? else {
        folder.remove();
        report::tell_not_read(&not_read);
        return Err(CliError::Failed(
            "nothing was found: there is no page of a database, and no frame of a log".to_owned(),
        ));
    };
    let report = writing::write(&found, &folder, not_read)?;
    tell(&report, args)
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
