//! New connections, from the system's stream to a service that answers requests on it.

use std::future::{Future, poll_fn};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_service::{ServiceFactory, ServiceFactoryExt as _, fn_service};
use actix_web::rt::net::{TcpStream, UnixStream};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::http::server::app::{Entered, Site, app, http1};
use crate::http::server::door::Full;
use crate::http::server::io::{Admission, Io};
use crate::http::server::shared::{Shared, Socket};
use crate::http::wire::origin::Peer;
use crate::model::error_code::ErrorCode;

/// How much of a request is read before it is refused without a look at it, in bytes.
const SIP: usize = 4 * 1024;
/// How much of what a refused client sends is passed over, in bytes, and for how long.
const LINGER_BYTES: usize = 64 * 1024;
const LINGER_TIME: Duration = Duration::from_millis(500);
/// How long the system may take to say that a new socket can be written to.
const ANSWER_TIME: Duration = Duration::from_millis(100);

/// A stream as the system hands it over.
pub(super) trait Accepted: Socket {
    /// Who is at its other end.
    fn peer(&self, site: &Site) -> io::Result<Peer>;
    /// Its other end as the library wants it.
    fn peer_address(&self) -> Option<SocketAddr>;
}

impl Accepted for TcpStream {
    fn peer(&self, site: &Site) -> io::Result<Peer> {
        // A client that has gone already has no address any more. What it sent is still there.
        let gone = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let address = self.peer_addr().map_or(gone, |address| address.ip());
        hang_up_on_deaf(self, site.domain.engine().limits().body_timeout);
        send_at_once(self);
        Ok(Peer::Tcp {
            address,
            is_proxy: site.proxies.trusts(address.to_canonical()),
        })
    }

    fn peer_address(&self) -> Option<SocketAddr> {
        self.peer_addr().ok()
    }
}

impl Accepted for UnixStream {
    fn peer(&self, _: &Site) -> io::Result<Peer> {
        let user = self.peer_cred()?.uid();
        let own = rustix::process::geteuid().as_raw();
        Ok(Peer::Socket {
            is_operator: user == 0 || user == own,
        })
    }

    fn peer_address(&self) -> Option<SocketAddr> {
        None
    }
}

/// Closes a connection whose other end takes nothing of an answer for so long. Answers that are
/// sent in pieces notice slow readers themselves.
fn hang_up_on_deaf(stream: &TcpStream, after: Duration) {
    let milliseconds = u32::try_from(after.as_millis()).unwrap_or(u32::MAX);
    if let Err(error) = rustix::net::sockopt::set_tcp_user_timeout(stream, milliseconds) {
        tracing::debug!(%error, "a connection has no time-out for answers that nobody reads");
    }
}

/// Has the end of an answer go out with its beginning. Otherwise the system keeps it until the
/// client has acknowledged the rest, which clients put off for 40 ms.
fn send_at_once(stream: &TcpStream) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection's answers may be held up");
    }
}

/// Answers the requests of new connections. `leaving` resolves when the server leaves.
pub(super) fn service<S, F, L>(
    site: Site,
    leaving: F,
) -> impl ServiceFactory<S, Config = (), Response = (), Error = DispatchError, InitError = ()>
where
    S: Accepted,
    F: Fn() -> L + 'static,
    L: Future<Output = ()> + 'static,
{
    let http = http1(&site, leaving, app(site.clone()));
    fn_service(move |stream: S| enter(stream, site.clone())).and_then(http)
}

/// Lets a stream in, or tells its client that there is no place.
async fn enter<S: Accepted>(stream: S, site: Site) -> Result<Entered<Shared>, DispatchError> {
    let peer = stream.peer(&site).map_err(DispatchError::Io)?;
    let address = stream.peer_address();
    let mut stream = Shared::new(Arc::new(stream));
    match site.door.enter(&stream, peer).await {
        Ok(connection) => {
            let place = Admission::new(site.door, connection);
            Ok((Io::new(stream, place), address))
        }
        Err(full) => {
            tell(&mut stream, full).await;
            if let Some(_leaving) = site.door.leaving() {
                linger(&mut stream).await;
            }
            Err(DispatchError::Io(io::ErrorKind::ConnectionRefused.into()))
        }
    }
}

/// Says that there is no place.
async fn tell(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), full: Full) {
    let code = ErrorCode::TooManyConnections;
    let body = json!({
        "title": "Service Unavailable", "status": 503, "code": code, "detail": full.detail(),
    });
    let head = "HTTP/1.1 503 Service Unavailable\r\nretry-after: 2";
    answer_at_once(stream, head, &body.to_string()).await;
}

/// Answers whatever came, as far as the client takes the answer at once.
pub(super) async fn answer_at_once(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    head: &str,
    body: &str,
) {
    let length = body.len();
    let answer = format!(
        "{head}\r\ncontent-type: application/problem+json\r\n\
        connection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    // The system has not said yet whether a new socket can be written to.
    let write = poll_fn(|context| Pin::new(&mut *stream).poll_write(context, answer.as_bytes()));
    let _ = tokio::time::timeout(ANSWER_TIME, write).await;
    poll_fn(|context| {
        let mut bytes = [0; SIP];
        let _ = Pin::new(&mut *stream).poll_read(context, &mut ReadBuf::new(&mut bytes));
        let _ = Pin::new(&mut *stream).poll_shutdown(context);
        Poll::Ready(())
    })
    .await;
}

/// Passes over a little of what still comes, until the client closes. Otherwise bytes that nobody
/// has read would have the system take the answer away from it.
async fn linger(stream: &mut Shared) {
    let mut left = LINGER_BYTES;
    let pass_over = poll_fn(|context| {
        let mut bytes = [0; SIP];
        while left > 0 {
            let mut sip = ReadBuf::new(&mut bytes);
            match ready!(Pin::new(&mut *stream).poll_read(context, &mut sip)) {
                Ok(()) if !sip.filled().is_empty() => {
                    left = left.saturating_sub(sip.filled().len());
                }
                Ok(()) | Err(_) => break,
            }
        }
        Poll::Ready(())
    });
    let _ = tokio::time::timeout(LINGER_TIME, pass_over).await;
}
