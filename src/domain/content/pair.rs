//! The bytes of two versions of one state, to compare them.
//!
//! One of the two is often what the other one is a difference to, or is met on the way to it. It is
//! decoded once then, and there are never three such texts at the same time.

use std::sync::Arc;

use crate::diff::NOTHING;
use crate::domain::content::Content;
use crate::domain::engine::budget::WhenFull;
use crate::domain::engine::leased_bytes::LeasedBytes;
use crate::domain::error::Error;
use crate::model::digest::Digest;
use crate::model::frame::Bytes;
use crate::model::name::StateName;
use crate::model::state::StateId;
use crate::model::version::Version;
use crate::store::View;

/// The proven bytes of two versions; only of one where nothing was before it.
pub(in crate::domain) struct BothBytes {
    before: Option<Arc<LeasedBytes>>,
    after: Arc<LeasedBytes>,
}

impl BothBytes {
    /// These two.
    pub(in crate::domain) const fn of(before: Arc<LeasedBytes>, after: Arc<LeasedBytes>) -> Self {
        Self {
            before: Some(before),
            after,
        }
    }

    /// Those of the first version.
    pub(in crate::domain) fn before(&self) -> &[u8] {
        self.before.as_deref().map_or(NOTHING, AsRef::as_ref)
    }

    /// Those of the second one.
    pub(in crate::domain) fn after(&self) -> &[u8] {
        (*self.after).as_ref()
    }

    /// How many bytes both versions have together.
    pub(in crate::domain) fn size(&self) -> u64 {
        let before = self.before.as_ref().map_or(0, |_| self.before().len());
        (before + self.after().len()) as u64
    }
}

impl Content {
    /// The exact bytes of two versions, which are proven to be those that were written.
    pub(in crate::domain) async fn bytes_of_both(
        &self,
        name: &StateName,
        state: StateId,
        (from, to): (Option<&Version>, &Version),
    ) -> Result<BothBytes, Error> {
        let Some(from) = from else {
            let after = self.bytes_of(name, state, to, WhenFull::Wait).await?;
            let before = None;
            return Ok(BothBytes { before, after });
        };
        let ways = self.ways_to_both(state, (from, to)).await?;
        let is_turned = ways.is_second_first();
        let (first, second) = if is_turned { (to, from) } else { (from, to) };
        let one = self.bytes_of(name, state, first, WhenFull::Wait).await?;
        let other = if first.sha256 == second.sha256 && !second.purged {
            Arc::clone(&one)
        } else {
            self.bytes_beside(name, state, (second, first), &one)
                .await?
        };
        let (before, after) = if is_turned {
            (other, one)
        } else {
            (one, other)
        };
        Ok(BothBytes::of(before, after))
    }

    async fn ways_to_both(
        &self,
        state: StateId,
        (from, to): (&Version, &Version),
    ) -> Result<Ways, Error> {
        let sealed = self.engine.store.naming(true);
        let names = |version: &Version| [version.sha256, sealed(version.sha256)];
        let (first, second) = (from.number, to.number);
        let digests = move |view: &View<'_>| {
            Ok([
                view.chain_digests(Bytes::Of(state, first))?,
                view.chain_digests(Bytes::Of(state, second))?,
            ])
        };
        Ok(Ways {
            digests: self.engine.store.read_inline(digests).await?,
            names: [names(from), names(to)],
        })
    }
}

/// What is met on the way to two versions' bytes, and by what they are known themselves.
struct Ways {
    digests: [Vec<Digest>; 2],
    names: [[Digest; 2]; 2],
}

impl Ways {
    /// In which order fewer texts are there at the same time: one that is met on the way to the
    /// other comes first. If none is, the one with the longer way does, whose base is there beside
    /// it for a moment.
    fn is_second_first(&self) -> bool {
        let [to_first, to_second] = &self.digests;
        let meets = |way: &[Digest], names: &[Digest]| way.iter().any(|met| names.contains(met));
        let [first, second] = &self.names;
        meets(to_first, second) || !meets(to_second, first) && to_second.len() > to_first.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_met_on_the_way_comes_first_and_else_what_has_a_longer_way() {
        let name = |number: u8| Digest::of(&[number]);
        let is_second_first = |to_first: &[u8], to_second: &[u8]| {
            let way = |numbers: &[u8]| numbers.iter().map(|number| name(*number)).collect();
            let ways = Ways {
                digests: [way(to_first), way(to_second)],
                names: [[name(1); 2], [name(2); 2]],
            };
            ways.is_second_first()
        };
        assert!(is_second_first(&[1, 2], &[2]));
        assert!(is_second_first(&[1, 3, 2, 4], &[2, 4]));
        assert!(!is_second_first(&[1], &[2, 1]));
        assert!(!is_second_first(&[1, 3], &[2, 4, 1, 3]));
        assert!(!is_second_first(&[1, 3], &[2]));
        assert!(is_second_first(&[1], &[2, 3]));
        assert!(!is_second_first(&[1], &[2]));
    }
}
