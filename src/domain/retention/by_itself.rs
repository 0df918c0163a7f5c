//! What the server prunes by itself: from time to time, by the policies in force, and only while
//! its clock can be believed.

use crate::domain::error::Error;
use crate::domain::retention::Retention;
use crate::domain::retention::asked::PruneRequest;
use crate::model::caller::Caller;
use crate::model::clock;
use crate::model::retention::Moment;
use crate::store::{StoreError, Touches};

impl Retention<'_> {
    /// Prunes if there is a policy and it is time. A run that was cut off is due again at once.
    pub(in crate::domain) async fn prune_when_due(&self) {
        match self.is_prune_due().await {
            Ok(false) => return,
            Ok(true) => {}
            Err(error) => return tracing::warn!(%error, "cannot tell whether it is time to prune"),
        }
        match self.prune_by_itself().await {
            Ok((removed, freed)) => {
                tracing::info!(removed, freed, "pruned history by the policies in force");
            }
            Err(error) => {
                tracing::warn!(%error, "could not prune history; what is left of it is pruned the \
                    next time");
            }
        }
    }

    async fn is_prune_due(&self) -> Result<bool, StoreError> {
        // The health that is looked at each minute tells of the doubt.
        if self.pruning.trust.doubt().is_some() {
            return Ok(false);
        }
        let (has_own, last) = self
            .engine
            .store
            .read_briefly(|view| Ok((view.has_policies()?, view.moment(Moment::Pruned)?)))
            .await?;
        let now = clock::now();
        // A last run that is yet to come was made by a clock that was wrong.
        let is_time =
            last.is_none_or(|last| last > now || now.since(last) >= self.engine.limits.prune_every);
        Ok(is_time && (has_own || self.engine.limits.policy.is_some()))
    }

    async fn prune_by_itself(&self) -> Result<(u64, u64), Error> {
        let report = self
            .prune(&Caller::server(), &PruneRequest::default())
            .await?;
        let at = clock::now();
        self.engine
            .store
            .write(Touches::NoState, 0, move |tx| {
                tx.note_moment(Moment::Pruned, at)
            })
            .await?;
        Ok((report.summary.removed, report.freed))
    }

    /// Remembers until when the clock could be trusted: until now, or where it is in doubt until
    /// what was known before, so that nothing which happens meanwhile is taken for a reason to
    /// believe it after the next start.
    pub(in crate::domain) async fn note_time(&self) -> Result<(), StoreError> {
        let _noting = self.pruning.noting.lock().await;
        let known = if self.pruning.trust.doubt().is_none() {
            clock::now()
        } else {
            self.pruning.trust.known()
        };
        let latest = self.engine.time_for_ends();
        self.engine
            .store
            .write(Touches::NoState, 0, move |tx| {
                tx.note_moment(Moment::Trusted, known)?;
                tx.note_moment(Moment::Latest, latest)
            })
            .await?;
        if self.pruning.trust.doubt().is_none() {
            self.pruning.trust.believe(known);
        }
        Ok(())
    }

    /// Waits until a person says that the clock is right.
    pub(in crate::domain) async fn trusted_again(&self) {
        self.pruning.trusted_again.notified().await;
    }
}
