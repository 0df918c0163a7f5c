//! TLS on new connections, and what is spoken within it: HTTP/2 with clients that choose it,
//! HTTP/1.1 with all others.
//!
//! A connection has its place at the door before its handshake, and a handshake has a few seconds.
//! So clients that never finish one take no more than connections without credentials do.

use std::future::{Future, poll_fn, ready};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_http::Request;
use actix_http::error::DispatchError;
use actix_service::{IntoService as _, Service, ServiceFactory, fn_factory};
use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::ServiceResponse;
use actix_web::rt::net::TcpStream;
use serde_json::json;
use tokio::io::{AsyncRead, ReadBuf};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::config::client_certificate;
use crate::http::server::accepted::{Accepted as _, answer_at_once};
use crate::http::server::app::{Entered, Severed, Site, app, http1};
use crate::http::server::http2;
use crate::http::server::io::{Admission, Io};
use crate::http::server::shared::Shared;
use crate::http::tls::{HTTP_2, Tls};
use crate::model::error_code::ErrorCode;

/// How long a handshake may take. It is over sooner if the headers of a request have less.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// How a handshake begins; no request of HTTP does.
const HANDSHAKE: u8 = 0x16;
/// How long, and how much of, a request in plain HTTP is still taken after its answer, so that its
/// client can read the answer.
const LAST_WORDS: Duration = Duration::from_secs(1);
const MAX_LEFT: usize = 64 * 1024;
const SIP: usize = 4 * 1024;

/// What clients are told that speak plain HTTP.
const PLAIN: &str = "this port speaks TLS: use the https:// address";

/// Answers the requests of new connections over TLS. `leaving` resolves when the server leaves.
pub(super) fn service<F, L>(
    site: Site,
    tls: Arc<Tls>,
    leaving: F,
) -> impl ServiceFactory<TcpStream, Config = (), Response = (), Error = Severed, InitError = ()>
where
    F: Fn() -> L + Clone + 'static,
    L: Future<Output = ()> + 'static,
{
    fn_factory(move || {
        let (site, tls, leaving) = (site.clone(), Arc::clone(&tls), leaving.clone());
        async move {
            let app = Rc::new(app(site.clone()).new_service(()).await?);
            let shared = Rc::clone(&app);
            let shared = fn_factory(move || ready(Ok::<_, ()>(Rc::clone(&shared))));
            let http1 = http1(&site, leaving.clone(), shared)
                .new_service(())
                .await?;
            let way = Rc::new(Way {
                site,
                tls,
                app,
                http1,
            });
            let serve = move |stream: TcpStream| Rc::clone(&way).serve(stream, leaving());
            Ok::<_, ()>(serve.into_service())
        }
    })
}

/// What the connections of one thread share.
struct Way<A, H> {
    site: Site,
    tls: Arc<Tls>,
    app: Rc<A>,
    http1: H,
}

impl<A, B, H> Way<A, H>
where
    A: Service<Request, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
    H: Service<Entered<TlsStream<Shared>>, Response = (), Error = DispatchError>,
{
    /// Answers the requests of one connection.
    async fn serve(
        self: Rc<Self>,
        stream: TcpStream,
        leaving: impl Future<Output = ()>,
    ) -> Result<(), DispatchError> {
        let address = stream.peer_address();
        let Some(io) = enter(stream, &self.site, &self.tls).await? else {
            return Ok(());
        };
        if io.connection().is_multiplexed() {
            let limits = self.site.domain.engine().limits();
            http2::serve(io, Rc::clone(&self.app), leaving, limits).await;
            return Ok(());
        }
        poll_fn(|context| self.http1.poll_ready(context)).await?;
        self.http1.call((io, address)).await
    }
}

/// A stream with a place at the door and TLS on it; none if there is no place, or no TLS.
async fn enter(
    stream: TcpStream,
    site: &Site,
    tls: &Tls,
) -> Result<Option<Io<TlsStream<Shared>>>, DispatchError> {
    let peer = stream.peer(site).map_err(DispatchError::Io)?;
    let socket = Arc::new(stream);
    let stream = Shared::new(Arc::clone(&socket));
    // There is no telling a client of TLS that it has no place.
    let Ok(connection) = site.door.enter(&stream, peer).await else {
        return Err(DispatchError::Io(io::ErrorKind::ConnectionRefused.into()));
    };
    let place = Admission::new(Arc::clone(&site.door), Arc::clone(&connection));
    let limit = HANDSHAKE_TIMEOUT.min(site.domain.engine().limits().header_timeout);
    let shaken = tokio::time::timeout(limit, shake_hands(socket, stream, tls)).await;
    let (result, stream) = match shaken {
        Ok(Ok(stream)) => ("done", Some(stream)),
        Ok(Err(Unshaken::Plain)) => ("plain", None),
        Ok(Err(Unshaken::Failed(error))) => {
            let address = peer.to_string();
            tracing::debug!(address, %error, "a handshake of TLS failed");
            ("failed", None)
        }
        Err(_) => ("late", None),
    };
    let handshakes = &site.domain.engine().metrics().handshakes;
    handshakes.with_label_values(&[result]).inc();
    let Some(stream) = stream else {
        return Ok(None);
    };
    if stream.get_ref().1.alpn_protocol() == Some(HTTP_2) {
        connection.multiplexes();
    }
    let shown = stream.get_ref().1.peer_certificates();
    if let Some(certificate) = shown
        .and_then(<[_]>::first)
        .and_then(|der| client_certificate(der))
    {
        connection.shows(certificate);
    }
    Ok(Some(Io::new(stream, place)))
}

/// Why there is no TLS.
enum Unshaken {
    /// The client speaks plain HTTP, and was told.
    Plain,
    /// The client went, or the two have no version, suite or certificate in common.
    Failed(io::Error),
}

impl From<io::Error> for Unshaken {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

async fn shake_hands(
    socket: Arc<TcpStream>,
    mut stream: Shared,
    tls: &Tls,
) -> Result<TlsStream<Shared>, Unshaken> {
    let mut first = [0];
    if socket.peek(&mut first).await? == 0 {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
    }
    drop(socket);
    if first != [HANDSHAKE] {
        tell_plain(&mut stream).await;
        return Err(Unshaken::Plain);
    }
    Ok(TlsAcceptor::from(tls.current()).accept(stream).await?)
}

/// Says that this port speaks TLS, and nothing of where to go: a redirect would lose a state.
async fn tell_plain(stream: &mut Shared) {
    let code = ErrorCode::PlainHttp;
    let body = json!({ "title": "Bad Request", "status": 400, "code": code, "detail": PLAIN });
    answer_at_once(stream, "HTTP/1.1 400 Bad Request", &body.to_string()).await;
    let mut left = MAX_LEFT;
    let read = poll_fn(|context| pass_over(stream, context, &mut left));
    let _ = tokio::time::timeout(LAST_WORDS, read).await;
}

/// Takes what nobody reads, until the client goes or has sent too much.
fn pass_over(stream: &mut Shared, context: &mut Context<'_>, left: &mut usize) -> Poll<()> {
    while *left > 0 {
        let mut bytes = [0; SIP];
        let mut sip = ReadBuf::new(&mut bytes);
        let read = ready!(Pin::new(&mut *stream).poll_read(context, &mut sip));
        let came = sip.filled().len();
        if read.is_err() || came == 0 {
            return Poll::Ready(());
        }
        *left = left.saturating_sub(came);
    }
    Poll::Ready(())
}
