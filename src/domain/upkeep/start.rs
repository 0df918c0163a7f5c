//! What is looked at once, when the data is open and before anything is served: whether a place
//! outside of the data directory tells of more than the data has.
//!
//! Such a place may lie on another machine. One that is not there, or that is silent, tells of
//! nothing and holds up no start for long.

use std::path::PathBuf;
use std::time::Duration;

use crate::domain::backups::received;
use crate::domain::events::noted;
use crate::domain::integrity::loss::{NotBegun, NotedElsewhere};
use crate::domain::mirror;
use crate::domain::upkeep::Upkeep;
use crate::model::signed_head::SignedHead;

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
        let noted = self.noted_elsewhere().await;
        self.integrity.begin(noted).await
    }

    /// The last head that each place says which this server writes to.
    async fn noted_elsewhere(&self) -> Vec<NotedElsewhere> {
        let (limits, instance) = (&self.engine.limits, self.engine.store.instance());
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
