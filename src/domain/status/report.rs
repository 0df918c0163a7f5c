//! What an operator or a monitor may know of the server, in one answer; nothing about single
//! states.

use serde::Serialize;

use crate::domain::access::authorize_everywhere;
use crate::domain::backups::log::BackupReport;
use crate::domain::error::Error;
use crate::domain::hooks::HooksReport;
use crate::domain::integrity::verifications::ScrubReport;
use crate::domain::quotas::{QuotaReport, Quotas};
use crate::domain::sealing::SealStatus;
use crate::domain::states::waiting::{LockFacts, Waiting};
use crate::domain::status::Status;
use crate::domain::status::health::Health;
use crate::domain::status::tls::TlsReport;
use crate::model::caller::Caller;
use crate::model::clock::Timestamp;
use crate::model::permission::Permission;

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

impl Status<'_> {
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
