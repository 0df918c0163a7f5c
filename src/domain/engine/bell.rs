//! A bell that rings when memory comes back, for all who wait for some.

use std::sync::Arc;

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

/// Rings when memory comes back.
#[derive(Default)]
pub(in crate::domain) struct Bell(Notify);

impl Bell {
    /// Wakes all who wait.
    pub(in crate::domain) fn ring(&self) {
        self.0.notify_waiters();
    }

    /// The next time that it rings, from now on.
    pub(in crate::domain) fn rings(&self) -> Notified<'_> {
        self.0.notified()
    }
}

/// Rings its bell when it is dropped, behind the memory that comes back.
pub(in crate::domain) struct RingsAtEnd(pub(in crate::domain) Arc<Bell>);

impl Drop for RingsAtEnd {
    fn drop(&mut self) {
        self.0.ring();
    }
}
