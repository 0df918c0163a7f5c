//! The bytes of versions: made, read, kept, compacted and erased. It knows versions and blobs, and
//! never a caller.

pub mod cache;
pub mod compaction;
pub mod damaged;
pub mod encode;
pub mod erase;
pub mod erasure;
pub mod missing;
pub mod outputs;
pub mod pair;
pub mod prove;
pub mod read;
pub mod sealing;
mod space;
pub mod words;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio::sync::{Mutex, Notify};

use crate::domain::content::cache::{BytesKey, DecodedCache};
use crate::domain::content::compaction::queue::CompactionQueue;
use crate::domain::content::damaged::Damaged;
use crate::domain::content::erasure::ErasureReport;
use crate::domain::content::words::index::WordsIndex;
use crate::domain::engine::Engine;
use crate::domain::engine::leased_bytes::LeasedBytes;
use crate::domain::engine::single_flight::SingleFlight;

/// The bytes of versions, and all that is known of them.
pub(in crate::domain) struct Content {
    pub(in crate::domain) engine: Arc<Engine>,
    pub(in crate::domain) cache: Arc<DecodedCache>,
    pub(in crate::domain) damaged: Damaged,
    pub(in crate::domain) compaction: Arc<CompactionQueue>,
    /// Decoding under way.
    decoding: SingleFlight<BytesKey, Arc<LeasedBytes>>,
    erasing: Erasing,
    sealing: SealingTask,
    words: WordsIndex,
}

/// Who erases.
#[derive(Default)]
struct Erasing {
    /// One purge at a time, to its end.
    alone: Mutex<()>,
    /// Some content was removed, and may have to be erased.
    more: Arc<Notify>,
    /// Whether a task does it. A command that has the data directory to itself has none.
    is_by_itself: AtomicBool,
    /// How it is; none if nothing is left to be erased.
    report: parking_lot::Mutex<Option<ErasureReport>>,
}

/// Who seals.
#[derive(Default)]
struct SealingTask {
    /// Woken when there is content to be sealed.
    more: Arc<Notify>,
    /// Whether a task does it. A command that has the data directory to itself has none.
    is_by_itself: AtomicBool,
}

impl Content {
    pub(in crate::domain) fn new(engine: Arc<Engine>, cache: Arc<DecodedCache>) -> Self {
        Self {
            damaged: Damaged::load(Arc::clone(&engine)),
            engine,
            cache,
            compaction: Arc::default(),
            decoding: SingleFlight::default(),
            erasing: Erasing::default(),
            sealing: SealingTask::default(),
            words: WordsIndex::default(),
        }
    }
}
