//! Faults that are built in on purpose, so that a test which must find them is seen to find them.
//!
//! They exist only in a build with the feature `sabotage`, which is for controls alone and is never
//! given to anybody. There, the variable `STATEKEEP_SABOTAGE` names the faults that are on,
//! separated by commas. In every other build [`is`] is `false`, and the compiler leaves the fault
//! out.

/// A fault that can be turned on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// `row-hash`: rows are believed without a look at their hash.
    RowHash,
    /// `one-index`: "there is none" is said as soon as one index finds nothing.
    OneIndex,
    /// `start-check`: the data is opened without a look at its WAL and its anchor.
    StartCheck,
    /// `held-files`: files that were removed or replaced are not noticed.
    HeldFiles,
    /// `backup-without-wal`: the database file is copied as it lies there.
    BackupWithoutWal,
    /// `backup-in-place`: a backup has its name before it is whole.
    BackupInPlace,
    /// `backup-hash`: what a backup holds is not compared with its manifest.
    BackupHash,
    /// `restore-unverified`: what is damaged in a backup is restored.
    RestoreUnverified,
    /// `restore-as-it-was`: tokens, locks and the id of the data stay as they were.
    RestoreAsItWas,
    /// `drill-skipped`: a drill succeeds without a look at the backup.
    DrillSkipped,
    /// `answer-before-commit`: jobs are answered first, and committed 20 ms later.
    AnswerBeforeCommit,
    /// `lock-outside`: whether a state is locked is looked at before the transaction that locks it.
    LockOutside,
    /// `no-hash`: decoded bytes are handed out without a look at their SHA-256.
    NoHash,
    /// `skip-sync`: commits are not synced.
    SkipSync,
    /// `door`: one address may have all connections, and none of them makes room for others.
    Door,
    /// `operators-door`: the operator's socket has its places among those of clients.
    OperatorsDoor,
    /// `heads`: heads are as large as the library takes them, for strangers too.
    Heads,
    /// `logins`: bodies of logins are read as those of any caller, and as many as come.
    Logins,
    /// `announced`: a body takes the memory that its client announces, and not what has come.
    Announced,
    /// `shares`: one key or one workspace may hold all memory.
    Shares,
    /// `small-part`: small bodies and reads have no memory of their own.
    SmallPart,
    /// `locks`: locks may be large, and there may be any number of them without a state.
    Locks,
    /// `aside`: comparisons and detections run where writes do, as many as come.
    Aside,
    /// `knocking`: each wrong secret costs argon2, and good ones are refused after it.
    Knocking,
    /// `event-shares`: if there are too many events, the oldest of all workspaces go, each second.
    EventShares,
    /// `fifo-queue`: writes are done in the order in which they came, whosever they are.
    FifoQueue,
    /// `slow-batches`: a transaction has 4 jobs, and takes half a second.
    SlowBatches,
    /// `hurry`: bodies and answers have to be through in 4 s.
    Hurry,
    /// `held-long-reads`: long questions keep their place for as long as a file is there, which the
    /// variable `STATEKEEP_HELD_BY` names.
    HeldLongReads,
    /// `held-large-work`: work on large states keeps its thread for as long.
    HeldLargeWork,
}

impl Fault {
    #[cfg(feature = "sabotage")]
    const fn name(self) -> &'static str {
        match self {
            Self::RowHash => "row-hash",
            Self::OneIndex => "one-index",
            Self::StartCheck => "start-check",
            Self::HeldFiles => "held-files",
            Self::BackupWithoutWal => "backup-without-wal",
            Self::BackupInPlace => "backup-in-place",
            Self::BackupHash => "backup-hash",
            Self::RestoreUnverified => "restore-unverified",
            Self::RestoreAsItWas => "restore-as-it-was",
            Self::DrillSkipped => "drill-skipped",
            Self::AnswerBeforeCommit => "answer-before-commit",
            Self::LockOutside => "lock-outside",
            Self::NoHash => "no-hash",
            Self::SkipSync => "skip-sync",
            Self::Door => "door",
            Self::OperatorsDoor => "operators-door",
            Self::Heads => "heads",
            Self::Logins => "logins",
            Self::Announced => "announced",
            Self::Shares => "shares",
            Self::SmallPart => "small-part",
            Self::Locks => "locks",
            Self::Aside => "aside",
            Self::Knocking => "knocking",
            Self::EventShares => "event-shares",
            Self::FifoQueue => "fifo-queue",
            Self::SlowBatches => "slow-batches",
            Self::Hurry => "hurry",
            Self::HeldLongReads => "held-long-reads",
            Self::HeldLargeWork => "held-large-work",
        }
    }
}

/// Whether a fault is on: never, in a build without the feature.
#[cfg(not(feature = "sabotage"))]
#[inline]
pub const fn is(_fault: Fault) -> bool {
    false
}

/// Whether a fault is on.
#[cfg(feature = "sabotage")]
pub fn is(fault: Fault) -> bool {
    use std::sync::OnceLock;
    static NAMED: OnceLock<String> = OnceLock::new();
    #[expect(
        clippy::disallowed_methods,
        reason = "no setting: it exists in builds for controls alone"
    )]
    let named = NAMED.get_or_init(|| std::env::var("STATEKEEP_SABOTAGE").unwrap_or_default());
    named.split(',').any(|name| name.trim() == fault.name())
}

/// Waits for as long as a fault holds its thread: never, in a build without the feature.
#[cfg(not(feature = "sabotage"))]
#[inline]
pub const fn hold(_fault: Fault) {}

/// Waits for as long as a fault is on and its file is there.
#[cfg(feature = "sabotage")]
pub fn hold(fault: Fault) {
    #[expect(
        clippy::disallowed_methods,
        reason = "no setting: it exists in builds for controls alone"
    )]
    let Some(file) = std::env::var_os("STATEKEEP_HELD_BY").filter(|_| is(fault)) else {
        return;
    };
    while std::path::Path::new(&file).exists() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}
