//! The parts of the memory that clients may hold: by key and by workspace, and less of it when it
//! is tight.
//!
//! A client holds memory for as long as it sends a body or reads an answer, so it is the client who
//! says for how long. The memory that the server needs to work on them is its own: it is through
//! in seconds. What the operator and the server hold is in no share.
//!
//! One workspace never holds more than half, nor more than twice of what is then left for all
//! others. One key never holds more than a quarter, but one body or answer is always allowed to it:
//! else the largest state could not be written by anybody.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::domain::engine::bell::Bell;
use crate::domain::error::Error;
use crate::model::caller::Caller;
use crate::model::digest::Digest;
use crate::model::key::KeyId;
use crate::sabotage::{self, Fault};

/// One key holds at most this part.
const PART_OF_A_KEY: u64 = 4;
/// One workspace holds at most this part.
const PART_OF_A_WORKSPACE: u64 = 2;
/// One workspace holds at most so many times what is left for all others.
const TIMES_OF_THE_REST: u64 = 2;

/// Whose share some memory is in; in nobody's, where there is no key.
#[derive(Clone, Debug, Default)]
pub struct Holder(Option<(KeyId, Arc<str>)>);

impl Holder {
    /// A caller who holds something of a workspace; of their own one, where none is named.
    pub fn of(caller: &Caller, workspace: Option<&str>) -> Self {
        let named = workspace.or_else(|| caller.grant.scope.workspace());
        Self(caller.key().map(|key| (key, named.unwrap_or("").into())))
    }

    /// The client with a key of this number, for tests.
    #[cfg(test)]
    pub(in crate::domain) fn client(key: u128, workspace: &str) -> Self {
        Self(Some((KeyId(uuid::Uuid::from_u128(key)), workspace.into())))
    }

    /// Whether it is in nobody's share: the operator's, or the server's own.
    pub(in crate::domain) const fn is_nobody(&self) -> bool {
        self.0.is_none()
    }

    /// The server itself.
    pub(in crate::domain) const fn server() -> Self {
        Self(None)
    }
}

/// What one key or one workspace holds.
#[derive(Default)]
struct Part {
    bytes: u64,
    things: usize,
    /// A version that several connections read is held once.
    versions: HashMap<Digest, usize>,
}

#[derive(Default)]
struct Held {
    keys: HashMap<KeyId, Part>,
    workspaces: HashMap<Arc<str>, Part>,
}

/// What each key and each workspace holds.
pub(in crate::domain) struct Shares {
    held: Mutex<Held>,
    all: u64,
    bell: Arc<Bell>,
}

impl Shares {
    /// The shares of so many bytes. The bell rings when some of it comes back.
    pub(in crate::domain) fn of(all: u64, bell: Arc<Bell>) -> Arc<Self> {
        Arc::new(Self {
            held: Mutex::default(),
            all,
            bell,
        })
    }

    /// Says if a holder could not take so many bytes now. Nothing is taken.
    pub(in crate::domain) fn check(
        &self,
        holder: &Holder,
        bytes: u64,
        free: u64,
    ) -> Result<(), Error> {
        let Some((key, workspace)) = &holder.0 else {
            return Ok(());
        };
        let held = self.held.lock();
        if held.has_room(self.all, (key, workspace, None), (bytes, false), free) {
            return Ok(());
        }
        Err(Error::OverShare)
    }

    /// Takes a number of bytes into a holder's share, or says that it is used up. `free` bytes are
    /// held by nobody. Several holds of one version count once.
    pub(in crate::domain) fn take(
        self: &Arc<Self>,
        holder: &Holder,
        (version, bytes): (Option<Digest>, u64),
        free: u64,
    ) -> Result<ShareHold, Error> {
        let mut share = ShareHold {
            shares: Arc::clone(self),
            holder: Holder::server(),
            version,
            bytes: 0,
        };
        let Some((key, workspace)) = &holder.0 else {
            return Ok(share);
        };
        let mut held = self.held.lock();
        if !held.has_room(self.all, (key, workspace, version), (bytes, false), free) {
            return Err(Error::OverShare);
        }
        add(&mut held.keys, *key, version, bytes);
        add(&mut held.workspaces, Arc::clone(workspace), version, bytes);
        drop(held);
        (share.holder, share.bytes) = (holder.clone(), bytes);
        Ok(share)
    }
}

