//! Why a state was not brought to where it goes.

use crate::cli::output::CliError;

/// Why a state was not brought to where it goes.
pub(super) struct NotMoved {
    pub(super) failure: CliError,
    /// Whether it may have arrived all the same.
    pub(super) may_be_there: bool,
}

impl NotMoved {
    /// It has not arrived.
    pub(super) const fn certain(failure: CliError) -> Self {
        Self {
            failure,
            may_be_there: false,
        }
    }

    /// It may have.
    pub(super) const fn unsure(failure: CliError) -> Self {
        Self {
            failure,
            may_be_there: true,
        }
    }
}
