//! Data comes out of a backup: into an empty directory only, verified before it is trusted, and in
//! one rename at the end, so that a directory holds all of it or no database.
//!
//! What comes out is other data than what went in: it has an id of its own, and no token of then
//! works and no webhook is told. Locks stay, since an apply may have died under one, but they say
//! where they come from.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use crate::config::Limits;
use crate::domain::access::act;
use crate::domain::auth::credentials::SecretChecks;
use crate::domain::auth::keys::{FirstAdminError, Keys, WithSecret};
use crate::domain::backups::archive;
use crate::domain::backups::manifest::{BackupManifest, BadBackup};
use crate::domain::backups::opened::{OpenedCopy, operator};
use crate::domain::backups::unfinished::{WorkFolder, sync_folder_of};
use crate::domain::engine::data_dir::{self, DirError, DirLock, LOCK_FILE};
use crate::domain::error::Error;
use crate::domain::integrity::findings::{Finding, Tally};
use crate::model::caller::LiveCaller;
use crate::model::clock;
use crate::model::event::{EventKind, NewEvent};
use crate::model::key::{ApiKey, KeyStatus};
use crate::sabotage::{self, Fault};
use crate::seal::StorageKey;
use crate::store::{
    ANCHOR_FILE, FILE_NAME, RESTORE_FOLDER, RESTORED_DATABASE, StoreError, Touches, Tx,
    begun_restore,
};

/// What a file system puts into a directory by itself.
const LOST_AND_FOUND: &str = "lost+found";
/// How the names of files begin that a restore which was cut off may have moved already.
const MOVED: [&str; 2] = ["statekeep.", data_dir::ADMIN_KEY_FILE];
/// Room for what a restore writes beside what the backup holds, in bytes.
const ROOM_BESIDE: u64 = 32 * 1024 * 1024;
/// How many keys are read at a time.
const KEYS_PER_PAGE: u32 = 1_000;

/// What is to be restored, and how.
#[derive(Clone, Debug)]
pub struct RestoreRequest {
    /// The directory, which is empty or missing.
    pub data: PathBuf,
    /// Whether all keys and trusts end and a new admin key is made.
    pub revokes_keys: bool,
    /// Whether a backup is taken in which something is damaged.
    pub accepts_damage: bool,
    /// Whether the new admin key's secret goes into its file.
    pub key_to_file: bool,
    /// What opens its content, if that is sealed.
    pub storage_keys: Vec<StorageKey>,
}

/// What came out of a backup.
#[derive(Serialize)]
pub struct RestoredData {
    /// What the backup says of itself.
    pub backup: BackupManifest,
    /// The id of the data now.
    pub instance: String,
    /// The version of its schema now.
    pub schema: u32,
    /// What its verification came to.
    pub verified: Tally,
    /// How many tokens were ended.
    pub ended_tokens: usize,
    /// How many webhooks were disabled.
    pub disabled_hooks: usize,
    /// The states that are locked.
    pub locked: Vec<String>,
    /// How many keys were revoked.
    pub revoked_keys: usize,
    /// The keys that work from now on.
    #[serde(skip)]
    pub keys: Vec<ApiKey>,
    /// The new admin key.
    #[serde(skip)]
    pub admin: Option<WithSecret>,
}

