//! Which addresses commits have touched, for a follower that wants to see what became of them.
//!
//! The writer notes what the jobs of a commit had declared, after the commit, and goes on. A
//! follower takes all of it at once, so many commits to one address are one look. Nothing is
//! noted until a follower asks, and beyond a bound it is only noted that there is more.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::touches::Touches;
use crate::model::name::StateName;
use crate::model::state::StateId;

/// How many addresses and states are noted; beyond, all are looked through.
const MAX_NOTED: usize = 10_000;

/// What commits have touched since it was last taken.
#[derive(Debug, Default)]
pub struct TouchedSince {
    /// These addresses.
    pub addresses: HashSet<StateName>,
    /// These states, wherever they are by now.
    pub states: HashSet<StateId>,
    /// Others beside these.
    pub and_others: bool,
}

/// What commits touch.
#[derive(Default)]
pub struct Touched {
    is_followed: AtomicBool,
    since: Mutex<TouchedSince>,
    more: Notify,
    changed: Notify,
}

impl Touched {
    /// Notes what commits touch from now on. The rest is looked through first.
    pub fn follow(&self) {
        self.is_followed.store(true, Ordering::Release);
        self.note(&Touches::Everything);
    }

    /// Takes all that was noted.
    pub fn take(&self) -> TouchedSince {
        std::mem::take(&mut self.since.lock())
    }

    /// Waits until there is something to take.
    pub async fn wait(&self) {
        self.more.notified().await;
    }

    /// Waits until a commit has touched any address since this was last waited for. It is for one
    /// who knows by itself what to look at, and takes nothing from a follower.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Notes what a job touched whose commit is on disk.
    pub(super) fn note(&self, touches: &Touches) {
        if *touches != Touches::NoState {
            self.changed.notify_one();
        }
        if !self.is_followed.load(Ordering::Acquire) {
            return;
        }
        let mut since = self.since.lock();
        let is_full = since.addresses.len() + since.states.len() >= MAX_NOTED;
        match touches {
            Touches::NoState => return,
            Touches::Address(_) | Touches::Addresses(_) | Touches::State(_) if is_full => {
                since.and_others = true;
            }
            Touches::Address(name) if since.addresses.contains(name) => {}
            Touches::Address(name) => {
                since.addresses.insert(name.clone());
            }
            Touches::Addresses(names) => since.addresses.extend(names.iter().cloned()),
            Touches::State(state) => {
                since.states.insert(*state);
            }
            Touches::Workspace(_) | Touches::Everything => since.and_others = true,
        }
        drop(since);
        self.more.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(number: usize) -> StateName {
        StateName::parse("w", &format!("b{number}")).unwrap()
    }

    #[test]
    fn nothing_is_noted_until_somebody_follows() {
        let touched = Touched::default();
        touched.note(&Touches::Address(name(1)));
        assert!(touched.take().addresses.is_empty());
        touched.follow();
        let first = touched.take();
        assert!(first.and_others, "what came before is looked through");
        touched.note(&Touches::NoState);
        touched.note(&Touches::Address(name(1)));
        touched.note(&Touches::Addresses(vec![name(1), name(2)]));
        touched.note(&Touches::State(StateId::new(3)));
        let since = touched.take();
        assert_eq!((since.addresses.len(), since.states.len()), (2, 1));
        assert!(!since.and_others);
        assert!(touched.take().addresses.is_empty());
    }

    #[test]
    fn beyond_the_bound_it_is_noted_that_there_is_more() {
        let touched = Touched::default();
        touched.follow();
        let _ = touched.take();
        for number in 0..=MAX_NOTED {
            touched.note(&Touches::Address(name(number)));
        }
        let since = touched.take();
        assert!(since.and_others && since.addresses.len() == MAX_NOTED);
    }
}
