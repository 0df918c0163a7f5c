//! What is counted before it is written down: reads, refusals and uses of keys.
//!
//! A read never waits for the disk, and no client can fill the disk by being refused: the rows that
//! one minute may bring are bounded, and everything beyond the bound is counted in one row for all.
//! One client has a part of these rows and is then counted in one row of its own, so that it cannot
//! take from others that their reads are told apart.
//! A flush owns the counts that it takes until they are on disk, even if its caller goes away. One
//! that fails (a full disk) gives them back for the next. So counts are never written twice.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};

use tokio::sync::Notify;

use crate::domain::events::reads::ReadBuffer;
use crate::model::clock::{self, Timestamp};
use crate::model::event::{EventKind, GatherKey, Gathered};
use crate::model::key::KeyId;

/// How many rows of reads one minute may bring.
pub const MAX_READS_PER_MINUTE: usize = 10_000;
/// How many rows of refused credentials and requests one minute may bring.
pub const MAX_REFUSALS_PER_MINUTE: usize = 250;
/// How many of these rows one client may have.
pub const MAX_READS_OF_ONE: usize = 2_500;
/// The same of refusals.
pub const MAX_REFUSALS_OF_ONE: usize = 50;

/// What was read and refused since the last flush.
#[derive(Default)]
pub(in crate::domain) struct EventBuffer {
    pending: RwLock<Pending>,
    /// The reads among them, by reader and day.
    pub(in crate::domain) reads: ReadBuffer,
    wake: Notify,
    /// One flush takes at a time.
    taking: Mutex<()>,
}

#[derive(Default)]
struct Pending {
    minute: i64,
    reads: usize,
    refusals: usize,
    /// How many rows of refusals, and of reads, each client has.
    of_one: HashMap<Client, [usize; 2]>,
    counts: HashMap<GatherKey, Counted>,
    used: HashMap<KeyId, Use>,
}

/// A key; without good credentials an address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Client(String);

impl Client {
    fn of(key: &GatherKey) -> Self {
        let actor = key.actor.as_ref().map(|(id, _)| id);
        Self(actor.unwrap_or(&key.address).clone())
    }
}

/// What one row has, and how much of that is on disk or on its way there.
struct Counted {
    count: AtomicU64,
    first_at: Timestamp,
    /// Milliseconds since 1970, like the one below.
    last_at: AtomicI64,
    taken: AtomicU64,
    /// The place of the row in the log; 0 before there is one.
    place: AtomicU64,
}

impl Counted {
    fn begin(at: Timestamp) -> Self {
        Self {
            count: AtomicU64::new(0),
            first_at: at,
            last_at: AtomicI64::new(at.millis()),
            taken: AtomicU64::new(0),
            place: AtomicU64::new(0),
        }
    }

    fn add(&self, at: Timestamp) {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.last_at.fetch_max(at.millis(), Ordering::Relaxed);
    }

    /// What no flush has taken yet.
    fn fresh(&self) -> Gathered {
        let count = self.count.load(Ordering::Relaxed) - self.taken.load(Ordering::Relaxed);
        Gathered {
            count,
            first_at: self.first_at,
            last_at: Timestamp::from_millis(self.last_at.load(Ordering::Relaxed)),
        }
    }
}

struct Use {
    at: AtomicI64,
    /// Up to which minute it is on disk or on its way there.
    taken_minute: AtomicI64,
}

impl Use {
    fn begin(at: Timestamp) -> Self {
        Self {
            at: AtomicI64::new(at.millis()),
            taken_minute: AtomicI64::new(i64::MIN),
        }
    }

    fn taken_minute(&self) -> i64 {
        self.taken_minute.load(Ordering::Relaxed)
    }

    fn at(&self) -> Timestamp {
        Timestamp::from_millis(self.at.load(Ordering::Relaxed))
    }
}

impl EventBuffer {
    /// Counts one event in its row.
    pub(super) fn add(&self, key: GatherKey, at: Timestamp) {
        if !self.add_to_row(&key, at) {
            let mut pending = self.pending.write();
            pending.turn_to(key.minute);
            let key = pending.bounded(key);
            pending
                .counts
                .entry(key)
                .or_insert_with(|| Counted::begin(at))
                .add(at);
        }
        self.wake.notify_one();
    }

    /// Where there is a row already, as there nearly always is, nobody holds up anybody else.
    fn add_to_row(&self, key: &GatherKey, at: Timestamp) -> bool {
        let pending = self.pending.read();
        let row = pending
            .counts
            .get(key)
            .filter(|_| pending.minute == key.minute);
        row.is_some_and(|counted| {
            counted.add(at);
            true
        })
    }

    /// Notes that a key was used.
    pub(super) fn add_use(&self, id: KeyId, at: Timestamp) {
        if self.is_use_due(id, at) {
            self.wake.notify_one();
        }
    }

