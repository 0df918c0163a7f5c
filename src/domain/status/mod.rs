//! How the server is: what the page, a monitor and an operator ask.

pub mod problems;
pub mod tls;

use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use serde::Serialize;
use uuid::Uuid;

use crate::domain::access::authorize_everywhere;
use crate::domain::backups::Backups;
use crate::domain::backups::log::BackupReport;
use crate::domain::content::Content;
use crate::domain::content::erasure::ErasureReport;
use crate::domain::engine::Engine;
use crate::domain::error::Error;
use crate::domain::events::file::EventFile;
use crate::domain::events::syslog::Syslog;
use crate::domain::hooks::{Hooks, HooksReport};
use crate::domain::integrity::verifications::ScrubReport;
use crate::domain::keeping::Keeping;
use crate::domain::mirror::Mirror;
use crate::domain::quotas::{QuotaReport, Quotas};
use crate::domain::sealing::SealStatus;
use crate::domain::states::waiting::{LockFacts, Waiting};
use crate::domain::status::problems::{
    HealthProblem, about_backups, about_erasing, about_events_file, about_hooks, about_mirror,
    about_syslog, bound_keys_shut_out, damage, damage_met, fault_problem, forgotten_key,
    keys_end_soon,
};
use crate::domain::status::tls::{ServedCertificate, TlsReport, about_tls};
use crate::metrics::Gauges;
use crate::model::caller::Caller;
use crate::model::clock::{self, Timestamp};
use crate::model::key::SOON;
use crate::model::permission::Permission;
use crate::store::{Counts, View};

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
}

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

const DISK_FULL: &str = "disk_full";
const WITHOUT_FIGURES: &str = "too little is free on the disk: writes are refused";

/// What is known of the server's health.
#[derive(Clone, Debug, Serialize)]
pub struct Health {
    /// Whether the server can do its work.
    pub status: Readiness,
    /// The product's name.
    pub name: &'static str,
    /// Its version; only for those who may know more than anybody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<&'static str>,
    /// Since when the server is as it is, as far as anybody looked; at least once a minute the
    /// server does.
    pub since: Timestamp,
    /// When everything that the server holds was last verified, if it ever was.
    pub verified_at: Option<Timestamp>,
    /// What is wrong.
    pub problems: Vec<HealthProblem>,
    /// How the erasing of purged content is; only while there is some.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub erasing: Option<ErasureReport>,
}

impl Health {
    /// The same without the version and the figures of the disk.
    fn for_anybody(mut self) -> Self {
        self.version = None;
        let full = self.problems.iter_mut();
        let full = full.filter(|problem| problem.code == DISK_FULL);
        full.for_each(|problem| WITHOUT_FIGURES.clone_into(&mut problem.detail));
        if let Some(erasing) = &mut self.erasing {
            erasing.missing_bytes = None;
        }
        self
    }
}

/// What an operator or a monitor may know.
#[derive(Clone, Debug, Serialize)]
pub struct StatusReport {
    /// What is known of its health.
    #[serde(flatten)]
    pub health: Health,
    /// Which data this is.
    pub instance: String,
    /// Since when the server runs.
    pub started_at: Timestamp,
    /// The version of the database's schema.
    pub schema_version: u32,
    /// States that are not deleted.
    pub states: u64,
    /// Versions.
    pub versions: u64,
    /// Those of them that were written after a moment, if one was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub versions_since: Option<u64>,
    /// Locks that are held.
    pub locks: u64,
    /// Those of them on states that have no version yet.
    pub only_locked: u64,
    /// What is said of all of them.
    #[serde(flatten)]
    pub lock_facts: LockFacts,
    /// API keys, ended ones too.
    pub keys: u64,
    /// Bytes of the database file.
    pub database_size: Option<u64>,
    /// Bytes of its write-ahead log.
    pub wal_size: Option<u64>,
    /// Bytes that are free on its disk.
    pub free_space: Option<u64>,
    /// How the background verification is.
    pub scrub: ScrubReport,
    /// How the server's own backups are; null if it makes none.
    pub backup: Option<BackupReport>,
    /// Whether content is sealed.
    pub storage: SealStatus,
    /// The certificate that is served; null for plain HTTP.
    pub tls: Option<TlsReport>,
    /// What happens to writes without a lock.
    pub unlocked_writes: &'static str,
    /// The quotas of workspaces and what they have, the first so many by name. A caller who may not
    /// set them is told of none.
    pub quotas: Vec<QuotaReport>,
    /// How webhooks are.
    pub hooks: HooksReport,
}

/// How many quotas a report tells of.
const MAX_QUOTAS: u32 = 100;

/// The process that serves: since when it runs, since when it is as it is, its address and its
/// certificate.
pub(super) struct Process {
    started_at: Timestamp,
    standing: Mutex<(Readiness, Timestamp)>,
    base_url: OnceLock<String>,
    certificate: Mutex<Option<ServedCertificate>>,
}

