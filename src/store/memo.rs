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
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lru::LruCache;
use parking_lot::RwLock;

use super::error::StoreError;
use super::readers::Readers;
use super::touched::Touched;
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
    /// What they touched.
    pub(super) touched: Arc<Touched>,
}

/// Twice as many as there have been commits of some kind, and one more while there is one.
#[derive(Clone, Default)]
pub(super) struct Count(Arc<AtomicU64>);

/// A commit that is under way, until this is dropped.
pub(super) struct CommitUnderWay<'c>(&'c Count);

impl Count {
    /// Tries a commit. Drop the result before anybody is told of the commit.
    pub(super) fn begin(&self) -> CommitUnderWay<'_> {
        self.0.fetch_add(1, Ordering::SeqCst);
        CommitUnderWay(self)
    }

    fn so_far(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

impl Drop for CommitUnderWay<'_> {
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
    pub(super) fn get(
        &self,
        readers: &Readers,
        key: &K,
        ask: impl FnOnce(&View<'_>, &K) -> Result<V, StoreError>,
    ) -> Result<Arc<V>, StoreError> {
        // Taken before the database is asked: a commit in between makes the answer one
        // that is not used again.
        let commits = self.commits.so_far();
        if !commits.is_multiple_of(2) {
            return readers.read_inline(|view| ask(view, key)).map(Arc::new);
        }
        // Readers do not wait for each other.
        if let Some((at, answer)) = self.answers.read().peek(key)
            && *at == commits
        {
            return Ok(Arc::clone(answer));
        }
        let answer = Arc::new(readers.read_inline(|view| ask(view, key))?);
        self.answers
            .write()
            .put(key.clone(), (commits, Arc::clone(&answer)));
        Ok(answer)
    }

    /// Gives up answers that are not used again.
    pub(super) fn forget_stale(&self) {
        let commits = self.commits.so_far();
        let mut answers = self.answers.write();
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
        self.answers.read().len()
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

    fn readers_of(dir: &std::path::Path, store: &Store) -> Readers {
        Readers::open(&dir.join(FILE_NAME), &store.keys, &store.held).unwrap()
    }

    #[test]
    fn answers_from_before_a_commit_are_forgotten_and_others_are_not() {
        let dir = tempfile::tempdir().unwrap();
        // Makes the file.
        let store = Store::open(dir.path(), 1, &Arc::<Metrics>::default()).unwrap();
        let readers = readers_of(dir.path(), &store);
        let commits = Count::default();
        let memo = Memo::new(&commits);
        let kept = || {
            memo.answers
                .read()
                .iter()
                .map(|(key, _)| *key)
                .collect::<Vec<u32>>()
        };
        let get = |key| memo.get(&readers, &key, |_, key| Ok(*key)).unwrap();
        (1..=3).for_each(|key| assert_eq!(*get(key), key));
        memo.forget_stale();
        assert_eq!(kept(), [3, 2, 1], "they still hold");
        drop(commits.begin());
        assert_eq!(*get(2), 2);
        memo.forget_stale();
        assert_eq!(kept(), [2], "read after the commit");
    }

    #[test]
    fn while_a_commit_is_under_way_everybody_asks_the_database() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), 1, &Arc::<Metrics>::default()).unwrap();
        let readers = readers_of(dir.path(), &store);
        let commits = Count::default();
        let memo = Memo::new(&commits);
        let asked = std::cell::Cell::new(0);
        let get = || {
            memo.get(&readers, &1, |_, _| Ok(asked.replace(asked.get() + 1)))
                .unwrap()
        };
        assert_eq!((*get(), *get()), (0, 0), "the second one from here");
        let under_way = commits.begin();
        assert_eq!((*get(), *get()), (1, 2));
        drop(under_way);
        assert_eq!(
            (*get(), *get()),
            (3, 3),
            "what was read meanwhile is not kept"
        );
    }

    #[test]
    fn a_store_gives_up_each_kind_of_answer_that_is_stale() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), 1, &Arc::<Metrics>::default()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(async {
            store.key(KeyId(Uuid::nil())).await.unwrap();
            store.token(Digest::of(b"a token")).await.unwrap();
            let name = StateName::parse("w", "b").unwrap();
            store.address_info(&name).await.unwrap();
        });
        let kept = || {
            [
                store.remembered.keys.len(),
                store.remembered.tokens.len(),
                store.remembered.address_infos.len(),
            ]
        };
        store.give_back_unused(Duration::MAX);
        assert_eq!(kept(), [1, 1, 1], "they still hold");
        drop(store.remembered.keys.commits.begin());
        drop(store.remembered.address_infos.commits.begin());
        store.give_back_unused(Duration::MAX);
        assert_eq!(kept(), [0, 0, 0]);
    }

    /// The files of `tables` whose statements change keys and tokens.
    const OF_CREDENTIALS: [&str; 2] = ["keys.rs", "tokens.rs"];
    /// What a statement that changes one of them has in it, or a verb that does.
    const CHANGES: [&str; 6] = [
        "INTO keys",
        "UPDATE keys",
        "DELETE FROM keys",
        "INTO tokens",
        "UPDATE tokens",
        "DELETE FROM tokens",
    ];

    /// Each file below a folder, with its text.
    fn sources(dir: &std::path::Path) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                found.extend(sources(&path));
            } else {
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                found.push((name, std::fs::read_to_string(&path).unwrap()));
            }
        }
        found
    }

    #[test]
    fn statements_that_change_keys_or_tokens_say_so_and_stand_in_two_files() {
        let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store");
        let (of_credentials, of_others): (Vec<_>, Vec<_>) = sources(&dir)
            .into_iter()
            .filter(|(name, _)| name != "memo.rs")
            .partition(|(name, _)| OF_CREDENTIALS.contains(&name.as_str()));
        assert_eq!(of_credentials.len(), OF_CREDENTIALS.len());
        for (name, file) in &of_credentials {
            let (_, writing) = file.split_once("impl Tx<'_> {").expect("verbs that write");
            // The verbs of `hashed.rs` count what they do to these two tables.
            assert!(
                (writing.contains("hashed(&KEYS,") || writing.contains("hashed(&TOKENS,"))
                    && ["self.connection", "self.run(", "self.execute("]
                        .iter()
                        .all(|uncounted| !writing.contains(uncounted)),
                "{name} is changed and not counted"
            );
        }
        let mut seen = 0;
        for change in CHANGES {
            seen += usize::from(of_credentials.iter().any(|(_, file)| file.contains(change)));
            for (name, file) in &of_others {
                assert!(
                    !file.contains(change),
                    "{change:?} in {name} is not counted"
                );
            }
        }
        assert!(seen >= 4, "the check sees {seen} kinds of changes only");
    }
}
