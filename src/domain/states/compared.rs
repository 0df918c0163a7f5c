//! A write without a lock beside the version that it replaces: whether it drops resources.

use std::sync::Arc;

use crate::diff;
use crate::domain::engine::budget::Reservation;
use crate::domain::engine::leased_bytes::LeasedBytes;
use crate::model::digest::Digest;
use crate::model::terraform::tfstate::StateHead;
use crate::model::version::Version;

/// The current version before a write without a lock.
pub(super) struct Before {
    pub(super) sha256: Digest,
    /// Its bytes, and the memory for taking both states apart; none where they are too large for
    /// that, or memory is short.
    pub(super) bytes: Option<(Arc<LeasedBytes>, Reservation)>,
}

impl Before {
    /// How many bytes are compared.
    pub(super) fn size(&self) -> u64 {
        let bytes = self.bytes.as_ref();
        bytes.map_or(0, |(bytes, _reservation)| {
            bytes.as_ref().as_ref().len() as u64
        })
    }

    /// Sees whether a write drops resources of this version.
    pub(super) fn compare(self, after: &[u8]) -> Compared {
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
pub(super) struct Compared {
    with: Digest,
    /// None if that was not looked at, or cannot be told.
    drops: Option<bool>,
}

impl Compared {
    /// Whether resources of the live version are not in the write that replaces it. In doubt a
    /// person should look.
    pub(super) fn drops_resources(
        compared: Option<&Self>,
        live: &Version,
        after: &StateHead,
        is_unlocked: bool,
    ) -> bool {
        let has_fewer = || {
            live.head
                .resources
                .zip(after.resources)
                .is_some_and(|(before, after)| after < before)
        };
        match compared.filter(|compared| compared.with == live.sha256) {
            Some(Self { drops, .. }) => drops.unwrap_or_else(has_fewer),
            // Another writer without a lock came in between.
            None => is_unlocked || has_fewer(),
        }
    }
}