    /// Remembers a use; true if that is to be written down.
    fn is_use_due(&self, id: KeyId, at: Timestamp) -> bool {
        if let Some(used) = self.pending.read().used.get(&id) {
            used.at.fetch_max(at.millis(), Ordering::Relaxed);
            return used.taken_minute() != at.minute();
        }
        self.pending
            .write()
            .used
            .entry(id)
            .or_insert_with(|| Use::begin(at));
        true
    }

    /// Takes all that no flush has taken yet; none when there is nothing.
    pub(super) fn take(&self) -> Option<Taken> {
        let _alone = self.taking.lock();
        let pending = self.pending.read();
        let fresh = |(key, counted): (&GatherKey, &Counted)| {
            let fresh = counted.fresh();
            counted.taken.fetch_add(fresh.count, Ordering::Relaxed);
            (fresh.count > 0).then(|| (key.clone(), fresh))
        };
        let due = |(id, used): (&KeyId, &Use)| {
            let at = used.at();
            (used.taken_minute.swap(at.minute(), Ordering::Relaxed) != at.minute())
                .then_some((*id, at))
        };
        let taken = Taken {
            counts: pending.counts.iter().filter_map(fresh).collect(),
            uses: pending.used.iter().filter_map(due).collect(),
        };
        (!taken.counts.is_empty() || !taken.uses.is_empty()).then_some(taken)
    }

    /// The place of the row in which these events are counted, if there is one.
    pub(super) fn place(&self, key: &GatherKey) -> Option<u64> {
        let pending = self.pending.read();
        let place = pending.counts.get(key)?.place.load(Ordering::Relaxed);
        (place > 0).then_some(place)
    }

    /// Remembers in which rows the events of a flush were counted, as long as more may come.
    pub(super) fn note_places(&self, taken: &Taken, places: &[u64]) {
        let pending = self.pending.read();
        for ((key, _), place) in taken.counts.iter().zip(places) {
            if let Some(counted) = pending.counts.get(key) {
                counted.place.store(*place, Ordering::Relaxed);
            }
        }
    }

    /// Has the next flush take what this one could not write.
    pub(super) fn take_back(&self, taken: &Taken) {
        self.pending.write().take_back(taken);
        self.wake.notify_one();
    }

    /// Gives up uses of keys that are on disk: they are of use only for the rest of their minute.
    pub(super) fn forget_used(&self) {
        let minute = clock::now().minute();
        self.pending.write().used.retain(|_, used| {
            used.taken_minute() == minute || used.taken_minute() != used.at().minute()
        });
    }

    /// Gives up rows of minutes that have passed and are on disk.
    pub(in crate::domain) fn forget_written(&self) {
        self.pending.write().turn_to(clock::now().minute());
    }

    /// Waits until something is buffered.
    pub(in crate::domain) async fn buffered(&self) {
        self.wake.notified().await;
    }
}

/// What a flush has taken to write it down.
pub(super) struct Taken {
    pub(super) counts: Vec<(GatherKey, Gathered)>,
    pub(super) uses: Vec<(KeyId, Timestamp)>,
}

impl Pending {
    /// Has the next flush take what this one could not write.
    fn take_back(&mut self, taken: &Taken) {
        for (key, buffered) in &taken.counts {
            match self.counts.get_mut(key) {
                Some(counted) if counted.taken.load(Ordering::Relaxed) >= buffered.count => {
                    *counted.taken.get_mut() -= buffered.count;
                }
                // Its minute has passed meanwhile, and its row was given up.
                Some(_) | None => {
                    let counted = self
                        .counts
                        .entry(key.clone())
                        .or_insert_with(|| Counted::begin(buffered.first_at));
                    *counted.count.get_mut() += buffered.count;
                    counted
                        .last_at
                        .fetch_max(buffered.last_at.millis(), Ordering::Relaxed);
                }
            }
        }
        for (id, at) in &taken.uses {
            *self
                .used
                .entry(*id)
                .or_insert_with(|| Use::begin(*at))
                .taken_minute
                .get_mut() = i64::MIN;
        }
    }

    /// A new minute has room for new rows; of the old one only what is not on disk stays.
    fn turn_to(&mut self, minute: i64) {
        // Around a minute's edge some come late: the bounds are made new once, and not with each of
        // them.
        if minute > self.minute || minute < self.minute - 1 {
            self.counts.retain(|_, counted| counted.fresh().count > 0);
            self.counts.shrink_to_fit();
            (self.minute, self.reads, self.refusals) = (minute, 0, 0);
            self.of_one = HashMap::new();
        }
    }

