//! How the server is: what the page, a monitor and an operator ask.
//!
//! `health` says whether it can do its work and what is wrong, `report` tells an operator more, and
//! `gauges` what is measured. All are methods of one [`Status`], which asks each area for its part.

mod gauges;
pub mod health;
pub mod problems;
pub mod process;
mod report;
pub mod tls;

use std::sync::Arc;

use uuid::Uuid;

use crate::domain::backups::Backups;
use crate::domain::backups::log::BackupReport;
use crate::domain::content::Content;
use crate::domain::engine::Engine;
use crate::domain::events::file::EventFile;
use crate::domain::events::syslog::Syslog;
use crate::domain::hooks::Hooks;
use crate::domain::integrity::verifications::ScrubReport;
use crate::domain::keeping::Keeping;
use crate::domain::mirror::Mirror;
use crate::domain::status::process::Process;
use crate::domain::status::tls::{ServedCertificate, TlsReport};

/// How the server is.
#[derive(Clone, Copy)]
pub struct Status<'a> {
    pub(super) engine: &'a Arc<Engine>,
    pub(super) content: &'a Content,
    keeping: &'a Keeping,
    process: &'a Process,
}

impl<'a> Status<'a> {
    pub(in crate::domain) const fn new(
        engine: &'a Arc<Engine>,
        content: &'a Content,
        keeping: &'a Keeping,
        process: &'a Process,
    ) -> Self {
        Self {
            engine,
            content,
            keeping,
            process,
        }
    }

    /// Which data this is. By it a client knows whether two addresses are the same server.
    pub fn instance(&self) -> Uuid {
        self.engine.store.instance()
    }

    /// Says how clients reach the server, once that is known.
    pub fn set_base_url(&self, url: &str) {
        let _ = self
            .process
            .base_url
            .set(url.trim_end_matches('/').to_owned());
    }

    /// How clients reach the server; empty when only its socket does.
    pub fn base_url(&self) -> &'a str {
        self.process.base_url.get().map_or("", String::as_str)
    }

    /// Says which certificate is served from now on.
    pub fn serves_certificate(&self, served: ServedCertificate) {
        *self.process.certificate.lock() = Some(served);
    }

    /// Says that a newer certificate was no good, and why.
    pub fn certificate_not_exchanged(&self, why: String) {
        if let Some(served) = self.process.certificate.lock().as_mut() {
            served.failed(why);
        }
    }

    /// Whether clients are asked for a certificate.
    pub fn asks_clients(&self) -> bool {
        let served = self.process.certificate.lock();
        served.as_ref().is_some_and(ServedCertificate::asks_clients)
    }

    fn tls_report(&self) -> Option<TlsReport> {
        let served = self.process.certificate.lock();
        served.as_ref().map(ServedCertificate::report)
    }

    fn backup_report(&self) -> Option<BackupReport> {
        Backups::new(self.engine, &self.keeping.backups).report()
    }

    /// The break-glass folder.
    pub(super) const fn mirror(&self) -> Mirror<'a> {
        Mirror::new(self.content, &self.keeping.mirror)
    }

    /// The file of events.
    pub(super) fn event_file(&self) -> EventFile<'a> {
        EventFile::new(self.engine, &self.keeping.event_file)
    }

    /// The receiver of syslog.
    pub(super) fn syslog(&self) -> Syslog<'a> {
        Syslog::new(self.engine, &self.keeping.syslog)
    }

    /// Webhooks.
    pub(super) const fn hooks(&self) -> Hooks<'a> {
        Hooks::new(self.engine, &self.keeping.hooks)
    }

    fn scrub_report(&self) -> ScrubReport {
        let damaged = self.content.damaged.count();
        self.keeping
            .verifications
            .scrub_report(&self.engine.limits, damaged)
    }
}
