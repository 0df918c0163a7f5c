//! The key sets of issuers: read from files, and read again when those change; or fetched from an
//! address, and fetched again after an hour, or when a token names a key that is not in the set.
//!
//! A file is looked at when a token needs it, at most once a second, so that strangers cause no
//! more work than that. A file that cannot be read is no key set: what it said before does not
//! count any more. So taking a file away keeps its issuer out. An address is asked at most once a
//! minute. If it cannot be reached, what it said before counts for a day.

use std::io::Read as _;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use lru::LruCache;
use parking_lot::Mutex;

use crate::config::open_regular;
use crate::domain::auth::id_tokens::fault::IdTokenFault;
use crate::domain::auth::id_tokens::key_set::{KeySet, MAX_KEY_SET};
use crate::domain::auth::id_tokens::parts::UnverifiedToken;
use crate::domain::engine::cores::off_thread;
use crate::model::clock;
use crate::model::trust::KeySource;

/// How often a file is looked at, at most.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// After how long a key set is fetched again.
const FETCHED_EVERY: Duration = Duration::from_hours(1);
/// How often an address is asked, at most.
const ASKED_EVERY: Duration = Duration::from_mins(1);
/// For how long a key set is used that cannot be fetched again.
const USED_FOR: Duration = Duration::from_hours(24);
/// How many key sets are kept in memory.
const MAX_SETS: NonZeroUsize = NonZeroUsize::new(100).unwrap();

/// What tells whether a file has changed: where it is, how large, and when it was written.
type FileMark = (u64, u64, u64, i64, i64);

/// A set as it was read, or none if it could not be.
#[derive(Clone)]
struct KnownSet {
    looked_at: Instant,
    mark: Option<FileMark>,
    set: Option<Arc<KeySet>>,
}

/// Fetches the key sets that issuers publish. The part of the program that has an HTTP client gives
/// it; without one, no key set is fetched.
pub trait FetchKeySet: Send + Sync {
    /// What is at an address, if it is at most so many bytes.
    ///
    /// # Errors
    ///
    /// Why there is none, in words for the log.
    fn fetch<'a>(&'a self, url: &'a str, most: usize) -> Fetching<'a>;
}

/// A key set on its way.
pub type Fetching<'a> = Pin<Box<dyn Future<Output = Result<Vec<u8>, String>> + 'a>>;

/// The key set at an address.
#[derive(Default)]
struct Fetched {
    /// One asks at a time.
    turn: tokio::sync::Mutex<()>,
    known: Mutex<FetchedSet>,
}

#[derive(Clone, Default)]
struct FetchedSet {
    asked_at: Option<Instant>,
    fetched_at: Option<Instant>,
    set: Option<Arc<KeySet>>,
}

impl FetchedSet {
    /// The set, as long as it may be used.
    fn usable(&self, now: Instant) -> Option<Arc<KeySet>> {
        let age = now.duration_since(self.fetched_at?);
        self.set.clone().filter(|_| age < USED_FOR)
    }

    fn was_asked_within(&self, now: Instant, time: Duration) -> bool {
        self.asked_at
            .is_some_and(|at| now.duration_since(at) < time)
    }
}

/// The key sets that are known.
pub(in crate::domain) struct KeySets {
    files: Mutex<LruCache<String, KnownSet>>,
    fetched: Mutex<LruCache<String, Arc<Fetched>>>,
    fetch: OnceLock<Box<dyn FetchKeySet>>,
}

impl Default for KeySets {
    fn default() -> Self {
        Self {
            files: Mutex::new(LruCache::new(MAX_SETS)),
            fetched: Mutex::new(LruCache::new(MAX_SETS)),
            fetch: OnceLock::new(),
        }
    }
}

impl KeySets {
    /// Has key sets fetched by this from now on.
    pub(in crate::domain) fn fetch_with(&self, fetch: Box<dyn FetchKeySet>) {
        let _ = self.fetch.set(fetch);
    }

    /// Whether a key of an issuer signed a token.
    pub(super) async fn verify(
        &self,
        source: &KeySource,
        token: &UnverifiedToken<'_>,
    ) -> Result<(), IdTokenFault> {
        let url = match source {
            KeySource::File(path) => {
                let set = self.of_file(path).await.ok_or(IdTokenFault::NoKeys)?;
                return set.verify(token);
            }
            KeySource::Url(url) => url,
        };
        let set = self
            .of_url(url, FETCHED_EVERY)
            .await
            .ok_or(IdTokenFault::NoKeys)?;
        match set.verify(token) {
            // The issuer may have taken a new key since.
            Err(IdTokenFault::UnknownKey) => {
                let newer = self.of_url(url, ASKED_EVERY).await;
                newer.ok_or(IdTokenFault::NoKeys)?.verify(token)
            }
            verdict => verdict,
        }
    }