    /// The row that something is counted in: its own while there is room, then the one of its
    /// client, then the one for all the rest.
    fn bounded(&mut self, key: GatherKey) -> GatherKey {
        if self.counts.contains_key(&key) {
            return key;
        }
        let is_read = key.kind == EventKind::StateRead;
        let (rows, most, of_one) = if is_read {
            (&mut self.reads, MAX_READS_PER_MINUTE, MAX_READS_OF_ONE)
        } else {
            (
                &mut self.refusals,
                MAX_REFUSALS_PER_MINUTE,
                MAX_REFUSALS_OF_ONE,
            )
        };
        let (client, kind) = (Client::of(&key), usize::from(is_read));
        let its = self.of_one.get(&client).map_or(0, |its| its[kind]);
        let key = if its < of_one {
            key
        } else {
            of_its_client(key)
        };
        if self.counts.contains_key(&key) {
            return key;
        }
        // While a full disk keeps old minutes here, they count too.
        if *rows >= most || self.counts.len() > 2 * (MAX_READS_PER_MINUTE + MAX_REFUSALS_PER_MINUTE)
        {
            return GatherKey {
                actor: None,
                address: String::new(),
                ..of_its_client(key)
            };
        }
        // No more clients are remembered than there are rows.
        self.of_one.entry(client).or_default()[kind] += 1;
        *rows += 1;
        key
    }
}

/// The row of a client that has had its part of the rows: it says who, and not which state.
fn of_its_client(key: GatherKey) -> GatherKey {
    GatherKey {
        address: key.actor.as_ref().map_or(key.address, |_| String::new()),
        name: None,
        version: None,
        said: None,
        ..key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(address: usize, minute: i64) -> GatherKey {
        GatherKey {
            kind: EventKind::CredentialsRefused,
            actor: None,
            address: address.to_string(),
            name: None,
            version: None,
            said: None,
            minute,
        }
    }

    #[test]
    fn a_minute_of_knocking_brings_a_bounded_number_of_rows_and_every_knock_is_counted() {
        let buffer = EventBuffer::default();
        let knocks = 10 * MAX_REFUSALS_PER_MINUTE;
        (0..knocks)
            .for_each(|address| buffer.add(refusal(address, 1), Timestamp::from_millis(60_000)));
        let pending = buffer.pending.read();
        assert_eq!(pending.counts.len(), MAX_REFUSALS_PER_MINUTE + 1);
        assert_eq!(
            pending
                .counts
                .values()
                .map(|counted| counted.fresh().count)
                .sum::<u64>(),
            knocks as u64
        );
    }

    #[test]
    fn one_client_leaves_rows_for_the_others_and_stays_known_itself() {
        let buffer = EventBuffer::default();
        let at = Timestamp::from_millis(60_000);
        let read = |who: &str, version| GatherKey {
            kind: EventKind::StateRead,
            actor: Some((who.to_owned(), who.to_owned())),
            address: String::new(),
            name: None,
            version: Some(version),
            said: None,
            minute: 1,
        };
        for version in 0..20_000 {
            buffer.add(read("greedy", version), at);
        }
        buffer.add(read("other", 1), at);
        let pending = buffer.pending.read();
        assert_eq!(pending.counts.len(), MAX_READS_OF_ONE + 2);
        let folded = GatherKey {
            version: None,
            ..read("greedy", 0)
        };
        let rest = pending.counts[&folded].fresh().count;
        assert_eq!(rest, 20_000 - MAX_READS_OF_ONE as u64);
        assert!(pending.counts.contains_key(&read("other", 1)));
    }

    #[test]
    fn rows_of_a_minute_that_has_passed_are_kept_only_until_they_are_on_disk() {
        let buffer = EventBuffer::default();
        (0..100)
            .for_each(|address| buffer.add(refusal(address, 1), Timestamp::from_millis(60_000)));
        buffer.forget_written();
        assert_eq!(
            buffer.pending.read().counts.len(),
            100,
            "none of them is on disk"
        );
        buffer
            .pending
            .write()
            .counts
            .values_mut()
            .skip(1)
            .for_each(|counted| counted.taken = AtomicU64::new(1));
        buffer.pending.write().minute = 1;
        buffer.forget_written();
        let pending = buffer.pending.read();
        assert_eq!(pending.counts.len(), 1);
        assert!(
            pending.counts.capacity() < 50,
            "nor is room kept for the others"
        );
    }

    #[test]
    fn minutes_that_cannot_be_written_do_not_pile_up() {
        let buffer = EventBuffer::default();
        for minute in 0..1_000 {
            (0..MAX_REFUSALS_PER_MINUTE).for_each(|address| {
                buffer.add(
                    refusal(address, minute),
                    Timestamp::from_millis(minute * 60_000),
                );
            });
        }
        assert!(
            buffer.pending.read().counts.len()
                <= 2 * (MAX_READS_PER_MINUTE + MAX_REFUSALS_PER_MINUTE) + 1_001
        );
    }
}
