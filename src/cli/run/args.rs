//! The flags of `statekeep run`.

use std::ffi::OsString;

use clap::{Args, ValueEnum};

use crate::cli::module::target::Subject;

#[derive(Args)]
pub(in crate::cli) struct RunArgs {
    #[command(flatten)]
    pub(super) subject: Subject,
    /// When a state moves: to another backend if the module configures one now, or back if it
    /// configures none any more
    #[arg(long, value_enum, default_value_t = TransferMode::Auto)]
    pub(super) transfer: TransferMode,
    /// Continue with a state that does not exist yet, in a folder that was used with another state
    #[arg(long)]
    pub(super) new: bool,
    /// The command, after `--`
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub(super) command: Vec<OsString>,
}

/// Whether a state moves along.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum TransferMode {
    /// Before a command that writes, but never to a local file
    Auto,
    /// Before any command, to a local file too
    Now,
    /// Never; the command uses the state in the place that is configured now
    Never,
}
