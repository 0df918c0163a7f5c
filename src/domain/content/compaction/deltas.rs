//! One state after the other: what each version changed, and the frame that it keeps.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use crate::blob::{self, DELTA, FULL};
use crate::diff::{self, NOTHING};
use crate::domain::content::Content;
use crate::domain::content::compaction::delta_chain::bases;
use crate::domain::content::compaction::sizes::{largest_in_a_delta, memory_to_choose};
use crate::domain::content::read::{SIZE_TAKEN_APART, frame};
use crate::domain::engine::budget::WhenFull;
use crate::domain::engine::leased_bytes::LeasedBytes;
use crate::domain::error::Error;
use crate::model::frame::{Bytes, Kept};
use crate::model::state::StateId;
use crate::model::version::{ChangeCounts, Replaced, Version};
use crate::store::{StoreError, Touches, Tx, View};

/// How many versions are kept decoded while a state is compacted.
const RECENT: usize = 2;
/// How many versions are looked up at a time.
const VERSIONS_AT_A_TIME: u32 = 64;
/// A transaction holds no more results than this, so that no write waits long for it.
const MAX_RESULTS: usize = 32;
/// Nor more bytes of frames than this.
const MAX_BYTES: usize = 1024 * 1024;
/// Versions are counted where both together take no more than this part of the memory that is
/// reserved, beside what taking them apart needs.
const PART_FOR_COUNTING: u64 = 8;
/// A state that has shrunk or grown by more than this shares too little with what it was.
const MOST_TIMES_THE_SIZE: u64 = 10;
/// A delta that is not so many times smaller than the full frame is not worth its step.
const LEAST_GAIN: u64 = 2;

/// What is known of versions and waits to be written.
#[derive(Default)]
pub(super) struct Outbox {
    found: Results,
    /// States of which a frame could not be replaced, because something had changed meanwhile: they
    /// are not compacted beyond that for now.
    held_up: HashSet<StateId>,
}

#[derive(Default)]
struct Results {
    counts: Vec<(StateId, u64, ChangeCounts)>,
    frames: Vec<NewFrame>,
    compacted: Vec<(StateId, u64)>,
}

struct NewFrame {
    /// The version that it is for.
    version: (StateId, u64),
    of: Kept,
    base: Option<Kept>,
    frame: Vec<u8>,
}

impl Outbox {
    /// Whether some states have to be looked at once more.
    pub(super) fn has_held_up(&self) -> bool {
        !self.held_up.is_empty()
    }

    fn compact(&mut self, state: StateId, number: u64) {
        if !self.held_up.contains(&state) {
            self.found.compact(state, number);
        }
    }
}

impl Results {
    fn bytes(&self) -> usize {
        self.frames.iter().map(|new| new.frame.len()).sum()
    }

    fn compact(&mut self, state: StateId, number: u64) {
        match self.compacted.last_mut() {
            Some((last, up_to)) if *last == state => *up_to = number,
            _ => self.compacted.push((state, number)),
        }
    }

    fn is_full(&self) -> bool {
        self.counts.len() + self.frames.len() + self.compacted.len() >= MAX_RESULTS
            || self.bytes() >= MAX_BYTES
    }

    /// Writes it down, and says of which states a frame could not be replaced: these are compacted
    /// up to there and not further.
    fn write(&self, tx: &Tx<'_>, min_free_space: u64) -> Result<HashMap<StateId, u64>, StoreError> {
        // The last room on the disk is for callers who have to unlock, delete or prune.
        tx.needs_room(min_free_space)?;
        for (state, number, counts) in &self.counts {
            tx.set_counts(*state, *number, *counts)?;
        }
        let mut held_up: HashMap<StateId, u64> = HashMap::new();
        for NewFrame {
            version: (state, number),
            of,
            base,
            frame,
        } in &self.frames
        {
            let format = if base.is_some() { DELTA } else { FULL };
            if !tx.replace_frame(of, base.as_ref(), format, frame)? {
                let lowest = held_up.entry(*state).or_insert(*number);
                *lowest = (*lowest).min(*number);
            }
        }
        for (state, number) in &self.compacted {
            let most = held_up.get(state).map_or(*number, |first| {
                number.min(&first.saturating_sub(1)).to_owned()
            });
            tx.compact(*state, most)?;
        }
        Ok(held_up)
    }
}

