//! One import in its transaction.

use crate::domain::access::{Acted, lock_in_the_way, stale_lock};
use crate::domain::content::encode::{self, Prepared};
use crate::domain::engine::budget::Reservation;
use crate::domain::error::Error;
use crate::domain::history::import::request::{
    ImportOnto, ImportPermit, ImportRequest, ImportTerms,
};
use crate::domain::history::import::rules::{Arriving, Destination};
use crate::domain::quotas;
use crate::domain::states::append::{Appended, append_rejected, appended, mend};
use crate::model::caller::LiveCaller;
use crate::model::clock::Timestamp;
use crate::model::error_code::ErrorCode;
use crate::model::event::{EventKind, NewEvent};
use crate::model::state::{Gone, Lookup, StateId, Visibility};
use crate::model::version::{NewVersion, Version, VersionFilter, VersionKind};
use crate::store::{StoreError, Tx};

/// Everything that one import needs in its transaction. It may run more than once.
pub(super) struct ImportJob {
    permit: ImportPermit,
    prepared: Prepared,
    terms: ImportTerms,
    /// When the version was written, if the operator says so.
    written: Option<Timestamp>,
    /// For the frame, for as long as the job waits; its caller may have gone away.
    _reservation: Reservation,
}

impl ImportJob {
    /// Does all that needs no database. Takes a core for a while.
    pub(super) fn prepare(
        request: ImportRequest,
        written: Option<Timestamp>,
    ) -> Result<Self, Error> {
        let ImportRequest {
            permit,
            bytes,
            mut reservation,
            content_md5,
            sha256,
            created_at: _,
            terms,
        } = request;
        let max_nesting = permit.limits.max_nesting;
        let prepared = encode::prepare(&bytes, content_md5.as_deref(), max_nesting)?;
        if sha256.is_some_and(|expected| expected != prepared.sha256.to_string()) {
            let detail = "the body is not the one that its sha256 belongs to; it was changed or \
                cut on the way, send it again";
            return Err(Error::invalid(ErrorCode::Sha256Mismatch, detail));
        }
        drop(bytes);
        reservation.keep_only(prepared.blob.frame.len() as u64);
        Ok(Self {
            permit,
            prepared,
            terms,
            written,
            _reservation: reservation,
        })
    }

    /// About how many bytes it adds to the database.
    pub(super) fn size(&self) -> usize {
        self.prepared.blob.frame.len()
    }

