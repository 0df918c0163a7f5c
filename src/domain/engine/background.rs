//! Threads for long work: one for what nobody waits for, which gives way to all others and still
//! gets on beside them, one for what only its own client waits for, and one for each work that
//! waits for the disk.

use tokio::sync::oneshot;

use crate::domain::engine::budget::Reserved;
use crate::domain::engine::cores::{answer_with, panicked};
use crate::domain::error::Error;
use crate::store::OpenError;

/// The priority of what nobody waits for: it gets a tenth of what another thread gets that wants
/// the same core. With the lowest one, it would get next to nothing on a machine that is never
/// idle, and fall behind for ever.
const NICE: i32 = 10;

/// The priority of long work that waits for the disk: it gets a quarter of what another thread gets
/// that wants the same core.
const NICE_ON_ITS_OWN: i32 = 5;

/// Runs long work that waits for the disk on a thread of its own. It gives way to those that
/// clients wait for, and so do the threads that it starts.
pub(in crate::domain) async fn on_its_own<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    let (reply, answer) = oneshot::channel();
    let run = move || {
        let _ = rustix::process::setpriority_process(None, NICE_ON_ITS_OWN);
        // Nobody may wait for it any more.
        let _ = reply.send(work());
    };
    let started = std::thread::Builder::new().name(name.to_owned()).spawn(run);
    started.map_err(|error| Error::Internal(format!("no thread for {name}: {error}")))?;
    answer.await.map_err(|_| panicked())
}

/// A thread of a lower priority.
pub(in crate::domain) struct Worker(rayon::ThreadPool);

impl Worker {
    /// The thread for what nobody waits for.
    pub(in crate::domain) fn in_the_background() -> Result<Self, OpenError> {
        Self::start("background", NICE)
    }

    /// The thread for what one client waits for and all others do not.
    pub(in crate::domain) fn aside() -> Result<Self, OpenError> {
        Self::start("aside", NICE_ON_ITS_OWN)
    }

    fn start(name: &'static str, nice: i32) -> Result<Self, OpenError> {
        let threads = rayon::ThreadPoolBuilder::new()
            .num_threads(1)
            .thread_name(move |_| name.to_owned())
            .panic_handler(|_| {});
        // On Linux this is the calling thread's alone. Where it is refused, the thread is as good
        // as any other.
        let lower = move |_| {
            let _ = rustix::process::setpriority_process(None, nice);
        };
        let pool = threads.start_handler(lower).build();
        let failed = |error| OpenError::File {
            path: format!("the thread {name:?}").into(),
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
