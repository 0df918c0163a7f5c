//! The flags that every command takes that speaks with a server, and those that every command
//! takes.

use clap::{Args, ValueEnum};

use crate::cli::common::reach::Reach;

/// What every command that speaks with a server takes.
#[derive(Args)]
pub(in crate::cli) struct Common {
    #[command(flatten)]
    pub(in crate::cli) reach: Reach,
    /// How to print the answer; --json is short for --format json
    #[arg(short = 'o', long, global = true, value_enum, default_value_t = Format::Text)]
    pub(in crate::cli) format: Format,
}

/// How much every command says.
#[derive(Args)]
pub(in crate::cli) struct Volume {
    /// Print no messages but warnings and errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(in crate::cli) quiet: bool,
    /// Also say what the command asks the server, without secrets
    #[arg(short, long, global = true)]
    pub(in crate::cli) verbose: bool,
}

/// How answers are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Format {
    /// Tables and lines for people
    Text,
    /// What the API answers
    Json,
}
