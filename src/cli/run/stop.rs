//! Why a wrapped command was not run.

use crate::cli::output::CliError;
use crate::cli::process::child::End;

/// Why the command was not run.
pub(super) enum Stop {
    /// Something else failed.
    Failed(CliError),
    /// A signal came, or the program cannot be started.
    Ended(End),
}

impl From<CliError> for Stop {
    fn from(failure: CliError) -> Self {
        Self::Failed(failure)
    }
}