    /// Whether there is a set with a key at a source that a trust is to name, or why not.
    pub(in crate::domain) async fn try_url(&self, url: &str) -> Result<(), String> {
        let Some(fetch) = self.fetch.get() else {
            return Ok(());
        };
        let json = fetch.fetch(url, MAX_KEY_SET).await?;
        let no_set = "it is no JWK set with a key for RS256, ES256 or EdDSA";
        KeySet::read(&json).map(drop).ok_or(no_set.to_owned())
    }

    /// The set at an address, which is asked if that was not done for so long.
    async fn of_url(&self, url: &str, every: Duration) -> Option<Arc<KeySet>> {
        let fetched = {
            let mut all = self.fetched.lock();
            Arc::clone(all.get_or_insert_mut(url.to_owned(), Arc::default))
        };
        let known = |every| {
            let (now, known) = (clock::monotonic(), fetched.known.lock());
            let usable = known.usable(now);
            let every = if usable.is_some() { every } else { ASKED_EVERY };
            known.was_asked_within(now, every).then_some(usable)
        };
        if let Some(known) = known(every) {
            return known;
        }
        let _turn = fetched.turn.lock().await;
        // Others may have asked meanwhile.
        if let Some(known) = known(every.min(ASKED_EVERY)) {
            return known;
        }
        let read = match self.fetch.get() {
            Some(fetch) => fetch.fetch(url, MAX_KEY_SET).await,
            None => Err("this command fetches no key sets".to_owned()),
        };
        let set = read.and_then(|json| KeySet::read(&json).ok_or("it is no key set".to_owned()));
        let mut known = fetched.known.lock();
        known.asked_at = Some(clock::monotonic());
        match set {
            Ok(set) => {
                known.fetched_at = known.asked_at;
                known.set = Some(Arc::new(set));
            }
            Err(error) => {
                tracing::warn!(url, %error, "the key set of an issuer cannot be fetched");
            }
        }
        known.usable(clock::monotonic())
    }

    /// What is known of a file that is to be looked at now; else the set that was found just now.
    fn known_file(
        &self,
        path: &str,
        now: Instant,
    ) -> ControlFlow<Option<Arc<KeySet>>, Option<KnownSet>> {
        let mut files = self.files.lock();
        let Some(known) = files.get_mut(path) else {
            return ControlFlow::Continue(None);
        };
        if now.duration_since(known.looked_at) < LOOK_EVERY {
            return ControlFlow::Break(known.set.clone());
        }
        // Others take what is known until this look is done.
        known.looked_at = now;
        ControlFlow::Continue(Some(known.clone()))
    }

    async fn of_file(&self, path: &str) -> Option<Arc<KeySet>> {
        let now = clock::monotonic();
        let known = match self.known_file(path, now) {
            ControlFlow::Break(set) => return set,
            ControlFlow::Continue(known) => known,
        };
        let was = known.as_ref().and_then(|known| known.mark);
        let file = path.to_owned();
        let found = off_thread(move || read_if_changed(Path::new(&file), was)).await;
        let (mark, set) = match found {
            Ok(Ok(None)) => (was, known.and_then(|known| known.set)),
            Ok(Ok(Some((mark, set)))) => (Some(mark), set.map(Arc::new)),
            Ok(Err(error)) => {
                tracing::warn!(path, %error, "the key set of an issuer cannot be read");
                (None, None)
            }
            Err(_) => (None, None),
        };
        let known = KnownSet {
            looked_at: now,
            mark,
            set: set.clone(),
        };
        self.files.lock().put(path.to_owned(), known);
        set
    }
}

/// Reads a file that may hold a key set.
pub(in crate::domain) fn read_file(path: &Path) -> std::io::Result<Option<KeySet>> {
    let read = read_if_changed(path, None)?;
    Ok(read.and_then(|(_, set)| set))
}

/// What a file says now; none if it is the one that was read before.
fn read_if_changed(
    path: &Path,
    was: Option<FileMark>,
) -> std::io::Result<Option<(FileMark, Option<KeySet>)>> {
    let file = open_regular(path)?;
    let about = file.metadata()?;
    let mark = (
        about.dev(),
        about.ino(),
        about.size(),
        about.mtime(),
        about.mtime_nsec(),
    );
    if was == Some(mark) {
        return Ok(None);
    }
    let mut json = Vec::new();
    file.take(MAX_KEY_SET as u64 + 1).read_to_end(&mut json)?;
    Ok(Some((mark, KeySet::read(&json))))
}
