//! The damage that reads and writes have met since the start, so that each is told once and by an
//! event.

use std::collections::HashSet;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::error::StoreError;

/// How many are remembered; each further one is told in the log alone.
const MAX_REMEMBERED: usize = 1_000;

/// What was met.
#[derive(Default)]
pub(super) struct SeenDamage {
    seen: Mutex<Seen>,
    wake: Notify,
}

#[derive(Default)]
struct Seen {
    all: HashSet<String>,
    untold: Vec<String>,
}

impl SeenDamage {
    /// Remembers what an act came to, if that is damage that nobody has met before.
    pub(super) fn look_at<T>(&self, outcome: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(error) = &outcome {
            self.look_at_error(error);
        }
        outcome
    }

    fn look_at_error(&self, error: &StoreError) {
        if let StoreError::BadRow(what) | StoreError::Damaged(what) = error {
            self.add(what);
        }
    }

    /// Remembers damage that an act has met and went on in spite of.
    pub(super) fn add(&self, what: &str) {
        let mut seen = self.seen.lock();
        if seen.all.len() >= MAX_REMEMBERED || !seen.all.insert(what.to_owned()) {
            return;
        }
        seen.untold.push(what.to_owned());
        drop(seen);
        self.wake.notify_one();
    }

    /// Remembers all that was looked for at once, or what kept from looking.
    pub(super) fn add_all(&self, found: Result<Vec<String>, StoreError>) {
        for what in self.look_at(found).unwrap_or_default() {
            self.add(&what);
        }
    }

    /// How many there are.
    pub(super) fn count(&self) -> u64 {
        self.seen.lock().all.len() as u64
    }

    /// Waits until there is one that was not told.
    pub(super) async fn untold(&self) {
        self.wake.notified().await;
    }

    /// Those that were not told yet, which count as told from now on.
    pub(super) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.seen.lock().untold)
    }

    /// Has the next one tell what could not be written down.
    pub(super) fn take_back(&self, mut untold: Vec<String>) {
        self.seen.lock().untold.append(&mut untold);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_damage_is_told_once_and_anything_else_never() {
        let seen = SeenDamage::default();
        let met = |error: StoreError| drop(seen.look_at(Err::<(), _>(error)));
        met(StoreError::BadRow("one".to_owned()));
        met(StoreError::BadRow("one".to_owned()));
        met(StoreError::Damaged("two".to_owned()));
        met(StoreError::Full);
        let told = seen.take();
        assert_eq!(told, ["one", "two"]);
        seen.take_back(told);
        assert_eq!(
            seen.take().len(),
            2,
            "what was not written down is told again"
        );
        met(StoreError::BadRow("one".to_owned()));
        assert!(seen.take().is_empty());
        assert_eq!(seen.count(), 2);
        for number in 0..2 * MAX_REMEMBERED {
            met(StoreError::BadRow(number.to_string()));
        }
        assert_eq!(seen.count(), MAX_REMEMBERED as u64);
    }
}
