//! The flags of `statekeep export`.

use std::path::PathBuf;

use clap::Args;

use crate::model::name::{StateName, Workspace};

#[derive(Args)]
pub(in crate::cli) struct ExportArgs {
    /// The folder to write to, which must not exist or be empty; - writes a tar to stdout
    pub(super) target: PathBuf,
    /// Only these states, as WORKSPACE/BUILDINGBLOCK
    #[arg(value_name = "STATE")]
    pub(super) states: Vec<StateName>,
    /// Only the states of one workspace
    #[arg(long, conflicts_with = "states")]
    pub(super) workspace: Option<Workspace>,
    /// Only the current version of each state that is not deleted
    #[arg(long)]
    pub(super) no_history: bool,
}
