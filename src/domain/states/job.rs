//! One write: what is prepared before it queues, and in its transaction what is looked at, what is
//! decided, and what is then stored or kept, all together or not at all.

use std::sync::Arc;

use crate::config::{MIB, UnlockedWrites};
use crate::diff;
use crate::domain::content::encode::{Body, Prepared};
use crate::domain::engine::budget::Reservation;
use crate::domain::engine::leased_bytes::LeasedBytes;
use crate::domain::error::Error;
use crate::domain::states::rules::{Incoming, Refusal, Situation, Verdict, judge};
use crate::model::caller::Caller;
use crate::model::digest::Digest;
use crate::model::error_code::ErrorCode;
use crate::model::event::{EventKind, NewEvent};
use crate::model::lock::{HeldLock, Lock, RefusedAttempt};
use crate::model::name::StateName;
use crate::model::state::{Gone, Lookup, StateId, Visibility};
use crate::model::version::{NewVersion, Rejection, Version, VersionKind};
use crate::store::{StoreError, Touches, Tx};

/// How many rejected versions of a state are kept.
pub(in crate::domain) const MAX_REJECTED: usize = 20;
/// How many bytes on disk the rejected versions of a state may take.
pub(in crate::domain) const MAX_REJECTED_BYTES: u64 = 64 * MIB;

/// What became of a write.
#[derive(Clone, Debug)]
pub enum Written {
    /// It is the current version now.
    Stored(Version),
    /// It was the current version already.
    Unchanged(Version),
    /// The holder of this lock keeps it out; it is kept under this number.
    Locked(Lock, u64),
    /// It is refused for this reason; it is kept under this number.
    Refused(Refusal, u64),
    /// Its key may not write here, for this reason; it is kept under this number.
    Denied(Box<Error>, u64),
}

impl Written {
    /// Its name in metrics.
    pub(super) fn outcome(&self) -> &'static str {
        match self {
            Self::Stored(_) => "stored",
            Self::Unchanged(_) => "unchanged",
            Self::Locked(..) => ErrorCode::Locked.as_str(),
            Self::Refused(refusal, _) => refusal.rejection.code(),
            Self::Denied(..) => Rejection::Forbidden.code(),
        }
    }
}

/// The current version before a write without a lock.
pub(in crate::domain) struct Before {
    pub(super) sha256: Digest,
    /// Its bytes, and the memory for taking both states apart; none where they are too large for
    /// that, or memory is short.
    pub(super) bytes: Option<(Arc<LeasedBytes>, Reservation)>,
}

impl Before {
    fn size(&self) -> usize {
        self.bytes
            .as_ref()
            .map_or(0, |(bytes, _reservation)| bytes.as_ref().as_ref().len())
    }

    /// Sees whether a write drops resources of it.
    fn compare(self, after: &[u8]) -> Compared {
        let drops = self.bytes.and_then(|(before, _reservation)| {
            diff::drops_resources(before.as_ref().as_ref(), after)
        });
        Compared {
            with: self.sha256,
            drops,
        }
    }
}

/// Whether a write drops resources of a version.
pub(in crate::domain) struct Compared {
    with: Digest,
    drops: Option<bool>,
}

/// Why nothing was written, and nothing kept.
pub(in crate::domain) enum NotWritten {
    Gone(Gone),
    /// It is no state, or not the one that was sent.
    Invalid(Error),
    /// Its key may not write, and there is nothing in it to keep.
    Denied,
}

impl NotWritten {
    pub(in crate::domain) fn into_error(self, name: &StateName) -> Error {
        match self {
            Self::Gone(left) => Error::gone(name, left),
            Self::Invalid(error) => error,
            Self::Denied => Error::Internal("a write that was denied to nobody".to_owned()),
        }
    }
}

/// A write as it is asked for.
pub(in crate::domain) struct Unprepared {
    pub(in crate::domain) name: StateName,
    pub(in crate::domain) caller: Caller,
    pub(in crate::domain) body: Arc<Body>,
    /// The memory that the body is in.
    pub(in crate::domain) reservation: Reservation,
    pub(in crate::domain) lock_id: Option<String>,
    pub(in crate::domain) force: bool,
    /// Whether its key may not write: then it is kept, and nothing else.
    pub(in crate::domain) is_denied: bool,
    pub(in crate::domain) before: Option<Before>,
    pub(in crate::domain) unlocked_writes: UnlockedWrites,
    pub(in crate::domain) max_nesting: usize,
    pub(in crate::domain) min_free_space: u64,
}