/// A state that is being compacted.
struct Compacted {
    id: StateId,
    current: u64,
    /// The versions that were looked at last, with their bytes: half of all are compared with the
    /// one right before and have it as their base as well.
    recent: VecDeque<(u64, Arc<LeasedBytes>)>,
}

impl Content {
    /// Writes down what is known by now.
    pub(super) async fn write_out(&self, outbox: &mut Outbox) -> Result<(), Error> {
        let found = std::mem::take(&mut outbox.found);
        if found.compacted.is_empty() && found.counts.is_empty() && found.frames.is_empty() {
            return Ok(());
        }
        let (bytes, min_free_space) = (found.bytes(), self.engine.limits.min_free_space);
        let held_up = self
            .engine
            .store
            .write(Touches::Everything, bytes, move |tx| {
                found.write(tx, min_free_space)
            })
            .await?;
        outbox.held_up.extend(held_up.into_keys());
        Ok(())
    }

    /// Compacts all versions of a state that are not.
    pub(super) async fn compact_state(
        &self,
        id: StateId,
        outbox: &mut Outbox,
    ) -> Result<(), Error> {
        let Some((compacted, current)) = self
            .engine
            .store
            .read_inline(|view| view.compacted_up_to(id))
            .await?
        else {
            return Ok(());
        };
        let mut state = Compacted {
            id,
            current,
            recent: VecDeque::with_capacity(RECENT),
        };
        let mut from = compacted;
        loop {
            let versions = self
                .engine
                .store
                .read(move |view| view.versions_from(id, from, VERSIONS_AT_A_TIME))
                .await?;
            let Some(last) = versions.last() else {
                return Ok(());
            };
            from = last.number + 1;
            for version in &versions {
                self.compact_version(&mut state, version, outbox).await?;
            }
        }
    }

    async fn compact_version(
        &self,
        state: &mut Compacted,
        version: &Version,
        outbox: &mut Outbox,
    ) -> Result<(), Error> {
        let is_readable = !version.purged && !version.head.encrypted;
        if is_readable && version.counts.is_none() {
            self.count(state, version, outbox).await?;
        }
        if is_readable && version.number < state.current {
            self.choose_frame(state, version, outbox).await?;
        }
        // What lies above the current version was rejected; its frame is chosen when a later one is
        // current.
        outbox.compact(state.id, version.number.min(state.current));
        if outbox.found.is_full() {
            self.write_out(outbox).await
        } else {
            Ok(())
        }
    }

    async fn count(
        &self,
        state: &mut Compacted,
        version: &Version,
        outbox: &mut Outbox,
    ) -> Result<(), Error> {
        let (id, number) = (state.id, version.number);
        let before = match self
            .engine
            .store
            .read_inline(|view| view.before(id, number))
            .await?
        {
            Replaced::Version(version) => Some(*version),
            Replaced::Nothing | Replaced::Deleted => None,
            // Nobody can tell any more what it changed.
            Replaced::Gone => return Ok(()),
        };
        let sizes = version
            .size
            .saturating_add(before.as_ref().map_or(0, |before| before.size));
        if sizes > self.engine.limits.max_in_flight / PART_FOR_COUNTING
            || before
                .as_ref()
                .is_some_and(|before| before.purged || before.head.encrypted)
        {
            return Ok(());
        }
        let before = match &before {
            Some(before) => Some(self.bytes_in(state, before).await?),
            None => None,
        };
        let after = self.bytes_in(state, version).await?;
        let (Some(after), Some(before)) = (after, before.map_or(Some(None), |read| read.map(Some)))
        else {
            return Ok(());
        };
        let reservation = self
            .engine
            .reserve_for_copies(sizes * SIZE_TAKEN_APART, WhenFull::Fail)
            .await?;
        let counted = self.engine.in_background(reservation, move |_reservation| {
            let before = before.as_deref().map_or(NOTHING, AsRef::as_ref);
            diff::compare(before, after.as_ref().as_ref())
                .ok()
                .map(|differences| differences.counts())
        });
        outbox
            .found
            .counts
            .extend(counted.await?.map(|counts| (id, number, counts)));
        Ok(())
    }

