//! Versions that come from elsewhere: appended one by one in their order, each with its bytes as
//! they were, and each on disk before it is answered.
//!
//! What is there is never overwritten. An import begins where nothing ever was, and goes on behind
//! what the same caller imported; to a state that lives already it adds only along one lineage,
//! with rising serials, and so does one that has left for a storage elsewhere come back. Nobody
//! else is named as the writer: whoever imports is. "It is there already" is said only where it is
//! there as this import would leave it: what was refused is not.

use std::sync::Arc;

use crate::domain::access::authorize;
use crate::domain::access::authorize_everywhere;
use crate::domain::access::lock_in_the_way;
use crate::domain::content::encode as encoding;
use crate::domain::content::encode::Prepared;
use crate::domain::engine::budget::Reservation;
use crate::domain::engine::budget::Reserved;
use crate::domain::error::Error;
use crate::domain::history::History;
use crate::domain::history::VersionFilter;
use crate::domain::states::write::MAX_REJECTED;
use crate::domain::states::write::MAX_REJECTED_BYTES;
use crate::model::caller::Caller;
use crate::model::clock::{self, Timestamp};
use crate::model::error_code::ErrorCode;
use crate::model::event::{EventKind, NewEvent};
use crate::model::lock::Lock;
use crate::model::name::StateName;
use crate::model::permission::Permission;
use crate::model::state::{Gone, Lookup, StateId, Visibility};
use crate::model::version::NewVersion;
use crate::model::version::{Kind, Rejection, Version};
use crate::store::{StoreError, Tx};

/// The highest number that an imported version may have: no history is so long, and there is room
/// for more behind it.
pub const MAX_IMPORTED_NUMBER: u64 = 1 << 40;

/// What an imported version may follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Onto {
    /// Nothing: the address was never used.
    Nothing,
    /// The version of this number, the newest of the state. The same caller imported it, and
    /// imported the current one.
    Imported(u64),
    /// Whatever is there as long as it does not live: the state arrives from a storage elsewhere,
    /// under whatever lineage that gave it.
    NothingLive,
    /// The current version, whoever wrote it: of the same lineage, with a lower serial. A state
    /// that has left for a storage elsewhere comes back by that, also with the bytes with which it
    /// left.
    Current,
}

/// A version as it is to be imported.
pub struct Import {
    /// The exact bytes.
    pub bytes: Vec<u8>,
    /// The memory that they are in.
    pub reservation: Reservation,
    /// The client's `Content-MD5`.
    pub content_md5: Option<String>,
    /// The SHA-256 that they have to have, in lower-case hex.
    pub sha256: Option<String>,
    /// What it follows.
    pub onto: Onto,
    /// The number that it had; the next one where it had none.
    pub number: Option<u64>,
    /// The highest serial that versions of its lineage had which do not come along: a rollback's
    /// serial lies above it too.
    pub removed_serial: Option<u64>,
    /// When it was written; counts only where the caller operates the server.
    pub created_at: Option<Timestamp>,
    /// Why it was rejected, if it was: it does not become current.
    pub rejected: Option<Rejection>,
    /// Whether it is a snapshot of an apply that went on.
    pub intermediate: bool,
    /// Whether the state is deleted with this version as its last.
    pub deleted: bool,
    /// The caller's own lock, if the state is locked.
    pub lock_id: Option<String>,
}

/// Why a version is not imported; nothing is changed then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NoImport {
    StateExists,
    NotImportedSoFar,
    Deleted,
    OtherLineage,
    SerialNotAbove,
    NumberTaken,
}

impl NoImport {
    fn into_error(self, name: &StateName) -> Error {
        let (code, why) = match self {
            Self::StateExists => (
                ErrorCode::StateExists,
                "there is or was a state already; import to another address, or add to it with \
                    append=true",
            ),
            Self::NotImportedSoFar => (
                ErrorCode::NotImportedSoFar,
                "its newest version is not the one that `after` names, or that one or the current \
                    one was not imported by this key; look at its /versions",
            ),
            Self::Deleted => (
                ErrorCode::StateDeleted,
                "it is deleted; restore it first, or import to another address",
            ),
            Self::OtherLineage => (
                ErrorCode::OtherLineage,
                "its current version has another lineage, so this is another state; import to \
                    another address",
            ),
            Self::SerialNotAbove => (
                ErrorCode::SerialNotAbove,
                "the serial is not above that of its current version, so this is older or from \
                    another run",
            ),
            Self::NumberTaken => (
                ErrorCode::NumberTaken,
                "the number is not above all that its versions ever had; import without a number",
            ),
        };
        Error::Conflict {
            code,
            detail: format!("nothing was imported to {name}: {why}"),
        }
    }
}