    const fn arriving(&self) -> Arriving<'_> {
        Arriving {
            terms: &self.terms,
            deleted: self.permit.deleted,
            sha256: self.prepared.sha256,
            head: &self.prepared.head,
            actor: &self.permit.caller.actor,
        }
    }

    /// The inner error is why nothing is imported.
    pub(super) fn run(&self, tx: &Tx<'_>, by: LiveCaller<'_>) -> Acted<Version> {
        let lookup = tx.lookup(&self.permit.name)?;
        let comes_back = match lookup.gone() {
            None => false,
            Some(Gone::Transferred(_))
                if matches!(
                    self.terms.onto,
                    ImportOnto::Current | ImportOnto::NothingLive
                ) && self.terms.rejected.is_none() =>
            {
                true
            }
            Some(gone) => return Ok(Err(Error::gone(&self.permit.name, gone))),
        };
        let newest = lookup.id().map(|id| newest(tx, id)).transpose()?.flatten();
        if !comes_back
            && let Some(version) = self.arriving().stored_before(&lookup, newest.as_ref())
            && let Some(state) = lookup.id()
        {
            let Prepared { sha256, blob, .. } = &self.prepared;
            mend(tx, (state, version.number), *sha256, blob)?;
            return Ok(Ok(version.clone()));
        }
        if let Some(lock) =
            lock_in_the_way(tx, &by, &self.permit.name, self.terms.lock_id.as_deref())?
        {
            return Ok(Err(Error::locked(lock)));
        }
        if let Some(why) = stale_lock(tx, &self.permit.name, self.terms.lock_id.as_deref())? {
            return Ok(Err(why));
        }
        let (last_number, is_hidden_by_import) = lookup.id().map_or(Ok((0, false)), |id| {
            Ok::<_, StoreError>((tx.last_number(id)?, tx.is_hidden_by_import(id)?))
        })?;
        let found = Destination {
            lookup: &lookup,
            newest: newest.as_ref(),
            last_number,
            is_hidden_by_import,
        };
        if let Err(why) = self.arriving().judge(&found) {
            return Ok(Err(Error::NotImported(self.permit.name.clone(), why)));
        }
        tx.needs_room(self.permit.limits.min_free_space)?;
        let size = self.size();
        let adds = if self.terms.rejected.is_some() {
            quotas::of_rejected(size)
        } else {
            // One that is left deleted is no state more.
            let is_none_more = lookup.live().is_some() || self.permit.deleted;
            quotas::of_version(is_none_more, size)
        };
        if let Err(why) = quotas::judge(tx, &self.permit.name, adds)? {
            return Ok(Err(why));
        }
        self.append(tx, by, &lookup).map(Ok)
    }

    fn append(
        &self,
        tx: &Tx<'_>,
        by: LiveCaller<'_>,
        lookup: &Lookup,
    ) -> Result<Version, StoreError> {
        let state = lookup
            .id()
            .map_or_else(|| tx.make_state(&self.permit.name, self.written(tx)), Ok)?;
        if let Some(number) = self.terms.number {
            tx.number_from(state, number)?;
        }
        let mut version = self.append_version(tx, state)?;
        if let Some(serial) = self.terms.removed_serial {
            tx.note_removed_serial(state, &self.prepared.head.lineage, serial)?;
        }
        let head = &version.head;
        let detail = serde_json::json!({ "serial": head.serial, "resources": head.resources });
        let event = self.event(
            NewEvent::new(EventKind::StateImport, by, tx.now()),
            version.number,
        );
        let append = Appended {
            name: &self.permit.name,
            state,
            snapshot: self.terms.intermediate.then_some(version.number),
            // A rejected version beside the current one changes nothing for the holder of a lock
            // that was broken.
            ends_broken_lock: self.terms.rejected.is_none() || self.permit.deleted,
            seen_by: None,
            event: event.attention(false).detail(detail),
        };
        appended(tx, &append)?;
        // Nothing has replaced the current version yet.
        version.intermediate = self.terms.intermediate && !version.current;
        if let Lookup::State {
            visibility: Visibility::Transferred(to),
            ..
        } = lookup
        {
            let event = NewEvent::new(EventKind::StateRestore, by, tx.now());
            let event = self.event(event, version.number);
            tx.record(&event.detail(serde_json::json!({ "transferred_to": to })))?;
        }
        if self.permit.deleted {
            self.hide(tx, by, state, &mut version)?;
        }
        Ok(version)
    }

    fn append_version(&self, tx: &Tx<'_>, state: StateId) -> Result<Version, StoreError> {
        let blob = &self.prepared.blob;
        match self.terms.rejected {
            Some(rejection) => {
                let new = self.new_version(tx, VersionKind::Rejected(rejection));
                append_rejected(tx, (state, rejection), &new, blob)
            }
            None => tx.append(state, &self.new_version(tx, VersionKind::Import), blob),
        }
    }

    fn event(&self, event: NewEvent, version: u64) -> NewEvent {
        event.on(&self.permit.name).version(version)
    }

    fn hide(
        &self,
        tx: &Tx<'_>,
        by: LiveCaller<'_>,
        state: StateId,
        version: &mut Version,
    ) -> Result<(), StoreError> {
        tx.hide_as_imported(state, version.number, tx.now())?;
        version.current = false;
        let event = NewEvent::new(EventKind::StateDelete, by, tx.now());
        tx.record(&self.event(event, version.number))
    }

    /// Nothing was written later than now.
    fn written(&self, tx: &Tx<'_>) -> Timestamp {
        self.written.map_or(tx.now(), |at| at.min(tx.now()))
    }

    fn new_version(&self, tx: &Tx<'_>, kind: VersionKind) -> NewVersion {
        NewVersion {
            sha256: self.prepared.sha256,
            size: self.prepared.size,
            head: self.prepared.head.clone(),
            kind,
            from_version: None,
            created_at: self.written(tx),
            created_by: self.permit.caller.actor.clone(),
            address: self.permit.caller.origin.address.clone(),
            lock: None,
        }
    }
}

/// The newest version of a state. A damaged row may be the newest one, so nothing is told past it.
fn newest(tx: &Tx<'_>, state: StateId) -> Result<Option<Version>, StoreError> {
    let filter = VersionFilter {
        limit: 1,
        ..VersionFilter::default()
    };
    let page = tx.versions(state, &filter)?;
    match page.damaged.into_iter().next() {
        Some(row) => Err(StoreError::BadRow(row.detail)),
        None => Ok(page.rows.into_iter().next()),
    }
}
