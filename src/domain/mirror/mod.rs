//! The break-glass folder: the current version of each state as a plain file, for the hour in
//! which no server runs.
//!
//! It follows commits, and no writer waits for it. A file always holds a version that was
//! acknowledged, with its exact bytes. If a file cannot be written, the older one stays, `/readyz`
//! says that the folder is behind, and it is tried again. Memory for one state at a time comes from
//! the budget of all bytes; the rows of the index stay in memory.

mod folder;
mod index;

pub(in crate::domain) use folder::noted_head;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::domain::content::Content;
use crate::domain::engine::budget::WhenFull;
use crate::domain::error::Error;
use crate::domain::mirror::folder::{MirrorError, MirrorFolder};
use crate::domain::mirror::index::MirrorRow;
use crate::model::clock::{self, Timestamp};
use crate::model::name::StateName;
use crate::model::state::{Lookup, StateFilter, StateId};
use crate::model::version::Version;
use crate::store::{TouchedSince, View};

/// How long commits are gathered before the folder follows: many writes of a state are one.
const GATHER_FOR: Duration = Duration::from_millis(200);
/// How many times as long as its index takes to write the folder rests at least: beside very many
/// states it is behind for longer, and does not write without a pause.
const REST: u32 = 4;
/// How many states are looked up at a time.
const AT_A_TIME: u32 = 500;
/// How often all states are looked through, for what no commit tells: damage that was repaired.
const LOOK_THROUGH_ALL_EVERY: Duration = Duration::from_hours(1);
/// How long after a failure everything is tried again; twice as long each time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// How long the end of the server waits for the folder.
const LAST_TRY: Duration = Duration::from_secs(5);

type SharedFolder = Arc<Mutex<MirrorFolder>>;

/// What is remembered of the folder.
#[derive(Default)]
pub(in crate::domain) struct MirrorState {
    folder: tokio::sync::Mutex<Option<SharedFolder>>,
    behind: Mutex<Option<Behind>>,
}

/// That the folder is not as the states are.
#[derive(Clone)]
pub(in crate::domain) struct Behind {
    /// Since when.
    pub(in crate::domain) since: Timestamp,
    why: String,
    /// When everything is tried again, and how long it waits after that.
    retry_at: Instant,
    pause: Duration,
}

impl Behind {
    /// A failure after what there was before. Only a failure of everything puts the next try off:
    /// commits that go on must not.
    fn after(before: Option<Self>, why: String, is_whole: bool) -> Self {
        let now = clock::monotonic();
        let Some(before) = before else {
            return Self {
                since: clock::now(),
                why,
                retry_at: now + FIRST_PAUSE,
                pause: FIRST_PAUSE,
            };
        };
        if !is_whole {
            return Self { why, ..before };
        }
        let pause = (before.pause * 2).min(LONGEST_PAUSE);
        Self {
            since: before.since,
            why,
            retry_at: now + pause,
            pause,
        }
    }
}

/// The break-glass folder.
#[derive(Clone, Copy)]
pub(in crate::domain) struct Mirror<'a> {
    content: &'a Content,
    state: &'a MirrorState,
}

/// A version that belongs into the folder.
struct LiveVersion {
    state: StateId,
    version: Version,
    row: MirrorRow,
}

impl<'a> Mirror<'a> {
    pub(in crate::domain) const fn new(content: &'a Content, state: &'a MirrorState) -> Self {
        Self { content, state }
    }

    /// Since when the folder is behind, if it is.
    pub(in crate::domain) fn behind(&self) -> Option<Behind> {
        self.state.behind.lock().clone()
    }

    /// For how many seconds the folder is behind; none if there is no folder.
    pub(in crate::domain) fn seconds_behind(&self) -> Option<u64> {
        self.dir()?;
        let behind = self.behind();
        Some(behind.map_or(0, |behind| clock::now().since(behind.since).as_secs()))
    }

    /// How long until everything is tried again; none if nothing failed.
    fn until_retry(&self) -> Option<Duration> {
        let behind = self.behind()?;
        Some(
            behind
                .retry_at
                .saturating_duration_since(clock::monotonic()),
        )
    }

