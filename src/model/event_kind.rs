//! The kinds of events: their names on the wire and in the database, and which of them last.

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// A version became current by a write.
    StateWrite,
    /// A valid state was refused and kept.
    StateWriteRejected,
    /// A state was deleted.
    StateDelete,
    /// A deleted, moved or transferred state was brought back.
    StateRestore,
    /// An earlier version's content became current again.
    StateRollback,
    /// A version was imported.
    StateImport,
    /// A state got another address.
    StateMove,
    /// A state is to leave for a storage elsewhere, and is locked for that.
    TransferBegin,
    /// A state has left for a storage elsewhere.
    TransferFinish,
    /// A state that was to leave stays.
    TransferAbandon,
    /// The content of versions was removed for good.
    StatePurge,
    /// A version was found damaged; once for each.
    VersionDamaged,
    /// Something in the database is not as it was written; once for each since the start.
    RowDamaged,
    /// A person confirmed a new key for the hashes of rows.
    RowKeyRenew,
    /// Versions of a state were pruned.
    StatePrune,
    /// A version was held.
    VersionHold,
    /// A version is not held any more.
    VersionRelease,
    /// A person started the server although acknowledged writes are missing.
    LossAccepted,
    /// An operator, or the server itself, pruned history.
    RetentionRun,
    /// A workspace got a policy of its own.
    RetentionSet,
    /// A workspace's own policy was taken away.
    RetentionUnset,
    /// A workspace got a quota.
    QuotaSet,
    /// A workspace's quota was taken away.
    QuotaClear,
    /// A person asked for all content to be sealed.
    StorageEncrypt,
    /// A person went over to another key for sealed content.
    StorageRekey,
    /// A person said that the clock is right.
    ClockTrust,
    /// A person has looked at an event that was marked for one.
    EventAcknowledge,
    /// A state was frozen: nothing changes it for a while.
    StateFreeze,
    /// A state is not frozen any more.
    StateUnfreeze,
    /// A lock was taken.
    LockAcquire,
    /// A lock was given back.
    LockRelease,
    /// A plan held a lock, and gave it back: one event for both.
    LockPlan,
    /// A lock was broken by force.
    LockBreak,
    /// A lock was released for another, since its holder could write no more.
    LockDied,
    /// A token was made from a key or an ID token, or an ID token was used for the first time.
    Login,
    /// A token got a later end.
    TokenExtend,
    /// A token was ended.
    TokenEnd,
    /// A key was made.
    KeyCreate,
    /// A key got another secret.
    KeyRotate,
    /// A key was ended.
    KeyRevoke,
    /// An act waits for a second person.
    ApprovalAsk,
    /// A second person approved an act.
    ApprovalGive,
    /// An act was refused, or its request taken back.
    ApprovalRefuse,
    /// An act was done that a second person had approved.
    ApprovalUse,
    /// A trust in an issuer's ID tokens was made.
    TrustCreate,
    /// A trust was removed, and its tokens ended.
    TrustRemove,
    /// A webhook was made.
    HookCreate,
    /// A webhook was enabled, after a restore.
    HookEnable,
    /// A webhook was deleted.
    HookDelete,
    /// A webhook has failed for long.
    HookFail,
    /// A backup was made.
    BackupMake,
    /// A backup could not be made, or its drill failed.
    BackupFail,
    /// This data came out of a backup.
    BackupRestore,
    /// Secrets of a state were shown in clear, in a comparison or among its outputs.
    StateReveal,
    /// A state or one of its versions was read; gathered.
    StateRead,
    /// Credentials were refused; gathered.
    CredentialsRefused,
    /// Good credentials did not allow something; gathered.
    AccessRefused,
    /// A redirect brought a request of the state protocol here, and it was refused; gathered.
    RequestRedirected,
}

impl EventKind {
    /// Each kind.
    pub const ALL: [Self; 58] = [
        Self::StateWrite,
        Self::StateWriteRejected,
        Self::StateDelete,
        Self::StateRestore,
        Self::StateRollback,
        Self::StateImport,
        Self::StateMove,
        Self::TransferBegin,
        Self::TransferFinish,
        Self::TransferAbandon,
        Self::StatePurge,
        Self::VersionDamaged,
        Self::RowDamaged,
        Self::RowKeyRenew,
        Self::StatePrune,
        Self::VersionHold,
        Self::VersionRelease,
        Self::LossAccepted,
        Self::RetentionRun,
        Self::RetentionSet,
        Self::RetentionUnset,
        Self::QuotaSet,
        Self::QuotaClear,
        Self::StorageEncrypt,
        Self::StorageRekey,
        Self::ClockTrust,
        Self::EventAcknowledge,
        Self::StateFreeze,
        Self::StateUnfreeze,
        Self::LockAcquire,
        Self::LockRelease,
        Self::LockPlan,
        Self::LockBreak,
        Self::LockDied,
        Self::Login,
        Self::TokenExtend,
        Self::TokenEnd,
        Self::KeyCreate,
        Self::KeyRotate,
        Self::KeyRevoke,
        Self::ApprovalAsk,
        Self::ApprovalGive,
        Self::ApprovalRefuse,
        Self::ApprovalUse,
        Self::TrustCreate,
        Self::TrustRemove,
        Self::HookCreate,
        Self::HookEnable,
        Self::HookDelete,
        Self::HookFail,
        Self::BackupMake,
        Self::BackupFail,
        Self::BackupRestore,
        Self::StateReveal,
        Self::StateRead,
        Self::CredentialsRefused,
        Self::AccessRefused,
        Self::RequestRedirected,
    ];

