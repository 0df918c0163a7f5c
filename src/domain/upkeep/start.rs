//! What is looked at once, when the data is open and before anything is served: whether a place
//! outside of the data directory tells of more than the data has.
//!
//! Such a place may lie on another machine. One that is not there, or that is silent, tells of
//! nothing and holds up no start for long.

use std::path::{Path, PathBuf};
use std::time::Duration;

use uuid::Uuid;

use crate::config::Limits;
use crate::domain::backups::received;
use crate::domain::engine::start_preview::{self, StartFindings};
use crate::domain::events::noted;
use crate::domain::integrity::loss::{NotBegun, NotedElsewhere, foreseen};
use crate::domain::mirror;
use crate::domain::upkeep::Upkeep;
use crate::model::signed_head::SignedHead;
use crate::store::{FILE_NAME, preview_instance, preview_log};

/// How long each place may take to say its last head.
const SAYS_WITHIN: Duration = Duration::from_secs(10);

impl Upkeep<'_> {
    /// Compares the data with what was noted of it elsewhere. Before this, nothing is written.
    ///
    /// # Errors
    ///
    /// An older copy was put back and no person has accepted that, or it could not be written down
    /// that one has.
    pub async fn begin(&self) -> Result<(), NotBegun> {
        let instance = self.engine.store.instance();
        let noted = noted_elsewhere(&self.engine.limits, instance).await;
        self.integrity.begin(noted).await
    }
}

/// What a start would do with a data directory and these limits. Nothing is changed.
pub async fn preview(dir: &Path, limits: &Limits) -> StartFindings {
    let mut found = start_preview::findings_in(dir);
    let database = dir.join(FILE_NAME);
    if !found.problems.is_empty() {
        return found;
    }
    if let Some(instance) = preview_instance(&database) {
        let noted = noted_elsewhere(limits, instance).await;
        if noted.is_empty() {
            return found;
        }
        // Looked at after the places: a server that runs goes on meanwhile.
        let older = preview_log(&database).and_then(|end| foreseen(noted, &end));
        found.problems.extend(older.map(|older| older.to_string()));
    }
    found
}

/// The last head that each place says which a server writes to.
async fn noted_elsewhere(limits: &Limits, instance: Uuid) -> Vec<NotedElsewhere> {
    let backups = limits.backups.as_ref().map(|plan| plan.dir.clone());
    let (file, folder, backup) = tokio::join!(
        said(
            "the file of --events-file",
            limits.events_file.clone(),
            |file| noted::last_head(&file)
        ),
        said(
            "the folder of --mirror-dir",
            limits.mirror_dir.clone(),
            |folder| mirror::noted_head(&folder)
        ),
        said(
            "the newest backup in --backup-dir",
            backups,
            move |folder| received::noted_head(&folder, instance)
        ),
    );
    [file, folder, backup].into_iter().flatten().collect()
}

/// What a place says, if it is set and says something in time.
async fn said(
    place: &'static str,
    path: Option<PathBuf>,
    read: impl FnOnce(PathBuf) -> Option<SignedHead> + Send + 'static,
) -> Option<NotedElsewhere> {
    let path = path?;
    let reading = tokio::task::spawn_blocking(move || read(path));
    let Ok(read) = tokio::time::timeout(SAYS_WITHIN, reading).await else {
        tracing::warn!(
            place,
            "it does not answer; whether it tells of more than the data has is not known"
        );
        return None;
    };
    let head = read.ok().flatten()?;
    Some(NotedElsewhere { place, head })
}
