//! The flags of `statekeep run`.

use std::ffi::OsString;

use clap::{Args, ValueEnum};

use crate::cli::module::target::Subject;

#[derive(Args)]
pub(in crate::cli) struct RunArgs {
    #[command(flatten)]
    pub(super) subject: Subject,
    /// Whether a state moves: along where the sources configure another backend, in where they
    /// configure none any more
    #[arg(long, value_enum, default_value_t = Transfer::Auto)]
    pub(super) transfer: Transfer,
    /// Go on with a state that does not exist yet, in a folder that was used with another one
    #[arg(long)]
    pub(super) new: bool,
    /// The command, behind `--`
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub(super) command: Vec<OsString>,
}

/// Whether a state moves along.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Transfer {
    /// Before a command that writes, and never to a local file
    Auto,
    /// Before whatever command, to a local file as well
    Now,
    /// Never; the command goes on with the state where it goes now
    Never,
}
