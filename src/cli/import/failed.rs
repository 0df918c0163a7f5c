//! Why a state is not imported.

use crate::cli::common::request_error::RequestError;

/// Why a state is not imported.
pub(super) struct FailedState {
    pub(super) why: String,
    /// Whether every other state would fail as well.
    pub(super) is_the_end: bool,
}

impl FailedState {
    /// This, of this state alone.
    pub(super) fn because(why: impl std::fmt::Display) -> Self {
        Self {
            why: why.to_string(),
            is_the_end: false,
        }
    }
}

impl From<RequestError> for FailedState {
    fn from(refusal: RequestError) -> Self {
        let is_the_end = refusal
            .status_and_code()
            .is_none_or(|(status, _)| matches!(status, 401 | 507));
        let why = refusal.into_failure().into_message();
        Self { why, is_the_end }
    }
}
