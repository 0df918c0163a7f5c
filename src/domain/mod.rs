//! What the product means. Every method takes the caller, and decides itself whether they may.
//!
//! Outcomes that a client has to expect are values; errors are for what keeps an act from happening. Nothing here knows HTTP or SQL.

pub mod budget;
pub mod data_dir;
pub mod error;
pub mod events;
pub mod history;
pub mod keys;
pub mod locks;
pub mod logins;
pub mod outputs;
pub mod rules;
pub mod states;
pub mod status;
pub mod upkeep;

mod access;
mod credentials;
mod encoding;
mod writing;

pub use encoding::check_md5;

use std::sync::Arc;

use crate::config::Limits;
use crate::model::clock::{self, Timestamp};
use crate::store::{OpenError, Store};

use budget::Budget;
use credentials::Credentials;
use data_dir::DirLock;
use error::Error;
use events::Gatherer;

/// The open product: one for each process and data directory.
pub struct Domain {
    store: Store,
    limits: Limits,
    budget: Budget,
    credentials: Credentials,
    gatherer: Gatherer,
    started_at: Timestamp,
    standing: status::Standing,
    base_url: std::sync::OnceLock<String>,
    // Held for as long as the store is open.
    dir: DirLock,
}

impl Domain {
    /// Opens a data directory that this process has locked.
    pub fn open(dir: DirLock, limits: Limits) -> Result<Arc<Self>, OpenError> {
        let store = Store::open(dir.path())?;
        let now = clock::now();
        Ok(Arc::new(Self {
            store,
            budget: Budget::new(limits.max_in_flight),
            limits,
            credentials: Credentials::new(),
            gatherer: Gatherer::default(),
            started_at: now,
            standing: status::Standing::new(now),
            base_url: std::sync::OnceLock::new(),
            dir,
        }))
    }

    /// The limits that are in force.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The memory for bodies under way.
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// States as clients use them.
    pub fn states(&self) -> states::States<'_> {
        states::States(self)
    }

    /// Locks.
    pub fn locks(&self) -> locks::Locks<'_> {
        locks::Locks(self)
    }

    /// Versions, and bringing states back or elsewhere.
    pub fn history(&self) -> history::History<'_> {
        history::History(self)
    }

    /// Credentials and tokens.
    pub fn logins(&self) -> logins::Logins<'_> {
        logins::Logins(self)
    }

    /// API keys.
    pub fn keys(&self) -> keys::Keys<'_> {
        keys::Keys(self)
    }

    /// The event log.
    pub fn events(&self) -> events::Events<'_> {
        events::Events(self)
    }

    /// How the server is.
    pub fn status(&self) -> status::Status<'_> {
        status::Status(self)
    }

    /// Says how clients reach the server, once that is known.
    pub fn set_base_url(&self, url: &str) {
        let _ = self.base_url.set(url.trim_end_matches('/').to_owned());
    }

    /// How clients reach the server; empty when only its socket does.
    pub fn base_url(&self) -> &str {
        self.base_url.get().map_or("", String::as_str)
    }

    /// Waits until the store cannot write for good, and says why.
    pub async fn broken(&self) -> String {
        self.store.faulted().await.to_string()
    }

    /// Writes down what is gathered, finishes what is queued, and closes the store.
    pub async fn close(&self) {
        self.flush_gathered().await;
        self.store.close().await;
    }
}

/// Runs something that takes long off the request threads.
async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Error::Internal("a task panicked".to_owned()))
}
