//! Which locks were turned away, and so who waits: a program that waits asks again with the same
//! ID.
//!
//! It lives in memory and decides nothing. After a restart it fills itself within seconds. It is
//! bounded, and the key that has most of it gives up its oldest. So no key drives out one that has
//! less.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::model::caller::Caller;
use crate::model::clock::Timestamp;
use crate::model::key::KeyId;
use crate::model::name::StateName;
use crate::model::version::LockNote;
use crate::model::waiter::Waiter;

/// A lock that is not asked for again within this time is not waited for. Both programs ask again
/// after 16 s at the latest.
const ASKS_AGAIN_WITHIN: Duration = Duration::from_secs(20);
/// The most locks of one key that are remembered.
const MAX_OF_A_KEY: usize = 100;
/// The most locks that are remembered for one address.
const MAX_AT_AN_ADDRESS: usize = 50;
/// The most locks that are remembered. Each has less than 8 KiB.
const MAX: usize = 1_000;

/// A lock that was turned away.
#[derive(Clone)]
pub(in crate::domain) struct TurnedAway {
    pub(in crate::domain) name: StateName,
    pub(in crate::domain) caller: Caller,
    pub(in crate::domain) waiter: Waiter,
    heard: Instant,
}

impl TurnedAway {
    fn is(&self, caller: &Caller, name: &StateName, id: &str) -> bool {
        self.waiter.lock.id == id && self.caller.key() == caller.key() && self.name == *name
    }

    fn may_ask_again(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.heard) <= ASKS_AGAIN_WITHIN
    }
}

/// The locks that were turned away.
#[derive(Default)]
pub(in crate::domain) struct Waiters(Mutex<Vec<TurnedAway>>);

impl Waiters {
    /// A caller asked for a lock and was turned away.
    pub(in crate::domain) fn turned_away(
        &self,
        caller: &Caller,
        name: &StateName,
        lock: LockNote,
        (at, now): (Timestamp, Instant),
    ) {
        let mut all = self.0.lock();
        all.retain(|one| one.may_ask_again(now));
        if let Some(again) = all.iter_mut().find(|one| one.is(caller, name, &lock.id)) {
            again.caller = caller.clone();
            again.waiter.address.clone_from(&caller.origin.address);
            again.waiter.asked += 1;
            (again.waiter.last, again.heard) = (at, now);
            return;
        }
        all.push(TurnedAway {
            name: name.clone(),
            caller: caller.clone(),
            waiter: Waiter {
                lock,
                key: caller.actor.clone(),
                address: caller.origin.address.clone(),
                since: at,
                asked: 1,
                last: at,
            },
            heard: now,
        });
        let key = caller.key();
        keep_to(&mut all, MAX_OF_A_KEY, key, |one| one.caller.key() == key);
        keep_to(&mut all, MAX_AT_AN_ADDRESS, key, |one| one.name == *name);
        keep_to(&mut all, MAX, key, |_| true);
    }

    /// A caller has the lock, or cannot get it here any more.
    pub(in crate::domain) fn ended(&self, caller: &Caller, name: &StateName, id: &str) {
        self.0.lock().retain(|one| !one.is(caller, name, id));
    }

    /// The locks that are waited for, at one address or at all, the oldest first. A single try is
    /// none.
    pub(in crate::domain) fn asking(
        &self,
        name: Option<&StateName>,
        now: Instant,
    ) -> Vec<TurnedAway> {
        let all = self.0.lock();
        let mut asking: Vec<_> = all
            .iter()
            .filter(|one| name.is_none_or(|name| one.name == *name))
            .filter(|one| one.waiter.asked > 1 && one.may_ask_again(now))
            .cloned()
            .collect();
        drop(all);
        asking.sort_by_key(|one| one.waiter.since);
        asking
    }
}

