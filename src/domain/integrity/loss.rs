//! Acknowledged writes that are missing since a start that a person has allowed: noted once, for a
//! person to look at.

use serde_json::json;

use crate::domain::error::Error;
use crate::domain::integrity::Integrity;
use crate::model::event::{EventKind, NewEvent};
use crate::model::on_loss::OnLoss;
use crate::store::Touches;

impl Integrity<'_> {
    /// Records what was missing at this start, and begins a generation of commits that no earlier
    /// anchor tells of. Before this, nothing else is written.
    pub async fn note_accepted_loss(&self) -> Result<(), Error> {
        let Some(loss) = self.engine.store.accepted_loss() else {
            return Ok(());
        };
        let mut detail = loss.detail();
        detail["reason"] = json!(match self.engine.dir.confirmed().on_loss {
            OnLoss::Restored => "restored",
            OnLoss::Accept | OnLoss::Refuse => "accepted",
        });
        let note = self.engine.store.write(Touches::NoState, 0, move |tx| {
            tx.begin_generation()?;
            let event = NewEvent::by_the_server(EventKind::LossAccepted, tx.now());
            tx.record(&event.attention(true).detail(detail.clone()))
        });
        Ok(note.await?)
    }
}
