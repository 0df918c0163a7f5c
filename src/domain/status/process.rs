//! The process that serves: what is known of it and nowhere else, since none of it outlives it.

use std::sync::OnceLock;

use parking_lot::Mutex;
use serde::Serialize;

use crate::domain::status::tls::ServedCertificate;
use crate::model::clock::{self, Timestamp};

/// Whether the server can do its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Readiness {
    /// It can.
    Ready,
    /// It can read, but not write.
    Degraded,
    /// It can do neither.
    NotReady,
}

/// The process that serves: since when it runs, since when it is as it is, its address and its
/// certificate.
pub(in crate::domain) struct Process {
    pub(super) started_at: Timestamp,
    standing: Mutex<(Readiness, Timestamp)>,
    pub(super) base_url: OnceLock<String>,
    pub(super) certificate: Mutex<Option<ServedCertificate>>,
}

impl Process {
    /// A server that starts is ready.
    pub(in crate::domain) fn start() -> Self {
        let now = clock::now();
        Self {
            started_at: now,
            standing: Mutex::new((Readiness::Ready, now)),
            base_url: OnceLock::new(),
            certificate: Mutex::default(),
        }
    }

    /// Since when it is as it is now.
    pub(super) fn since(&self, status: Readiness) -> Timestamp {
        let mut standing = self.standing.lock();
        if standing.0 != status {
            *standing = (status, clock::now());
        }
        standing.1
    }
}
