//! One open connection: what it does at this moment, since when, and how it is closed from outside.
//!
//! The thread that serves it notes what happens. [`Door`](super::door::Door) and the watch of
//! clients (`super::watch`) look at it from other threads, so everything here is an atomic.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::task::Waker;
use std::time::Instant;

use actix_http::Extensions;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::config::Network;
use crate::http::server::shared::{self, Socket};
use crate::http::wire::origin::Peer;
use crate::model::client_certificate::ClientCertificate;
use crate::model::clock;
use crate::sabotage::{self, Fault};

/// No time.
const NONE: u64 = u64::MAX;
/// A connection with half a head, or without a request yet, is left alone for so long: 1 s.
const GRACE: u64 = 1_000;
/// After an answer to a request whose body was not read, the connection stays for so long: 1 s. The
/// client has time to read the answer.
const LAST_WORDS: u64 = 1_000;

/// How `Expect: 100-continue` stands.
#[derive(Default)]
struct Continue {
    /// The library writes its `100 Continue` next, which is held back.
    written: AtomicBool,
    /// The client waits for it.
    awaited: AtomicBool,
    /// The body is wanted, so it has to go out.
    owed: AtomicBool,
}

/// One connection, for as long as it is open.
pub(in crate::http) struct Connection {
    pub(super) id: u64,
    /// The other end.
    pub(in crate::http) peer: Peer,
    /// The client's certificate, if it showed a good one.
    certificate: OnceLock<Arc<ClientCertificate>>,
    /// None once it is closed.
    socket: Mutex<Option<Arc<dyn Socket>>>,
    began: Instant,
    /// How many requests it ever sent.
    asked: AtomicU64,
    busy: AtomicUsize,
    /// Milliseconds after `began`, like the two below.
    quiet_since: AtomicU64,
    /// When the first byte of the next head came; none if none did.
    head_since: AtomicU64,
    /// When the last piece of an answer was taken; none when no answer is being sent.
    sent_at: AtomicU64,
    /// Whether credentials on it were good once.
    is_proven: AtomicBool,
    /// Whether several requests are under way on it at the same time (HTTP/2).
    is_multiplexed: AtomicBool,
    /// Whether the body of the request under way was left unread.
    leaves_body: AtomicBool,
    /// Whether its answer said that it ends.
    is_ending: AtomicBool,
    is_hung_up: AtomicBool,
    /// Whether all that was answered so far has gone out.
    is_flushed: AtomicBool,
    continues: Continue,
    /// Wakes the thread that serves it, where it waits for nothing from the client.
    parked: Mutex<Option<Waker>>,
    /// Tells the request under way that its client has gone.
    gone: Notify,
}

/// How much a connection would be missed, the least first; since when it does nothing; its id.
pub(super) type TurnToLeave = (u8, u64, u64);

impl Connection {
    /// A new one, in the time of its door.
    pub(super) fn new(id: u64, peer: Peer, socket: Arc<dyn Socket>, began: Instant) -> Arc<Self> {
        let connection = Self {
            id,
            peer,
            certificate: OnceLock::new(),
            socket: Mutex::new(Some(socket)),
            began,
            asked: AtomicU64::new(0),
            busy: AtomicUsize::new(0),
            quiet_since: AtomicU64::new(NONE),
            head_since: AtomicU64::new(NONE),
            sent_at: AtomicU64::new(NONE),
            is_proven: AtomicBool::new(false),
            is_multiplexed: AtomicBool::new(false),
            leaves_body: AtomicBool::new(false),
            is_ending: AtomicBool::new(false),
            is_hung_up: AtomicBool::new(false),
            is_flushed: AtomicBool::new(true),
            continues: Continue::default(),
            parked: Mutex::default(),
            gone: Notify::new(),
        };
        connection.quiet_since.store(connection.now(), Relaxed);
        Arc::new(connection)
    }

    /// Its client showed this certificate, which is good.
    pub(super) fn shows(&self, certificate: ClientCertificate) {
        let _ = self.certificate.set(Arc::new(certificate));
    }

    /// What each request on it comes with: its other end, its client's certificate, and itself.
    pub(super) fn goes_with(self: &Arc<Self>, request: &mut Extensions) {
        request.insert(self.peer);
        request.insert(Arc::clone(self));
        if let Some(certificate) = self.certificate.get() {
            request.insert(Arc::clone(certificate));
        }
    }

    /// Its socket, while it is open. It is closed when nobody has it any more.
    pub(super) fn socket(&self) -> Option<Arc<dyn Socket>> {
        self.socket.lock().clone()
    }

