//! What can be wrong with the server, as it is told to anybody: a code, and what to do. No path, no
//! name and no figure of the disk is part of it.

use serde::Serialize;

use crate::domain::backups::log::{BackupFailure, BackupReport};
use crate::domain::content::erasure::ErasureReport;
use crate::domain::integrity::verifications::ScrubReport;
use crate::domain::mirror::Behind;
use crate::model::clock::Timestamp;
use crate::store::StoreError;

/// Something that is wrong.
#[derive(Clone, Debug, Serialize)]
pub struct HealthProblem {
    /// A stable code.
    pub code: &'static str,
    /// What is wrong, and what to do.
    pub detail: String,
}

/// Damage needs a person, and keeps nobody from all that is not damaged: the server stays ready. It
/// names no states.
pub(super) fn damage(scrub: &ScrubReport) -> Vec<HealthProblem> {
    let mut problems = Vec::new();
    if scrub.damaged_versions > 0 {
        let count = scrub.damaged_versions;
        let are = if count == 1 {
            "version is"
        } else {
            "versions are"
        };
        let detail = format!(
            "{count} {are} damaged and cannot be read; all others can. `statekeep verify` says \
                which, docs/operation.md what to do"
        );
        problems.push(HealthProblem {
            code: "damaged_versions",
            detail,
        });
    }
    if let Some(others) = scrub
        .last
        .map(|last| last.found.saturating_sub(last.damaged_versions))
        .filter(|others| *others > 0)
    {
        let detail = format!(
            "the last verification found {others} things beside damaged versions that need a \
                person; `statekeep verify` says which"
        );
        problems.push(HealthProblem {
            code: "verify_findings",
            detail,
        });
    }
    problems
}

/// A store that does not write any more. What the system says may hold paths: that is for the log,
/// this is for anybody.
pub(super) fn fault_problem(fault: &StoreError) -> HealthProblem {
    let (code, detail) = if fault.keeps_the_process() {
        (
            "database_gone",
            "the database file or its WAL was removed or replaced while the server had it open, so \
                nothing is written any more; leave the server running until its data is saved, \
                which the log says how to do",
        )
    } else {
        (
            "store_fault",
            "the disk or the database failed, so nothing is written any more; the log says more, \
                and the server has to be started again",
        )
    };
    HealthProblem {
        code,
        detail: detail.to_owned(),
    }
}

/// What is wrong with the server's own backups. Why they failed may hold paths, which are not for
/// anybody.
pub(super) fn about_backups(report: &BackupReport) -> Vec<HealthProblem> {
    let mut problems = Vec::new();
    let mut tell = |code, detail: String| problems.push(HealthProblem { code, detail });
    if report.overdue {
        let last = report.last.as_ref().map_or_else(
            || "there is none".to_owned(),
            |last| format!("the newest is of {}", last.at),
        );
        tell("backup_overdue", format!("a backup is overdue: {last}"));
    }
    let failed = |failure: &BackupFailure| {
        format!(
            "failed at {}; the log and `/api/status` say why",
            failure.at
        )
    };
    if let Some(failure) = &report.failure {
        tell(
            "backup_failed",
            format!("the last backup {}", failed(failure)),
        );
    }
    if let Some(failure) = &report.drill_failure {
        tell(
            "drill_failed",
            format!("the drill of the newest backup {}", failed(failure)),
        );
    }
    problems
}

/// Rows that are not as they were written are refused, and all others are answered.
pub(super) fn damage_met(count: u64) -> Option<HealthProblem> {
    let things = if count == 1 { "thing" } else { "things" };
    (count > 0).then(|| HealthProblem {
        code: "damaged_rows",
        detail: format!(
            "requests have met {count} {things} that are not as they were written, and were \
                refused; the events `row.damaged` and `statekeep verify` say what, \
                docs/operation.md what to do"
        ),
    })
}

/// A key that ends stops every pipeline that uses it. It names no key.
pub(super) fn keys_end_soon(count: u64) -> Option<HealthProblem> {
    let ends = if count == 1 { "key ends" } else { "keys end" };
    (count > 0).then(|| HealthProblem {
        code: "keys_end_soon",
        detail: format!(
            "{count} {ends} within 14 days; `statekeep key list` says which, and those who use \
                them need others by then"
        ),
    })
}

/// Keys that nobody can use. It names none.
pub(super) fn bound_keys_shut_out(count: u64) -> Option<HealthProblem> {
    let are = if count == 1 { "key is" } else { "keys are" };
    (count > 0).then(|| HealthProblem {
        code: "bound_keys_shut_out",
        detail: format!(
            "{count} {are} bound to client certificates, and this server asks for none, so every \
                use of them is refused; start it with --tls-client-ca, or revoke them"
        ),
    })
}

/// Who can read the file can do everything, and no act shows who it was.
pub(super) fn forgotten_key(is_left: bool) -> Option<HealthProblem> {
    is_left.then(|| HealthProblem {
        code: "initial_key_left",
        detail: "the secret of the first admin key lies in a file of the data directory for more \
            than a day: store it safely, and remove the file `initial-admin-key`"
            .to_owned(),
    })
}

/// What keeps the folder behind may hold paths and names, which are not for anybody.
pub(super) fn about_mirror(behind: &Behind) -> HealthProblem {
    let detail = format!(
        "the folder of --mirror-dir is behind since {}; the log says why",
        behind.since
    );
    HealthProblem {
        code: "mirror_behind",
        detail,
    }
}

/// What keeps the file behind may hold paths, which are not for anybody.
pub(super) fn about_events_file(since: Timestamp) -> HealthProblem {
    HealthProblem {
        code: "events_file_behind",
        detail: format!("events are missing in --events-file since {since}; the log says why"),
    }
}

/// What the receiver answered may name it, which is not for anybody.
pub(super) fn about_syslog(since: Timestamp) -> HealthProblem {
    HealthProblem {
        code: "syslog_behind",
        detail: format!(
            "the receiver of --syslog has taken no head of the event log since {since}; the log \
                says why. It is tried again by itself"
        ),
    }
}

/// What nobody is told of by a hook may have to be told in another way. It names no hook.
pub(super) fn about_hooks(failing: u64) -> Option<HealthProblem> {
    let has = if failing == 1 {
        "webhook has"
    } else {
        "webhooks have"
    };
    (failing > 0).then(|| HealthProblem {
        code: "hooks_failing",
        detail: format!(
            "{failing} {has} failed for ten minutes or longer; `statekeep hook list` says which, \
                `statekeep hook show` why. Deliveries are tried again by themselves"
        ),
    })
}

/// Purged content that does not leave the disk by itself. Versions are safe all the same.
pub(super) fn about_erasing(erasing: &ErasureReport) -> Option<HealthProblem> {
    let why = if erasing.missing_bytes.is_some() {
        "too little is free on the disk: make room"
    } else if erasing.failures > 0 {
        "each try fails; the log says why"
    } else {
        "something delays it for long, perhaps a program that reads or replicates the database: \
            end that"
    };
    erasing.is_late().then(|| HealthProblem {
        code: "purge_unfinished",
        detail: format!(
            "content that was purged at {} is still on the disk: {why}. It is tried again by \
                itself",
            erasing.since
        ),
    })
}
