//! The loop of the index: it waits for changes, then until the writers are not busy, and brings the
//! index up to date with the states that have changed.

use std::time::Duration;

use crate::blob;
use crate::diff;
use crate::domain::content::Content;
use crate::domain::content::compaction::run::{buffer, pause_after};
use crate::domain::content::read::{SIZE_TAKEN_APART, frame};
use crate::domain::content::words::plan::steps;
use crate::domain::engine::budget::{Reservation, WhenFull};
use crate::domain::error::Error;
use crate::model::frame::Bytes;
use crate::model::name::StateName;
use crate::model::search::{Findable, PendingWords};
use crate::model::state::StateId;
use crate::model::version::Version;
use crate::store::{StoreError, Then, Touches, Tx, View, WordsChange, WordsStep};

/// How long changes are gathered before the index follows: many writes of a state are one.
const GATHER_FOR: Duration = Duration::from_millis(500);
/// How many states are looked up at a time.
const STATES_AT_A_TIME: u32 = 200;
/// How many entries of a state are read at a time.
const ENTRIES_AT_A_TIME: u32 = 1_000;
/// A transaction changes about so many rows at most, so that no write waits long for it.
const MAX_ROWS: usize = 500;
/// How many bytes a row takes, about.
const ROW: usize = 64;
/// A state that is larger than this part of the memory for clients' bytes is found by its name
/// alone.
const PART_FOR_INDEXING: u64 = 16;
/// How many times their size entries take while they are compared.
const SIZE_COMPARED: u64 = 4;

/// What the index has of a state, in memory that is reserved for as long as it is compared.
struct HeldEntries {
    entries: Vec<Findable>,
    room: Reservation,
}

/// What is to be in the index of a state.
struct Wanted {
    /// The state that is there, and its current version; none if it is not there.
    live: Option<(StateName, Version)>,
    /// The workspace under which the index has something of the state.
    held_in: Option<String>,
    /// The version that it has all of.
    has: Option<u64>,
}

/// Changes that wait to be written.
#[derive(Default)]
struct WordsBatch {
    changes: Vec<WordsChange>,
    rows: usize,
    /// The states of which the index has all after this.
    made: Vec<(StateId, StateName)>,
}

impl WordsBatch {
    fn add(&mut self, change: WordsChange) {
        self.rows += 1 + change.steps.iter().map(WordsStep::rows).sum::<usize>();
        self.changes.push(change);
    }

    const fn is_full(&self) -> bool {
        self.rows >= MAX_ROWS
    }

    fn has(&self, state: StateId) -> bool {
        self.changes
            .iter()
            .any(|change| change.pending.state == state)
    }
}

impl Content {
    /// Keeps the index up to date, until it is dropped.
    pub(in crate::domain) async fn follow_words(&self) {
        loop {
            if let Err(error) = self.index_pending().await {
                tracing::debug!(%error, "the search index is behind; trying again soon");
                tokio::time::sleep(pause_after(&error)).await;
                continue;
            }
            tokio::select! {
                () = self.engine.store.touched().changed() => {}
                () = self.words.more.notified() => {}
            }
            let commits = || self.engine.metrics.commit_seconds.get_sample_sum();
            buffer(GATHER_FOR, commits).await;
        }
    }

    /// Brings the index up to date with all states that it is behind with.
    async fn index_pending(&self) -> Result<(), Error> {
        let mut after: Option<PendingWords> = None;
        let mut failed = Ok(());
        loop {
            let behind = after.clone();
            let ask = move |view: &View<'_>| view.pending_words(behind.as_ref(), STATES_AT_A_TIME);
            let pending = self.engine.store.read(ask).await?;
            let Some(last) = pending.last() else {
                return failed;
            };
            after = Some(last.clone());
            let mut rest = pending.into_iter().peekable();
            while rest.peek().is_some() {
                let _alone = self.words.alone.lock().await;
                let done = self.index_some(&mut rest).await;
                failed = failed.and(done);
            }
        }
    }

    /// Brings the index up to date with the next states, as many as one transaction takes. One that
    /// fails keeps no other from being found.
    async fn index_some(&self, rest: &mut impl Iterator<Item = PendingWords>) -> Result<(), Error> {
        let mut gathered = WordsBatch::default();
        let mut failed = Ok(());
        while !gathered.is_full()
            && let Some(pending) = rest.next()
        {
            if gathered.has(pending.state) {
                // It moved after a change that nobody has followed, and waits in both workspaces:
                // what is done for the second has to see what was done for the first.
                self.write_words(&mut gathered).await?;
            }
            let done = self.index_one(pending, &mut gathered).await;
            failed = failed.and(done);
        }
        self.write_words(&mut gathered).await?;
        failed
    }