impl Process {
    /// A server that starts is ready.
    pub(super) fn start() -> Self {
        let now = clock::now();
        Self {
            started_at: now,
            standing: Mutex::new((Readiness::Ready, now)),
            base_url: OnceLock::new(),
            certificate: Mutex::default(),
        }
    }

    fn since(&self, status: Readiness) -> Timestamp {
        let mut standing = self.standing.lock();
        if standing.0 != status {
            *standing = (status, clock::now());
        }
        standing.1
    }
}

/// Seconds since 1970.
fn seconds(at: Timestamp) -> u64 {
    at.millis().unsigned_abs() / 1_000
}

/// How many seconds ago something began; 0 if it has not.
fn age(since: Option<Timestamp>) -> u64 {
    since.map_or(0, |at| clock::now().since(at).as_secs())
}

impl<'a> Status<'a> {
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

    /// Everything that is counted and measured, as Prometheus reads it; nothing about single
    /// states. Also while the database cannot be read: what is not known then is left out.
    pub async fn metrics(&self, caller: &Caller) -> Result<String, Error> {
        authorize_everywhere(caller, Permission::Status)?;
        let gauges = self.gauges().await;
        let text = self.engine.metrics.text(&gauges);
        text.map_err(|error| Error::Internal(error.to_string()))
    }

    async fn gauges(&self) -> Gauges {
        let (store, waiting) = (&self.engine.store, Waiting::now(self.engine, None));
        let read = store.read(move |view| Ok((view.counts()?, waiting.facts(view)?)));
        let (counts, locks) = read.await.ok().unzip();
        let counted = |count: fn(&Counts) -> u64| counts.as_ref().map(count);
        let (in_flight, max_in_flight) = self.engine.in_flight();
        let (database, wal) = store.file_sizes();
        let (health, scrub) = (self.health().await, self.scrub_report());
        let (backup, tls) = (self.backup_report(), self.tls_report());
        let failed = |fails: fn(&BackupReport) -> bool| backup.as_ref().map(fails).map(u64::from);
        let last = backup.as_ref().and_then(|backup| backup.last.as_ref());
        let drill = backup.as_ref().and_then(|backup| backup.drill.as_ref());
        Gauges {
            in_flight,
            max_in_flight,
            cache: self.content.cache.bytes(),
            database,
            wal,
            free_space: self.engine.dir.free_space(),
            states: counted(|counts| counts.states),
            versions: counted(|counts| counts.versions),
            locks: counted(|counts| counts.locks),
            only_locked: counted(|counts| counts.only_locked),
            dead_locks: locks.map(|locks| locks.dead_locks),
            oldest_lock: locks.map(|locks| age(locks.oldest_lock_at)),
            damaged: scrub.damaged_versions,
            last_verified: scrub.last.map(|last| seconds(last.finished_at)),
            backup_at: last.map(|last| seconds(last.at)),
            backup_size: last.map(|last| last.size),
            drilled_at: drill.map(|drill| seconds(drill.at)),
            backup_overdue: failed(|backup| backup.overdue),
            backup_failed: failed(|backup| backup.failure.is_some()),
            drill_failed: failed(|backup| backup.drill_failure.is_some()),
            mirror_behind: self.mirror().seconds_behind(),
            syslog_behind: self.syslog().seconds_behind(),
            tls_days_left: tls.as_ref().map(|tls| tls.days_left),
            hooks_failing: self.hooks().failing(),
            tls_not_exchanged: tls.map(|tls| u64::from(tls.failure.is_some())),
            ready: u64::from(health.status == Readiness::Ready),
        }
    }

    /// A disk on which writes find no room, or less than has to stay free.
    fn full_disk(&self) -> Option<HealthProblem> {
        let least = self.engine.limits.min_free_space;
        let too_little = self.engine.dir.free_space().filter(|free| *free < least);
        let detail = match too_little {
            Some(free) => format!(
                "{free} bytes are free on the disk, less than {least}: writes are refused until \
                    there is more room"
            ),
            None if self.engine.store.is_without_room() => {
                "the last write found no room: the disk \
                is full for the server, perhaps by a quota, by its number of files or by a limit \
                on their size; it is tried again each minute"
                    .to_owned()
            }
            None => return None,
        };
        Some(HealthProblem {
            code: DISK_FULL,
            detail,
        })
    }

    /// What a caller may know of the server's health; none for a caller without good credentials.
    pub async fn health_for(&self, caller: Option<&Caller>) -> Health {
        let health = self.health().await;
        match caller.map(|caller| authorize_everywhere(caller, Permission::Status)) {
            Some(Ok(())) => health,
            Some(Err(_)) | None => health.for_anybody(),
        }
    }

