//! What is remembered of the work that keeps the data well: verifications, pruning, backups, the
//! break-glass folder, the file of events, the receiver of syslog and webhooks.

use std::sync::Arc;

use crate::domain::backups::BackupState;
use crate::domain::engine::Engine;
use crate::domain::events::file::EventFileState;
use crate::domain::events::syslog::SyslogState;
use crate::domain::hooks::state::HookState;
use crate::domain::integrity::verifications::Verifications;
use crate::domain::mirror::MirrorState;
use crate::domain::retention::Pruning;

/// The work that keeps the data well.
pub(super) struct Keeping {
    pub(super) verifications: Verifications,
    pub(super) pruning: Pruning,
    pub(super) backups: BackupState,
    pub(super) mirror: MirrorState,
    pub(super) event_file: EventFileState,
    pub(super) syslog: SyslogState,
    pub(super) hooks: Arc<HookState>,
}

impl Keeping {
    pub(super) fn new(engine: &Engine) -> Self {
        Self {
            verifications: Verifications::default(),
            pruning: Pruning::new(engine),
            backups: BackupState::new(engine),
            mirror: MirrorState::default(),
            event_file: EventFileState::default(),
            syslog: SyslogState::default(),
            hooks: Arc::default(),
        }
    }
}