    /// Its stream ends, and so does its socket.
    pub(super) fn let_go(&self) {
        self.socket.lock().take();
    }

    pub(super) fn now(&self) -> u64 {
        milliseconds_since(self.began)
    }

    /// The client's network; none at the data directory's socket.
    pub(super) fn network(&self) -> Option<Network> {
        self.peer.address().map(Network::of)
    }

    /// How many requests it ever sent.
    pub(super) fn asked(&self) -> u64 {
        self.asked.load(Relaxed)
    }

    fn is_busy(&self) -> bool {
        self.busy.load(Relaxed) > 0
    }

    /// Whether a request is under way whose answer has not begun.
    pub(super) fn is_waited_for(&self) -> bool {
        self.is_busy() && self.sent_at.load(Relaxed) == NONE
    }

    /// Whether heads on it may be as large as those of any caller: credentials were good once, or a
    /// request is under way.
    pub(super) fn is_trusted(&self) -> bool {
        self.is_proven.load(Relaxed) || self.is_busy() || sabotage::is(Fault::Heads)
    }

    /// Whether credentials on it were good once.
    pub(super) fn is_proven(&self) -> bool {
        self.is_proven.load(Relaxed)
    }

    /// Its client still sends a body that nobody reads.
    pub(super) fn still_sends(&self) {
        self.quiet_since.store(self.now(), Relaxed);
    }

    /// Credentials on it were good.
    pub(in crate::http) fn prove(&self) {
        self.is_proven.store(true, Relaxed);
    }

    /// Several requests are under way on it at the same time.
    pub(super) fn multiplexes(&self) {
        self.is_multiplexed.store(true, Relaxed);
    }

    /// Whether several requests may be under way on it at the same time.
    pub(super) fn is_multiplexed(&self) -> bool {
        self.is_multiplexed.load(Relaxed)
    }

    /// Something came from the client.
    pub(super) fn receives(&self) {
        if !self.is_busy() && self.head_since.load(Relaxed) == NONE {
            self.head_since.store(self.now(), Relaxed);
        }
    }

    /// Whether it can be closed because others need its place, and how soon it is its turn: first
    /// those without credentials that are idle, then those without that send no whole head, then
    /// the others that do nothing for as long, and at last those that were busy just now.
    pub(super) fn rank(&self, now: u64) -> Option<TurnToLeave> {
        if self.is_busy() {
            return None;
        }
        let (is_idle, since) = self.idle_since();
        let is_proven = self.is_proven.load(Relaxed);
        let is_long = now.saturating_sub(since) >= GRACE;
        let class = match (is_proven, is_idle, is_long) {
            (false, true, _) => 0,
            (false, false, true) => 1,
            (true, _, true) => 2,
            (true, true, false) => 3,
            (_, false, false) => return None,
        };
        Some((class, since, self.id))
    }

    /// Whether it was answered and nothing has come since, and since when nothing happens.
    fn idle_since(&self) -> (bool, u64) {
        let (quiet, head) = (
            self.quiet_since.load(Relaxed),
            self.head_since.load(Relaxed),
        );
        let since = if head == NONE { quiet } else { head };
        (self.asked() > 0 && head == NONE, since)
    }

    /// Whether it has been idle for so long.
    pub(super) fn is_idle_for(&self, now: u64, time: u64) -> bool {
        let (is_idle, since) = self.idle_since();
        is_idle && !self.is_busy() && now.saturating_sub(since) >= time
    }

    /// Closes it. The library sees that its reads end, and closes what is left.
    pub(super) fn hang_up(&self) {
        self.is_hung_up.store(true, Relaxed);
        if let Some(socket) = self.socket() {
            shared::hang_up(socket.as_ref());
        }
        self.gone.notify_one();
        let parked = self.parked.lock().take();
        if let Some(waker) = parked {
            waker.wake();
        }
    }

    /// Waits for nothing but its end. True if it has come.
    pub(super) fn is_over(&self, waker: &Waker) -> bool {
        *self.parked.lock() = Some(waker.clone());
        self.is_hung_up.load(Relaxed)
    }

