//! The one thread for what nobody waits for: it runs when no other thread of the machine wants to.

use tokio::sync::oneshot;

use super::super::budget::Lent;
use super::super::error::Error;
use super::super::{answer_with, panicked};
use crate::store::OpenError;

/// The lowest priority that a thread can have.
const NICE: i32 = 19;

/// A thread of the lowest priority.
pub(in super::super) struct Worker(rayon::ThreadPool);

impl Worker {
    pub(in super::super) fn start() -> Result<Self, OpenError> {
        let threads = rayon::ThreadPoolBuilder::new()
            .num_threads(1)
            .thread_name(|_| "background".to_owned())
            .panic_handler(|_| {});
        // On Linux this is the calling thread's alone. Where it is refused, the thread is as good
        // as any other.
        let lower = |_| {
            let _ = rustix::process::setpriority_process(None, NICE);
        };
        let pool = threads.start_handler(lower).build();
        let failed = |error| OpenError::File {
            path: "the thread for the background".into(),
            source: std::io::Error::other(error),
        };
        pool.map(Self).map_err(failed)
    }

    /// Runs something that takes long, when there is nothing else to do, with the memory for it.
    pub(in super::super) async fn run<L: Lent, T: Send + 'static>(
        &self,
        lent: L,
        work: impl FnOnce(L) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        self.0.spawn_fifo(move || answer_with(reply, lent, work));
        answer.await.map_err(|_| panicked())
    }
}
