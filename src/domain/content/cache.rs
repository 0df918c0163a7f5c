//! The decoded cache: versions that were read last, kept for their next reader. A client reads the
//! state several times a run, and so do its neighbours.
//!
//! Bytes are known by their workspace and their SHA-256. So no read is faster because another
//! workspace has the same bytes. Which version is current, and whether the caller may read it, is
//! never remembered here. All bytes are reserved from the budget for as long as anybody
//! holds them; a kept version goes as soon as another caller needs the room.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;
use std::time::{Duration, Instant};

use lru::LruCache;

use crate::domain::engine::budget::Spare;
use crate::domain::engine::leased_bytes::LeasedBytes;
use crate::model::clock;
use crate::model::digest::Digest;
use crate::model::name::{StateName, Workspace};

/// The most entries, however small.
const MAX_ENTRIES: usize = 10_000;

/// Which bytes: those with a SHA-256 in one workspace.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::domain) struct BytesKey {
    sha256: Digest,
    workspace: Workspace,
}

impl BytesKey {
    /// The bytes with this SHA-256 in the workspace of a state.
    pub(in crate::domain) fn of(name: &StateName, sha256: Digest) -> Self {
        Self {
            sha256,
            workspace: name.workspace.clone(),
        }
    }
}

/// The versions that were read last.
pub(in crate::domain) struct DecodedCache {
    kept: RwLock<Kept>,
    capacity: u64,
    began: Instant,
}

struct Kept {
    entries: LruCache<BytesKey, Entry>,
    bytes: u64,
}

struct Entry {
    decoded: Arc<LeasedBytes>,
    /// Milliseconds after [`DecodedCache::began`].
    read_at: AtomicU64,
}

impl Kept {
    fn new() -> Self {
        // Bounded here, and not made for the most that there may ever be.
        Self {
            entries: LruCache::unbounded(),
            bytes: 0,
        }
    }

    fn drop_oldest(&mut self) -> bool {
        let Some((_, entry)) = self.entries.pop_lru() else {
            return false;
        };
        self.bytes -= entry.decoded.as_ref().as_ref().len() as u64;
        true
    }
}

impl DecodedCache {
    /// Keeps at most so many bytes.
    pub(in crate::domain) fn new(capacity: u64) -> Self {
        Self {
            kept: RwLock::new(Kept::new()),
            capacity,
            began: clock::monotonic(),
        }
    }

