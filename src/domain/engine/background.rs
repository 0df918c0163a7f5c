//! The one thread for what nobody waits for: it runs when no other thread of the machine wants to.

use tokio::sync::oneshot;

use crate::domain::engine::budget::Reserved;
use crate::domain::engine::cores::{answer_with, panicked};
use crate::domain::error::Error;
use crate::store::OpenError;

/// The lowest priority that a thread can have.
const NICE: i32 = 19;

/// A thread of the lowest priority.
pub(in crate::domain) struct Worker(rayon::ThreadPool);

impl Worker {
    pub(in crate::domain) fn start() -> Result<Self, OpenError> {
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
    pub(in crate::domain) async fn run<L: Reserved, T: Send + 'static>(
        &self,
        reserved: L,
        work: impl FnOnce(L) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        self.0
            .spawn_fifo(move || answer_with(reply, reserved, work));
        answer.await.map_err(|_| panicked())
    }
}