/// The bytes come with the memory that they are in.
impl Reserved for Import {}

enum Outcome {
    Done(Box<Version>),
    Gone(Gone),
    Locked(Lock),
    Refused(NoImport),
}

impl History<'_> {
    /// Says whether a caller may import here at all, before a body is read.
    pub fn may_import(
        &self,
        caller: &Caller,
        name: &StateName,
        deleted: bool,
    ) -> Result<(), Error> {
        authorize(caller, Permission::Save, name)?;
        if deleted {
            authorize(caller, Permission::Delete, name)
        } else {
            Ok(())
        }
    }

    /// Imports one version, or says why not. Answers when it is on disk. The same one sent again is
    /// answered in the same way and not stored twice.
    pub async fn import(
        &self,
        caller: &Caller,
        name: &StateName,
        import: Import,
    ) -> Result<Version, Error> {
        self.may_import(caller, name, import.deleted)?;
        self.0.states().check_size(import.bytes.len() as u64)?;
        if import
            .number
            .is_some_and(|number| number == 0 || number > MAX_IMPORTED_NUMBER)
        {
            return Err(Error::invalid(
                ErrorCode::BadQuery,
                format!("number is from 1 to {MAX_IMPORTED_NUMBER}"),
            ));
        }
        let now = clock::now();
        // Nobody else can say when something was written here; and nothing was written later than
        // now, whatever another clock said.
        let keeps_times = authorize_everywhere(caller, Permission::Operate).is_ok();
        let when = When {
            written: import
                .created_at
                .filter(|_| keeps_times)
                .map_or(now, |at| at.min(now)),
            now,
        };
        let (max_nesting, min_free_space) =
            (self.0.limits.max_nesting, self.0.limits.min_free_space);
        let (who, wanted) = (caller.clone(), name.clone());
        let job = self
            .0
            .on_a_core(import, move |import| {
                Job::prepare(import, wanted, who, when, max_nesting)
            })
            .await??;
        let (compaction, wanted) = (Arc::clone(&self.0.compaction), name.clone());
        let remember = move |outcome: &Result<Outcome, StoreError>| {
            if matches!(outcome, Ok(Outcome::Done(_))) {
                compaction.remember(&wanted);
            }
        };
        let outcome = self
            .0
            .store
            .write_then(
                job.prepared.blob.frame.len(),
                move |tx| job.run(tx, min_free_space),
                remember,
            )
            .await?;
        match outcome {
            Outcome::Done(version) => {
                self.0.metrics.writes.with_label_values(&["imported"]).inc();
                Ok(*version)
            }
            Outcome::Gone(left) => Err(Error::gone(name, left)),
            Outcome::Locked(lock) => Err(Error::Locked(Box::new(lock))),
            Outcome::Refused(why) => Err(why.into_error(name)),
        }
    }
}

/// The two times of an import.
#[derive(Clone, Copy)]
struct When {
    /// When the version was written, as far as that is known.
    written: Timestamp,
    now: Timestamp,
}

/// What an import finds at its address.
#[derive(Clone, Copy)]
struct Found<'a> {
    lookup: &'a Lookup,
    newest: Option<&'a Version>,
    last_number: u64,
    /// Whether nobody but an import hid the state.
    is_hidden_by_import: bool,
}

/// Everything that one import needs in its transaction. It may run more than once.
struct Job {
    name: StateName,
    caller: Caller,
    prepared: Prepared,
    onto: Onto,
    number: Option<u64>,
    removed_serial: Option<u64>,
    rejected: Option<Rejection>,
    intermediate: bool,
    deleted: bool,
    lock_id: Option<String>,
    when: When,
    // For the frame, for as long as the job waits; whoever asked for it may be gone.
    _reservation: Reservation,
}