    pub(in crate::domain) fn get(&self, key: &BytesKey) -> Option<Arc<LeasedBytes>> {
        let now = self.now();
        // A caller who reads what was read last, as crowds do, changes no order and so holds up
        // nobody else.
        if let Some((last, entry)) = self.kept.read().entries.iter().next()
            && last == key
        {
            entry.read_at.store(now, Ordering::Relaxed);
            return Some(Arc::clone(&entry.decoded));
        }
        let mut kept = self.kept.write();
        let entry = kept.entries.get(key)?;
        entry.read_at.store(now, Ordering::Relaxed);
        Some(Arc::clone(&entry.decoded))
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Keeps bytes that were proven to be these, unless one version alone would take most of the
    /// room.
    pub(in crate::domain) fn put(&self, key: BytesKey, decoded: &Arc<LeasedBytes>) {
        let size = decoded.as_ref().as_ref().len() as u64;
        let mut kept = self.kept.write();
        if size > self.capacity / 2 || kept.entries.contains(&key) {
            return;
        }
        while (kept.bytes + size > self.capacity || kept.entries.len() >= MAX_ENTRIES)
            && kept.drop_oldest()
        {}
        kept.bytes += size;
        kept.entries.put(
            key,
            Entry {
                decoded: Arc::clone(decoded),
                read_at: AtomicU64::new(self.now()),
            },
        );
    }

    /// Gives up bytes that were removed.
    pub(in crate::domain) fn forget(&self, key: &BytesKey) {
        let mut kept = self.kept.write();
        if let Some(entry) = kept.entries.pop(key) {
            kept.bytes -= entry.decoded.as_ref().as_ref().len() as u64;
        }
    }

    /// Gives back what nobody has read for so long.
    pub(in crate::domain) fn forget_unread(&self, longer_than: Duration) {
        let long_ago = self
            .now()
            .checked_sub(u64::try_from(longer_than.as_millis()).unwrap_or(u64::MAX));
        let mut kept = self.kept.write();
        while kept
            .entries
            .peek_lru()
            .is_some_and(|(_, entry)| Some(entry.read_at.load(Ordering::Relaxed)) <= long_ago)
        {
            kept.drop_oldest();
        }
        if kept.entries.is_empty() {
            *kept = Kept::new();
        }
    }

    /// How many bytes are kept.
    pub(in crate::domain) fn bytes(&self) -> u64 {
        self.kept.read().bytes
    }
}

impl Spare for DecodedCache {
    fn give_back(&self) -> bool {
        let kept = std::mem::replace(&mut *self.kept.write(), Kept::new());
        !kept.entries.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::engine::budget::Budget;

    fn key(workspace: &str, number: u64) -> BytesKey {
        let name = StateName::parse(workspace, "b").unwrap();
        BytesKey::of(&name, Digest::of(&number.to_le_bytes()))
    }

    fn put(cache: &DecodedCache, budget: &Budget, number: u64, size: usize) {
        let reservation = budget.for_copy(size as u64).unwrap();
        cache.put(
            key("w", number),
            &LeasedBytes::new(vec![0; size], reservation),
        );
    }

    fn has(cache: &DecodedCache, number: u64) -> bool {
        cache.get(&key("w", number)).is_some()
    }

    #[test]
    fn keeps_what_was_read_last_and_never_more_than_it_may() {
        let (cache, budget) = (DecodedCache::new(100_000), Budget::new(10_000_000));
        for number in 0..1_000 {
            put(&cache, &budget, number, 10_000);
            assert!(number == 0 || has(&cache, 0), "read each time, and so kept");
            assert!(cache.bytes() <= 100_000);
        }
        assert!(has(&cache, 999) && !has(&cache, 500));
        put(&cache, &budget, 1_000, 50_001);
        assert!(
            !has(&cache, 1_000),
            "one version alone does not push out all others"
        );
        assert!(cache.give_back() && cache.bytes() == 0 && !cache.give_back());
        assert_eq!(budget.in_flight().0, 0, "nothing is reserved any more");
    }

    #[test]
    fn what_one_workspace_reads_is_not_kept_for_another() {
        let (cache, budget) = (DecodedCache::new(100_000), Budget::new(10_000_000));
        put(&cache, &budget, 1, 100);
        assert!(cache.get(&key("other", 1)).is_none());
        cache.forget(&key("other", 1));
        assert!(has(&cache, 1));
    }

    #[test]
    fn what_was_read_long_ago_is_given_back_and_what_was_read_just_now_is_not() {
        let (cache, budget) = (DecodedCache::new(u64::MAX), Budget::new(1 << 40));
        (0..100).for_each(|number| put(&cache, &budget, number, 1));
        std::thread::sleep(Duration::from_millis(100));
        assert!(has(&cache, 0));
        cache.forget_unread(Duration::from_millis(50));
        assert_eq!(cache.bytes(), 1, "the one that was read just now");
        std::thread::sleep(Duration::from_millis(2));
        cache.forget_unread(Duration::from_millis(1));
        assert_eq!(budget.in_flight().0, 0);
    }

    #[test]
    fn many_small_ones_are_bounded_in_number() {
        let (cache, budget) = (DecodedCache::new(u64::MAX), Budget::new(1 << 40));
        for number in 0..2 * MAX_ENTRIES as u64 {
            put(&cache, &budget, number, 1);
        }
        assert_eq!(cache.bytes(), MAX_ENTRIES as u64);
    }
}
