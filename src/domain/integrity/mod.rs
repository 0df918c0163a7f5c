//! Whether the database holds the bytes that were written: a verification when a caller asks, and a
//! slow one in the background.
//!
//! A verification changes nothing and repairs nothing. It reads in small steps, so that writers and
//! readers go on and the journal can begin anew, decodes one version at a time on a core of the
//! others', and takes memory only when nobody else wants it.

pub mod findings;
pub mod loss;
pub mod scrub;
pub mod verifications;
pub mod verify;
pub mod walk;

use crate::domain::content::Content;
use crate::domain::engine::Engine;
use crate::domain::integrity::verifications::Verifications;
use crate::model::scrub::{PassUnderWay, Scrub};
use crate::store::Touches;

/// Verifications.
#[derive(Clone, Copy)]
pub struct Integrity<'a> {
    engine: &'a Engine,
    content: &'a Content,
    verifications: &'a Verifications,
}

impl<'a> Integrity<'a> {
    pub(in crate::domain) const fn new(
        engine: &'a Engine,
        content: &'a Content,
        verifications: &'a Verifications,
    ) -> Self {
        Self {
            engine,
            content,
            verifications,
        }
    }
}

impl Integrity<'_> {
    /// Writes down how far the pass under way is. When that fails, a restart begins further back.
    pub(in crate::domain) async fn save_pass(&self, pass: PassUnderWay) {
        let saved = self.engine.store.write(Touches::NoState, 0, move |tx| {
            let last = tx.scrub()?.last;
            tx.save_scrub(&Scrub {
                under_way: Some(pass.clone()),
                last,
            })
        });
        if let Err(error) = saved.await {
            tracing::debug!(%error, "the progress of the background verification was not saved");
        }
    }
}
