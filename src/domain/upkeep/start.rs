//! What is looked at once, when the data is open and before anything is served: whether a place
//! outside of the data directory tells of more than the data has.

use crate::domain::backups::received;
use crate::domain::events::noted;
use crate::domain::integrity::loss::{NotBegun, NotedElsewhere};
use crate::domain::upkeep::Upkeep;

impl Upkeep<'_> {
    /// Compares the data with what was noted of it elsewhere. Before this, nothing is written.
    ///
    /// # Errors
    ///
    /// An older copy was put back, and no person has accepted that.
    pub async fn begin(&self) -> Result<(), NotBegun> {
        self.integrity.begin(self.noted_elsewhere()).await
    }

    /// The last head that each place says which this server writes to. A place that cannot be read
    /// says none.
    fn noted_elsewhere(&self) -> Vec<NotedElsewhere> {
        let (limits, instance) = (&self.engine.limits, self.engine.store.instance());
        let file = limits.events_file.as_deref();
        let backups = limits.backups.as_ref().map(|plan| plan.dir.as_path());
        let backed_up = |folder| received::noted_head(folder, instance);
        let places = [
            ("the file of --events-file", file.and_then(noted::last_head)),
            ("the folder of --mirror-dir", self.mirror.noted_head()),
            (
                "the newest backup in --backup-dir",
                backups.and_then(backed_up),
            ),
        ];
        let noted = |(place, head): (&str, Option<_>)| {
            Some(NotedElsewhere {
                place: place.to_owned(),
                head: head?,
            })
        };
        places.into_iter().filter_map(noted).collect()
    }
}