    /// The bytes of a version of the state; none where they cannot be read.
    async fn bytes_in(
        &self,
        state: &mut Compacted,
        version: &Version,
    ) -> Result<Option<Arc<LeasedBytes>>, Error> {
        let (number, sha256) = (version.number, version.sha256);
        if let Some((_, bytes)) = state.recent.iter().find(|(recent, _)| *recent == number) {
            return Ok(Some(Arc::clone(bytes)));
        }
        // They may have been removed meanwhile, and a reader of damaged ones is told.
        let (reservation, chain) = self
            .chain(Bytes::Of(state.id, number), WhenFull::Fail)
            .await?;
        let decode = move |reservation| {
            blob::decode(chain.iter().map(frame), sha256)
                .map(|bytes| LeasedBytes::new(bytes, reservation))
        };
        let Ok(bytes) = self.engine.in_background(reservation, decode).await? else {
            return Ok(None);
        };
        state.recent.truncate(RECENT - 1);
        state.recent.push_front((number, Arc::clone(&bytes)));
        Ok(Some(bytes))
    }

    async fn choose_frame(
        &self,
        state: &mut Compacted,
        version: &Version,
        outbox: &mut Outbox,
    ) -> Result<(), Error> {
        let (id, of) = (state.id, version.clone());
        let largest = largest_in_a_delta(self.engine.limits.max_in_flight);
        let Some(Choice { kept, base }) = self
            .engine
            .store
            .read(move |view| choose(view, id, &of, largest))
            .await?
        else {
            return Ok(());
        };
        let Some(bytes) = self.bytes_in(state, version).await? else {
            return Ok(());
        };
        let base = match base {
            Some((version, kept)) => self
                .bytes_in(state, &version)
                .await?
                .map(|bytes| (bytes, kept)),
            None => None,
        };
        let around = bytes.as_ref().as_ref().len()
            + base
                .as_ref()
                .map_or(0, |(bytes, _)| bytes.as_ref().as_ref().len());
        let reservation = self
            .engine
            .reserve_for_copies(memory_to_choose(around as u64, kept.stored), WhenFull::Fail)
            .await?;
        let encoded = self.engine.in_background(reservation, move |_reservation| {
            smallest(bytes.as_ref().as_ref(), base, &kept)
        });
        let version = (id, version.number);
        outbox
            .found
            .frames
            .extend(encoded.await?.map(|(base, frame)| NewFrame {
                version,
                of: kept,
                base,
                frame,
            }));
        Ok(())
    }
}

/// A frame that is to be replaced, and the version whose bytes it may become a difference to.
struct Choice {
    kept: Kept,
    base: Option<(Version, Kept)>,
}

fn choose(
    view: &View<'_>,
    state: StateId,
    version: &Version,
    largest: u64,
) -> Result<Option<Choice>, StoreError> {
    let kept = view
        .kept(state, version.number)?
        .filter(|kept| kept.base.is_none() && kept.size <= largest);
    let Some(kept) = kept else { return Ok(None) };
    // If all of these were pruned, any that is left before it.
    let before = view
        .accepted_before(state, version.number)?
        .map(|before| before.number);
    for number in bases(version.number).chain(before) {
        let base = view
            .version(state, number)?
            .filter(|base| base.size <= largest && are_alike(base, version));
        let Some(base) = base else { continue };
        let Some(base_kept) = view.kept(state, number)? else {
            continue;
        };
        if view.may_be_delta_to(&kept, &base_kept)? {
            return Ok(Some(Choice {
                kept,
                base: Some((base, base_kept)),
            }));
        }
    }
    Ok(Some(Choice { kept, base: None }))
}

