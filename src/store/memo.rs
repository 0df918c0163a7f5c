//! Answers that are still true because nothing has been committed since they were read.
//!
//! There is one writer, and it counts each commit before it begins and once more before it answers
//! anybody: while the count is odd, what is committed may be seen by one reader and not yet by
//! another, so nothing is taken from here and nothing kept. An answer that was read after an even
//! count was taken holds for as long as the count stays: nothing here can be stale, and a site that
//! only reads does not ask the database the same thing again and again. Commits that may have
//! changed a key or a token are counted a second time on their own, so that credentials are not
//! asked for again after each write.

use std::hash::Hash;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use lru::LruCache;

use super::error::StoreError;
use super::readers::Readers;
use super::tx::View;

/// How many answers to one question are kept.
const MAX_ANSWERS: NonZeroUsize = NonZeroUsize::new(1_000).unwrap();

/// The commits there have been.
#[derive(Clone, Default)]
pub(super) struct Commits {
    /// All of them.
    pub(super) all: Count,
    /// Those that may have changed a key or a token.
    pub(super) of_credentials: Count,
}

/// Twice as many as there have been commits of some kind, and one more while there is one.
#[derive(Clone, Default)]
pub(super) struct Count(Arc<AtomicU64>);

/// A commit that is under way, until this is dropped.
pub(super) struct UnderWay<'c>(&'c Count);