impl Held {
    /// Whether so many bytes more may be taken, by something new or by something that grows.
    fn has_room(
        &self,
        all: u64,
        (key, workspace, version): (&KeyId, &Arc<str>, Option<Digest>),
        (more, is_growing): (u64, bool),
        free: u64,
    ) -> bool {
        if sabotage::is(Fault::Shares) {
            return true;
        }
        let others = usize::from(is_growing);
        let is_held = |part: &Part| version.is_some_and(|it| part.versions.contains_key(&it));
        let (of_key, of_workspace) = (self.keys.get(key), self.workspaces.get(workspace));
        let workspace_may = of_workspace.is_some_and(is_held)
            || self
                .workspaces
                .values()
                .map(|part| part.things)
                .sum::<usize>()
                <= others
            || of_workspace.map_or(0, |part| part.bytes) + more
                <= (all / PART_OF_A_WORKSPACE)
                    .min(free.saturating_sub(more).saturating_mul(TIMES_OF_THE_REST));
        let key_may = of_key.is_none_or(|part| {
            is_held(part) || part.things <= others || part.bytes + more <= all / PART_OF_A_KEY
        });
        workspace_may && key_may
    }
}

fn add<K: Hash + Eq>(parts: &mut HashMap<K, Part>, of: K, version: Option<Digest>, bytes: u64) {
    let part = parts.entry(of).or_default();
    let times = version.map(|version| part.versions.entry(version).or_default());
    if times.is_none_or(|times| std::mem::replace(times, *times + 1) == 0) {
        part.bytes += bytes;
        part.things += 1;
    }
}

fn remove<K: Hash + Eq>(parts: &mut HashMap<K, Part>, of: K, version: Option<Digest>, bytes: u64) {
    let Entry::Occupied(mut entry) = parts.entry(of) else {
        return;
    };
    let part = entry.get_mut();
    if let Some(version) = version
        && let Some(times) = part.versions.get_mut(&version)
    {
        *times -= 1;
        if *times > 0 {
            return;
        }
        part.versions.remove(&version);
    }
    part.bytes = part.bytes.saturating_sub(bytes);
    part.things = part.things.saturating_sub(1);
    if part.things == 0 {
        entry.remove();
    }
}

/// Bytes in a share. They leave it when this is dropped.
pub struct ShareHold {
    shares: Arc<Shares>,
    holder: Holder,
    version: Option<Digest>,
    bytes: u64,
}

impl ShareHold {
    /// Takes more into the share, or says that it is used up.
    pub(in crate::domain) fn grow(&mut self, bytes: u64, free: u64) -> Result<(), Error> {
        let Some((key, workspace)) = &self.holder.0 else {
            return Ok(());
        };
        let more = bytes.saturating_sub(self.bytes);
        let mut held = self.shares.held.lock();
        let whose = (key, workspace, None);
        if !held.has_room(self.shares.all, whose, (more, true), free) {
            return Err(Error::OverShare);
        }
        held.change(key, workspace, |part| part.bytes += more);
        self.bytes += more;
        Ok(())
    }

    /// Gives back what is more than this.
    pub(in crate::domain) fn keep_only(&mut self, bytes: u64) {
        let Some((key, workspace)) = &self.holder.0 else {
            return;
        };
        let less = self.bytes.saturating_sub(bytes);
        let give_back = |part: &mut Part| part.bytes = part.bytes.saturating_sub(less);
        self.shares.held.lock().change(key, workspace, give_back);
        self.bytes -= less;
        self.shares.bell.ring();
    }
}

impl Held {
    fn change(&mut self, key: &KeyId, workspace: &Arc<str>, change: impl Fn(&mut Part)) {
        self.keys.get_mut(key).map(&change);
        self.workspaces.get_mut(workspace).map(&change);
    }
}