    /// Removes from the index what it has of states that have changed since: it may be words of
    /// versions that were purged. What is current comes back by itself.
    pub(in crate::domain) async fn forget_stale_words(&self) -> Result<(), Error> {
        let mut after: Option<PendingWords> = None;
        loop {
            let behind = after.clone();
            let ask = move |view: &View<'_>| view.pending_words(behind.as_ref(), STATES_AT_A_TIME);
            let pending = self.engine.store.read(ask).await?;
            let Some(last) = pending.last() else {
                return Ok(());
            };
            after = Some(last.clone());
            for pending in pending {
                let _alone = self.words.alone.lock().await;
                self.forget_words_of(pending).await?;
            }
        }
    }

    /// A change that comes in between does not keep it from being done.
    async fn forget_words_of(&self, mut pending: PendingWords) -> Result<(), Error> {
        while let Some(held_in) = self.held_in(pending.state).await? {
            let mut gathered = WordsBatch::default();
            let emptied = (Then::Emptied, WhenFull::Wait);
            self.empty(&pending, held_in, emptied, &mut gathered)
                .await?;
            self.write_words(&mut gathered).await?;
            let Some(now) = self.pending_now(&pending).await? else {
                return Ok(());
            };
            pending = now;
        }
        Ok(())
    }

    async fn held_in(&self, state: StateId) -> Result<Option<String>, Error> {
        let ask = move |view: &View<'_>| view.indexed_state(state);
        let held = self.engine.store.read_inline(ask).await?;
        Ok(held.map(|(workspace, _)| workspace))
    }

    async fn pending_now(&self, pending: &PendingWords) -> Result<Option<PendingWords>, Error> {
        let ask = |view: &View<'_>| view.pending_state(&pending.workspace, pending.state);
        Ok(self.engine.store.read_inline(ask).await?)
    }

    async fn index_one(
        &self,
        pending: PendingWords,
        gathered: &mut WordsBatch,
    ) -> Result<(), Error> {
        let state = pending.state;
        let ask = move |view: &View<'_>| wanted(view, state);
        let wanted = match self.engine.store.read_inline(ask).await {
            Err(StoreError::BadRow(why)) => {
                tracing::debug!(why, "a state whose rows are damaged is not found");
                return Ok(());
            }
            wanted => wanted?,
        };
        let Some((name, version)) = wanted.live else {
            let held_in = wanted.held_in.unwrap_or_default();
            let forgotten = (Then::Forgotten, WhenFull::Fail);
            return self.empty(&pending, held_in, forgotten, gathered).await;
        };
        let workspace = name.workspace.to_string();
        let mut held = wanted.held_in.is_some();
        if let Some(other) = wanted.held_in.filter(|held_in| *held_in != workspace) {
            let emptied = (Then::Emptied, WhenFull::Fail);
            self.empty(&pending, other, emptied, gathered).await?;
            held = false;
        }
        let of = (state, &name, &version);
        let steps = if held && self.has_the_same(of, wanted.has).await? {
            Vec::new()
        } else {
            let had = if held {
                Some(self.entries(state, WhenFull::Fail).await?)
            } else {
                None
            };
            self.steps_to(of, had).await?
        };
        let change = WordsChange {
            pending,
            workspace,
            steps,
            then: Then::Has(version.number),
        };
        gathered.made.push((state, name));
        self.gather(change, gathered).await
    }

    /// Removes all that the index has of a state under a workspace.
    async fn empty(
        &self,
        pending: &PendingWords,
        held_in: String,
        (then, when_full): (Then, WhenFull),
        gathered: &mut WordsBatch,
    ) -> Result<(), Error> {
        let HeldEntries { entries, room } = self.entries(pending.state, when_full).await?;
        let change = WordsChange {
            pending: pending.clone(),
            workspace: held_in,
            steps: steps(entries, Vec::new()),
            then,
        };
        let done = self.gather(change, gathered).await;
        drop(room);
        done
    }

