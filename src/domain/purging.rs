//! Purges: the content of versions leaves the disk for good, and their rows stay.
//!
//! Somebody wrote a secret that must not be there. What leans on the removed bytes is kept in another way first, then the content goes in one
//! transaction, then the database file is written anew and its log emptied. A purge that could not be finished, because somebody still reads or the
//! disk is full, is finished by itself later, also after a crash; its answer says so.

use std::time::Duration;

use super::Domain;
use super::access::{authorize, lock_in_the_way};
use super::error::Error;
use super::history::History;
use crate::model::caller::Caller;
use crate::model::clock::{self, Timestamp};
use crate::model::digest::Digest;
use crate::model::event::{EventKind, NewEvent};
use crate::model::lock::Lock;
use crate::model::name::StateName;
use crate::model::permission::Permission;
use crate::model::version::Version;
use crate::store::{BlobId, Place, Presence, StateId, StoreError, Tx, View};

/// How many versions one purge names at most.
pub const MAX_PURGED: usize = 1_000;
/// How long a purge waits for readers before it answers that the bytes are not erased yet.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long there is between two tries.
const PAUSE: Duration = Duration::from_millis(200);
/// How long there is between two tries that nobody waits for.
const PAUSE_IN_BACKGROUND: Duration = Duration::from_secs(5);
/// How often it is begun anew because somebody wrote in between.
const MAX_TRIES: usize = 20;

/// Whose content goes.
#[derive(Clone, Debug)]
pub enum Which {
    /// These versions.
    These(Vec<u64>),
    /// All versions of a deleted state.
    All,
}

/// What became of a purge.
#[derive(Clone, Debug)]
pub struct Purged {
    /// The versions whose content went with this purge.
    pub versions: Vec<u64>,
    /// Whether it is out of the database file, its log and its free pages.
    pub erased: bool,
    /// Files in the data directory that may still hold it: copies that were made before an upgrade.
    pub copies: Vec<String>,
}

/// What keeps a purge from its act.
enum Hindrance {
    NoState,
    Moved(StateName),
    NoVersion(u64),
    Locked(Lock),
    Current(u64),
    Held(u64),
    Live,
    Shared(u64, StateName, u64),
}

impl Hindrance {
    fn into_error(self, name: &StateName) -> Error {
        let (code, detail) = match self {
            Self::NoState => return Error::no_state(name),
            Self::Moved(to) => return Error::Moved { from: name.clone(), to },
            Self::NoVersion(number) => return Error::NoVersion(name.clone(), number),
            Self::Locked(lock) => return Error::Locked(Box::new(lock)),
            Self::Current(number) => (
                "current_version",
                format!("version {number} is the current one; write a state without the secret first, or roll back, then purge it"),
            ),
            Self::Held(number) => ("version_held", format!("version {number} is held; release it first")),
            Self::Live => ("not_deleted", format!("{name} is not deleted; delete it first, or name the versions that are to go")),
            Self::Shared(number, other, its) => (
                "content_shared",
                format!("version {number} has the same bytes as version {its} of {other}; purge that one too, or before"),
            ),
        };
        Error::Conflict { code, detail: format!("{detail}; nothing was removed") }
    }
}

/// What is to go, as it was looked at.
struct Plan {
    state: StateId,
    versions: Vec<Version>,
    blobs: Vec<BlobId>,
}

impl History<'_> {
    /// Says whether a caller may purge here at all, before it is known what.
    pub fn may_purge(&self, caller: &Caller, name: &StateName) -> Result<(), Error> {
        authorize(caller, Permission::Purge, name)
    }

    /// Removes the content of versions that are not current, or of a whole deleted state. Their rows stay.
    ///
    /// Refused for what is current or held, and where the same bytes belong to a version that stays.
    pub async fn purge(&self, caller: &Caller, name: &StateName, which: Which) -> Result<Purged, Error> {
        self.may_purge(caller, name)?;
        let versions = self.0.remove_content(caller, name, &which).await?;
        let erased = self.0.erase_patiently().await;
        Ok(Purged { versions, erased, copies: self.0.upgrade_copies() })
    }
}

impl Domain {
    /// Removes content, beginning anew where somebody wrote in between. The numbers of those that still had some.
    async fn remove_content(&self, caller: &Caller, name: &StateName, which: &Which) -> Result<Vec<u64>, Error> {
        for _ in 0..MAX_TRIES {
            let (wanted, asked) = (name.clone(), which.clone());
            let plan = self.store.read(move |view| plan(view, &wanted, &asked)).await?.map_err(|why| why.into_error(name))?;
            self.release_all(name, &plan.blobs).await?;
            let digests: Vec<Digest> = plan.versions.iter().map(|version| version.sha256).collect();
            let (caller, wanted, asked, at) = (caller.clone(), name.clone(), which.clone(), clock::now());
            let job = move |tx: &Tx<'_>| remove(tx, &caller, &wanted, &asked, at);
            if let Some(numbers) = self.store.write(0, job).await?.map_err(|why| why.into_error(name))? {
                self.forget_all(&digests);
                return Ok(numbers);
            }
        }
        Err(Error::QueueFull)
    }

    fn forget_all(&self, digests: &[Digest]) {
        for sha256 in digests {
            self.hot.forget(*sha256);
        }
    }