impl Unprepared {
    /// Which addresses its job touches.
    pub(super) fn touches(&self) -> Touches {
        Touches::Address(self.name.clone())
    }

    /// How many bytes are to be written.
    pub(in crate::domain) fn size(&self) -> usize {
        self.body.bytes().len()
    }

    /// How many bytes have to be looked at for it: its own, and those of the version that it is
    /// compared with.
    pub(in crate::domain) fn work(&self) -> usize {
        self.size()
            .saturating_add(self.before.as_ref().map_or(0, Before::size))
    }

    /// The bytes whose MD5 is to be compared; none where the client sent none.
    pub(in crate::domain) fn to_compare(&self) -> Option<&[u8]> {
        self.body.has_md5().then(|| self.body.bytes())
    }

    /// Does all that needs no database. Takes a core for a while; less of it where the MD5 is known
    /// already.
    pub(in crate::domain) fn prepare(self, md5: Option<[u8; 16]>) -> Result<WriteJob, Error> {
        let Self {
            name,
            caller,
            body,
            mut reservation,
            lock_id,
            force,
            is_denied,
            before,
            unlocked_writes,
            max_nesting,
            min_free_space,
        } = self;
        let prepared = body.prepare(md5, max_nesting)?;
        let compared = before.map(|before| before.compare(body.bytes()));
        // Whoever has hashed it meanwhile is through, and lets go of it too.
        drop(body);
        reservation.keep_only(prepared.blob.frame.len() as u64);
        Ok(WriteJob {
            name,
            caller,
            prepared,
            compared,
            lock_id,
            force,
            is_denied,
            unlocked_writes,
            min_free_space,
            _reservation: reservation,
        })
    }
}

/// Everything that one write needs in its transaction. It may run more than once.
pub(in crate::domain) struct WriteJob {
    name: StateName,
    caller: Caller,
    prepared: Prepared,
    compared: Option<Compared>,
    lock_id: Option<String>,
    force: bool,
    is_denied: bool,
    unlocked_writes: UnlockedWrites,
    min_free_space: u64,
    // For the frame, for as long as the job waits; whoever asked for it may be gone.
    _reservation: Reservation,
}

impl WriteJob {
    /// About how much it adds to the database.
    pub(in crate::domain) fn bytes(&self) -> usize {
        self.prepared.blob.frame.len()
    }

    /// The outer result is the database's.
    pub(in crate::domain) fn run(
        &self,
        tx: &Tx<'_>,
    ) -> Result<Result<Written, NotWritten>, StoreError> {
        let lookup = tx.lookup(&self.name)?;
        if self.is_denied {
            return self.keep_denied(tx, &lookup);
        }
        let lock = tx.lock(&self.name)?;
        // Neither matters while a lock is held.
        let (broken, is_stale_writer) = if lock.is_some() {
            (None, false)
        } else {
            let (key, address) = (&self.caller.actor.id, &self.caller.origin.address);
            (
                tx.broken_lock(&self.name)?,
                tx.is_stale_writer(&self.name, key, address)?,
            )
        };
        let unlocked_writes = self.unlocked_writes;
        let situation = Situation {
            lookup: &lookup,
            lock: lock.as_ref(),
            broken: broken.as_ref(),
            is_stale_writer,
            unlocked_writes,
        };
        let incoming = Incoming {
            sha256: self.prepared.sha256,
            serial: self.prepared.head.serial,
            lineage: &self.prepared.head.lineage,
            lock_id: self.lock_id.as_deref(),
            force: self.force,
            actor: &self.caller.actor,
        };
        match (judge(&situation, &incoming), lookup) {
            (
                Verdict::Unchanged,
                Lookup::State {
                    id,
                    current: Some(current),
                    ..
                },
            ) => {
                // Mends the bytes where they were damaged or lost: what is acknowledged can be
                // read.
                let blob = tx.put_blob(self.prepared.sha256, &self.prepared.blob)?;
                tx.lead_to(id, current.number, blob)?;
                self.flag_repeated_bytes(tx, &current)?;
                Ok(Ok(Written::Unchanged(*current)))
            }
            (Verdict::Gone(left), _) => Ok(Err(NotWritten::Gone(left))),
            (Verdict::Reject(refusal), lookup) => {
                tx.needs_room(self.min_free_space)?;
                self.reject(tx, &lookup, lock, refusal).map(Ok)
            }
            (Verdict::Store | Verdict::Unchanged, lookup) => {
                tx.needs_room(self.min_free_space)?;
                self.store(tx, &lookup, lock.as_ref())
                    .map(|version| Ok(Written::Stored(version)))
            }
        }
    }