    /// What those who may know its figures may know of the server's health.
    pub async fn health(&self) -> Health {
        let (mut status, mut problems) = self.writing();
        match self.look_at_keys().await {
            Ok(ending) => problems.extend(ending),
            Err(unreadable) => {
                status = Readiness::NotReady;
                problems.push(unreadable);
            }
        }
        let scrub = self.scrub_report();
        problems.extend(damage(&scrub));
        problems.extend(self.backup_report().iter().flat_map(about_backups));
        problems.extend(damage_met(self.engine.store.damage_met()));
        problems.extend(forgotten_key(self.engine.dir.forgot_initial_key()));
        problems.extend(self.tls_report().iter().flat_map(about_tls));
        problems.extend(self.mirror().behind().map(|behind| about_mirror(&behind)));
        problems.extend(self.event_file().behind_since().map(about_events_file));
        problems.extend(self.syslog().behind_since().map(about_syslog));
        problems.extend(about_hooks(self.hooks().failing()));
        let erasing = self.content.erasure();
        problems.extend(erasing.as_ref().and_then(about_erasing));
        Health {
            status,
            name: env!("CARGO_PKG_NAME"),
            version: Some(env!("CARGO_PKG_VERSION")),
            since: self.process.since(status),
            verified_at: scrub.last.map(|last| last.finished_at),
            problems,
            erasing,
        }
    }

    /// Whether the server can write, as far as that is known without a look at the database.
    fn writing(&self) -> (Readiness, Vec<HealthProblem>) {
        let fault = self.engine.store.fault();
        let fault = fault.map(|fault| fault_problem(&fault));
        let mut problems: Vec<_> = self.full_disk().into_iter().chain(fault).collect();
        let status = if problems.is_empty() {
            Readiness::Ready
        } else {
            Readiness::Degraded
        };
        let doubt = self.keeping.pruning.trust.doubt();
        problems.extend(doubt.map(|doubt| HealthProblem {
            code: "clock_in_doubt",
            detail: doubt.detail(),
        }));
        (status, problems)
    }

    /// Whether keys end soon, or cannot be used; asking shows whether the database can be read.
    async fn look_at_keys(&self) -> Result<Vec<HealthProblem>, HealthProblem> {
        let now = self.engine.time_for_ends();
        let store = &self.engine.store;
        let asks_clients = self.asks_clients();
        let count = move |view: &View<'_>| {
            view.has_keys()?;
            let ending = view.keys_that_end(now, now + SOON)?;
            let shut_out = if asks_clients {
                0
            } else {
                view.bound_keys(now)?
            };
            Ok((ending, shut_out))
        };
        let counted = store.read_inline(count).await;
        let problems = counted.map(|(ending, shut_out)| {
            let problems = [keys_end_soon(ending), bound_keys_shut_out(shut_out)];
            problems.into_iter().flatten().collect()
        });
        problems.map_err(|error| {
            tracing::error!(%error, "the database cannot be read");
            HealthProblem {
                code: "store_unreadable",
                detail: "the database cannot be read; the log says more".to_owned(),
            }
        })
    }

    /// The quotas, for a caller who may set them: they name workspaces.
    async fn quotas(&self, caller: &Caller) -> Result<Vec<QuotaReport>, Error> {
        let quotas = Quotas::new(self.engine);
        if quotas.may_operate(caller).is_err() {
            return Ok(Vec::new());
        }
        Ok(quotas.reports(None, MAX_QUOTAS).await?)
    }

    /// What an operator or a monitor may know; nothing about single states. With `since`, how many
    /// versions were written after that.
    pub async fn report(
        &self,
        caller: &Caller,
        since: Option<Timestamp>,
    ) -> Result<StatusReport, Error> {
        authorize_everywhere(caller, Permission::Status)?;
        let waiting = Waiting::now(self.engine, None);
        let read = self.engine.store.read(move |view| {
            let versions_since = since.map(|since| view.versions_since(since)).transpose()?;
            let seals = view.seal_facts()?;
            Ok((view.counts()?, waiting.facts(view)?, versions_since, seals))
        });
        let (counts, lock_facts, versions_since, seals) = read.await?;
        let (database_size, wal_size) = self.engine.store.file_sizes();
        Ok(StatusReport {
            health: self.health().await,
            instance: self.instance().to_string(),
            started_at: self.process.started_at,
            schema_version: self.engine.store.schema_version(),
            states: counts.states,
            versions: counts.versions,
            versions_since,
            locks: counts.locks,
            only_locked: counts.only_locked,
            lock_facts,
            keys: counts.keys,
            database_size,
            wal_size,
            free_space: self.engine.dir.free_space(),
            scrub: self.scrub_report(),
            backup: self.backup_report(),
            storage: SealStatus::of(seals),
            tls: self.tls_report(),
            unlocked_writes: self.engine.limits.unlocked_writes.name(),
            quotas: self.quotas(caller).await?,
            hooks: self.hooks().report().await?,
        })
    }
}
