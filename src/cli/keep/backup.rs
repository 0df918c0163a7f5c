//! `statekeep backup`: everything that a server has as one file, which is compared with what it
//! says of itself before it gets its name.

use std::fs::{self, File};
use std::io::{self, BufWriter, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;
use uuid::Uuid;

use crate::cli::client::api::Client;
use crate::cli::common::flags::{Common, Format};
use crate::cli::common::folders::refuse_in_data;
use crate::cli::common::not_made;
use crate::cli::output::ShownPath as _;
use crate::cli::output::{self, CliError, counted, size};
use crate::domain::backups::manifest::BackupManifest;
use crate::domain::backups::received;
use crate::domain::backups::unfinished::UnfinishedFile;

const PATH: &str = "/api/backup";
/// How many bytes are written at a time.
const PIECE: usize = 256 * 1024;

#[derive(Args)]
pub(in crate::cli) struct BackupArgs {
    /// Where it goes: a file, a directory where it gets a dated name, or - for a pipe
    #[arg(value_name = "FILE|DIR|-")]
    target: PathBuf,
    /// In a directory, keep the newest so many backups of this server and remove older ones
    #[arg(long, value_name = "BACKUPS", value_parser = clap::value_parser!(u32).range(1..))]
    keep: Option<u32>,
    /// Replace a file that is there
    #[arg(long)]
    force: bool,
}

/// Where a backup goes.
enum BackupTarget {
    Pipe,
    File(PathBuf),
    Folder(PathBuf),
}

/// Runs it.
pub(in crate::cli) async fn run(args: BackupArgs, common: Common) -> Result<(), CliError> {
    let target = judged(&args)?;
    if !matches!(target, BackupTarget::Pipe) {
        refuse_in_data(&common.reach, &args.target)?;
    }
    let client = Client::connect(&common.reach).await?;
    let done = match target {
        BackupTarget::Pipe => to_stdout(&client).await,
        BackupTarget::File(path) => to_file(&client, &path, args.force, common.format).await,
        BackupTarget::Folder(folder) => to_folder(&client, &folder, args.keep, common.format).await,
    };
    client.close().await?;
    done
}

/// Looks at the target before anything is made.
fn judged(args: &BackupArgs) -> Result<BackupTarget, CliError> {
    let usage = |why: String| Err(CliError::Usage(why));
    let (path, shown) = (&args.target, args.target.shown());
    let is_folder = path.is_dir();
    if args.keep.is_some() && !is_folder {
        return usage(format!(
            "--keep is for a directory of backups, and {shown} is none; make it first"
        ));
    }
    if path.as_os_str() == "-" {
        if io::stdout().is_terminal() {
            return usage(
                "a backup does not go to a terminal; send stdout to a file or a pipe".to_owned(),
            );
        }
        return Ok(BackupTarget::Pipe);
    }
    if is_folder {
        return Ok(BackupTarget::Folder(path.clone()));
    }
    if path.to_string_lossy().ends_with('/') {
        return usage(format!("{shown} is no directory; make it first"));
    }
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(CliError::Failed(format!("{shown}: {error}"))),
        Ok(there) if !there.is_file() => {
            return usage(format!(
                "{shown} is there and no plain file, so it is not replaced; name another file, \
                    or - for a pipe"
            ));
        }
        Ok(_) if args.force => {}
        Ok(_) => {
            return usage(format!(
                "{shown} is there already; name another file, or replace it by --force"
            ));
        }
    }
    Ok(BackupTarget::File(path.clone()))
}

/// The server has compared it before it sends it, and a pipe that breaks is a failure here.
async fn to_stdout(client: &Client) -> Result<(), CliError> {
    let failed = |error: io::Error| {
        CliError::Failed(format!(
            "cannot write to stdout: {error}; what was written is no backup"
        ))
    };
    let mut out = BufWriter::with_capacity(PIECE, io::stdout());
    let mut take = |piece: &[u8]| out.write_all(piece).map_err(failed);
    let wire = client.wire();
    let sent = wire.download(PATH, &mut take).await;
    drop(wire);
    sent.map_err(|error| error.and("what was written is no backup"))?;
    out.flush().map_err(failed)
}

async fn to_file(
    client: &Client,
    path: &Path,
    force: bool,
    format: Format,
) -> Result<(), CliError> {
    let (manifest, unfinished) = received(client, path).await?;
    finish(unfinished, path, force)?;
    tell(path, &manifest, &[], format)
}

async fn to_folder(
    client: &Client,
    folder: &Path,
    keep: Option<u32>,
    format: Format,
) -> Result<(), CliError> {
    let (manifest, unfinished) = received(client, &folder.join("statekeep")).await?;
    let path = folder.join(received::dated_name(&manifest));
    finish(unfinished.renamed(&path), &path, false)?;
    let removed = match (keep, manifest.instance.parse::<Uuid>()) {
        (Some(keep), Ok(instance)) => {
            let keep = usize::try_from(keep).unwrap_or(usize::MAX);
            received::prune(folder, instance, keep, &path).map_err(|error| {
                CliError::Failed(format!(
                    "{} is made, but older backups could not be removed: {error}",
                    path.shown()
                ))
            })?
        }
        _ => Vec::new(),
    };
    tell(&path, &manifest, &removed, format)
}

/// Takes a backup into a file that has no name yet, and compares it as it lies on the disk.
async fn received(
    client: &Client,
    path: &Path,
) -> Result<(BackupManifest, UnfinishedFile), CliError> {
    let failed = |error: io::Error| no_file(path, &error);
    let unfinished = UnfinishedFile::begin(path).map_err(failed)?;
    let mut out = BufWriter::with_capacity(PIECE, unfinished.file());
    let wire = client.wire();
    let mut take = |piece: &[u8]| out.write_all(piece).map_err(failed);
    let sent = wire.download(PATH, &mut take).await;
    drop(wire);
    sent?;
    out.into_inner()
        .map_err(|error| failed(error.into_error()))?;
    let file: &File = unfinished.file();
    file.sync_all().map_err(failed)?;
    let manifest = received::check_file(file).map_err(|bad| {
        let path = path.shown();
        CliError::Failed(format!(
            "what was to become {path} is no good backup: {bad}"
        ))
    })?;
    Ok((manifest, unfinished))
}

fn finish(unfinished: UnfinishedFile, path: &Path, replaces: bool) -> Result<(), CliError> {
    let finished = unfinished.finish(replaces);
    finished.map_err(|error| no_file(path, &error))
}

fn no_file(path: &Path, error: &io::Error) -> CliError {
    let why = not_made::why(path, error);
    CliError::Failed(format!(
        "{why}; no backup was made, and nothing is left of it"
    ))
}

fn tell(
    path: &Path,
    manifest: &BackupManifest,
    removed: &[PathBuf],
    format: Format,
) -> Result<(), CliError> {
    let length = fs::metadata(path).map_or(0, |file| file.len());
    if format == Format::Json {
        // A path need not be a text.
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let removed: Vec<String> = removed.iter().map(|path| text(path)).collect();
        let told = json!({
            "file": text(path), "size": length, "backup": manifest, "removed": removed,
        });
        return output::json(&told);
    }
    let (states, versions) = (
        counted(manifest.states, "state"),
        counted(manifest.versions, "version"),
    );
    output::line(&format!(
        "{}: {states}, {versions}, as of {}, {}",
        path.shown(),
        manifest.taken_at,
        size(&json!(length))
    ))?;
    removed
        .iter()
        .try_for_each(|path| output::line(&format!("removed {}", path.shown())))
}
