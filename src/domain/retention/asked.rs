//! What a run of pruning is asked to do.

use crate::model::name::{BuildingBlock, Workspace};
use crate::model::retention::Policy;

/// What is to be pruned.
#[derive(Clone, Debug, Default)]
pub struct PruneRequest {
    /// By this policy; by those in force if none.
    pub policy: Option<Policy>,
    /// Only in this workspace. Then the policy that is given counts there even where the workspace
    /// has one of its own.
    pub workspace: Option<Workspace>,
    /// Only this building block of it.
    pub block: Option<BuildingBlock>,
}
