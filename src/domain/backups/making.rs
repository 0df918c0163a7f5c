//! Making the archive of a backup: a copy of the database at one moment, then the archive, which is
//! read back and compared before anybody sees it.
//!
//! All of it runs on one thread of its own, and stops soon when nobody wants
//! it any more. It stops as well before it takes the room that writers need.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::OwnedSemaphorePermit;

use crate::domain::backups::archive;
use crate::domain::backups::manifest::{BackupManifest, SIDE_FILES};
use crate::domain::backups::unfinished::WorkFolder;
use crate::domain::engine::Engine;
use crate::domain::engine::background::on_its_own;
use crate::domain::error::refusals::NotBackedUp;
use crate::store::{CopyError, FILE_NAME};

/// The name of an archive in the folder where it is made.
const ARCHIVE: &str = "backup.tar.zst";

/// An archive that is made, on its disk and compared; in the folder where it was made.
pub(super) struct MadeArchive {
    pub(super) manifest: BackupManifest,
    pub(super) file: File,
    pub(super) size: u64,
    /// Where it is. Removed with this value, the archive goes away when its file is closed.
    pub(super) folder: WorkFolder,
}

impl MadeArchive {
    /// Where the archive is.
    pub(super) fn path(&self) -> PathBuf {
        self.folder.path().join(ARCHIVE)
    }
}

/// Makes an archive in a folder of this path, which must lie on the disk where it is to stay.
/// Its turn ends with the thread that makes it, also if nobody waits for that any more.
pub(super) async fn make(
    engine: &Arc<Engine>,
    folder: PathBuf,
    turn: OwnedSemaphorePermit,
) -> Result<MadeArchive, NotBackedUp> {
    let stop = StopWhenDropped::default();
    let (engine, stopped) = (Arc::clone(engine), Arc::clone(&stop.0));
    let work = move || {
        let mut room_and_time = || go_on(&engine, &stopped);
        let made = made(&engine, &folder, &mut room_and_time);
        drop(turn);
        made.map_err(|error| told(error, &folder))
    };
    let done = on_its_own("backup", work).await;
    done.unwrap_or_else(|error| Err(NotBackedUp::Failed(error.to_string())))
}

/// Says that work is not wanted any more once its caller goes away.
#[derive(Default)]
pub(super) struct StopWhenDropped(pub(super) Arc<AtomicBool>);

impl Drop for StopWhenDropped {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn go_on(engine: &Engine, stopped: &AtomicBool) -> Result<(), CopyError> {
    if stopped.load(Ordering::Relaxed) {
        return Err(CopyError::Stopped);
    }
    let least = engine.limits.min_free_space;
    match engine.dir.free_space() {
        Some(free) if free < least => Err(CopyError::Full),
        _ => Ok(()),
    }
}

fn made(
    engine: &Engine,
    folder: &Path,
    go_on: archive::GoOn<'_>,
) -> Result<MadeArchive, CopyError> {
    let folder = WorkFolder::make(folder)?;
    go_on()?;
    let manifest = copied(engine, folder.path(), go_on)?;
    let file = packed(&manifest, folder.path(), go_on)?;
    Ok(MadeArchive {
        size: file.metadata()?.len(),
        manifest,
        file,
        folder,
    })
}

/// Copies the database and the files beside it, and says what they are.
fn copied(
    engine: &Engine,
    folder: &Path,
    go_on: archive::GoOn<'_>,
) -> Result<BackupManifest, CopyError> {
    let database = folder.join(FILE_NAME);
    let facts = engine.store.copier().copy_to(&database, go_on)?;
    let measured = archive::measured(FILE_NAME, &database, go_on)?;
    let mut files = Vec::new();
    for name in SIDE_FILES {
        let copy = folder.join(name);
        match fs::copy(engine.dir.path().join(name), &copy) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            copied => copied?,
        };
        files.push(archive::measured(name, &copy, go_on)?);
    }
    let signed = engine.store.sign(facts.event_head);
    Ok(BackupManifest::new((&facts, signed), measured, files))
}

/// Puts the copies into one file, which is read back and compared, and removes them.
fn packed(
    manifest: &BackupManifest,
    folder: &Path,
    go_on: archive::GoOn<'_>,
) -> Result<File, CopyError> {
    let file = File::create_new(folder.join(ARCHIVE))?;
    archive::write(manifest, folder, &file, go_on)?;
    for file in manifest.contents() {
        fs::remove_file(folder.join(&file.name))?;
    }
    drop(file);
    let file = File::open(folder.join(ARCHIVE))?;
    let found = archive::check(&file, go_on).map_err(|bad| CopyError::Failed(bad.to_string()))?;
    if found.to_bytes() != manifest.to_bytes() {
        let why = "what was written is not what can be read";
        return Err(CopyError::Failed(why.to_owned()));
    }
    io::Seek::rewind(&mut &file)?;
    Ok(file)
}

fn told(error: CopyError, folder: &Path) -> NotBackedUp {
    let whereabouts = folder.parent().unwrap_or(folder).display().to_string();
    match error {
        CopyError::Full => NotBackedUp::NoRoom(whereabouts),
        CopyError::Failed(why) => NotBackedUp::Failed(why),
        CopyError::Stopped => NotBackedUp::Stopped,
    }
}
