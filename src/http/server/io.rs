//! A connection's bytes on their way from the system to the HTTP library and back. Here is what the
//! library has no setting for:
//!
//! - until credentials were good once, heads are small;
//! - what the library refuses by itself is a problem with a code, as every other error;
//! - `100 Continue` goes out when the body is wanted, and not before the credentials are looked at;
//! - after an answer to a body that was left unread, little more is taken, and no further request.
//!   A client with good credentials that sends all before it reads is heard out for a while.
//!   Otherwise the system would take the answer away from it.
//!
//! HTTP/2 needs none of this: its bounds are settings, and a body that is left unread ends alone.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::http::server::connection::Connection;
use crate::http::server::door::Door;
use crate::http::server::refused;

/// The largest line and headers of a request in bytes, on a connection without good credentials.
const MAX_HEAD: usize = 16 * 1024;
/// How many bytes are still taken after an answer to a body that was left unread.
const MAX_LEFT: usize = 64 * 1024;
/// The same where credentials on the connection were good once, and for how many milliseconds.
const MAX_LEFT_OF_KNOWN: usize = 256 * 1024 * 1024;
const HEARD_OUT_FOR: u64 = 10_000;
/// What is read at once where little may be read, in bytes.
const SIP: usize = 4 * 1024;

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// A connection's place at the door, until it is dropped.
pub(super) struct Admission {
    door: Arc<Door>,
    connection: Arc<Connection>,
}

impl Admission {
    pub(super) const fn new(door: Arc<Door>, connection: Arc<Connection>) -> Self {
        Self { door, connection }
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.door.leave(&self.connection);
    }
}

/// A stream whose connection is known at the door.
pub(super) struct Io<S> {
    stream: S,
    connection: Arc<Connection>,
    _place: Admission,
    /// The requests that had begun when bytes were last counted.
    asked: u64,
    /// The bytes that came since then.
    taken: usize,
    /// The bytes that were passed over since the connection is about to end.
    left: usize,
    /// How many of these were there when it was last looked whether the client still sends.
    heard: usize,
    /// Since when it is heard out.
    heard_since: Option<u64>,
    /// Whether the library has looked at all that was taken.
    was_parsed: bool,
    /// How much of `100 Continue` has gone out.
    continued: usize,
    /// How much has gone out of the problem in place of the library's refusal.
    refused: usize,
}

impl<S> Io<S> {
    pub(super) fn new(stream: S, place: Admission) -> Self {
        Self {
            stream,
            connection: Arc::clone(&place.connection),
            _place: place,
            asked: 0,
            taken: 0,
            left: 0,
            heard: 0,
            heard_since: None,
            was_parsed: false,
            continued: 0,
            refused: 0,
        }
    }

    pub(super) const fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Io<S> {
    /// Begins to count again when a request has begun.
    fn count(&mut self) {
        let asked = self.connection.asked();
        if asked != self.asked {
            self.asked = asked;
            self.taken = 0;
            self.was_parsed = false;
        }
    }

    /// Reads as much as still may be of a head.
    fn read_head(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<Read> {
        let room = MAX_HEAD.saturating_sub(self.taken);
        if room == 0 && !self.was_parsed {
            // The library looks at what it has, and comes again.
            self.was_parsed = true;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        if room == 0 {
            let _ = Pin::new(&mut self.stream).poll_write(context, refused::head_too_large());
            self.connection.end_soon();
            return self.pass_over(context).map(Ok);
        }
        if room >= buffer.remaining() {
            return Pin::new(&mut self.stream).poll_read(context, buffer);
        }
        let mut bytes = [0; SIP];
        let most = room.min(SIP).min(buffer.remaining());
        let mut sip = ReadBuf::new(&mut bytes[..most]);
        ready!(Pin::new(&mut self.stream).poll_read(context, &mut sip))?;
        buffer.put_slice(sip.filled());
        Poll::Ready(Ok(()))
    }

    /// Takes a little of what nobody reads, until the client goes or the time is over. Others have
    /// their turn in between.
    fn pass_over(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let mut bytes = [0; SIP];
        let end = self.left.saturating_add(MAX_LEFT).min(self.most_left());
        while self.left < end {
            let mut sip = ReadBuf::new(&mut bytes);
            match ready!(Pin::new(&mut self.stream).poll_read(context, &mut sip)) {
                Ok(()) if !sip.filled().is_empty() => self.left += sip.filled().len(),
                Ok(()) | Err(_) => return Poll::Ready(()),
            }
        }
        if self.connection.is_over(context.waker()) {
            return Poll::Ready(());
        }
        if self.left < self.most_left() {
            context.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// How much of an unread body may be taken in all. A client that is known and still sends is
    /// heard out for a while.
    fn most_left(&mut self) -> usize {
        if !self.connection.is_proven() {
            return MAX_LEFT;
        }
        let began = *self
            .heard_since
            .get_or_insert_with(|| self.connection.now());
        if self.connection.now().saturating_sub(began) > HEARD_OUT_FOR {
            return 0;
        }
        if self.left > self.heard {
            self.heard = self.left;
            self.connection.still_sends();
        }
        MAX_LEFT_OF_KNOWN
    }

    /// Sends the `100 Continue` that is owed.
    fn pay_continue(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.connection.owes_continue() {
            let rest = &CONTINUE[self.continued..];
            let sent = ready!(Pin::new(&mut self.stream).poll_write(context, rest))?;
            self.continued += sent;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            if self.continued == CONTINUE.len() {
                self.continued = 0;
                self.connection.paid_continue();
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Sends the problem that stands in place of a refusal of the library.
    fn refuse(&mut self, context: &mut Context<'_>, problem: &[u8]) -> Poll<io::Result<()>> {
        while let Some(rest) = problem.get(self.refused..).filter(|rest| !rest.is_empty()) {
            let sent = ready!(Pin::new(&mut self.stream).poll_write(context, rest))?;
            self.refused += sent;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// What came of a read.
type Read = io::Result<()>;

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Io<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Read> {
        let this = &mut *self;
        if this.connection.is_multiplexed() {
            return Pin::new(&mut this.stream).poll_read(context, buffer);
        }
        if this.connection.is_ending() {
            return this.pass_over(context).map(Ok);
        }
        this.count();
        let before = buffer.filled().len();
        ready!(if this.connection.is_trusted() {
            Pin::new(&mut this.stream).poll_read(context, buffer)
        } else {
            this.read_head(context, buffer)
        })?;
        let came = buffer.filled().len() - before;
        if came > 0 {
            this.taken = this.taken.saturating_add(came);
            this.was_parsed = false;
            this.connection.receives();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Io<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.connection.holds_continue_back() {
            self.connection.held_continue_back();
            if bytes.starts_with(CONTINUE) {
                return Poll::Ready(Ok(CONTINUE.len()));
            }
        }
        ready!(self.pay_continue(context))?;
        if let Some(problem) = refused::instead_of(bytes) {
            ready!(self.refuse(context, problem))?;
            return Poll::Ready(Ok(bytes.len()));
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.pay_continue(context))?;
        self.connection.flushed();
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
