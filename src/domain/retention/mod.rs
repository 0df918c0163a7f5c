//! Retention: what of a history is kept, and what goes. Nothing goes unless a policy says so.
//!
//! A plan says what would go, a report what went. The plan is pure.

pub mod asked;
pub mod by_itself;
mod cut_off;
pub mod holds;
pub mod plan;
pub mod policies;
pub mod prune;
pub mod report;

use std::sync::Arc;

use tokio::sync::{Mutex, Notify};

use crate::domain::access::authorize_everywhere;
use crate::domain::content::Content;
use crate::domain::engine::Engine;
use crate::domain::engine::trust::Trust;
use crate::domain::error::Error;
use crate::model::caller::Caller;
use crate::model::permission::Permission;

/// Holds, policies, and pruning.
#[derive(Clone, Copy)]
pub struct Retention<'a> {
    engine: &'a Engine,
    content: &'a Content,
    pub(in crate::domain) pruning: &'a Pruning,
}

impl<'a> Retention<'a> {
    pub(in crate::domain) const fn new(
        engine: &'a Engine,
        content: &'a Content,
        pruning: &'a Pruning,
    ) -> Self {
        Self {
            engine,
            content,
            pruning,
        }
    }
}

/// What pruning has to know beside the database.
pub(in crate::domain) struct Pruning {
    pub(in crate::domain) trust: Arc<Trust>,
    /// A person said that the clock is right.
    trusted_again: Arc<Notify>,
    /// Held while a time is noted and believed: what the server notes by itself must not take back
    /// what a person says meanwhile.
    noting: Arc<Mutex<()>>,
    /// One run at a time.
    running: Mutex<()>,
}

impl Pruning {
    pub(in crate::domain) fn new(engine: &Engine) -> Self {
        Self {
            trust: Arc::clone(&engine.trust),
            trusted_again: Arc::default(),
            noting: Arc::default(),
            running: Mutex::new(()),
        }
    }
}

impl Retention<'_> {
    /// Whether somebody may prune and set policies, before it is looked at what they want.
    pub fn may_operate(&self, caller: &Caller) -> Result<(), Error> {
        authorize_everywhere(caller, Permission::Operate)
    }
}
