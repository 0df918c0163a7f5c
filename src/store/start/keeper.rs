//! The thread that keeps `statekeep.anchor`: the writer tells it of each commit and does not wait.
//!
//! A commit is told of after it is on disk, so the anchor is never ahead. A failure to write it
//! costs nobody a write: the log says so, and the next second it is tried again.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use uuid::Uuid;

use super::anchor::{ANCHOR_FILE, Anchor, AnchoredWal};
use crate::model::commit::Commit;
use crate::model::signed_head::HeadSigner;
use crate::sqlite_file::wal::WalHeader;

/// How long the thread rests after it has written the file. With the time that a write takes, an
/// anchor is at most a second behind.
const PAUSE: Duration = Duration::from_millis(900);

/// The handle to the thread. The last commit is written when it is dropped, at the latest.
pub(in crate::store) struct AnchorKeeper {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    newest: Option<Commit>,
    ends: Option<Ending>,
}

/// How it ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// The data was closed in good order.
    Closed,
    /// It was not.
    Dropped,
}

/// What the thread works with.
struct Keeping {
    shared: Arc<Shared>,
    dir: PathBuf,
    database: PathBuf,
    wal: PathBuf,
    instance: Uuid,
    signer: Option<Arc<HeadSigner>>,
    written: Option<Anchor>,
    has_failed: bool,
}

impl AnchorKeeper {
    /// Starts the thread. `written` is the anchor that is there.
    pub(in crate::store) fn start(
        (database, wal): (&Path, &Path),
        (instance, signer): (Uuid, Option<Arc<HeadSigner>>),
        written: Option<Anchor>,
    ) -> io::Result<Self> {
        let shared = Arc::<Shared>::default();
        let keeping = Keeping {
            shared: Arc::clone(&shared),
            dir: database.parent().unwrap_or(Path::new(".")).to_owned(),
            database: database.to_owned(),
            wal: wal.to_owned(),
            instance,
            signer,
            written,
            has_failed: false,
        };
        let thread = std::thread::Builder::new()
            .name("anchor".to_owned())
            .spawn(move || keeping.run())?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// Notes a commit that is on disk.
    pub(in crate::store) fn note(&self, commit: Commit) {
        self.shared.state.lock().newest = Some(commit);
        self.shared.changed.notify_one();
    }

    /// Writes the last commit, and ends. The data was closed.
    pub(in crate::store) fn close(mut self) {
        self.end(Ending::Closed);
    }

    fn end(&mut self, how: Ending) {
        self.shared.state.lock().ends.get_or_insert(how);
        self.shared.changed.notify_one();
        // Nothing in there panics, and if it did there would be nothing to be done about it.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

impl Drop for AnchorKeeper {
    fn drop(&mut self) {
        self.end(Ending::Dropped);
    }
}

impl Keeping {
    fn run(mut self) {
        loop {
            let (newest, ends) = self.next();
            if let Some(newest) = newest {
                self.keep(newest, ends == Some(Ending::Closed));
            }
            if ends.is_some() {
                return;
            }
            self.rest();
        }
    }

    /// Waits for a commit that is not in the file yet, or for the end.
    fn next(&self) -> (Option<Commit>, Option<Ending>) {
        let mut state = self.shared.state.lock();
        while state.ends.is_none() && !self.is_news(state.newest) {
            self.shared.changed.wait(&mut state);
        }
        (state.newest, state.ends)
    }

    fn is_news(&self, newest: Option<Commit>) -> bool {
        newest.is_some() && newest != self.written.as_ref().map(|anchor| anchor.commit)
    }

    /// Rests for as long as it does not end.
    fn rest(&self) {
        let mut state = self.shared.state.lock();
        let mut has_time = true;
        let end = crate::model::clock::monotonic() + PAUSE;
        while state.ends.is_none() && has_time {
            has_time = !self.shared.changed.wait_until(&mut state, end).timed_out();
        }
    }

    fn keep(&mut self, commit: Commit, is_closed: bool) {
        let anchor = Anchor {
            instance: self.instance,
            commit,
            wal: wal_at(&self.wal),
            size: std::fs::metadata(&self.database).map_or(0, |file| file.len()),
            is_closed,
            signed: self.signer.as_ref().map(|signer| {
                let signed = signer.sign(commit.events, commit.at);
                (signed.key, signed.signature)
            }),
        };
        if self.written.as_ref() == Some(&anchor) {
            return;
        }
        match anchor.write(&self.dir) {
            Ok(()) => {
                self.written = Some(anchor);
                self.has_failed = false;
            }
            Err(error) => {
                if !std::mem::replace(&mut self.has_failed, true) {
                    tracing::warn!(%error, file = ANCHOR_FILE, "cannot write the anchor; a start \
                        notices lost writes only up to the last one that was written");
                }
            }
        }
    }
}

/// Which WAL there is. Its file has none of SQLite's locks, so it may be opened and closed beside.
fn wal_at(path: &Path) -> Option<AnchoredWal> {
    let file = std::fs::File::open(path).ok()?;
    let header = WalHeader::read(&file).ok()?.ok()?;
    Some(AnchoredWal {
        checkpoint_sequence: header.checkpoint_sequence,
        salts: header.salts,
    })
}
