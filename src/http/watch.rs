//! Hangs up on connections that wait for a request which never gets complete, or for a reader who takes nothing of an answer.
//!
//! The HTTP library has time-outs for the headers of a connection's first request and for connections on which nothing at all comes. Between the
//! two, a client that was answered once could send half a request and hold its connection for as long as it likes; and it waits for readers for ever.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::web::Bytes;
use rustix::net::Shutdown;

use crate::model::clock;

/// How often connections are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// All open connections.
pub(super) struct Watch {
    began: Instant,
    connections: Mutex<Vec<Weak<Connection>>>,
}

/// One connection, for as long as it is open.
pub(super) struct Connection {
    watch: Arc<Watch>,
    socket: OwnedFd,
    /// From where it came.
    address: String,
    /// Whether it ever sent a request.
    has_asked: AtomicBool,
    busy: AtomicUsize,
    /// Milliseconds after [`Watch::began`], like the one below.
    quiet_since: AtomicU64,
    /// When the last piece of an answer was taken; none when no answer is being sent.
    sent_at: AtomicU64,
}

/// No time.
const NONE: u64 = u64::MAX;

impl Watch {
    pub(super) fn begin() -> Arc<Self> {
        Arc::new(Self { began: clock::monotonic(), connections: Mutex::default() })
    }

    /// Watches one more connection.
    pub(super) fn add(self: &Arc<Self>, socket: impl AsFd, address: String) -> io::Result<Arc<Connection>> {
        let connection = Arc::new(Connection {
            watch: Arc::clone(self),
            socket: socket.as_fd().try_clone_to_owned()?,
            address,
            has_asked: AtomicBool::new(false),
            busy: AtomicUsize::new(0),
            quiet_since: AtomicU64::new(self.now()),
            sent_at: AtomicU64::new(NONE),
        });
        // A list of connections is valid after each statement, so a panic elsewhere does no harm to it.
        self.connections.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&connection));
        Ok(connection)
    }

    /// Hangs up on whoever is quiet, or reads nothing of an answer, for so long. Runs until it is dropped.
    pub(super) async fn run(self: Arc<Self>, quiet: Duration, pause: Duration) {
        let [quiet, pause] = [quiet, pause].map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let now = self.now();
            let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
            connections.retain(|connection| connection.strong_count() > 0);
            connections.iter().filter_map(Weak::upgrade).for_each(|connection| connection.hang_up_if_stuck(now, quiet, pause));
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Connection {
    /// The library sees that its reads end, and closes what is left.
    fn hang_up_if_stuck(&self, now: u64, quiet: u64, pause: u64) {
        let is_quiet = self.busy.load(Ordering::Relaxed) == 0 && now.saturating_sub(self.quiet_since.load(Ordering::Relaxed)) > quiet;
        let sent_at = self.sent_at.load(Ordering::Relaxed);
        let is_deaf = sent_at != NONE && now.saturating_sub(sent_at) > pause;
        if is_quiet || is_deaf {
            let _ = rustix::net::shutdown(&self.socket, Shutdown::Both);
        }
    }
}

impl Drop for Connection {
    /// The library tells nobody of what is no request, such as TLS or a scan. That is nothing to look at, unless somebody wonders.
    fn drop(&mut self) {
        if !*self.has_asked.get_mut() {
            tracing::debug!(address = self.address, "a connection ended without a request; this port speaks HTTP/1.1 and no TLS");
        }
    }
}

/// A request under way, from its headers to the last piece of its answer.
pub(super) struct Busy(Arc<Connection>);

impl Busy {
    pub(super) fn on(connection: &Arc<Connection>) -> Self {
        connection.busy.fetch_add(1, Ordering::Relaxed);
        connection.has_asked.store(true, Ordering::Relaxed);
        Self(Arc::clone(connection))
    }
}

impl Busy {
    /// The next piece of the answer goes out.
    fn sends(&self) {
        self.0.sent_at.store(self.0.watch.now(), Ordering::Relaxed);
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.sent_at.store(NONE, Ordering::Relaxed);
        self.0.quiet_since.store(self.0.watch.now(), Ordering::Relaxed);
        self.0.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

/// An answer that keeps its connection busy until it is sent.
pub(super) struct Watched {
    body: BoxBody,
    busy: Option<Busy>,
}

impl Watched {
    pub(super) fn new(body: impl MessageBody + 'static, busy: Option<Busy>) -> Self {
        Self { body: body.boxed(), busy }
    }
}

impl MessageBody for Watched {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        if let Some(busy) = &self.busy {
            busy.sends();
        }
        Pin::new(&mut self.body).poll_next(context)
    }
}
