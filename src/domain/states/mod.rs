//! States as clients use them: reading the current version, writing the next one, deleting,
//! listing, and locks.

pub mod activity;
pub mod append;
pub mod compared;
pub mod deaths;
pub mod delete;
pub mod find;
pub mod freezes;
pub mod inventory;
pub mod job;
pub mod locks;
pub mod outputs;
pub mod permit;
pub mod prepare;
pub mod read;
pub mod rules;
pub mod waiting;
pub mod write;

use crate::domain::content::Content;
use crate::domain::engine::Engine;
use crate::domain::events::Events;

/// States as clients use them.
pub struct States<'a> {
    engine: &'a Engine,
    content: &'a Content,
    events: Events<'a>,
}

impl<'a> States<'a> {
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
