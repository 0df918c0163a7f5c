//! What the outputs of a version are, in one digest: compared with what was read before, it tells a
//! reader whether there is something new for them.
//!
//! Nobody waits for it. Rows in the database say which versions were read and wait, so a kill loses
//! none of them.

use std::sync::Arc;

use crate::diff::OutputsPlace;
use crate::domain::content::Content;
use crate::domain::content::read::SIZE_TAKEN_APART;
use crate::domain::engine::Engine;
use crate::domain::engine::budget::WhenFull;
use crate::domain::error::Error;
use crate::model::digest::Digest;
use crate::model::name::StateName;
use crate::model::state::StateId;
use crate::model::version::Version;
use crate::store::{StoreError, Touches, Tx, View};

/// How many versions are looked at before what is known of them is written down.
const VERSIONS_AT_A_TIME: u32 = 100;
/// What is reserved beside outputs, however few they are, in bytes.
const BEYOND_OUTPUTS: u64 = 16 * 1024;
/// What one row takes, about, in bytes.
const ROW: usize = 256;

/// The memory that the outputs of a state take while they are taken apart, and no more than there
/// can be beside the state.
pub(in crate::domain) fn memory_for_outputs(
    engine: &Engine,
    place: &OutputsPlace,
    state: u64,
) -> u64 {
    let beside = state.saturating_add(BEYOND_OUTPUTS);
    let most = engine.limits.max_in_flight.saturating_sub(beside);
    let needed = place.size().saturating_mul(SIZE_TAKEN_APART);
    needed.saturating_add(BEYOND_OUTPUTS).min(most)
}

impl Content {
    /// Looks at the outputs of versions that were read, until none waits. One that fails keeps no
    /// other from being looked at.
    pub(in crate::domain) async fn look_at_read_outputs(&self) -> Result<(), Error> {
        let (mut after, mut failed) = ((StateId::FIRST, 0), Ok(()));
        loop {
            let ask = move |view: &View<'_>| view.waiting_reads(after, VERSIONS_AT_A_TIME);
            let waiting = self.engine.store.read(ask).await?;
            let Some(last) = waiting.last() else {
                return failed;
            };
            after = *last;
            let mut known = Vec::new();
            for (state, number) in waiting {
                match self.digest_of_outputs(state, number).await {
                    Ok(digest) => known.push(((state, number), digest)),
                    Err(error) => failed = Err(error),
                }
            }
            let bytes = known.len() * ROW;
            let mark = move |tx: &Tx<'_>| {
                let mut known = known.iter();
                known.try_for_each(|(version, digest)| tx.mark_reads(*version, digest.as_ref()))
            };
            self.engine
                .store
                .write(Touches::NoState, bytes, mark)
                .await?;
        }
    }

    /// None if they cannot be known: the version is encrypted or purged, or not of a format that
    /// can be read.
    async fn digest_of_outputs(
        &self,
        state: StateId,
        number: u64,
    ) -> Result<Option<Digest>, Error> {
        let ask = move |view: &View<'_>| {
            let name = view.name_of(state)?;
            Ok(name.zip(view.version(state, number)?))
        };
        let (name, version) = match self.engine.store.read_inline(ask).await {
            Ok(Some(found)) => found,
            Ok(None) | Err(StoreError::BadRow(_)) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        if version.head.encrypted || version.purged {
            return Ok(None);
        }
        match self.digest_of(&name, state, &version).await {
            Err(Error::Damaged(_) | Error::Purged(..) | Error::TooLarge { .. }) => Ok(None),
            digest => digest,
        }
    }

    async fn digest_of(
        &self,
        name: &StateName,
        state: StateId,
        version: &Version,
    ) -> Result<Option<Digest>, Error> {
        let bytes = self.bytes_for_nobody(name, state, version).await?;
        let looked_at = Arc::clone(&bytes);
        let find = move |()| OutputsPlace::in_state(looked_at.as_ref().as_ref());
        let Ok(place) = self.engine.in_background((), find).await? else {
            return Ok(None);
        };
        let needed = memory_for_outputs(&self.engine, &place, version.size);
        let room = self
            .engine
            .reserve_for_copies(needed, WhenFull::Fail)
            .await?;
        let digest = move |_room| place.digest(bytes.as_ref().as_ref()).ok();
        self.engine.in_background(room, digest).await
    }
}
