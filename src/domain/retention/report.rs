//! What a run would do, and what it did: bounded in lines, however many states there are.

use serde::Serialize;

use crate::domain::retention::plan::{Reasons, RetentionPlan};
use crate::model::name::{BuildingBlock, StateName, Workspace};
use crate::model::retention::{Removed, Space};

/// How many states a report names; the others are counted.
const MAX_LINES: usize = 1_000;

/// One state of which something goes, or went.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// Its workspace.
    pub workspace: Workspace,
    /// Its building block.
    #[serde(rename = "buildingBlock")]
    pub block: BuildingBlock,
    /// How many versions go.
    pub removed: u64,
    /// The lowest of their numbers.
    pub first: Option<u64>,
    /// The highest of their numbers.
    pub last: Option<u64>,
    /// How many stay.
    pub kept: u64,
}

/// All states together.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Summary {
    /// How many states a policy was applied to.
    pub states: u64,
    /// How many versions go.
    pub removed: u64,
    /// How many stay.
    pub kept: u64,
    /// Why they stay; a version may stay for several reasons.
    pub reasons: Reasons,
    /// The states of which something goes, the first thousand of them.
    pub list: Vec<Line>,
    /// How many more there are.
    pub not_listed: u64,
}

impl Summary {
    fn add(&mut self, name: &StateName, reasons: &Reasons, removed: Removed, kept: u64) {
        self.states += 1;
        self.removed += removed.count;
        self.kept += kept;
        self.reasons.add(reasons);
        if removed.count == 0 {
            return;
        }
        if self.list.len() >= MAX_LINES {
            self.not_listed += 1;
            return;
        }
        let (workspace, block) = (name.workspace.clone(), name.block.clone());
        self.list.push(Line {
            workspace,
            block,
            removed: removed.count,
            first: removed.first,
            last: removed.last,
            kept,
        });
    }
}

/// What would go. Nothing of it has gone.
#[derive(Clone, Debug, Default, Serialize)]
pub struct PrunePreview {
    /// All states together.
    #[serde(flatten)]
    pub summary: Summary,
}

impl PrunePreview {
    /// Adds one state.
    pub(super) fn add(&mut self, name: &StateName, plan: &RetentionPlan) {
        let (first, last) = (plan.remove.first().copied(), plan.remove.last().copied());
        let would = Removed {
            looked_at: plan.remove.len(),
            count: plan.remove.len() as u64,
            first,
            last,
        };
        self.summary.add(name, &plan.reasons, would, plan.kept);
    }
}

/// What went.
#[derive(Clone, Debug, Default, Serialize)]
pub struct PruneReport {
    /// All states together.
    #[serde(flatten)]
    pub summary: Summary,
    /// Bytes of the database before.
    pub size_before: u64,
    /// Bytes of the database afterwards.
    pub size_after: u64,
    /// How many bytes that are fewer.
    pub freed: u64,
}

impl PruneReport {
    /// Adds one state. What was held or became current in between has stayed.
    pub(super) fn add(&mut self, name: &StateName, plan: &RetentionPlan, removed: Removed) {
        let stayed = (plan.remove.len() as u64).saturating_sub(removed.count);
        self.summary
            .add(name, &plan.reasons, removed, plan.kept + stayed);
    }

    /// Says how much came back.
    pub(super) fn measure(&mut self, before: Space, after: Space) {
        (self.size_before, self.size_after) = (before.size, after.size);
        self.freed = before.size.saturating_sub(after.size);
    }
}