impl Drop for ShareHold {
    fn drop(&mut self) {
        let Some((key, workspace)) = self.holder.0.take() else {
            return;
        };
        let mut held = self.shares.held.lock();
        remove(&mut held.keys, key, self.version, self.bytes);
        remove(&mut held.workspaces, workspace, self.version, self.bytes);
        drop(held);
        self.shares.bell.ring();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: u64 = 800;

    fn holder(key: u128, workspace: &str) -> Holder {
        Holder::client(key, workspace)
    }

    fn shares() -> Arc<Shares> {
        Shares::of(ALL, Arc::default())
    }

    #[test]
    fn a_key_has_a_quarter_and_its_only_thing_may_be_larger() {
        let shares = shares();
        let other = shares.take(&holder(9, "other"), (None, 1), ALL).unwrap();
        let (one, free) = (holder(1, "team"), ALL - 1);
        let large = shares.take(&one, (None, 400), free).unwrap();
        assert!(shares.take(&one, (None, 1), free - 400).is_err());
        drop(large);
        let mut first = shares.take(&one, (None, 150), free).unwrap();
        assert!(shares.take(&one, (None, 51), free - 150).is_err());
        let second = shares.take(&one, (None, 50), free - 150).unwrap();
        assert!(first.grow(151, free - 200).is_err());
        drop(second);
        assert!(first.grow(400, free - 150).is_ok(), "it is the only one");
        assert!(
            first.grow(401, free - 400).is_err(),
            "half is its workspace's"
        );
        first.keep_only(10);
        assert!(shares.take(&one, (None, 190), free - 10).is_ok());
        drop((first, other));
        assert!(shares.held.lock().keys.is_empty());
        assert!(shares.held.lock().workspaces.is_empty());
    }

    #[test]
    fn the_keys_of_a_workspace_have_half_together_and_less_when_it_is_tight() {
        let shares = shares();
        let mut free = ALL;
        let mut take = |key: u128, workspace: &str, bytes: u64| {
            let taken = shares.take(&holder(key, workspace), (None, bytes), free);
            free -= taken.as_ref().map_or(0, |_| bytes);
            taken.ok()
        };
        let first: Vec<_> = (1..=2).filter_map(|key| take(key, "a", 200)).collect();
        assert_eq!(first.len(), 2);
        assert!(take(3, "a", 1).is_none(), "half is all that it has");
        // 400 are left, and at most twice of what is left then.
        assert!(take(4, "b", 300).is_none());
        let second = take(4, "b", 260);
        assert!(second.is_some());
        assert!(take(5, "c", 100).is_none());
        assert!(take(5, "c", 90).is_some(), "there is something for each");
    }

    #[test]
    fn a_version_that_many_connections_of_a_key_read_is_held_once() {
        let shares = shares();
        let (one, version) = (holder(1, "team"), Some(Digest::of(b"it")));
        let other = shares.take(&one, (None, 50), ALL).unwrap();
        let first = shares.take(&one, (version, 150), ALL).unwrap();
        let second = shares.take(&one, (version, 150), ALL).unwrap();
        assert!(shares.take(&one, (None, 1), ALL).is_err());
        drop(first);
        assert!(shares.take(&one, (None, 1), ALL).is_err());
        drop(second);
        assert!(shares.take(&one, (None, 150), ALL).is_ok());
        drop(other);
        assert!(shares.held.lock().keys.is_empty());
    }

    #[test]
    fn what_is_larger_than_all_shares_is_held_while_nobody_else_holds_anything() {
        let shares = shares();
        let all = shares
            .take(&holder(1, "team"), (None, 2 * ALL), ALL)
            .unwrap();
        assert!(shares.take(&holder(2, "b"), (None, 1), 0).is_err());
        let operator = shares.take(&Holder::server(), (None, ALL), 0);
        assert!(operator.is_ok(), "in no share");
        drop(all);
    }
}