    /// Keeps what its key may not write, unless it is there already: an apply may have made what it
    /// says.
    fn keep_denied(
        &self,
        tx: &Tx<'_>,
        lookup: &Lookup,
    ) -> Result<Result<Written, NotWritten>, StoreError> {
        if lookup.gone().is_some()
            || lookup
                .live()
                .is_some_and(|current| current.sha256 == self.prepared.sha256)
        {
            return Ok(Err(NotWritten::Denied));
        }
        tx.needs_room(self.min_free_space)?;
        self.reject(
            tx,
            lookup,
            None,
            Refusal {
                rejection: Rejection::Forbidden,
                why: "its key may not write here",
            },
        )
        .map(Ok)
    }

    fn state(&self, tx: &Tx<'_>, lookup: &Lookup) -> Result<StateId, StoreError> {
        match lookup {
            Lookup::State { id, .. } => Ok(*id),
            Lookup::Free | Lookup::Moved(_) => tx.make_state(&self.name, tx.now()),
        }
    }

    fn new_version(&self, tx: &Tx<'_>, kind: VersionKind, lock: Option<&HeldLock>) -> NewVersion {
        NewVersion {
            sha256: self.prepared.sha256,
            size: self.prepared.size,
            head: self.prepared.head.clone(),
            kind,
            from_version: None,
            created_at: tx.now(),
            created_by: self.caller.actor.clone(),
            address: self.caller.origin.address.clone(),
            lock: lock.map(HeldLock::note),
        }
    }

    fn store(
        &self,
        tx: &Tx<'_>,
        lookup: &Lookup,
        lock: Option<&HeldLock>,
    ) -> Result<Version, StoreError> {
        let state = self.state(tx, lookup)?;
        let snapshot = snapshot_before(tx, lookup, lock)?;
        let version = tx.append(
            state,
            &self.new_version(tx, VersionKind::Write, lock),
            &self.prepared.blob,
        )?;
        if let Some(snapshot) = snapshot {
            tx.mark_intermediate(state, snapshot)?;
        }
        // The holder of a broken lock may go on writing until somebody else does.
        if self.lock_id.is_none() {
            tx.forget_broken_lock(&self.name)?;
        }
        tx.clear_stale_writer(
            &self.name,
            &self.caller.actor.id,
            &self.caller.origin.address,
        )?;
        let event = NewEvent::new(EventKind::StateWrite, &self.caller, tx.now())
            .on(&self.name)
            .version(version.number);
        let event = event
            .attention(lock.is_none() && self.drops_resources(lookup))
            .detail(self.said_of_it());
        tx.record(&NewEvent {
            lock_id: self.lock_id.clone(),
            ..event
        })?;
        Ok(version)
    }

    /// What the event says beside the lock; as short as can be, for there is one for each version.
    fn said_of_it(&self) -> serde_json::Value {
        let mut said = serde_json::json!({ "serial": self.prepared.head.serial, "resources": self.prepared.head.resources });
        if self.force {
            said["forced"] = true.into();
        }
        said
    }

    /// Without locks, the later of two first applies may send the very state that the earlier one
    /// wrote, and never its own: what it made is then in no state at all, and only a person can
    /// find it. A client that re-sends its own write is nothing to look at.
    fn flag_repeated_bytes(&self, tx: &Tx<'_>, current: &Version) -> Result<(), StoreError> {
        if self.lock_id.is_some() || current.created_by == self.caller.actor {
            return Ok(());
        }
        let event = NewEvent::new(EventKind::StateWrite, &self.caller, tx.now())
            .on(&self.name)
            .version(current.number)
            .attention(true);
        tx.record(
            &event.detail(serde_json::json!({ "serial": current.head.serial, "unchanged": true })),
        )
    }

    /// Whether resources of the version that this replaces are not in it. In doubt a person should
    /// look.
    fn drops_resources(&self, lookup: &Lookup) -> bool {
        let Some(live) = lookup.live() else {
            return false;
        };
        match &self.compared {
            Some(Compared {
                with,
                drops: Some(drops),
            }) if *with == live.sha256 => *drops,
            Some(Compared { with, drops: None }) if *with == live.sha256 => {
                self.has_fewer_resources(live)
            }
            // Another writer without a lock came in between.
            _ if self.lock_id.is_none() => true,
            _ => self.has_fewer_resources(live),
        }
    }

