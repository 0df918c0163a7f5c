//! Why a wrapped command was not run.

use crate::cli::output::Failure;
use crate::cli::process::child::End;

/// Why the command was not run.
pub(super) enum Stop {
    /// Something else failed.
    Failed(Failure),
    /// A signal came, or the program cannot be started.
    Ended(End),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}