impl Job {
    /// Does all that needs no database. Takes a core for a while.
    fn prepare(
        import: Import,
        name: StateName,
        caller: Caller,
        when: When,
        max_nesting: usize,
    ) -> Result<Self, Error> {
        let Import {
            bytes,
            mut reservation,
            content_md5,
            sha256,
            onto,
            number,
            removed_serial,
            rejected,
            intermediate,
            deleted,
            lock_id,
            created_at: _,
        } = import;
        let prepared = encoding::prepare(&bytes, content_md5.as_deref(), max_nesting)?;
        if sha256.is_some_and(|expected| expected != prepared.sha256.to_string()) {
            let detail = "the body is not the one that its sha256 belongs to; it was changed or \
                cut on the way, send it again";
            return Err(Error::invalid(ErrorCode::Sha256Mismatch, detail));
        }
        drop(bytes);
        reservation.keep_only(prepared.blob.frame.len() as u64);
        Ok(Self {
            name,
            caller,
            prepared,
            onto,
            number,
            removed_serial,
            rejected,
            intermediate,
            deleted,
            lock_id,
            when,
            _reservation: reservation,
        })
    }

    fn run(&self, tx: &Tx<'_>, min_free_space: u64) -> Result<Outcome, StoreError> {
        let lookup = tx.lookup(&self.name)?;
        let comes_back = match lookup.gone() {
            None => false,
            Some(Gone::Transferred(_))
                if matches!(self.onto, Onto::Current | Onto::NothingLive)
                    && self.rejected.is_none() =>
            {
                true
            }
            Some(left) => return Ok(Outcome::Gone(left)),
        };
        let filter = VersionFilter {
            limit: 1,
            ..VersionFilter::default()
        };
        let newest = lookup
            .id()
            .map(|id| tx.versions(id, &filter))
            .transpose()?
            .and_then(|mut versions| versions.pop());
        if !comes_back && let Some(version) = self.stored_before(&lookup, newest.as_ref()) {
            return Ok(Outcome::Done(Box::new(version.clone())));
        }
        if let Some(lock) = lock_in_the_way(
            tx,
            &self.caller,
            &self.name,
            self.lock_id.as_deref(),
            self.when.now,
        )? {
            return Ok(Outcome::Locked(lock));
        }
        let (last_number, is_hidden_by_import) = lookup.id().map_or(Ok((0, false)), |id| {
            Ok::<_, StoreError>((tx.last_number(id)?, tx.is_hidden_by_import(id)?))
        })?;
        let found = Found {
            lookup: &lookup,
            newest: newest.as_ref(),
            last_number,
            is_hidden_by_import,
        };
        if let Err(why) = self.judge(&found) {
            return Ok(Outcome::Refused(why));
        }
        tx.needs_room(min_free_space)?;
        self.append(tx, &lookup)
            .map(|version| Outcome::Done(Box::new(version)))
    }