impl Count {
    /// Tries a commit. What this gives is to be dropped before anybody is told of it.
    pub(super) fn begin(&self) -> UnderWay<'_> {
        self.0.fetch_add(1, Ordering::SeqCst);
        UnderWay(self)
    }

    fn so_far(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// The answers to one question, by what it was asked about.
pub(super) struct Memo<K: Eq + Hash, V> {
    answers: RwLock<LruCache<K, (u64, Arc<V>)>>,
    commits: Count,
}

impl<K: Eq + Hash + Clone, V> Memo<K, V> {
    pub(super) fn new(commits: &Count) -> Self {
        Self {
            answers: RwLock::new(LruCache::new(MAX_ANSWERS)),
            commits: commits.clone(),
        }
    }

    /// The answer that was kept, or what the database says now.
    pub(super) fn look(
        &self,
        readers: &Readers,
        key: &K,
        ask: impl FnOnce(&View<'_>, &K) -> Result<V, StoreError>,
    ) -> Result<Arc<V>, StoreError> {
        // Taken before the database is asked: whatever is committed in between makes the answer one
        // that is not used again.
        let commits = self.commits.so_far();
        if !commits.is_multiple_of(2) {
            return readers.look(|view| ask(view, key)).map(Arc::new);
        }
        // Whole entries are put, so a panic elsewhere does no harm to them. Whoever only looks
        // keeps nobody else from looking.
        if let Some((at, answer)) = self
            .answers
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .peek(key)
            && *at == commits
        {
            return Ok(Arc::clone(answer));
        }
        let answer = Arc::new(readers.look(|view| ask(view, key))?);
        self.answers
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .put(key.clone(), (commits, Arc::clone(&answer)));
        Ok(answer)
    }

    /// Gives up answers that are not used again.
    pub(super) fn forget_stale(&self) {
        let commits = self.commits.so_far();
        let mut answers = self.answers.write().unwrap_or_else(PoisonError::into_inner);
        // The oldest are first, and were read after the fewest commits.
        while answers
            .peek_lru()
            .is_some_and(|(_, (at, _))| *at != commits)
        {
            answers.pop_lru();
        }
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.answers.read().unwrap().len()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use uuid::Uuid;

    use super::*;
    use crate::metrics::Metrics;
    use crate::model::digest::Digest;
    use crate::model::key::KeyId;
    use crate::model::name::StateName;
    use crate::store::{FILE_NAME, Store};

    #[test]
    fn answers_from_before_a_commit_are_forgotten_and_others_are_not() {
        let dir = tempfile::tempdir().unwrap();
        // Makes the file.
        let _store = Store::open(dir.path(), 1, &Arc::<Metrics>::default()).unwrap();
        let readers = Readers::open(&dir.path().join(FILE_NAME)).unwrap();
        let commits = Count::default();
        let memo = Memo::new(&commits);
        let kept = || {
            memo.answers
                .read()
                .unwrap()
                .iter()
                .map(|(key, _)| *key)
                .collect::<Vec<u32>>()
        };
        let look = |key| memo.look(&readers, &key, |_, key| Ok(*key)).unwrap();
        (1..=3).for_each(|key| assert_eq!(*look(key), key));
        memo.forget_stale();
        assert_eq!(kept(), [3, 2, 1], "they still hold");
        drop(commits.begin());
        assert_eq!(*look(2), 2);
        memo.forget_stale();
        assert_eq!(kept(), [2], "read after the commit");
    }

    #[test]
    fn while_a_commit_is_under_way_everybody_asks_the_database() {
        let dir = tempfile::tempdir().unwrap();
        let _store = Store::open(dir.path(), 1, &Arc::<Metrics>::default()).unwrap();
        let readers = Readers::open(&dir.path().join(FILE_NAME)).unwrap();
        let commits = Count::default();
        let memo = Memo::new(&commits);
        let asked = std::cell::Cell::new(0);
        let look = || {
            memo.look(&readers, &1, |_, _| Ok(asked.replace(asked.get() + 1)))
                .unwrap()
        };
        assert_eq!((*look(), *look()), (0, 0), "the second one from here");
        let under_way = commits.begin();
        assert_eq!((*look(), *look()), (1, 2));
        drop(under_way);
        assert_eq!(
            (*look(), *look()),
            (3, 3),
            "what was read meanwhile is not kept"
        );
    }

    #[test]
    fn a_store_gives_up_each_kind_of_answer_that_is_stale() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), 1, &Arc::<Metrics>::default()).unwrap();
        store.key(KeyId(Uuid::nil())).unwrap();
        store.token(Digest::of(b"a token")).unwrap();
        store
            .address_info(&StateName::parse("w", "b").unwrap())
            .unwrap();
        let kept = || {
            [
                store.keys.len(),
                store.tokens.len(),
                store.address_infos.len(),
            ]
        };
        store.give_back_unused(Duration::MAX);
        assert_eq!(kept(), [1, 1, 1], "they still hold");
        drop(store.keys.commits.begin());
        drop(store.address_infos.commits.begin());
        store.give_back_unused(Duration::MAX);
        assert_eq!(kept(), [0, 0, 0]);
    }

    /// Statements of these files change keys and tokens, and nobody else's do.
    const OF_CREDENTIALS: [(&str, &str); 2] = [
        ("keys", include_str!("tables/keys.rs")),
        ("tokens", include_str!("tables/tokens.rs")),
    ];
    const OF_OTHERS: [&str; 7] = [
        include_str!("tables/blobs.rs"),
        include_str!("tables/scrubs.rs"),
        include_str!("tables/events.rs"),
        include_str!("tables/locks.rs"),
        include_str!("tables/states.rs"),
        include_str!("tables/transfers.rs"),
        include_str!("tables/versions.rs"),
    ];

    #[test]
    fn whatever_changes_keys_or_tokens_says_so() {
        for (name, file) in OF_CREDENTIALS {
            let (_, writing) = file.split_once("impl Tx<'_> {").expect("verbs that write");
            assert!(
                writing.contains("self.credentials()") && !writing.contains("self.connection"),
                "{name} is changed without a word"
            );
        }
        for change in [
            "INTO keys",
            "UPDATE keys",
            "FROM keys",
            "INTO tokens",
            "UPDATE tokens",
            "FROM tokens",
        ] {
            assert!(
                OF_CREDENTIALS.iter().any(|(_, file)| file.contains(change)),
                "nobody says {change:?}: this shows nothing"
            );
            assert!(
                OF_OTHERS.iter().all(|file| !file.contains(change)),
                "{change:?} where nobody counts it"
            );
        }
    }
}
