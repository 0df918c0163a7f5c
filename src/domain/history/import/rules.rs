//! The rules by which an import is judged; pure.

use crate::domain::error::refusals::NotImported;
use crate::domain::history::import::request::{ImportOnto, ImportTerms};
use crate::model::actor::Actor;
use crate::model::digest::Digest;
use crate::model::state::{Lookup, Visibility};
use crate::model::terraform::tfstate::StateHead;
use crate::model::version::{Version, VersionKind};

/// An import that is to be judged.
pub(super) struct Arriving<'a> {
    pub(super) terms: &'a ImportTerms,
    /// Whether the state is to be left deleted.
    pub(super) deleted: bool,
    pub(super) sha256: Digest,
    pub(super) head: &'a StateHead,
    /// Who imports.
    pub(super) actor: &'a Actor,
}

/// The address as the import finds it.
#[derive(Clone, Copy)]
pub(super) struct Destination<'a> {
    pub(super) lookup: &'a Lookup,
    pub(super) newest: Option<&'a Version>,
    pub(super) last_number: u64,
    /// Whether an import hid the state, and nobody else.
    pub(super) is_hidden_by_import: bool,
}

impl Arriving<'_> {
    /// The version that this very import has made, where it is sent again after a lost answer: the
    /// state has to be as this import leaves it.
    pub(super) fn stored_before<'v>(
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
        let is_deleted = *visibility == Visibility::Deleted;
        let (kind, made, is_as_it_leaves) = match self.terms.rejected {
            Some(rejection) => (
                VersionKind::Rejected(rejection),
                newest,
                is_deleted || !self.deleted,
            ),
            // All that lies above the current version was refused.
            None if self.deleted => (VersionKind::Import, current.as_deref(), is_deleted),
            None => {
                let is_live = *visibility == Visibility::Live;
                (VersionKind::Import, current.as_deref(), is_live)
            }
        };
        made.filter(|made| is_as_it_leaves && made.kind == kind && self.is(made))
    }

    /// Whether a version is the one that this import makes.
    fn is(&self, made: &Version) -> bool {
        let follows = match self.terms.onto {
            ImportOnto::Imported(number) => made.number > number,
            ImportOnto::Nothing | ImportOnto::NothingLive | ImportOnto::Current => true,
        };
        follows
            && made.sha256 == self.sha256
            && self.terms.number.is_none_or(|number| number == made.number)
            && made.created_by == *self.actor
    }

    /// Whether the caller brought a version here, so that another one may follow it.
    fn has_brought(&self, version: &Version) -> bool {
        matches!(version.kind, VersionKind::Import | VersionKind::Rejected(_))
            && version.created_by == *self.actor
    }

    pub(super) fn judge(&self, found: &Destination<'_>) -> Result<(), NotImported> {
        match (self.terms.onto, found.lookup) {
            (ImportOnto::Nothing | ImportOnto::NothingLive, Lookup::Free)
            | (ImportOnto::Current, Lookup::Free | Lookup::Moved(_)) => {}
            (ImportOnto::NothingLive, lookup) if lookup.live().is_none() => {}
            (ImportOnto::Nothing | ImportOnto::NothingLive, _) => {
                return Err(NotImported::StateExists);
            }
            (ImportOnto::Imported(number), _) => self.goes_on(found, number)?,
            (
                ImportOnto::Current,
                Lookup::State {
                    current,
                    visibility,
                    ..
                },
            ) => self.replaces(current.as_deref(), visibility)?,
        }
        match self.terms.number {
            Some(number) if number <= found.last_number => Err(NotImported::NumberTaken),
            Some(_) | None => Ok(()),
        }
    }

    /// It goes on with an import of the same caller, whose newest version has this number.
    fn goes_on(&self, found: &Destination<'_>, number: u64) -> Result<(), NotImported> {
        let newest = found.newest.filter(|newest| newest.number == number);
        let Lookup::State {
            current,
            visibility,
            ..
        } = found.lookup
        else {
            return Err(NotImported::NotImportedSoFar);
        };
        // A refused write of one's own may be the newest, and another caller's version the one that
        // clients get.
        let is_anothers = |current: &Version| {
            current.kind != VersionKind::Import || current.created_by != *self.actor
        };
        if !newest.is_some_and(|newest| self.has_brought(newest))
            || current.as_deref().is_some_and(is_anothers)
        {
            return Err(NotImported::NotImportedSoFar);
        }
        if *visibility == Visibility::Deleted && !found.is_hidden_by_import {
            return Err(NotImported::Deleted);
        }
        Ok(())
    }

    /// It replaces the version that is current, or was when the state left.
    fn replaces(
        &self,
        current: Option<&Version>,
        visibility: &Visibility,
    ) -> Result<(), NotImported> {
        match (visibility, current) {
            (Visibility::Deleted, _) => Err(NotImported::Deleted),
            // It comes back as it left.
            (Visibility::Transferred(_), Some(last)) if last.sha256 == self.sha256 => Ok(()),
            (Visibility::Transferred(_) | Visibility::Live, current) => self.follows(current),
        }
    }

    fn follows(&self, current: Option<&Version>) -> Result<(), NotImported> {
        let head = self.head;
        // What does not become current overwrites nothing.
        let Some(current) = current.filter(|_| self.terms.rejected.is_none()) else {
            return Ok(());
        };
        if current.head.lineage != head.lineage {
            return Err(NotImported::OtherLineage);
        }
        if head.serial > current.head.serial {
            Ok(())
        } else {
            Err(NotImported::SerialNotAbove)
        }
    }
}
