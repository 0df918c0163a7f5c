//! The product's meaning. Every act takes its caller, and decides whether they may.
//!
//! Outcomes that a client has to expect are values; errors are for what keeps an act from
//! happening. It knows neither HTTP nor SQL. [`Domain`] owns the parts; each area has a type of its
//! own, with references to the parts that it needs.

mod access;
pub mod approvals;
pub mod auth;
pub mod backups;
pub mod content;
pub mod engine;
pub mod error;
pub mod events;
pub mod history;
pub mod hooks;
pub mod integrity;
mod keeping;
mod mirror;
pub mod quotas;
pub mod retention;
pub mod sealing;
pub mod states;
pub mod status;
pub mod upkeep;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::config::Limits;
use crate::domain::approvals::Approvals;
use crate::domain::auth::credentials::SecretChecks;
use crate::domain::auth::keys::Keys;
use crate::domain::auth::logins::Logins;
use crate::domain::backups::Backups;
use crate::domain::content::{Content, cache::DecodedCache};
use crate::domain::engine::{Engine, data_dir::DirLock};
use crate::domain::events::Events;
use crate::domain::events::buffer::EventBuffer;
use crate::domain::events::syslog::Syslog;
use crate::domain::history::{History, transfers::Transfers};
use crate::domain::hooks::Hooks;
use crate::domain::integrity::Integrity;
use crate::domain::keeping::Keeping;
use crate::domain::quotas::Quotas;
use crate::domain::retention::Retention;
use crate::domain::sealing::Sealing;
use crate::domain::states::{States, locks::Locks};
use crate::domain::status::Status;
use crate::domain::status::process::Process;
use crate::domain::upkeep::Upkeep;
use crate::store::OpenError;

/// The open product: one for each process and data directory.
pub struct Domain {
    content: Content,
    credentials: SecretChecks,
    events: Arc<EventBuffer>,
    keeping: Keeping,
    process: Process,
    engine: Arc<Engine>,
}

impl Domain {
    /// Opens a data directory that this process has locked.
    pub fn open(dir: DirLock, limits: Limits) -> Result<Arc<Self>, OpenError> {
        let cache = Arc::new(DecodedCache::new(limits.cache_size));
        let engine = Arc::new(Engine::open(dir, limits, Arc::clone(&cache) as _)?);
        Ok(Arc::new(Self {
            content: Content::new(Arc::clone(&engine), cache),
            credentials: SecretChecks::new(&engine.limits, Arc::clone(&engine.metrics)),
            events: Arc::default(),
            keeping: Keeping::new(&engine),
            process: Process::start(),
            engine,
        }))
    }

    /// Writes down what is buffered, finishes what is queued, and closes the store.
    pub async fn close(&self) {
        self.events().flush().await;
        self.backups().ended().await;
        self.engine.store.close().await;
    }

    /// Limits, memory and threads.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// States as clients use them.
    pub fn states(&self) -> States<'_> {
        States::new(&self.engine, &self.content, self.events())
    }

    /// Locks.
    pub fn locks(&self) -> Locks<'_> {
        Locks::new(&self.engine)
    }

    /// Versions, and bringing states back or elsewhere.
    pub fn history(&self) -> History<'_> {
        History::new(&self.engine, &self.content, self.events())
    }

    /// States that leave for a storage elsewhere.
    pub fn transfers(&self) -> Transfers<'_> {
        Transfers::new(&self.engine)
    }

    /// Holds, policies, and pruning.
    pub fn retention(&self) -> Retention<'_> {
        Retention::new(&self.engine, &self.content, &self.keeping.pruning)
    }

    /// Quotas of workspaces.
    pub fn quotas(&self) -> Quotas<'_> {
        Quotas::new(&self.engine)
    }

    /// Sealed content.
    pub fn sealing(&self) -> Sealing<'_> {
        Sealing::new(&self.engine, &self.content)
    }

    /// Acts that wait for a second person.
    pub fn approvals(&self) -> Approvals<'_> {
        Approvals::new(&self.engine)
    }

    /// Credentials and tokens.
    pub fn logins(&self) -> Logins<'_> {
        Logins::new(&self.engine, &self.credentials, self.events())
    }

    /// API keys.
    pub fn keys(&self) -> Keys<'_> {
        Keys::new(&self.engine, &self.credentials)
    }

    /// The event log.
    pub fn events(&self) -> Events<'_> {
        Events::new(&self.engine, &self.events)
    }

    /// The receiver of syslog.
    pub fn syslog(&self) -> Syslog<'_> {
        Syslog::new(&self.engine, &self.keeping.syslog)
    }

    /// Webhooks.
    pub fn hooks(&self) -> Hooks<'_> {
        Hooks::new(&self.engine, &self.keeping.hooks)
    }

    /// Verifications.
    pub fn integrity(&self) -> Integrity<'_> {
        Integrity::new(&self.engine, &self.content, &self.keeping.verifications)
    }

    /// Backups.
    pub fn backups(&self) -> Backups<'_> {
        Backups::new(&self.engine, &self.keeping.backups)
    }

    /// How the server is, and how it is reached.
    pub fn status(&self) -> Status<'_> {
        Status::new(&self.engine, &self.content, &self.keeping, &self.process)
    }

    /// What the server does by itself.
    pub fn upkeep(&self) -> Upkeep<'_> {
        let (events, status, backups) = (self.events(), self.status(), self.backups());
        Upkeep::new(events, status, self.retention(), self.integrity(), backups)
    }
}