/// Whether two versions are likely to share most of their bytes.
fn are_alike(base: &Version, version: &Version) -> bool {
    let (less, more) = (base.size.min(version.size), base.size.max(version.size));
    base.head.lineage == version.head.lineage
        && !base.head.encrypted
        && more <= less * MOST_TIMES_THE_SIZE
}

/// The smallest frame for some bytes, and its delta base; none where the one that there is will do.
fn smallest(
    bytes: &[u8],
    base: Option<(Arc<LeasedBytes>, Kept)>,
    kept: &Kept,
) -> Option<(Option<Kept>, Vec<u8>)> {
    let most = |part| usize::try_from(kept.stored / part).unwrap_or(usize::MAX);
    if let Some((base_bytes, base)) = base {
        let base_bytes = Some(base_bytes.as_ref().as_ref());
        if let Some(frame) = blob::encode_smaller(bytes, base_bytes, most(LEAST_GAIN)) {
            return Some((Some(base), frame));
        }
    }
    let frame = blob::encode_smaller(bytes, None, most(1))?;
    ((frame.len() as u64) < kept.stored).then_some((None, frame))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::actor::Actor;
    use crate::model::clock::Timestamp;
    use crate::model::digest::Digest;
    use crate::model::frame::StoredBlob;
    use crate::model::name::StateName;
    use crate::model::terraform::tfstate::read_head;
    use crate::model::version::{NewVersion, VersionKind};
    use crate::store::Store;

    fn append(tx: &Tx<'_>, state: StateId, number: u64) -> Result<Version, StoreError> {
        let frame = number.to_le_bytes();
        let new = NewVersion {
            sha256: Digest::of(&frame),
            size: 8,
            head: read_head(br#"{"version":4,"serial":1,"lineage":"l"}"#, 10).unwrap(),
            kind: VersionKind::Write,
            from_version: None,
            created_at: Timestamp::from_millis(0),
            created_by: Actor {
                id: "a".to_owned(),
                name: "a".to_owned(),
            },
            address: String::new(),
            lock: None,
        };
        tx.append(
            state,
            &new,
            &StoredBlob {
                format: FULL,
                size: 8,
                frame: frame.to_vec(),
            },
        )
    }

    #[test]
    fn a_state_is_compacted_up_to_the_frame_that_could_not_be_replaced_and_no_further() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), 16, &Arc::default()).unwrap();
        let job = |tx: &Tx<'_>| {
            let state = tx.make_state(
                &StateName::parse("w", "b").unwrap(),
                Timestamp::from_millis(0),
            )?;
            for number in 1..=5 {
                append(tx, state, number)?;
            }
            let frame = |number| {
                let of = tx.kept(state, number)?.unwrap();
                Ok::<_, StoreError>(NewFrame {
                    version: (state, number),
                    of,
                    base: None,
                    frame: b"x".to_vec(),
                })
            };
            let (second, mut third) = (frame(2)?, frame(3)?);
            third.of.stored += 1;
            let found = Results {
                frames: vec![second, third],
                compacted: vec![(state, 5)],
                ..Results::default()
            };
            let held_up = found.write(tx, 0)?;
            assert_eq!(
                (held_up.get(&state), tx.compacted_up_to(state)?),
                (Some(&3), Some((2, 5)))
            );
            let found = Results {
                frames: vec![frame(3)?],
                compacted: vec![(state, 5)],
                ..Results::default()
            };
            assert_eq!(
                (found.write(tx, 0)?.len(), tx.compacted_up_to(state)?),
                (0, Some((5, 5)))
            );
            Ok(())
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime
            .block_on(store.write(Touches::Everything, 0, job))
            .unwrap();
    }
}