    /// Closes it if its request is never complete, its reader takes nothing, or it has said its
    /// last words. A client that does not take these has as long as any other reader.
    pub(super) fn hang_up_if_stuck(&self, now: u64, quiet: u64, pause: u64) {
        let quiet_for = now.saturating_sub(self.quiet_since.load(Relaxed));
        let longest = match (self.is_ending(), self.is_flushed.load(Relaxed)) {
            (true, true) => LAST_WORDS,
            (true, false) => pause,
            (false, _) => quiet,
        };
        let is_quiet = !self.is_busy() && quiet_for > longest;
        let sent_at = self.sent_at.load(Relaxed);
        let is_deaf = sent_at != NONE && now.saturating_sub(sent_at) > pause;
        if is_quiet || is_deaf {
            self.hang_up();
        }
    }

    /// Waits until it is closed.
    pub(super) async fn hung_up(&self) {
        while !self.is_hung_up.load(Relaxed) {
            self.gone.notified().await;
        }
    }

    /// The client of the request under way has gone.
    pub(super) fn tell_gone(&self) {
        self.gone.notify_one();
    }

    /// A request's body was left unread. Over HTTP/2 that is the end of this request alone.
    pub(super) fn leave_body(&self) {
        self.leaves_body.store(!self.is_multiplexed(), Relaxed);
    }

    /// Whether the body of the request that is answered now was left unread.
    pub(super) fn leaves_body(&self) -> bool {
        self.leaves_body.load(Relaxed)
    }

    /// No further request on it is answered.
    pub(super) fn end_soon(&self) {
        self.is_ending.store(true, Relaxed);
    }

    /// Whether no further request on it is answered.
    pub(super) fn is_ending(&self) -> bool {
        self.is_ending.load(Relaxed)
    }

    /// All that was answered has gone out.
    pub(super) fn flushed(&self) {
        self.is_flushed.store(true, Relaxed);
    }

    /// A request expects `100 Continue`. The library writes that at once, and here it waits until
    /// the body is wanted. Behind an answer that has not gone out it is not looked for.
    pub(super) fn expects(&self) {
        if self.is_flushed.load(Relaxed) {
            self.continues.written.store(true, Relaxed);
            self.continues.awaited.store(true, Relaxed);
        }
    }

    /// Whether the library's `100 Continue` comes next.
    pub(super) fn holds_continue_back(&self) -> bool {
        self.continues.written.load(Relaxed)
    }

    /// It was held back.
    pub(super) fn held_continue_back(&self) {
        self.continues.written.store(false, Relaxed);
    }

    /// The body of the request under way is wanted.
    pub(super) fn wants_body(&self) {
        if self.continues.awaited.load(Relaxed) {
            self.continues.awaited.store(false, Relaxed);
            self.continues.owed.store(true, Relaxed);
        }
    }

    /// Whether `100 Continue` has to go out.
    pub(super) fn owes_continue(&self) -> bool {
        self.continues.owed.load(Relaxed)
    }

    /// It has gone out.
    pub(super) fn paid_continue(&self) {
        self.continues.owed.store(false, Relaxed);
    }
}

impl Drop for Connection {
    /// The library is silent about bytes that are no request, such as TLS or a scan. They matter
    /// only to a person who looks for them.
    fn drop(&mut self) {
        if self.asked() == 0 {
            tracing::debug!(
                address = self.peer.to_string(),
                "a connection ended without a request"
            );
        }
    }
}

/// A request under way, from its headers to the last piece of its answer.
pub(in crate::http) struct Busy(Arc<Connection>);

impl Busy {
    pub(in crate::http) fn on(connection: &Arc<Connection>) -> Self {
        connection.busy.fetch_add(1, Relaxed);
        connection.asked.fetch_add(1, Relaxed);
        connection.head_since.store(NONE, Relaxed);
        connection.leaves_body.store(false, Relaxed);
        Self(Arc::clone(connection))
    }

    /// Waits until the client has gone, and then closes what is left of the connection.
    pub(in crate::http) async fn gone(&self) {
        self.0.gone.notified().await;
        self.0.hang_up();
    }

    /// The connection that it is on.
    pub(super) fn connection(&self) -> &Arc<Connection> {
        &self.0
    }

    /// The next piece of the answer goes out.
    pub(super) fn sends(&self) {
        self.0.is_flushed.store(false, Relaxed);
        self.0.sent_at.store(self.0.now(), Relaxed);
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.is_flushed.store(false, Relaxed);
        self.0.continues.awaited.store(false, Relaxed);
        self.0.sent_at.store(NONE, Relaxed);
        self.0.quiet_since.store(self.0.now(), Relaxed);
        self.0.busy.fetch_sub(1, Relaxed);
    }
}

/// The time of a door, in milliseconds.
pub(super) fn milliseconds_since(began: Instant) -> u64 {
    let elapsed = clock::monotonic().saturating_duration_since(began);
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}
