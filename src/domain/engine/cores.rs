//! Work that takes a core: off the request threads, on one thread a core, together with the memory
//! that is reserved for it.
//!
//! Work on a large state has threads of its own, one less than there are cores, so that small work
//! never waits for it: neither for a thread nor for the last core. Working memory is bounded by the
//! number of threads. Reserved memory goes along with the work: a client may go away at any moment,
//! and its work may be under way by then. Work that nobody waits for any more is not begun.

use std::num::NonZero;

use tokio::sync::oneshot;

use crate::config::MIB;
use crate::domain::engine::budget::Reserved;
use crate::domain::error::Error;
use crate::sabotage::{self, Fault};
use crate::store::OpenError;

/// Work on so many bytes or more is large; less is done within some milliseconds.
const LARGE: u64 = MIB;

/// Whether work on so many bytes may be done wherever it is.
pub(in crate::domain) const fn is_small(bytes: u64) -> bool {
    bytes < LARGE
}

/// One thread a core for small work, and one core less for what is large, each with its name.
pub(in crate::domain) struct Cores {
    small: rayon::ThreadPool,
    large: rayon::ThreadPool,
}

impl Cores {
    /// Starts the threads. A panic in one of them reaches its caller as an answer that never comes.
    pub(in crate::domain) fn start() -> Result<Self, OpenError> {
        let all = std::thread::available_parallelism().map_or(1, NonZero::get);
        Ok(Self {
            small: threads("core", all)?,
            large: threads("large", all.saturating_sub(1).max(1))?,
        })
    }

    /// Runs some work on so many bytes as soon as a core is free for it, and waits for its result.
    pub(in crate::domain) async fn run<L: Reserved, T: Send + 'static>(
        &self,
        bytes: u64,
        reserved: L,
        work: impl FnOnce(L) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        self.begin(bytes, move || answer_with(reply, reserved, work));
        answer.await.map_err(|_| panicked())
    }

    /// Runs some work as soon as a core is free for it, without waiting for its result.
    pub(in crate::domain) fn begin(&self, bytes: u64, work: impl FnOnce() + Send + 'static) {
        // In a box, so that the threads are compiled for one kind of work.
        let work: Box<dyn FnOnce() + Send> = Box::new(work);
        if is_small(bytes) {
            self.small.spawn_fifo(work);
            return;
        }
        self.large.spawn_fifo(|| {
            sabotage::hold(Fault::HeldLargeWork);
            work();
        });
    }
}

fn threads(name: &'static str, count: usize) -> Result<rayon::ThreadPool, OpenError> {
    let threads = rayon::ThreadPoolBuilder::new()
        .num_threads(count)
        .thread_name(move |index| format!("{name}-{index}"))
        .panic_handler(|_| {});
    threads.build().map_err(|error| OpenError::File {
        path: format!("the threads {name:?}").into(),
        source: std::io::Error::other(error),
    })
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