    fn dir(&self) -> Option<&'a Path> {
        self.content.engine.limits.mirror_dir.as_deref()
    }

    /// Follows commits until it is dropped.
    pub(in crate::domain) async fn follow(&self) {
        let Some(dir) = self.dir() else {
            return;
        };
        let touched = self.content.engine.store.touched();
        touched.follow();
        loop {
            let look_again = self.until_retry().unwrap_or(LOOK_THROUGH_ALL_EVERY);
            let is_touched = tokio::time::timeout(look_again, touched.wait()).await;
            tokio::time::sleep(GATHER_FOR).await;
            let mut since = touched.take();
            since.and_others |= is_touched.is_err() || self.until_retry() == Some(Duration::ZERO);
            let is_whole = since.and_others;
            let done = self.bring_up_to_date(dir, since).await;
            let rest = done.as_ref().map_or(Duration::ZERO, |took| *took * REST);
            self.note(done.map(drop), is_whole);
            tokio::time::sleep(rest).await;
        }
    }

    /// Brings everything up to date once more, before the server ends.
    pub(in crate::domain) async fn catch_up(&self) {
        let Some(dir) = self.dir() else {
            return;
        };
        let all = TouchedSince {
            and_others: true,
            ..TouchedSince::default()
        };
        match tokio::time::timeout(LAST_TRY, self.bring_up_to_date(dir, all)).await {
            Ok(Ok(_)) => {}
            Ok(Err(why)) => tracing::warn!(why, "the folder of --mirror-dir stays behind"),
            Err(_) => tracing::warn!("the folder of --mirror-dir stays behind: it takes too long"),
        }
    }

    /// Remembers how it went. A state that was left out is only known to be done if all were looked
    /// through.
    fn note(&self, done: Result<(), String>, is_whole: bool) {
        let mut behind = self.state.behind.lock();
        match done {
            Ok(()) if is_whole && behind.take().is_some() => {
                tracing::info!("the folder of --mirror-dir is up to date again");
            }
            Ok(()) => {}
            Err(why) => {
                if behind.as_ref().is_none_or(|behind| behind.why != why) {
                    tracing::warn!(why, "the folder of --mirror-dir is behind; trying again");
                }
                *behind = Some(Behind::after(behind.take(), why, is_whole));
            }
        }
    }

    /// Brings the folder up to date with what was touched. Says how long its index took to write,
    /// or why it is behind.
    async fn bring_up_to_date(&self, dir: &Path, since: TouchedSince) -> Result<Duration, String> {
        let mut slot = self.state.folder.lock().await;
        let (folder, is_new) = match slot.take() {
            Some(folder) => (folder, false),
            None => (
                self.open(dir).await.map_err(|error| error.to_string())?,
                true,
            ),
        };
        self.note_head(&folder).await;
        let mut left_out = LeftOut::default();
        let names = self.names(since, &mut left_out).await;
        let followed = match names {
            Some(names) if !is_new => self.update(&folder, &names, &mut left_out).await,
            _ => self.update_all(&folder, &mut left_out).await,
        };
        followed.map_err(|error| error.to_string())?;
        let started = clock::monotonic();
        on_disk(&folder, MirrorFolder::write_index)
            .await
            .map_err(|error| error.to_string())?;
        // After a failure the folder is opened anew, and so compared with what is there.
        *slot = Some(folder);
        left_out.into_result().map(|()| started.elapsed())
    }

    async fn note_head(&self, folder: &SharedFolder) {
        let store = &self.content.engine.store;
        let find = |view: &View<'_>| view.event_head();
        if let Ok(head) = store.read_inline(find).await {
            let signed = store.sign(head).filter(|_| head.is_begun());
            folder.lock().note_head(signed);
        }
    }

    async fn open(&self, dir: &Path) -> Result<SharedFolder, MirrorError> {
        let (dir, instance) = (dir.to_owned(), self.content.engine.store.instance());
        let path = dir.clone();
        let opened = tokio::task::spawn_blocking(move || MirrorFolder::open(&dir, instance)).await;
        let opened = opened.unwrap_or_else(|error| Err(panicked(&path, error)));
        opened.map(|folder| Arc::new(Mutex::new(folder)))
    }

    /// The names of what was touched; none if everything has to be looked through.
    async fn names(&self, since: TouchedSince, left_out: &mut LeftOut) -> Option<Vec<StateName>> {
        if since.and_others {
            return None;
        }
        let mut names: Vec<StateName> = since.addresses.into_iter().collect();
        let store = &self.content.engine.store;
        for state in since.states {
            match store.read_inline(|view| view.name_of(state)).await {
                Ok(name) => names.extend(name),
                Err(error) => left_out.note(&error),
            }
        }
        Some(names)
    }

    /// Looks through the states that are in the folder, and then through all that there are.
    async fn update_all(
        &self,
        folder: &SharedFolder,
        left_out: &mut LeftOut,
    ) -> Result<(), MirrorError> {
        let names = on_disk(folder, |folder| Ok(folder.names())).await?;
        self.update(folder, &names, left_out).await?;
        let mut filter = StateFilter {
            limit: AT_A_TIME,
            ..StateFilter::default()
        };
        loop {
            let page = filter.clone();
            let page = self
                .content
                .engine
                .store
                .read(move |view| view.states(&page));
            let names: Vec<StateName> = match page.await {
                Ok(page) => {
                    let details = page.damaged.iter().map(|damaged| &damaged.detail);
                    details.for_each(|detail| left_out.note(detail));
                    page.rows.into_iter().map(|state| state.name).collect()
                }
                Err(error) => {
                    left_out.note(&error);
                    return Ok(());
                }
            };
            let Some(last) = names.last() else {
                return Ok(());
            };
            filter.after = Some(last.clone());
            self.update(folder, &names, left_out).await?;
        }
    }

    /// Has the folder hold what is current of these states, and nothing of those that clients do
    /// not get.
    async fn update(
        &self,
        folder: &SharedFolder,
        names: &[StateName],
        left_out: &mut LeftOut,
    ) -> Result<(), MirrorError> {
        for names in names.chunks(AT_A_TIME as usize) {
            let mut found = Vec::with_capacity(names.len());
            for name in names {
                match self.find(name).await {
                    Ok(live) => found.push((name.clone(), live)),
                    Err(error) => left_out.note(&error),
                }
            }
            let new = found.iter().filter_map(|(name, live)| {
                live.as_ref().map(|live| (name.clone(), live.row.clone()))
            });
            let new = new.collect();
            let refused = on_disk(folder, move |folder| folder.reserve(new)).await?;
            for error in &refused {
                left_out.note(error);
            }
            for (name, live) in found {
                let followed = self.follow_one(folder, name, live).await;
                followed.unwrap_or_else(|error| left_out.note(&error));
            }
        }
        Ok(())
    }

    async fn find(&self, name: &StateName) -> Result<Option<LiveVersion>, Error> {
        let lookup = self
            .content
            .engine
            .store
            .read_inline(|view| view.lookup(name));
        let lookup: Lookup = lookup.await?;
        let live = lookup.id().zip(lookup.live());
        Ok(live.map(|(state, version)| LiveVersion {
            state,
            row: MirrorRow::of(name, version),
            version: version.clone(),
        }))
    }

    async fn follow_one(
        &self,
        folder: &SharedFolder,
        name: StateName,
        live: Option<LiveVersion>,
    ) -> Result<(), MirrorError> {
        let Some(live) = live else {
            return on_disk(folder, move |folder| folder.remove(&name)).await;
        };
        let row = live.row;
        if !folder.lock().wants(&name, &row) {
            return Ok(());
        }
        let bytes = self
            .content
            .bytes_of(&name, live.state, &live.version, WhenFull::Wait)
            .await
            .map_err(|error| MirrorError::Content {
                name: name.clone(),
                why: error.to_string(),
            })?;
        let put = move |folder: &mut MirrorFolder| folder.put(&name, row, bytes.as_ref().as_ref());
        on_disk(folder, put).await
    }
}

/// Does something with the folder on a thread that may wait for the disk.
async fn on_disk<T: Send + 'static>(
    folder: &SharedFolder,
    work: impl FnOnce(&mut MirrorFolder) -> Result<T, MirrorError> + Send + 'static,
) -> Result<T, MirrorError> {
    let shared = Arc::clone(folder);
    let done = tokio::task::spawn_blocking(move || work(&mut shared.lock())).await;
    done.unwrap_or_else(|error| Err(panicked(Path::new("--mirror-dir"), error)))
}

fn panicked(path: &Path, error: tokio::task::JoinError) -> MirrorError {
    MirrorError::File {
        path: path.to_owned(),
        source: std::io::Error::other(error),
    }
}

/// What could not be brought up to date, while all else was.
#[derive(Default)]
struct LeftOut {
    count: usize,
    first: String,
}

impl LeftOut {
    fn note(&mut self, error: &impl std::fmt::Display) {
        if self.count == 0 {
            self.first = error.to_string();
        }
        self.count += 1;
    }

    fn into_result(self) -> Result<(), String> {
        match self.count {
            0 => Ok(()),
            1 => Err(self.first),
            count => Err(format!("{}; and {} more", self.first, count - 1)),
        }
    }
}