/// Forgets the oldest of the key that has most, if one lock too many is counted. Of two keys with
/// as many it is the one that has just asked.
fn keep_to(
    all: &mut Vec<TurnedAway>,
    most: usize,
    asking: Option<KeyId>,
    counts: impl Fn(&TurnedAway) -> bool,
) {
    let counted = || all.iter().filter(|one| counts(one));
    if counted().count() <= most {
        return;
    }
    let mut of_keys: HashMap<Option<KeyId>, usize> = HashMap::new();
    for one in counted() {
        *of_keys.entry(one.caller.key()).or_default() += 1;
    }
    let greediest = of_keys
        .into_iter()
        .max_by_key(|(key, count)| (*count, *key == asking));
    let oldest = all
        .iter()
        .enumerate()
        .filter(|(_, one)| counts(one) && greediest.is_some_and(|(key, _)| one.caller.key() == key))
        .min_by_key(|(_, one)| one.heard);
    if let Some((index, _)) = oldest {
        all.swap_remove(index);
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::model::caller::Proof;
    use crate::model::clock;

    fn key(number: u128) -> Caller {
        Caller {
            proof: Proof::Key(KeyId(Uuid::from_u128(number)), 1),
            ..Caller::server()
        }
    }

    fn name(text: &str) -> StateName {
        text.parse().unwrap()
    }

    /// Waiters, and a clock for them.
    struct Trial {
        waiters: Waiters,
        begin: Instant,
    }

    impl Trial {
        fn new() -> Self {
            let (waiters, begin) = (Waiters::default(), clock::monotonic());
            Self { waiters, begin }
        }

        fn at(&self, seconds: u64) -> Instant {
            self.begin + Duration::from_secs(seconds)
        }

        fn ask(&self, caller: &Caller, state: &str, id: &str, seconds: u64) {
            let lock = LockNote {
                id: id.to_owned(),
                operation: String::new(),
                who: String::new(),
            };
            let at = Timestamp::from_millis(0) + Duration::from_secs(seconds);
            let when = (at, self.at(seconds));
            self.waiters.turned_away(caller, &name(state), lock, when);
        }

        /// Each that waits, and how often it asked.
        fn asking(&self, state: &str, seconds: u64) -> Vec<(String, u64)> {
            let asking = self.waiters.asking(Some(&name(state)), self.at(seconds));
            let told = |one: TurnedAway| (one.waiter.lock.id, one.waiter.asked);
            asking.into_iter().map(told).collect()
        }

        fn len(&self) -> usize {
            self.waiters.0.lock().len()
        }
    }

    #[test]
    fn a_waiter_asks_again_within_20_s_and_ends_when_it_does_not() {
        let trial = Trial::new();
        trial.ask(&key(1), "team/net", "one", 0);
        assert_eq!(trial.asking("team/net", 0), [], "a single try");
        trial.ask(&key(1), "team/net", "one", 20);
        assert_eq!(trial.asking("team/net", 40), [("one".to_owned(), 2)]);
        assert_eq!(trial.asking("team/net", 41), []);
        assert_eq!(trial.asking("team/dns", 20), []);
        // It begins anew.
        trial.ask(&key(1), "team/net", "one", 41);
        assert_eq!(trial.asking("team/net", 41), []);
        trial.ask(&key(1), "team/net", "one", 42);
        assert_eq!(trial.asking("team/net", 42), [("one".to_owned(), 2)]);
        trial.waiters.ended(&key(1), &name("team/net"), "one");
        assert_eq!((trial.asking("team/net", 42), trial.len()), (vec![], 0));
    }

    #[test]
    fn the_oldest_stands_first_and_the_same_id_of_another_key_is_another() {
        let trial = Trial::new();
        for (caller, id, seconds) in [(1, "b", 0), (2, "b", 1), (1, "a", 2)] {
            trial.ask(&key(caller), "team/net", id, seconds);
        }
        for (caller, id, seconds) in [(2, "b", 3), (1, "a", 4), (1, "b", 5), (1, "b", 6)] {
            trial.ask(&key(caller), "team/net", id, seconds);
        }
        let told = [("b", 3), ("b", 2), ("a", 2)].map(|(id, asked)| (id.to_owned(), asked));
        assert_eq!(trial.asking("team/net", 6), told);
        trial.waiters.ended(&key(3), &name("team/net"), "b");
        trial.waiters.ended(&key(1), &name("team/dns"), "b");
        assert_eq!(trial.asking("team/net", 6).len(), 3);
    }

    #[test]
    fn it_is_bounded_and_a_greedy_key_drives_out_no_other() {
        let trial = Trial::new();
        let (honest, greedy) = (key(1), key(2));
        for _ in 0..2 {
            trial.ask(&honest, "team/net", "honest", 0);
        }
        for number in 0..3 * MAX_OF_A_KEY {
            let id = number.to_string();
            trial.ask(&greedy, "team/net", &id, 1);
            trial.ask(&greedy, &format!("team/{number}"), &id, 1);
            assert!(trial.len() <= MAX_OF_A_KEY + 1);
        }
        let at_net = |one: &&TurnedAway| one.name == name("team/net");
        let count = trial.waiters.0.lock().iter().filter(at_net).count();
        assert!(count <= MAX_AT_AN_ADDRESS, "{count}");
        for crowd in 3..43 {
            for number in 0..30 {
                let state = format!("team/{crowd}-{number}");
                trial.ask(&key(crowd), &state, "crowd", 2);
            }
        }
        assert_eq!(trial.len(), MAX);
        assert_eq!(trial.asking("team/net", 2), [("honest".to_owned(), 2)]);
    }

    #[test]
    fn at_one_address_each_key_keeps_what_others_do_not_need() {
        let trial = Trial::new();
        for number in 0..MAX_AT_AN_ADDRESS {
            for _ in 0..2 {
                trial.ask(&key(1), "team/net", &number.to_string(), 0);
            }
        }
        for _ in 0..2 {
            trial.ask(&key(2), "team/net", "late", 1);
        }
        let asking = trial.asking("team/net", 1);
        assert_eq!(asking.len(), MAX_AT_AN_ADDRESS);
        assert!(asking.contains(&("late".to_owned(), 2)));
    }
}
