//! Proving that versions can be read, for no reader: by a verification, before pruning, and again
//! for those that are known to be damaged.

use crate::domain::content::Content;
use crate::domain::error::Error;
use crate::model::name::StateName;
use crate::model::state::StateId;
use crate::model::version::Version;

/// How many damaged versions are looked at again in one go.
const MAX_LOOKED_AT_AGAIN: usize = 10;

impl Content {
    /// Decodes and hashes a version and throws the bytes away. Damage is noted, and so is its end.
    ///
    /// It counts as no read. It fails at once if the memory for it is not free, so that it stands
    /// in nobody's way.
    pub(in crate::domain) async fn prove(
        &self,
        name: &StateName,
        state: StateId,
        version: &Version,
    ) -> Result<(), Error> {
        let proven = self.check_readable(name, state, version).await;
        match &proven {
            Ok(()) => {
                self.damaged
                    .note_readable(name, state, version.number)
                    .await;
            }
            Err(Error::Damaged(_)) => {
                self.damaged.note_damaged(name, state, version.number).await;
            }
            Err(_) => {}
        }
        proven
    }

    /// Looks whether some of the damaged versions can be read again, because their bytes were
    /// written once more, or are gone. `turn` selects them.
    pub(in crate::domain) async fn look_at_damaged_again(&self, turn: usize) {
        let some = self
            .damaged
            .some(turn.wrapping_mul(MAX_LOOKED_AT_AGAIN), MAX_LOOKED_AT_AGAIN);
        for (state, number) in some {
            let found = self
                .engine
                .store
                .read_briefly(move |view| {
                    Ok(view.name_of(state)?.zip(view.version(state, number)?))
                })
                .await;
            match found {
                Ok(Some((name, version))) if !version.purged => {
                    drop(self.prove(&name, state, &version).await);
                }
                Ok(Some(_) | None) => drop(self.damaged.forget(state, number).await),
                Err(_) => {}
            }
        }
    }
}
