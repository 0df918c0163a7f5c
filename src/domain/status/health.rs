//! Whether the server can do its work, and what is wrong. Anybody may ask, and is told no figures.

use serde::Serialize;

use crate::domain::access::authorize_everywhere;
use crate::domain::content::erasure::ErasureReport;
use crate::domain::status::Status;
use crate::domain::status::problems::{
    HealthProblem, about_backups, about_erasing, about_events_file, about_hooks, about_mirror,
    about_syslog, bound_keys_shut_out, damage, damage_met, fault_problem, forgotten_key,
    keys_end_soon,
};
use crate::domain::status::process::Readiness;
use crate::domain::status::tls::about_tls;
use crate::model::caller::Caller;
use crate::model::clock::Timestamp;
use crate::model::key::SOON;
use crate::model::permission::Permission;
use crate::store::View;

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

impl Status<'_> {
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
}
