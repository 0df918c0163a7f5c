//! Working memory of zstd, kept between uses: making it costs as much as compressing a small state.

use parking_lot::Mutex;

/// How many of a kind are kept.
const MAX_KEPT: usize = 8;
/// After larger inputs than this the memory is given back: it grows with them.
const MAX_INPUT: usize = 1024 * 1024;

/// Contexts of one kind that nobody uses right now.
pub(super) struct Contexts<C>(Mutex<Vec<C>>);

impl<C> Contexts<C> {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    /// Does something of a size with a context that was kept, or with a new one.
    pub(super) fn with<T, E>(
        &self,
        size: usize,
        make: impl FnOnce() -> Result<C, E>,
        work: impl FnOnce(&mut C) -> Result<T, E>,
    ) -> Result<T, E> {
        let kept = self.0.lock().pop();
        let mut context = kept.map_or_else(make, Ok)?;
        let done = work(&mut context)?;
        let mut kept = self.0.lock();
        if size <= MAX_INPUT && kept.len() < MAX_KEPT {
            kept.push(context);
        }
        Ok(done)
    }
}
