//! Why a file cannot be loaded, and where.

use std::borrow::Cow;

/// The most blocks, brackets and templates inside one another.
pub(super) const MAX_NESTING: usize = 10_000;

/// Why neither program would load a file, and where: a byte of its text.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::hcl) struct SyntaxFailure {
    pub(in crate::hcl) at: usize,
    pub(in crate::hcl) reason: Cow<'static, str>,
}

impl SyntaxFailure {
    pub(super) fn new(at: usize, reason: impl Into<Cow<'static, str>>) -> Self {
        Self {
            at,
            reason: reason.into(),
        }
    }
}
