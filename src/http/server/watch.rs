//! Closes connections whose request is never complete, or whose reader takes nothing of an answer.
//! It also notices clients that close their connection while a request is under way, as killed
//! clients, impatient proxies and Ctrl-C do. The request ends then.
//!
//! The HTTP library has time-outs for the headers of a connection's first request and for
//! connections on which nothing at all comes. Between the two, a client that was answered once
//! could send half a request and hold its connection for ever. It waits for readers for ever, too.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::web::Bytes;
use parking_lot::Mutex;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::Shutdown;
use tokio::sync::Notify;

use crate::model::clock;

/// The time between two looks at clients that wait for an answer.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// After so many of these, connections that wait for their client are looked at.
const LOOKS: u32 = 4;

/// All open connections.
pub(in crate::http) struct Watch {
    began: Instant,
    connections: Mutex<Vec<Weak<Connection>>>,
}

/// One connection, for as long as it is open.
pub(in crate::http) struct Connection {
    watch: Arc<Watch>,
    socket: OwnedFd,
    /// The client's address.
    address: String,
    /// Whether it ever sent a request.
    has_asked: AtomicBool,
    busy: AtomicUsize,
    /// Milliseconds after [`Watch::began`], like the one below.
    quiet_since: AtomicU64,
    /// When the last piece of an answer was taken; none when no answer is being sent.
    sent_at: AtomicU64,
    /// Tells the request under way that its client has gone.
    gone: Notify,
}

/// No time.
const NONE: u64 = u64::MAX;

impl Watch {
    pub(in crate::http) fn begin() -> Arc<Self> {
        Arc::new(Self {
            began: clock::monotonic(),
            connections: Mutex::default(),
        })
    }

    /// Watches one more connection.
    pub(in crate::http) fn add(
        self: &Arc<Self>,
        socket: impl AsFd,
        address: String,
    ) -> io::Result<Arc<Connection>> {
        let connection = Arc::new(Connection {
            watch: Arc::clone(self),
            socket: socket.as_fd().try_clone_to_owned()?,
            address,
            has_asked: AtomicBool::new(false),
            busy: AtomicUsize::new(0),
            quiet_since: AtomicU64::new(self.now()),
            sent_at: AtomicU64::new(NONE),
            gone: Notify::new(),
        });
        // A list of connections is valid after each statement, so a panic elsewhere does no harm to
        // it.
        self.connections.lock().push(Arc::downgrade(&connection));
        Ok(connection)
    }

    /// Closes connections that are quiet for so long, or on which nothing of an answer is read for
    /// so long. Runs until it is dropped.
    pub(in crate::http) async fn run(self: Arc<Self>, quiet: Duration, pause: Duration) {
        let [quiet, pause] =
            [quiet, pause].map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        for look in (1..=LOOKS).cycle() {
            tokio::time::sleep(LOOK_EVERY).await;
            self.look_for_gone();
            if look == LOOKS {
                self.look_for_stuck(quiet, pause);
            }
        }
    }

    fn look_for_gone(&self) {
        let connections = self.connections.lock();
        let waiting: Vec<Arc<Connection>> = connections
            .iter()
            .filter_map(Weak::upgrade)
            .filter(|connection| connection.is_waited_for())
            .collect();
        drop(connections);
        let mut sockets: Vec<PollFd<'_>> = waiting
            .iter()
            .map(|connection| PollFd::new(&connection.socket, PollFlags::RDHUP))
            .collect();
        // This does not wait. If the system cannot be asked, the next look notices who has gone.
        if sockets.is_empty() || poll(&mut sockets, Some(&Timespec::default())).unwrap_or(0) == 0 {
            return;
        }
        let gone = waiting
            .iter()
            .zip(&sockets)
            .filter(|(_, socket)| !socket.revents().is_empty());
        gone.for_each(|(connection, _)| connection.gone.notify_one());
    }

    fn look_for_stuck(&self, quiet: u64, pause: u64) {
        let now = self.now();
        let mut connections = self.connections.lock();
        connections.retain(|connection| connection.strong_count() > 0);
        connections
            .iter()
            .filter_map(Weak::upgrade)
            .for_each(|connection| connection.hang_up_if_stuck(now, quiet, pause));
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Connection {
    /// Whether a request is under way whose answer has not begun.
    fn is_waited_for(&self) -> bool {
        self.busy.load(Ordering::Relaxed) > 0 && self.sent_at.load(Ordering::Relaxed) == NONE
    }

    fn hang_up(&self) {
        let _ = rustix::net::shutdown(&self.socket, Shutdown::Both);
    }

    /// The library sees that its reads end, and closes what is left.
    fn hang_up_if_stuck(&self, now: u64, quiet: u64, pause: u64) {
        let is_quiet = self.busy.load(Ordering::Relaxed) == 0
            && now.saturating_sub(self.quiet_since.load(Ordering::Relaxed)) > quiet;
        let sent_at = self.sent_at.load(Ordering::Relaxed);
        let is_deaf = sent_at != NONE && now.saturating_sub(sent_at) > pause;
        if is_quiet || is_deaf {
            self.hang_up();
        }
    }
}

impl Drop for Connection {
    /// The library is silent about bytes that are no request, such as TLS or a scan. They matter
    /// only to a person who looks for them.
    fn drop(&mut self) {
        if !*self.has_asked.get_mut() {
            tracing::debug!(
                address = self.address,
                "a connection ended without a request; this port speaks HTTP/1.1 and no TLS"
            );
        }
    }
}

/// A request under way, from its headers to the last piece of its answer.
pub(in crate::http) struct Busy(Arc<Connection>);

impl Busy {
    pub(in crate::http) fn on(connection: &Arc<Connection>) -> Self {
        connection.busy.fetch_add(1, Ordering::Relaxed);
        connection.has_asked.store(true, Ordering::Relaxed);
        Self(Arc::clone(connection))
    }
}

impl Busy {
    /// Waits until the client has gone, and then closes what is left of the connection.
    pub(in crate::http) async fn gone(&self) {
        self.0.gone.notified().await;
        self.0.hang_up();
    }

    /// The next piece of the answer goes out.
    fn sends(&self) {
        self.0.sent_at.store(self.0.watch.now(), Ordering::Relaxed);
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.sent_at.store(NONE, Ordering::Relaxed);
        self.0
            .quiet_since
            .store(self.0.watch.now(), Ordering::Relaxed);
        self.0.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

/// An answer that keeps its connection busy until it is sent.
pub(in crate::http) struct Watched {
    body: BoxBody,
    busy: Option<Busy>,
}

impl Watched {
    pub(in crate::http) fn new(body: impl MessageBody + 'static, busy: Option<Busy>) -> Self {
        Self {
            body: body.boxed(),
            busy,
        }
    }
}

impl MessageBody for Watched {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        if let Some(busy) = &self.busy {
            busy.sends();
        }
        Pin::new(&mut self.body).poll_next(context)
    }
}
