//! Backups: one file each, made beside the writers, read back and compared before it counts; on
//! request, or by the server itself and then tried. And data that comes out of one again.
//!
//! Nothing of a backup is held in memory. Killed or without room at any point, it leaves no file
//! that could be taken for a good one.

mod archive;
mod drill;
pub mod log;
pub mod making;
pub mod manifest;
pub mod opened;
pub mod received;
pub mod restore;
pub mod schedule;
pub mod unfinished;

use std::fs::File;
use std::sync::Arc;

use serde_json::json;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::domain::access::{act, authorize_everywhere};
use crate::domain::backups::log::BackupLog;
use crate::domain::backups::making::MadeArchive;
use crate::domain::backups::manifest::BackupManifest;
use crate::domain::engine::Engine;
use crate::domain::error::Error;
use crate::domain::error::refusals::NotBackedUp;
use crate::model::caller::{Caller, LiveCaller};
use crate::model::clock;
use crate::model::event::{EventKind, NewEvent};
use crate::model::permission::Permission;
use crate::store::{Touches, Tx};

/// The folder in the data directory where a backup is made that is to be sent.
const WORK: &str = ".statekeep-backup";

/// The backups of this process: whose turn it is, and what is known of them.
pub(in crate::domain) struct BackupState {
    making: Arc<Semaphore>,
    sending: Arc<Semaphore>,
    /// One is wanted now.
    now: Notify,
    /// One was made, and its event is on disk.
    made: Notify,
    log: BackupLog,
}

impl BackupState {
    /// Nothing is being made yet: what a killed process has left of its work is removed.
    pub(in crate::domain) fn new(engine: &Engine) -> Self {
        let _ = std::fs::remove_dir_all(engine.dir.path().join(WORK));
        Self {
            making: Arc::new(Semaphore::new(1)),
            sending: Arc::new(Semaphore::new(1)),
            now: Notify::new(),
            made: Notify::new(),
            log: BackupLog::default(),
        }
    }
}

/// Backups.
#[derive(Clone, Copy)]
pub struct Backups<'a> {
    engine: &'a Arc<Engine>,
    state: &'a BackupState,
}

impl<'a> Backups<'a> {
    pub(in crate::domain) const fn new(engine: &'a Arc<Engine>, state: &'a BackupState) -> Self {
        Self { engine, state }
    }
}

/// A backup that is to be sent. Its file has no name any more and goes away with this value.
pub struct BackupDownload {
    /// What it says of itself.
    pub manifest: BackupManifest,
    /// The archive, from its beginning.
    pub file: File,
    /// Its length in bytes.
    pub size: u64,
    /// Ends when it is sent, or its client has gone away.
    pub turn: OwnedSemaphorePermit,
}

impl Backups<'_> {
    /// Says whether a caller may take backups.
    pub fn may_take(&self, caller: &Caller) -> Result<(), Error> {
        authorize_everywhere(caller, Permission::Backup)
    }

    /// Waits until none is being made: its copy reads the database.
    pub(in crate::domain) async fn ended(&self) {
        let _ = self.state.making.acquire().await;
    }

    /// Waits until one was made since it was last asked, and its event is on disk.
    pub(in crate::domain) async fn one_made(&self) {
        self.state.made.notified().await;
    }

    /// Makes a backup for a caller who wants to have it. That somebody took everything there is, is
    /// on disk before they get it.
    pub async fn take(&self, caller: &Caller) -> Result<BackupDownload, Error> {
        self.may_take(caller)?;
        let turn = |turns: &Arc<Semaphore>| {
            let turn = Arc::clone(turns).try_acquire_owned();
            turn.map_err(|_| NotBackedUp::Runs)
        };
        let (turn, making) = (turn(&self.state.sending)?, turn(&self.state.making)?);
        let folder = self.engine.dir.path().join(WORK);
        let MadeArchive {
            manifest,
            file,
            size,
            folder,
        } = making::make(self.engine, folder, making).await?;
        drop(folder);
        let detail = json!({
            "taken_at": manifest.taken_at,
            "size": size,
            "states": manifest.states,
            "versions": manifest.versions,
        });
        let record = move |tx: &Tx<'_>, by: LiveCaller<'_>| {
            let event = NewEvent::new(EventKind::BackupMake, by, clock::now());
            tx.record(&event.detail(detail.clone()))?;
            Ok(Ok(()))
        };
        act(self.engine, caller, (Touches::NoState, 0), record).await?;
        self.state.made.notify_one();
        Ok(BackupDownload {
            manifest,
            file,
            size,
            turn,
        })
    }
}
