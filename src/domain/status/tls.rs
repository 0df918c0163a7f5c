//! The certificate that the server serves: until when, and whether a newer one was no good.

use std::time::Duration;

use serde::Serialize;

use crate::config::NOBODY_ASKED;
use crate::domain::status::problems::HealthProblem;
use crate::model::clock::{self, Timestamp};

/// So long before its end a certificate is a problem.
const SOON: Duration = Duration::from_hours(14 * 24);
const DAY: u64 = 24 * 60 * 60;

/// What is served.
#[derive(Clone, Debug)]
pub struct ServedCertificate {
    /// The names that the certificate is for.
    pub names: Vec<String>,
    /// Until when it is good.
    pub ends: Timestamp,
    /// When it was read.
    pub loaded_at: Timestamp,
    /// Whether clients have to show a certificate: `none`, `optional` or `required`.
    pub client_certificates: &'static str,
    /// Why the files were not taken when they were last read.
    pub failure: Option<TlsFailure>,
}

/// Why a pair was not taken, for those who may know paths.
#[derive(Clone, Debug, Serialize)]
pub struct TlsFailure {
    /// When that was found.
    pub at: Timestamp,
    /// Why.
    pub detail: String,
}

/// What an operator or a monitor is told.
#[derive(Clone, Debug, Serialize)]
pub struct TlsReport {
    /// The names that the certificate is for.
    pub names: Vec<String>,
    /// Until when it is good.
    pub expires_at: Timestamp,
    /// How many whole days that are; 0 if it has expired.
    pub days_left: u64,
    /// When it was read.
    pub loaded_at: Timestamp,
    /// Whether clients have to show a certificate: `none`, `optional` or `required`.
    pub client_certificates: &'static str,
    /// Why the files were not taken when they were last read; null if they were.
    pub failure: Option<TlsFailure>,
}

impl ServedCertificate {
    /// As it is told now.
    pub(super) fn report(&self) -> TlsReport {
        let left = self.ends.since(clock::now());
        TlsReport {
            names: self.names.clone(),
            expires_at: self.ends,
            days_left: left.as_secs() / DAY,
            loaded_at: self.loaded_at,
            client_certificates: self.client_certificates,
            failure: self.failure.clone(),
        }
    }

    /// Whether clients are asked for a certificate.
    pub(super) fn asks_clients(&self) -> bool {
        self.client_certificates != NOBODY_ASKED
    }

    /// Notes that the files were no good.
    pub(super) fn failed(&mut self, detail: String) {
        let at = clock::now();
        self.failure = Some(TlsFailure { at, detail });
    }
}

/// What is wrong with the certificate, as anybody is told.
pub(super) fn about_tls(report: &TlsReport) -> Vec<HealthProblem> {
    let mut problems = Vec::new();
    let mut tell = |code, detail: String| problems.push(HealthProblem { code, detail });
    let now = clock::now();
    if now > report.expires_at {
        tell(
            "tls_expired",
            format!(
                "the certificate expired at {}, so clients refuse this server; renew it",
                report.expires_at
            ),
        );
    } else if report.expires_at.since(now) < SOON {
        tell(
            "tls_expires_soon",
            format!(
                "the certificate expires at {}; renew it, and the server takes it by itself",
                report.expires_at
            ),
        );
    }
    if let Some(failure) = &report.failure {
        tell(
            "tls_not_exchanged",
            format!(
                "the certificate or its key on the disk is no good since {}, so the one from \
                    before is served; the log and `/api/status` say why",
                failure.at
            ),
        );
    }
    problems
}