    /// Whether a filter names a kind, or a family of kinds as in `state.*`.
    pub fn is_filter(filter: &str) -> bool {
        Self::ALL.iter().any(|kind| match filter.strip_suffix('*') {
            Some(family) => family.ends_with('.') && kind.name().starts_with(family),
            None => kind.name() == filter,
        })
    }

    /// Whether it is kept longer than others, and never goes because of them: what is asked for
    /// years later.
    pub const fn is_lasting(self) -> bool {
        match self {
            Self::StateWriteRejected
            | Self::StateDelete
            | Self::StateRestore
            | Self::StateRollback
            | Self::StateMove
            | Self::TransferBegin
            | Self::TransferFinish
            | Self::TransferAbandon
            | Self::StatePurge
            | Self::VersionDamaged
            | Self::RowDamaged
            | Self::RowKeyRenew
            | Self::VersionHold
            | Self::VersionRelease
            | Self::LossAccepted
            | Self::RetentionSet
            | Self::RetentionUnset
            | Self::QuotaSet
            | Self::QuotaClear
            | Self::StorageEncrypt
            | Self::StorageRekey
            | Self::ClockTrust
            | Self::EventAcknowledge
            | Self::StateFreeze
            | Self::StateUnfreeze
            | Self::LockBreak
            | Self::LockDied
            | Self::KeyCreate
            | Self::KeyRotate
            | Self::KeyRevoke
            | Self::ApprovalAsk
            | Self::ApprovalGive
            | Self::ApprovalRefuse
            | Self::ApprovalUse
            | Self::TrustCreate
            | Self::TrustRemove
            | Self::HookCreate
            | Self::HookEnable
            | Self::HookDelete
            | Self::HookFail
            | Self::BackupFail
            | Self::BackupRestore
            | Self::StateReveal => true,
            Self::StateWrite
            | Self::StateImport
            | Self::StatePrune
            | Self::RetentionRun
            | Self::LockAcquire
            | Self::LockRelease
            | Self::LockPlan
            | Self::Login
            | Self::TokenExtend
            | Self::TokenEnd
            | Self::BackupMake
            | Self::StateRead
            | Self::CredentialsRefused
            | Self::AccessRefused
            | Self::RequestRedirected => false,
        }
    }

    /// Its name on the wire and in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::StateWrite => "state.write",
            Self::StateWriteRejected => "state.write_rejected",
            Self::StateDelete => "state.delete",
            Self::StateRestore => "state.restore",
            Self::StateRollback => "state.rollback",
            Self::StateImport => "state.import",
            Self::StateMove => "state.move",
            Self::TransferBegin => "transfer.begin",
            Self::TransferFinish => "transfer.finish",
            Self::TransferAbandon => "transfer.abandon",
            Self::StatePurge => "state.purge",
            Self::VersionDamaged => "version.damaged",
            Self::RowDamaged => "row.damaged",
            Self::RowKeyRenew => "row_key.renew",
            Self::StatePrune => "state.prune",
            Self::VersionHold => "version.hold",
            Self::VersionRelease => "version.release",
            Self::LossAccepted => "loss.accepted",
            Self::RetentionRun => "retention.run",
            Self::RetentionSet => "retention.set",
            Self::RetentionUnset => "retention.unset",
            Self::QuotaSet => "quota.set",
            Self::QuotaClear => "quota.clear",
            Self::StorageEncrypt => "storage.encrypt",
            Self::StorageRekey => "storage.rekey",
            Self::ClockTrust => "clock.trust",
            Self::EventAcknowledge => "event.acknowledge",
            Self::StateFreeze => "state.freeze",
            Self::StateUnfreeze => "state.unfreeze",
            Self::LockAcquire => "lock.acquire",
            Self::LockRelease => "lock.release",
            Self::LockPlan => "lock.plan",
            Self::LockBreak => "lock.break",
            Self::LockDied => "lock.died",
            Self::Login => "login",
            Self::TokenExtend => "token.extend",
            Self::TokenEnd => "token.end",
            Self::KeyCreate => "key.create",
            Self::KeyRotate => "key.rotate",
            Self::KeyRevoke => "key.revoke",
            Self::ApprovalAsk => "approval.ask",
            Self::ApprovalGive => "approval.give",
            Self::ApprovalRefuse => "approval.refuse",
            Self::ApprovalUse => "approval.use",
            Self::TrustCreate => "trust.create",
            Self::TrustRemove => "trust.remove",
            Self::HookCreate => "hook.create",
            Self::HookEnable => "hook.enable",
            Self::HookDelete => "hook.delete",
            Self::HookFail => "hook.fail",
            Self::BackupMake => "backup.make",
            Self::BackupFail => "backup.fail",
            Self::BackupRestore => "backup.restore",
            Self::StateReveal => "state.reveal",
            Self::StateRead => "state.read",
            Self::CredentialsRefused => "credentials.refused",
            Self::AccessRefused => "access.refused",
            Self::RequestRedirected => "request.redirected",
        }
    }
}
