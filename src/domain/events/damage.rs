//! Events of damage that anybody has met, and of a new key for the rows' hashes: they are written
//! down by the server, since the act that met the damage has failed.

use crate::domain::events::Events;
use crate::model::clock;
use crate::model::event::{EventKind, NewEvent};
use crate::store::{Touches, Tx};

impl Events<'_> {
    /// Writes down what was met since the last time. What cannot be written is tried again with the
    /// next damage.
    pub(in crate::domain) async fn write_down_damage(&self) {
        let store = &self.engine.store;
        let met = store.take_untold_damage();
        if met.is_empty() {
            return;
        }
        let at = clock::now();
        let events: Vec<NewEvent> = met
            .iter()
            .map(|what| {
                tracing::error!(
                    what,
                    "the database is damaged; `statekeep verify` says where"
                );
                NewEvent::by_the_server(EventKind::RowDamaged, at)
                    .attention(true)
                    .detail(serde_json::json!({ "what": what }))
            })
            .collect();
        let job = move |tx: &Tx<'_>| events.iter().try_for_each(|event| tx.record(event));
        if let Err(error) = store.write(Touches::NoState, 0, job).await {
            tracing::warn!(%error, "damage could not be written down as an event");
            store.take_back_untold_damage(met);
        }
    }

    /// Writes down that a person has confirmed a new key, unless that was done.
    pub(in crate::domain) async fn write_down_new_row_key(&self) {
        let job = |tx: &Tx<'_>| {
            let Some(made) = tx.untold_row_key()? else {
                return Ok(None);
            };
            let event = NewEvent::by_the_server(EventKind::RowKeyRenew, made.at)
                .attention(true)
                .detail(serde_json::json!({
                    "rows": made.rows,
                    "changed": made.changed,
                    "mended": made.mended,
                }));
            tx.record(&event)?;
            tx.note_row_key_told()?;
            Ok(Some(made))
        };
        match self.engine.store.write(Touches::NoState, 0, job).await {
            Ok(None) => {}
            Ok(Some(made)) => tracing::warn!(
                rows = made.rows,
                changed = made.changed,
                mended = made.mended,
                "a new row key was confirmed: all rows are believed as they stood at the start"
            ),
            Err(error) => {
                tracing::warn!(%error, "the new row key could not be written down as an event; \
                    the next start tries again");
            }
        }
    }
}
