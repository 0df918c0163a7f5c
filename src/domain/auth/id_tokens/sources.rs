//! The key sets of issuers: read from files, and read again when those change.
//!
//! A file is looked at when a token needs it, at most once a second, so that strangers cause no
//! more work than that. A file that cannot be read is no key set: what it said before does not
//! count any more. So taking a file away keeps its issuer out.

use std::fs::File;
use std::io::Read as _;
use std::num::NonZeroUsize;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lru::LruCache;
use parking_lot::Mutex;
use rustix::fs::OFlags;

use crate::domain::auth::id_tokens::fault::IdTokenFault;
use crate::domain::auth::id_tokens::key_set::{KeySet, MAX_KEY_SET};
use crate::domain::engine::cores::off_thread;
use crate::model::clock;
use crate::model::trust::KeySource;

/// How often a file is looked at, at most.
const LOOK_EVERY: Duration = Duration::from_secs(1);
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

/// The key sets that are known.
pub(in crate::domain) struct KeySets {
    files: Mutex<LruCache<String, KnownSet>>,
}

impl Default for KeySets {
    fn default() -> Self {
        Self {
            files: Mutex::new(LruCache::new(MAX_SETS)),
        }
    }
}

impl KeySets {
    /// The keys of an issuer as they are now.
    pub(super) async fn of(&self, source: &KeySource) -> Result<Arc<KeySet>, IdTokenFault> {
        let set = match source {
            KeySource::File(path) => self.of_file(path).await,
            KeySource::Url(_) => None,
        };
        set.ok_or(IdTokenFault::NoKeys)
    }

    async fn of_file(&self, path: &str) -> Option<Arc<KeySet>> {
        let now = clock::monotonic();
        let known = {
            let mut files = self.files.lock();
            let known = files.get_mut(path);
            if let Some(known) = known {
                if now.duration_since(known.looked_at) < LOOK_EVERY {
                    return known.set.clone();
                }
                // Others take what is known until this look is done.
                known.looked_at = now;
                Some(known.clone())
            } else {
                None
            }
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
    // A pipe in its place must not hold anybody up.
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let mut options = File::options();
    let file = options.read(true).custom_flags(flags).open(path)?;
    let about = file.metadata()?;
    if !about.is_file() {
        return Err(std::io::Error::other("it is not a regular file"));
    }
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