    async fn release_all(&self, name: &StateName, blobs: &[BlobId]) -> Result<(), Error> {
        for blob in blobs {
            if !self.release(*blob, blobs).await? {
                let detail = format!("a version that is kept as a difference to one of these of {name} is damaged; purge that one as well");
                return Err(Error::Damaged(detail));
            }
        }
        Ok(())
    }

    /// Erases what was removed, waiting for readers for a while; whether it is done.
    async fn erase_patiently(&self) -> bool {
        let end = clock::monotonic() + PATIENCE;
        let mut done = self.erase().await;
        while !matches!(done, Ok(true)) && clock::monotonic() < end {
            tokio::time::sleep(PAUSE).await;
            done = self.erase().await;
        }
        if matches!(done, Ok(true)) {
            return true;
        }
        self.erasing.notify_one();
        false
    }

    /// Erases what a purge could not erase, until it is done; then waits for the next that could not.
    pub(super) async fn go_on_erasing(&self) {
        loop {
            while !self.has_erased().await {
                tokio::time::sleep(PAUSE_IN_BACKGROUND).await;
            }
            self.erasing.notified().await;
        }
    }

    async fn has_erased(&self) -> bool {
        match self.erase().await {
            Ok(true) => return true,
            Ok(false) => tracing::info!("what was purged is not erased yet, because somebody still reads; trying again"),
            Err(error) => tracing::warn!(%error, "what was purged cannot be erased; trying again"),
        }
        false
    }

    /// Erases what was removed, if anything is left of it; whether nothing is.
    pub(super) async fn erase(&self) -> Result<bool, Error> {
        #[expect(clippy::redundant_closure_for_method_calls, reason = "the method itself is not general enough in its lifetimes")]
        let pending = self.store.look(|view| view.pending_erasure())?;
        let Some((asked_at, is_rewritten)) = pending else { return Ok(true) };
        let emptied = if is_rewritten { self.store.empty_log().await? } else { self.store.rewrite().await? };
        let note = move |tx: &Tx<'_>| if emptied { tx.end_erasure(asked_at) } else { tx.note_rewritten(asked_at) };
        self.store.write(0, note).await?;
        Ok(emptied)
    }

    /// Copies of the database that were made before an upgrade.
    fn upgrade_copies(&self) -> Vec<String> {
        let Ok(files) = std::fs::read_dir(self.dir.path()) else { return Vec::new() };
        let names = files.filter_map(|file| file.ok()?.file_name().into_string().ok());
        let prefix = format!("{}.schema-", crate::store::FILE_NAME);
        let mut copies: Vec<String> = names.filter(|name| name.starts_with(&prefix)).collect();
        copies.sort();
        copies
    }
}

fn plan(view: &View<'_>, name: &StateName, which: &Which) -> Result<Result<Plan, Hindrance>, StoreError> {
    let (state, is_hidden) = match view.place(name)? {
        Place::State { id, presence, .. } => (id, presence != Presence::Live),
        Place::Moved(to) => return Ok(Err(Hindrance::Moved(to))),
        Place::Free => return Ok(Err(Hindrance::NoState)),
    };
    let numbers = match which {
        Which::These(numbers) => numbers.clone(),
        Which::All if is_hidden => view.numbers_with_content(state)?,
        Which::All => return Ok(Err(Hindrance::Live)),
    };
    let mut versions = Vec::with_capacity(numbers.len());
    for number in numbers {
        let Some(version) = view.version(state, number)? else { return Ok(Err(Hindrance::NoVersion(number))) };
        if version.current {
            return Ok(Err(Hindrance::Current(number)));
        }
        if version.held.is_some() {
            return Ok(Err(Hindrance::Held(number)));
        }
        if !version.purged && !versions.iter().any(|known: &Version| known.number == number) {
            versions.push(version);
        }
    }
    let mut blobs = Vec::with_capacity(versions.len());
    for version in &versions {
        for (blob, other, name, its) in view.sharing(state, version.number)? {
            if other != state || !versions.iter().any(|going| going.number == its) {
                return Ok(Err(Hindrance::Shared(version.number, name, its)));
            }
            blobs.push(blob);
        }
    }
    Ok(Ok(Plan { state, versions, blobs }))
}

/// Removes the content, unless something has come to lean on it meanwhile.
fn remove(
    tx: &Tx<'_>,
    caller: &Caller,
    name: &StateName,
    which: &Which,
    at: Timestamp,
) -> Result<Result<Option<Vec<u64>>, Hindrance>, StoreError> {
    let Plan { state, versions, blobs } = match plan(tx, name, which)? {
        Ok(plan) => plan,
        Err(why) => return Ok(Err(why)),
    };
    if let Which::All = which
        && let Some(lock) = lock_in_the_way(tx, caller, name, None, at)?
    {
        return Ok(Err(Hindrance::Locked(lock)));
    }
    let numbers: Vec<u64> = versions.iter().map(|version| version.number).collect();
    if numbers.is_empty() {
        return Ok(Ok(Some(numbers)));
    }
    if !tx.remove_content(state, &numbers, &blobs)? {
        return Ok(Ok(None));
    }
    tx.ask_for_erasure(at)?;
    let event = NewEvent::new(EventKind::StatePurge, caller, at).on(name);
    tx.record(&event.detail(serde_json::json!({ "versions": numbers })))?;
    Ok(Ok(Some(numbers)))
}
