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
        let (kind, made, is_as_it_leaves) = match self.terms.rejected {
            Some(rejection) => (
                VersionKind::Rejected(rejection),
                newest,
                !self.deleted || *visibility == Visibility::Deleted,
            ),
            // All that lies above the current version was refused.
            None => (
                VersionKind::Import,
                current.as_deref(),
                *visibility
                    == if self.deleted {
                        Visibility::Deleted
                    } else {
                        Visibility::Live
                    },
            ),
        };
        let follows = |made: &Version| match self.terms.onto {
            ImportOnto::Imported(number) => made.number > number,
            ImportOnto::Nothing | ImportOnto::NothingLive | ImportOnto::Current => true,
        };
        made.filter(|made| {
            let is_the_same = made.sha256 == self.sha256
                && self.terms.number.is_none_or(|number| number == made.number);
            is_as_it_leaves
                && is_the_same
                && follows(made)
                && made.kind == kind
                && made.created_by == *self.actor
        })
    }

    /// Whether the caller brought a version here, so that another one may follow it.
    fn has_brought(&self, version: &Version) -> bool {
        matches!(version.kind, VersionKind::Import | VersionKind::Rejected(_))
            && version.created_by == *self.actor
    }

    pub(super) fn judge(&self, found: &Destination<'_>) -> Result<(), NotImported> {
        let Destination {
            lookup,
            newest,
            last_number,
            is_hidden_by_import,
        } = *found;
        match (self.terms.onto, lookup) {
            (ImportOnto::Nothing | ImportOnto::NothingLive, Lookup::Free)
            | (ImportOnto::Current, Lookup::Free | Lookup::Moved(_)) => {}
            (ImportOnto::NothingLive, lookup) if lookup.live().is_none() => {}
            (ImportOnto::Nothing | ImportOnto::NothingLive, _) => {
                return Err(NotImported::StateExists);
            }
            (ImportOnto::Imported(number), lookup) => {
                newest
                    .filter(|newest| newest.number == number && self.has_brought(newest))
                    .ok_or(NotImported::NotImportedSoFar)?;
                let Lookup::State {
                    current,
                    visibility,
                    ..
                } = lookup
                else {
                    return Err(NotImported::NotImportedSoFar);
                };
                // A refused write of one's own may be the newest, and somebody else's version the
                // one that clients get.
                if current.as_ref().is_some_and(|current| {
                    current.kind != VersionKind::Import || current.created_by != *self.actor
                }) {
                    return Err(NotImported::NotImportedSoFar);
                }
                if *visibility == Visibility::Deleted && !is_hidden_by_import {
                    return Err(NotImported::Deleted);
                }
            }
            (
                ImportOnto::Current,
                Lookup::State {
                    visibility: Visibility::Deleted,
                    ..
                },
            ) => return Err(NotImported::Deleted),
            // It comes back as it left.
            (
                ImportOnto::Current,
                Lookup::State {
                    visibility: Visibility::Transferred(_),
                    current: Some(last),
                    ..
                },
            ) if last.sha256 == self.sha256 => {}
            (ImportOnto::Current, Lookup::State { current, .. }) => {
                self.follows(current.as_deref())?;
            }
        }
        if self
            .terms
            .number
            .is_some_and(|number| number <= last_number)
        {
            Err(NotImported::NumberTaken)
        } else {
            Ok(())
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
