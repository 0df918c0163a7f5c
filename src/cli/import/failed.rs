//! Why a state is not imported.

use crate::cli::common::refusal::Refusal;
use crate::cli::output::Failure;

/// Why a state is not imported.
pub(super) struct Failed {
    pub(super) why: String,
    /// Whether every other state would fail as well.
    pub(super) is_the_end: bool,
}

impl Failed {
    /// This, of this state alone.
    pub(super) fn because(why: impl std::fmt::Display) -> Self {
        Self {
            why: why.to_string(),
            is_the_end: false,
        }
    }
}

impl From<Refusal> for Failed {
    fn from(refusal: Refusal) -> Self {
        let is_the_end = refusal
            .status_and_code()
            .is_none_or(|(status, _)| matches!(status, 401 | 507));
        match refusal.into_failure() {
            Failure::Failed(why) | Failure::Usage(why) => Self { why, is_the_end },
        }
    }
}
