//! Whether a new version of a state is found by the same as the one that the index has: nearly all
//! are, for what an apply changes is mostly no name. Then nothing of the index is read or written
//! but which version it has.
//!
//! It counts only if this run of the program has made what the index has. What an earlier program
//! has made is compared entry by entry once, and so is a row that was damaged before the start.

use crate::blob;
use crate::diff;
use crate::domain::content::Content;
use crate::domain::content::read::{SIZE_TAKEN_APART, frame};
use crate::domain::engine::budget::WhenFull;
use crate::domain::error::Error;
use crate::model::frame::Bytes;
use crate::model::name::StateName;
use crate::model::state::StateId;
use crate::model::version::Version;
use crate::store::{StoreError, View};

impl Content {
    /// Whether a state's version is found by the same as the one that the index has. In doubt it is
    /// not.
    pub(super) async fn has_the_same(
        &self,
        of: (StateId, &StateName, &Version),
        has: Option<u64>,
    ) -> Result<bool, Error> {
        match self.finds_the_same(of, has).await {
            Err(Error::Damaged(_)) => Ok(false),
            done => done,
        }
    }

    async fn finds_the_same(
        &self,
        (state, name, version): (StateId, &StateName, &Version),
        has: Option<u64>,
    ) -> Result<bool, Error> {
        let is_newer = |has: &u64| *has != version.number && self.words.has_made(state, name);
        let Some(number) = has.filter(is_newer) else {
            return Ok(false);
        };
        let ask = move |view: &View<'_>| view.version(state, number);
        let before = match self.engine.store.read_inline(ask).await {
            Ok(Some(before)) => before,
            Ok(None) | Err(StoreError::BadRow(_)) => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        let both = before.size.saturating_add(version.size);
        let is_readable = |version: &Version| !version.purged && !version.head.encrypted;
        if !is_readable(&before) || !is_readable(version) || both > self.most_indexed() {
            return Ok(false);
        }
        let room = self
            .engine
            .reserve_for_copies(both * SIZE_TAKEN_APART, WhenFull::Fail)
            .await?;
        let (of_old, old) = self.chain(Bytes::Of(state, number), WhenFull::Fail).await?;
        let (of_new, new) = self
            .chain(Bytes::Of(state, version.number), WhenFull::Fail)
            .await?;
        let known_by = (before.sha256, version.sha256);
        let compare = move |_reserved| {
            let old = blob::decode(old.iter().map(frame), known_by.0).ok();
            let new = blob::decode(new.iter().map(frame), known_by.1).ok();
            old.zip(new)
                .is_some_and(|(old, new)| diff::has_same_findables(&old, &new))
        };
        self.engine
            .in_background(((room, of_old), of_new), compare)
            .await
    }
}
