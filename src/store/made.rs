//! What a job made, without its type: so the ways of reads and writes are compiled once, and not
//! once for each question. Only who asked knows the type.

use std::any::Any;

use super::error::StoreError;

/// A value of which only who asked knows the type.
pub(super) type Made = Box<dyn Any + Send>;

/// Hides the type of what was made.
pub(super) fn hidden<T: Send + 'static>(made: T) -> Made {
    Box::new(made)
}

/// What was made, for who knows its type. It has no other one, so there is no error in practice.
pub(super) fn shown<T: 'static>(made: Made) -> Result<T, StoreError> {
    made.downcast()
        .map_or(Err(StoreError::Panicked), |made| Ok(*made))
}
