//! How many of something each key may have at the same time: requests under way, and acts that wait
//! for the writer. Whoever has more is told to come again, and all others go on.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::model::key::KeyId;

/// One key may have at most this part of all that there can be.
const PART_OF_A_KEY: usize = 4;
/// But always so many.
const LEAST: usize = 4;

/// Counts what each key has.
pub(in crate::domain) struct KeyPlaces {
    most: usize,
    taken: Mutex<HashMap<KeyId, usize>>,
}

impl KeyPlaces {
    /// For something of which there can be so many.
    pub(in crate::domain) fn of(all: usize) -> Arc<Self> {
        Arc::new(Self {
            most: (all / PART_OF_A_KEY).max(LEAST),
            taken: Mutex::default(),
        })
    }

    /// How many one key may have.
    pub(in crate::domain) const fn most(&self) -> usize {
        self.most
    }

    /// One more for a key; none if it has as many as it may have. The operator's are not counted.
    pub(in crate::domain) fn take(self: &Arc<Self>, key: Option<KeyId>) -> Option<TakenPlace> {
        let place = |key| TakenPlace {
            places: Arc::clone(self),
            key,
        };
        let Some(key) = key else {
            return Some(place(None));
        };
        let mut taken = self.taken.lock();
        let count = taken.entry(key).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        drop(taken);
        Some(place(Some(key)))
    }
}

/// One of a key's places. It is free again when this is dropped.
pub struct TakenPlace {
    places: Arc<KeyPlaces>,
    key: Option<KeyId>,
}

impl Drop for TakenPlace {
    fn drop(&mut self) {
        let Some(key) = self.key else {
            return;
        };
        let mut taken = self.places.taken.lock();
        if let Some(count) = taken.get_mut(&key) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_key_has_a_quarter_and_others_have_theirs() {
        let places = KeyPlaces::of(32);
        let [one, other] = [1, 2].map(|id| Some(KeyId(Uuid::from_u128(id))));
        let mut held: Vec<_> = std::iter::from_fn(|| places.take(one)).collect();
        assert_eq!(held.len(), 8);
        assert!(places.take(other).is_some() && places.take(None).is_some());
        held.pop();
        assert!(places.take(one).is_some());
        drop(held);
        assert!(places.taken.lock().is_empty());
        assert_eq!(KeyPlaces::of(1).most(), LEAST);
    }
}
