//! Work that takes a core for long: off the request threads, on one thread a core, together with
//! the memory that is reserved for it.
//!
//! There are as many of these threads as cores, and so as many sets of working memory. The memory
//! goes along with the work: a client may go away at any moment, and its work may be under way by
//! then. Work that nobody waits for any more is not begun.

use tokio::sync::oneshot;

use crate::domain::engine::budget::Reserved;
use crate::domain::error::Error;
use crate::store::OpenError;

/// One thread a core, each with its name.
pub(in crate::domain) struct Cores(rayon::ThreadPool);

impl Cores {
    /// Starts the threads. A panic in one of them reaches its caller as an answer that never comes.
    pub(in crate::domain) fn start() -> Result<Self, OpenError> {
        let threads = rayon::ThreadPoolBuilder::new()
            .thread_name(|index| format!("core-{index}"))
            .panic_handler(|_| {});
        let failed = |error| OpenError::File {
            path: "the threads that compress".into(),
            source: std::io::Error::other(error),
        };
        threads.build().map(Self).map_err(failed)
    }

    /// Runs some work as soon as a core is free, and waits for its result.
    pub(in crate::domain) async fn run<L: Reserved, T: Send + 'static>(
        &self,
        reserved: L,
        work: impl FnOnce(L) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        self.begin(move || answer_with(reply, reserved, work));
        answer.await.map_err(|_| panicked())
    }

    /// Runs some work as soon as a core is free, without waiting for its result.
    pub(in crate::domain) fn begin(&self, work: impl FnOnce() + Send + 'static) {
        self.0.spawn_fifo(work);
    }
}

/// Does some work and sends its result, unless nobody waits for that any more.
pub(super) fn answer_with<L, T>(reply: oneshot::Sender<T>, reserved: L, work: impl FnOnce(L) -> T) {
    if !reply.is_closed() {
        drop(reply.send(work(reserved)));
    }
}

/// Runs some blocking work off the request threads.
pub(in crate::domain) async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| panicked())
}

/// The error of work whose thread panicked.
pub(in crate::domain) fn panicked() -> Error {
    Error::Internal("a task panicked".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_that_nobody_waits_for_any_more_is_not_begun() {
        let (reply, answer) = oneshot::channel::<()>();
        drop(answer);
        answer_with(reply, (), |()| panic!("begun"));
    }
}
