//! A drill: the newest backup is opened in a folder of its own and every version in it is verified,
//! as a person would find out on the worst day.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::config::Limits;
use crate::domain::backups::archive;
use crate::domain::backups::making::StopWhenDropped;
use crate::domain::backups::manifest::{BackupManifest, BadBackup};
use crate::domain::backups::opened::OpenedCopy;
use crate::domain::backups::unfinished::WorkFolder;
use crate::domain::engine::background::on_its_own;
use crate::sabotage::{self, Fault};
use crate::store::CopyError;

/// Room for what a drill writes beside what the backup holds, in bytes.
const ROOM_BESIDE: u64 = 32 * 1024 * 1024;

/// Opens and verifies a backup in a folder of this path; how many versions it holds, or what is
/// wrong.
pub(super) async fn drill(
    file: PathBuf,
    folder: PathBuf,
    limits: Arc<Limits>,
) -> Result<u64, String> {
    if sabotage::is(Fault::DrillSkipped) {
        return Ok(0);
    }
    let stop = StopWhenDropped::default();
    let stopped = Arc::clone(&stop.0);
    let work = move || opened(&file, &folder, &limits, &stopped);
    let opened = on_its_own("drill", work).await;
    let (opened, _folder) = opened.map_err(|error| error.to_string())??;
    let verified = opened.verify_beside().await;
    opened.close().await;
    let tally = verified.map_err(|error| error.to_string())?;
    match tally.found {
        0 => Ok(tally.checked.versions),
        found => Err(format!(
            "a verification finds {found} things wrong in it; the log names them"
        )),
    }
}

fn opened(
    file: &Path,
    folder: &Path,
    limits: &Limits,
    stopped: &AtomicBool,
) -> Result<(OpenedCopy, WorkFolder), String> {
    let folder = WorkFolder::make(folder).map_err(|error| error.to_string())?;
    let backup = File::open(file).map_err(|error| error.to_string())?;
    let mut go_on = || {
        if stopped.load(Ordering::Relaxed) {
            Err(CopyError::Stopped)
        } else {
            Ok(())
        }
    };
    let mut has_room = |manifest: &BackupManifest| has_room(folder.path(), manifest);
    archive::read(&backup, Some(folder.path()), &mut has_room, &mut go_on)
        .map_err(|bad| bad.to_string())?;
    let opened = OpenedCopy::open(folder.path(), limits)?;
    Ok((opened, folder))
}

fn has_room(folder: &Path, manifest: &BackupManifest) -> Result<(), BadBackup> {
    let sizes = manifest.contents().map(|file| file.size);
    let needed = sizes.fold(ROOM_BESIDE, u64::saturating_add);
    match rustix::fs::statvfs(folder) {
        Ok(disk) if disk.f_bavail.saturating_mul(disk.f_frsize) < needed => {
            Err(BadBackup::NoRoom { needed })
        }
        _ => Ok(()),
    }
}
