//! Why a state was not brought to where it goes.

use crate::cli::output::Failure;

/// Why a state was not brought to where it goes.
pub(super) struct Hindrance {
    pub(super) failure: Failure,
    /// Whether it may have arrived all the same.
    pub(super) may_be_there: bool,
}

impl Hindrance {
    /// It has not arrived.
    pub(super) const fn certain(failure: Failure) -> Self {
        Self {
            failure,
            may_be_there: false,
        }
    }

    /// It may have.
    pub(super) const fn unsure(failure: Failure) -> Self {
        Self {
            failure,
            may_be_there: true,
        }
    }
}
