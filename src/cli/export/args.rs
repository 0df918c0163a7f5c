//! The flags of `statekeep export`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::model::name::{StateName, Workspace};

#[derive(Args)]
pub(in crate::cli) struct ExportArgs {
    /// The folder to write to, which must not exist or be empty, or a file that ends in .tar; -
    /// writes a tar to stdout
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
    /// How the files are named
    #[arg(long, value_enum, default_value_t)]
    pub(super) layout: Layout,
}

impl ExportArgs {
    /// Whether earlier versions and deleted states stay out of it.
    pub(super) fn only_current(&self) -> bool {
        self.no_history || self.layout == Layout::Terraform
    }
}

/// How the files of an export are named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Layout {
    /// W/B/NUMBER.tfstate, and a manifest that `import` reads
    #[default]
    Statekeep,
    /// W/B/terraform.tfstate of current versions alone, as other backends name their keys
    Terraform,
}
