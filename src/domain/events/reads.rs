//! Reads that wait to be counted by reader and day. They are written down with the events of the
//! same reads, so that no read waits for the disk.

use std::collections::HashMap;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::model::consumer::{OTHER_READERS, ReadCount, ReaderDay};
use crate::model::state::StateId;

/// How many readers of states are told apart between two times that they are written down. Those
/// beyond are counted together, by state.
pub const MAX_BUFFERED_READERS: usize = 2_000;

/// Reads that no flush has taken.
#[derive(Default)]
pub(in crate::domain) struct ReadBuffer {
    counts: Mutex<HashMap<ReaderDay, ReadCount>>,
    written: Notify,
}

/// What a flush has taken.
pub(super) type TakenReads = Vec<(ReaderDay, ReadCount)>;

impl ReadBuffer {
    /// Counts a read.
    pub(super) fn add(&self, key: ReaderDay, read: ReadCount) {
        add_to(&mut self.counts.lock(), key, read);
    }

    /// Takes all.
    pub(super) fn take(&self) -> TakenReads {
        std::mem::take(&mut *self.counts.lock())
            .into_iter()
            .collect()
    }

    /// Has the next flush take what this one could not write.
    pub(super) fn take_back(&self, taken: &TakenReads) {
        let mut counts = self.counts.lock();
        for (key, count) in taken {
            add_to(&mut counts, key.clone(), count.clone());
        }
    }

    /// Forgets the reads of a state.
    pub(in crate::domain) fn forget(&self, state: StateId) {
        self.counts.lock().retain(|key, _| key.state != state);
    }

    /// Notes that what was taken is on disk.
    pub(super) fn note_written(&self) {
        self.written.notify_one();
    }

    /// Waits until reads were written down.
    pub(in crate::domain) async fn written(&self) {
        self.written.notified().await;
    }
}

fn add_to(counts: &mut HashMap<ReaderDay, ReadCount>, mut key: ReaderDay, read: ReadCount) {
    if let Some(count) = counts.get_mut(&key) {
        return count.add(read);
    }
    if counts.len() >= MAX_BUFFERED_READERS {
        OTHER_READERS.clone_into(&mut key.reader);
        if let Some(count) = counts.get_mut(&key) {
            return count.add(read);
        }
        // The events of these reads are bounded too, and a full disk must not fill the memory.
        if counts.len() >= 2 * MAX_BUFFERED_READERS {
            tracing::debug!("a read is not counted: too many wait to be written down");
            return;
        }
    }
    counts.insert(key, read);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::clock::Timestamp;
    use crate::model::consumer::{UtcDay, WhatWasRead};

    #[test]
    fn readers_beyond_the_bound_are_counted_together_and_no_memory_is_without_a_bound() {
        let buffer = ReadBuffer::default();
        let at = Timestamp::from_millis(0);
        let read = |state: usize, reader: usize| {
            let key = ReaderDay {
                state: StateId::new(i64::try_from(state).unwrap()),
                reader: reader.to_string(),
                day: UtcDay::of(at),
            };
            buffer.add(key, ReadCount::one("x", at, WhatWasRead::Whole, 1));
        };
        (0..MAX_BUFFERED_READERS + 7).for_each(|reader| read(1, reader));
        let taken = buffer.take();
        assert_eq!(taken.len(), MAX_BUFFERED_READERS + 1);
        let rest = taken.iter().find(|(key, _)| key.reader == OTHER_READERS);
        assert_eq!(rest.map(|(_, count)| count.whole), Some(7));
        assert!(buffer.take().is_empty(), "a flush takes them once");
        buffer.take_back(&taken);
        buffer.forget(StateId::new(1));
        assert!(buffer.take().is_empty());
        (0..5 * MAX_BUFFERED_READERS).for_each(|state| read(state, 1));
        assert_eq!(buffer.take().len(), 2 * MAX_BUFFERED_READERS);
    }
}