    fn has_fewer_resources(&self, live: &Version) -> bool {
        live.head
            .resources
            .zip(self.prepared.head.resources)
            .is_some_and(|(before, after)| after < before)
    }

    /// Keeps a valid state that is refused: it may be the only record of what an apply did.
    fn reject(
        &self,
        tx: &Tx<'_>,
        lookup: &Lookup,
        lock: Option<HeldLock>,
        refusal: Refusal,
    ) -> Result<Written, StoreError> {
        let rejection = refusal.rejection;
        let state = self.state(tx, lookup)?;
        let number = match tx.rejected_with(state, self.prepared.sha256)? {
            Some(number) => number,
            None => self.keep(tx, state, rejection)?,
        };
        if rejection == Rejection::StaleWrite {
            tx.mark_stale_writer(
                &self.name,
                &self.caller.actor.id,
                &self.caller.origin.address,
                tx.now(),
            )?;
        }
        let Some(held) = lock else {
            return Ok(Written::Refused(refusal, number));
        };
        tx.note_refusal(
            &self.name,
            &RefusedAttempt::by(&self.caller, tx.now(), self.lock_id.as_deref(), None),
        )?;
        Ok(Written::Locked(held.lock, number))
    }

    fn keep(&self, tx: &Tx<'_>, state: StateId, rejection: Rejection) -> Result<u64, StoreError> {
        let number = tx
            .append_rejected(
                state,
                &self.new_version(tx, VersionKind::Rejected(rejection), None),
                &self.prepared.blob,
            )?
            .number;
        tx.trim_rejected(state, MAX_REJECTED, MAX_REJECTED_BYTES)?;
        let event = NewEvent::new(EventKind::StateWriteRejected, &self.caller, tx.now())
            .on(&self.name)
            .version(number)
            .attention(true);
        let event = event.detail(
            serde_json::json!({ "code": rejection.code(), "serial": self.prepared.head.serial }),
        );
        tx.record(&NewEvent {
            lock_id: self.lock_id.clone(),
            ..event
        })?;
        Ok(number)
    }
}

/// The write of the same apply that the next one under its lock makes a snapshot: nearly always the
/// current version. Where the state was deleted, rolled back or restored under the lock in between,
/// it is one of the newest.
fn snapshot_before(
    tx: &Tx<'_>,
    lookup: &Lookup,
    lock: Option<&HeldLock>,
) -> Result<Option<u64>, StoreError> {
    let (
        Some(held),
        Lookup::State {
            id,
            current: Some(current),
            visibility,
        },
    ) = (lock, lookup)
    else {
        return Ok(None);
    };
    if current.kind == VersionKind::Write && *visibility == Visibility::Live {
        return Ok(held.last_write(Some(current)).map(|(number, _)| number));
    }
    tx.last_write_under(*id, &held.lock.id, held.locked_at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::engine::budget::Budget;
    use crate::model::actor::Origin;
    use crate::model::name::StateName;

    #[test]
    fn what_a_write_is_compared_with_counts_as_work() {
        let budget = Budget::new(100 * MIB);
        let reserved = |bytes| budget.for_copy(bytes).unwrap();
        let write = |before: Option<Before>| Unprepared {
            name: StateName::parse("w", "b").unwrap(),
            caller: Caller::operator(Origin {
                address: String::new(),
                request_id: String::new(),
            }),
            body: Arc::new(Body::new(vec![b' '; 100], None)),
            reservation: reserved(100),
            lock_id: None,
            force: false,
            is_denied: false,
            before,
            unlocked_writes: UnlockedWrites::Guard,
            max_nesting: 10,
            min_free_space: 0,
        };
        let before = |bytes| {
            Some(Before {
                sha256: Digest::of(b""),
                bytes,
            })
        };
        let large = LeasedBytes::new(vec![b' '; 26_000_000], reserved(26_000_000));
        assert_eq!(write(None).work(), 100);
        assert_eq!(
            write(before(None)).work(),
            100,
            "only the numbers of resources are compared"
        );
        assert_eq!(write(before(Some((large, reserved(1))))).work(), 26_000_100);
    }
}
