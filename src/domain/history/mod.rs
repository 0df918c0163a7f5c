//! History: every version that was ever written, and bringing states back or to another address.

pub mod compare;
pub mod consumers;
pub mod import;
pub mod preview;
pub mod purge;
pub mod relocate;
pub mod resources;
pub mod restore;
pub mod rollback;
pub mod trail;
pub mod transfers;
pub mod versions;

use crate::domain::content::Content;
use crate::domain::engine::Engine;
use crate::domain::events::Events;

/// Versions, and bringing states back or elsewhere.
pub struct History<'a> {
    engine: &'a Engine,
    content: &'a Content,
    events: Events<'a>,
}

impl<'a> History<'a> {
    pub(in crate::domain) const fn new(
        engine: &'a Engine,
        content: &'a Content,
        events: Events<'a>,
    ) -> Self {
        Self {
            engine,
            content,
            events,
        }
    }
}