    /// What the index has of a state. The memory for it is reserved before it is read. Nothing is
    /// added meanwhile: the index is changed by one at a time.
    async fn entries(&self, state: StateId, when_full: WhenFull) -> Result<HeldEntries, Error> {
        let ask = move |view: &View<'_>| view.found_size(state);
        let needed = self
            .engine
            .store
            .read(ask)
            .await?
            .saturating_mul(SIZE_COMPARED);
        let room = self.engine.reserve_for_copies(needed, when_full).await?;
        let mut all: Vec<Findable> = Vec::new();
        loop {
            let after = all.last().map(|last| (last.kind, last.address.clone()));
            let ask =
                move |view: &View<'_>| view.found_entries(state, after.as_ref(), ENTRIES_AT_A_TIME);
            let mut some = self.engine.store.read(ask).await?;
            if some.is_empty() {
                let entries = all;
                return Ok(HeldEntries { entries, room });
            }
            all.append(&mut some);
        }
    }

    /// The largest state that is found by more than its name, in bytes.
    pub(super) fn most_indexed(&self) -> u64 {
        self.engine.limits.max_in_flight / PART_FOR_INDEXING
    }

    /// The steps from what the index has to what can be found in a version. Of a version that
    /// cannot be looked into, only the state's name can be found.
    async fn steps_to(
        &self,
        (state, name, version): (StateId, &StateName, &Version),
        had: Option<HeldEntries>,
    ) -> Result<Vec<WordsStep>, Error> {
        let own = Findable::of_state(name);
        let (had, of_had) = had.map(|had| (had.entries, had.room)).unzip();
        let had = had.unwrap_or_default();
        if version.head.encrypted || version.size > self.most_indexed() {
            return Ok(steps(had, vec![own]));
        }
        let needed = version.size * (SIZE_TAKEN_APART + SIZE_COMPARED);
        let room = self
            .engine
            .reserve_for_copies(needed, WhenFull::Fail)
            .await?;
        let bytes = Bytes::Of(state, version.number);
        let (reservation, chain) = self.chain(bytes, WhenFull::Fail).await?;
        let sha256 = version.sha256;
        let compare = move |_reserved| {
            let _of_had = of_had;
            let bytes = blob::decode(chain.iter().map(frame), sha256).ok();
            let found = bytes.and_then(|bytes| diff::findables(&bytes).ok());
            let mut has = found.unwrap_or_default();
            has.push(own);
            steps(had, has)
        };
        self.engine
            .in_background((room, reservation), compare)
            .await
    }

    /// Keeps a change to be written with others; a large one is written in parts before that.
    async fn gather(
        &self,
        mut change: WordsChange,
        gathered: &mut WordsBatch,
    ) -> Result<(), Error> {
        let then = change.then;
        let mut steps = std::mem::take(&mut change.steps).into_iter().peekable();
        loop {
            let (mut part, mut rows) = (Vec::new(), 0);
            while rows < MAX_ROWS
                && let Some(step) = steps.next()
            {
                rows += step.rows();
                part.push(step);
            }
            let is_last = steps.peek().is_none();
            gathered.add(WordsChange {
                steps: part,
                then: if is_last { then } else { Then::Unfinished },
                ..change.clone()
            });
            if is_last {
                return Ok(());
            }
            if !self.write_words(gathered).await? {
                // It has changed meanwhile, and is looked at again.
                return Ok(());
            }
        }
    }

    /// Writes what was gathered. Says whether all of it was still to be done.
    async fn write_words(&self, gathered: &mut WordsBatch) -> Result<bool, Error> {
        let WordsBatch {
            changes,
            rows,
            made,
        } = std::mem::take(gathered);
        if changes.is_empty() {
            return Ok(true);
        }
        let min_free_space = self.engine.limits.min_free_space;
        let write = move |tx: &Tx<'_>| {
            let mut all = true;
            if changes
                .iter()
                .any(|change| change.steps.iter().any(|step| step.made.is_some()))
            {
                // The last room on the disk is for callers who have to unlock, delete or prune.
                tx.needs_room(min_free_space)?;
            }
            for change in &changes {
                all &= tx.change_words(change)?;
            }
            Ok(all)
        };
        let all = self
            .engine
            .store
            .write(Touches::NoState, rows * ROW, write)
            .await?;
        if all {
            self.words.note_made(made);
        }
        Ok(all)
    }
}

fn wanted(view: &View<'_>, state: StateId) -> Result<Wanted, StoreError> {
    let (held_in, has) = view.indexed_state(state)?.unzip();
    let live = match view.name_of(state)? {
        Some(name) => {
            let lookup = view.lookup(&name)?;
            lookup.live().cloned().map(|version| (name, version))
        }
        None => None,
    };
    Ok(Wanted {
        live,
        held_in,
        has: has.flatten(),
    })
}