    /// The version that this very import has made, where it is sent again after a lost answer: the
    /// state has to be as this import leaves it.
    fn stored_before<'v>(
        &self,
        lookup: &'v Lookup,
        newest: Option<&'v Version>,
    ) -> Option<&'v Version> {
        let Lookup::State {
            current,
            visibility,
            ..
        } = lookup
        else {
            return None;
        };
        let (kind, made, is_as_it_leaves) = match self.rejected {
            Some(rejection) => (
                Kind::Rejected(rejection),
                newest,
                !self.deleted || *visibility == Visibility::Deleted,
            ),
            // All that lies above the current version was refused.
            None => (
                Kind::Import,
                current.as_deref(),
                *visibility
                    == if self.deleted {
                        Visibility::Deleted
                    } else {
                        Visibility::Live
                    },
            ),
        };
        let follows =
            |made: &Version| !matches!(self.onto, Onto::Imported(number) if made.number <= number);
        made.filter(|made| {
            let is_the_same = made.sha256 == self.prepared.sha256
                && self.number.is_none_or(|number| number == made.number);
            is_as_it_leaves
                && is_the_same
                && follows(made)
                && made.kind == kind
                && made.created_by == self.caller.actor
        })
    }

    /// Whether the caller brought a version here, so that another one may follow it.
    fn has_brought(&self, version: &Version) -> bool {
        matches!(version.kind, Kind::Import | Kind::Rejected(_))
            && version.created_by == self.caller.actor
    }

    fn judge(&self, found: &Found<'_>) -> Result<(), NoImport> {
        let Found {
            lookup,
            newest,
            last_number,
            is_hidden_by_import,
        } = *found;
        match (self.onto, lookup) {
            (Onto::Nothing | Onto::NothingLive, Lookup::Free)
            | (Onto::Current, Lookup::Free | Lookup::Moved(_)) => {}
            (Onto::NothingLive, lookup) if lookup.live().is_none() => {}
            (Onto::Nothing | Onto::NothingLive, _) => return Err(NoImport::StateExists),
            (Onto::Imported(number), lookup) => {
                newest
                    .filter(|newest| newest.number == number && self.has_brought(newest))
                    .ok_or(NoImport::NotImportedSoFar)?;
                let Lookup::State {
                    current,
                    visibility,
                    ..
                } = lookup
                else {
                    return Err(NoImport::NotImportedSoFar);
                };
                // A refused write of one's own may be the newest, and somebody else's version the
                // one that clients get.
                if current.as_ref().is_some_and(|current| {
                    current.kind != Kind::Import || current.created_by != self.caller.actor
                }) {
                    return Err(NoImport::NotImportedSoFar);
                }
                if *visibility == Visibility::Deleted && !is_hidden_by_import {
                    return Err(NoImport::Deleted);
                }
            }
            (
                Onto::Current,
                Lookup::State {
                    visibility: Visibility::Deleted,
                    ..
                },
            ) => return Err(NoImport::Deleted),
            // It comes back as it left.
            (
                Onto::Current,
                Lookup::State {
                    visibility: Visibility::Transferred(_),
                    current: Some(last),
                    ..
                },
            ) if last.sha256 == self.prepared.sha256 => {}
            (Onto::Current, Lookup::State { current, .. }) => self.follows(current.as_deref())?,
        }
        if self.number.is_some_and(|number| number <= last_number) {
            Err(NoImport::NumberTaken)
        } else {
            Ok(())
        }
    }

    fn follows(&self, current: Option<&Version>) -> Result<(), NoImport> {
        let head = &self.prepared.head;
        // What does not become current overwrites nothing.
        let Some(current) = current.filter(|_| self.rejected.is_none()) else {
            return Ok(());
        };
        if current.head.lineage != head.lineage {
            return Err(NoImport::OtherLineage);
        }
        if head.serial > current.head.serial {
            Ok(())
        } else {
            Err(NoImport::SerialNotAbove)
        }
    }

    fn append(&self, tx: &Tx<'_>, lookup: &Lookup) -> Result<Version, StoreError> {
        let state = lookup
            .id()
            .map_or_else(|| tx.make_state(&self.name, self.when.written), Ok)?;
        if let Some(number) = self.number {
            tx.number_from(state, number)?;
        }
        let mut version = match self.rejected {
            Some(rejection) => {
                let version = tx.append_rejected(
                    state,
                    &self.new_version(Kind::Rejected(rejection)),
                    &self.prepared.blob,
                )?;
                tx.trim_rejected(state, MAX_REJECTED, MAX_REJECTED_BYTES)?;
                version
            }
            None => tx.append(state, &self.new_version(Kind::Import), &self.prepared.blob)?,
        };
        if self.intermediate {
            tx.mark_intermediate(state, version.number)?;
            // Nothing has replaced the current version yet.
            version.intermediate = !version.current;
        }
        if let Some(serial) = self.removed_serial {
            tx.note_removed_serial(state, &self.prepared.head.lineage, serial)?;
        }
        // What is kept beside the current version changes nothing for whoever held a lock that was
        // broken.
        if self.rejected.is_none() || self.deleted {
            tx.forget_broken_lock(&self.name)?;
        }
        let event = NewEvent::new(EventKind::StateImport, &self.caller, self.when.now)
            .on(&self.name)
            .version(version.number);
        let detail = serde_json::json!({ "serial": version.head.serial, "resources": version.head.resources });
        tx.record(&event.attention(false).detail(detail))?;
        if let Lookup::State {
            visibility: Visibility::Transferred(to),
            ..
        } = lookup
        {
            let event = NewEvent::new(EventKind::StateRestore, &self.caller, self.when.now)
                .on(&self.name)
                .version(version.number);
            tx.record(&event.detail(serde_json::json!({ "transferred_to": to })))?;
        }
        if self.deleted {
            self.hide(tx, state, &mut version)?;
        }
        Ok(version)
    }

    fn hide(&self, tx: &Tx<'_>, state: StateId, version: &mut Version) -> Result<(), StoreError> {
        tx.hide_as_imported(state, version.number, self.when.now)?;
        version.current = false;
        tx.record(
            &NewEvent::new(EventKind::StateDelete, &self.caller, self.when.now)
                .on(&self.name)
                .version(version.number),
        )
    }

    fn new_version(&self, kind: Kind) -> NewVersion {
        NewVersion {
            sha256: self.prepared.sha256,
            size: self.prepared.size,
            head: self.prepared.head.clone(),
            kind,
            from_version: None,
            created_at: self.when.written,
            created_by: self.caller.actor.clone(),
            address: self.caller.origin.address.clone(),
            lock: None,
        }
    }
}
