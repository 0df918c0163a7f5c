//! Which events change after they were recorded, and how: the chain of events leaves that out.

use super::event_kind::EventKind;

/// What of an event's row may change after it was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Growth {
    /// Nothing.
    Never,
    /// How often it happened, and the last time: it is counted by the minute.
    Counted,
    /// What there is to say, and the last time: it is an act that goes on in parts.
    InParts,
}

impl Growth {
    /// That of events of a kind.
    pub const fn of(kind: EventKind) -> Self {
        match kind {
            EventKind::StateRead
            | EventKind::CredentialsRefused
            | EventKind::AccessRefused
            | EventKind::RequestRedirected => Self::Counted,
            EventKind::StatePrune | EventKind::StatePurge => Self::InParts,
            EventKind::StateWrite
            | EventKind::StateWriteRejected
            | EventKind::StateDelete
            | EventKind::StateRestore
            | EventKind::StateRollback
            | EventKind::StateImport
            | EventKind::StateMove
            | EventKind::TransferBegin
            | EventKind::TransferFinish
            | EventKind::TransferAbandon
            | EventKind::VersionDamaged
            | EventKind::RowDamaged
            | EventKind::RowKeyRenew
            | EventKind::VersionHold
            | EventKind::VersionRelease
            | EventKind::LossAccepted
            | EventKind::RetentionRun
            | EventKind::RetentionSet
            | EventKind::RetentionUnset
            | EventKind::QuotaSet
            | EventKind::QuotaClear
            | EventKind::StorageEncrypt
            | EventKind::StorageRekey
            | EventKind::ClockTrust
            | EventKind::LockAcquire
            | EventKind::LockRelease
            | EventKind::LockPlan
            | EventKind::LockBreak
            | EventKind::LockDied
            | EventKind::Login
            | EventKind::TokenExtend
            | EventKind::TokenEnd
            | EventKind::KeyCreate
            | EventKind::KeyRotate
            | EventKind::KeyRevoke
            | EventKind::EventAcknowledge
            | EventKind::StateFreeze
            | EventKind::StateUnfreeze
            | EventKind::TrustCreate
            | EventKind::TrustRemove
            | EventKind::HookCreate
            | EventKind::HookEnable
            | EventKind::HookDelete
            | EventKind::HookFail
            | EventKind::ApprovalAsk
            | EventKind::ApprovalGive
            | EventKind::ApprovalRefuse
            | EventKind::ApprovalUse
            | EventKind::BackupMake
            | EventKind::BackupFail
            | EventKind::BackupRestore
            | EventKind::StateReveal => Self::Never,
        }
    }

    /// The same of a kind that is named as in the database.
    pub fn of_name(kind: &str) -> Self {
        let known = EventKind::ALL.iter().find(|known| known.name() == kind);
        known.map_or(Self::Never, |kind| Self::of(*kind))
    }
}