/// Why nothing was restored. Nothing is left in the directory.
#[derive(Debug, thiserror::Error)]
pub enum NotRestored {
    /// There is something there.
    #[error(
        "{} is not empty ({name} is there); a backup is restored into an empty or missing \
            directory only: name another one by --data, or move this one away", .dir.display()
    )]
    NotEmpty {
        /// The directory.
        dir: PathBuf,
        /// Something that is there.
        name: String,
    },
    /// The directory cannot be used.
    #[error(transparent)]
    Directory(#[from] DirError),
    /// The backup cannot be used.
    #[error("{0}; nothing was restored")]
    Backup(#[from] BadBackup),
    /// The database in it cannot be opened.
    #[error("the database in the backup cannot be opened, so nothing was restored: {0}")]
    NotOpened(String),
    /// Something in it is damaged.
    #[error(
        "the backup holds {} that a verification finds wrong, so nothing was restored{}\nTake an \
            older backup, or restore what can be read of this one by --accept-damage",
        .0.found, told(&.0.findings)
    )]
    Damaged(Box<Tally>),
    /// The data in it cannot be changed.
    #[error("the data in the backup cannot be made ready, so nothing was restored: {0}")]
    Data(#[from] Error),
    /// There is no new admin key.
    #[error("the new admin key cannot be made, so nothing was restored: {0}")]
    NoAdmin(#[from] FirstAdminError),
    /// A file operation failed.
    #[error("{}: {source}; nothing was restored", .path.display())]
    File {
        /// The file or directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

fn told(findings: &[Finding]) -> String {
    let line = |finding: &Finding| {
        let address = match (&finding.workspace, &finding.block) {
            (Some(workspace), Some(block)) => format!("{workspace}/{block}"),
            _ => "the database".to_owned(),
        };
        let version = finding.version.map(|version| format!(" version {version}"));
        format!(
            "\n  {address}{}: {}",
            version.unwrap_or_default(),
            finding.detail
        )
    };
    findings.iter().take(10).map(line).collect()
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> NotRestored {
    let path = path.to_owned();
    move |source| NotRestored::File { path, source }
}

/// Restores a backup that is read from its beginning.
pub async fn restore(
    from: impl Read,
    wanted: &RestoreRequest,
) -> Result<RestoredData, NotRestored> {
    let target = TargetDirectory::take(&wanted.data)?;
    let work = WorkFolder::make(&target.path.join(RESTORE_FOLDER)).map_err(at(&target.path))?;
    let mut has_room = |manifest: &BackupManifest| target.has_room(manifest);
    let backup = archive::read(from, Some(work.path()), &mut has_room, &mut || Ok(()))?;
    let limits = Limits {
        storage_keys: wanted.storage_keys.clone(),
        ..Limits::default()
    };
    let opened = OpenedCopy::open(work.path(), &limits);
    let opened = opened.map_err(NotRestored::NotOpened)?;
    let restored = made_ready(&opened, backup, wanted).await;
    opened.close().await;
    let restored = restored?;
    target.fill(work)?;
    Ok(restored)
}

/// Verifies opened data, and makes it data of its own.
async fn made_ready(
    opened: &OpenedCopy,
    backup: BackupManifest,
    wanted: &RestoreRequest,
) -> Result<RestoredData, NotRestored> {
    let verified = opened.verify().await?.tally;
    let is_accepted = wanted.accepts_damage || sabotage::is(Fault::RestoreUnverified);
    if verified.found > 0 && !is_accepted {
        return Err(NotRestored::Damaged(Box::new(verified)));
    }
    let (engine, instance) = (&opened.engine, Uuid::new_v4());
    let checks = SecretChecks::new(&engine.limits, std::sync::Arc::clone(&engine.metrics));
    let keys = Keys::new(engine, &checks);
    let mut revoked_keys = 0;
    if wanted.revokes_keys {
        for key in live_keys(opened).await? {
            keys.revoke(&operator(), key.id, false).await?;
            revoked_keys += 1;
        }
        let trusts = keys.trusts();
        for trust in trusts.list(&operator(), None, KEYS_PER_PAGE).await?.rows {
            trusts.remove(&operator(), trust.id).await?;
        }
    }
    let admin = if wanted.revokes_keys {
        Some(keys.make_admin("restore", wanted.key_to_file).await?)
    } else {
        None
    };
    let (ended_tokens, disabled_hooks, locked) =
        own(opened, &backup, instance, revoked_keys).await?;
    Ok(RestoredData {
        instance: instance.to_string(),
        schema: engine.store.schema_version(),
        verified,
        ended_tokens,
        disabled_hooks,
        locked,
        revoked_keys,
        keys: live_keys(opened).await?,
        admin,
        backup,
    })
}

/// Ends what belongs to the data of then, and says in an event what was restored.
async fn own(
    opened: &OpenedCopy,
    backup: &BackupManifest,
    instance: Uuid,
    revoked_keys: usize,
) -> Result<(usize, usize, Vec<String>), Error> {
    let backup = backup.clone();
    let job = move |tx: &Tx<'_>, by: LiveCaller<'_>| {
        if sabotage::is(Fault::RestoreAsItWas) {
            return Ok(Ok((0, 0, Vec::new())));
        }
        let tokens = tx.end_all_tokens()?;
        forget_approvals(tx)?;
        // An exercise must not call those whom the data of then told.
        let hooks = tx.disable_hooks()?;
        let mut locked = Vec::new();
        for (name, held) in tx.held_locks()? {
            tx.reword_lock(&name, &held.lock.from_backup(&backup.taken_at))?;
            locked.push(name.to_string());
        }
        tx.change_instance(instance)?;
        let detail = json!({
            "taken_at": backup.taken_at,
            "program": backup.program,
            "schema": backup.schema,
            "instance": { "before": backup.instance, "now": instance.to_string() },
            "states": backup.states,
            "versions": backup.versions,
            "newest_version_at": backup.newest_version_at,
            "last_event": backup.last_event,
            "ended_tokens": tokens,
            "disabled_hooks": hooks,
            "locks": locked.len(),
            "revoked_keys": revoked_keys,
        });
        let event = NewEvent::new(EventKind::BackupRestore, by, clock::now());
        tx.record(&event.attention(true).detail(detail))?;
        Ok(Ok((tokens, hooks, locked)))
    };
    act(&opened.engine, &operator(), (Touches::Everything, 0), job).await
}

/// What a second person had approved may have been done since. A damaged row counts nothing.
fn forget_approvals(tx: &Tx<'_>) -> Result<(), StoreError> {
    match tx.approvals() {
        Ok(all) => all
            .iter()
            .try_for_each(|approval| tx.remove_approval(approval.id)),
        Err(StoreError::BadRow(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// The keys that have not ended.
async fn live_keys(opened: &OpenedCopy) -> Result<Vec<ApiKey>, Error> {
    let read = opened.engine.store.read(|view| {
        let (mut live, mut after) = (Vec::new(), None);
        loop {
            let page = view.keys(after, KEYS_PER_PAGE)?;
            let Some(last) = page.rows.last() else {
                return Ok(live);
            };
            after = Some(last.id);
            let now = clock::now();
            let is_live = |key: &ApiKey| key.standing(now) == KeyStatus::Active;
            live.extend(page.rows.into_iter().filter(is_live));
        }
    });
    Ok(read.await?)
}

/// The directory that is to be filled, which is nobody else's meanwhile. If it is not filled, it is
/// left as it was found.
struct TargetDirectory {
    path: PathBuf,
    lock: Option<DirLock>,
    is_new: bool,
    is_filled: bool,
}

impl TargetDirectory {
    fn take(path: &Path) -> Result<Self, NotRestored> {
        let is_new = !path.exists();
        if is_new {
            data_dir::make(path)?;
        } else {
            refuse_used(path)?;
        }
        let mut target = Self {
            path: path.to_owned(),
            lock: None,
            is_new,
            is_filled: false,
        };
        target.lock = Some(DirLock::take(path)?);
        // A server may have begun here before it was ours.
        refuse_used(path)?;
        remove_remains(path).map_err(at(path))?;
        Ok(target)
    }

    /// Refuses what does not fit, before any of it is written.
    fn has_room(&self, manifest: &BackupManifest) -> Result<(), BadBackup> {
        let sizes = manifest.contents().map(|file| file.size);
        let needed = sizes.fold(ROOM_BESIDE, u64::saturating_add);
        match self.lock.as_ref().and_then(DirLock::free_space) {
            Some(free) if free < needed => Err(BadBackup::NoRoom { needed }),
            _ => Ok(()),
        }
    }

    /// Moves everything from a folder here, the database last.
    fn fill(mut self, work: WorkFolder) -> Result<(), NotRestored> {
        let from = work.path();
        let mut names = Vec::new();
        for entry in fs::read_dir(from).map_err(at(from))? {
            let name = entry.map_err(at(from))?.file_name();
            let Some(name) = name.to_str().map(str::to_owned) else {
                continue;
            };
            // The copy from before an upgrade is the backup itself, and the anchor is of the data
            // before it became data of its own.
            let stays = [LOCK_FILE, ANCHOR_FILE].contains(&name.as_str())
                || name.starts_with("statekeep.db");
            if !stays {
                names.push(name);
            }
        }
        let rename = |from: &Path, to: &Path| {
            let renamed = fs::rename(from, to).and_then(|()| sync_folder_of(to));
            renamed.map_err(at(to))
        };
        for name in &names {
            rename(&from.join(name), &self.path.join(name))?;
        }
        let last = self.path.join(RESTORED_DATABASE);
        rename(&from.join(FILE_NAME), &last)?;
        drop(work);
        rename(&last, &self.path.join(FILE_NAME))?;
        self.is_filled = true;
        Ok(())
    }
}

impl Drop for TargetDirectory {
    fn drop(&mut self) {
        if self.is_filled {
            return;
        }
        // All of it is ours: a folder with anything else would have been refused. Without the lock,
        // it is another's.
        if self.lock.is_some() {
            let _ = remove_remains(&self.path);
            self.lock.take();
            let _ = remove_empty(&self.path.join(FILE_NAME));
            let _ = fs::remove_file(self.path.join(LOCK_FILE));
        }
        if self.is_new {
            let _ = fs::remove_dir(&self.path);
        }
    }
}

/// Removes a file that holds nothing: a lock that root took for another user has made it.
fn remove_empty(path: &Path) -> io::Result<()> {
    if fs::metadata(path)?.len() == 0 {
        fs::remove_file(path)?;
    }
    Ok(())
}

/// Whether a restore that was cut off has left something here, and no database.
fn has_remains(dir: &Path) -> bool {
    let database = fs::metadata(dir.join(FILE_NAME));
    begun_restore(dir).is_some() && database.map_or(true, |file| file.len() == 0)
}

fn refuse_used(dir: &Path) -> Result<(), NotRestored> {
    let has_remains = has_remains(dir);
    for entry in fs::read_dir(dir).map_err(at(dir))? {
        let entry = entry.map_err(at(dir))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_empty = || {
            entry
                .metadata()
                .is_ok_and(|file| file.is_file() && file.len() == 0)
        };
        let may_be_there = [RESTORE_FOLDER, RESTORED_DATABASE, LOCK_FILE, LOST_AND_FOUND]
            .contains(&name.as_str())
            || (has_remains && MOVED.iter().any(|begin| name.starts_with(begin)))
            || (name == FILE_NAME && is_empty());
        if !may_be_there {
            let dir = dir.to_owned();
            return Err(NotRestored::NotEmpty { dir, name });
        }
    }
    Ok(())
}

/// Removes what a restore that was cut off has left.
fn remove_remains(dir: &Path) -> io::Result<()> {
    if !has_remains(dir) {
        return Ok(());
    }
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let was_moved = MOVED.iter().any(|begin| name.starts_with(begin));
        if was_moved && name != LOCK_FILE && name != FILE_NAME {
            fs::remove_file(entry.path())?;
        }
    }
    let is_gone = |removed: io::Result<()>| match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    };
    is_gone(fs::remove_file(dir.join(RESTORED_DATABASE)))?;
    is_gone(fs::remove_dir_all(dir.join(RESTORE_FOLDER)))
}
