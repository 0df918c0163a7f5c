//! New connections, from the system's stream to a service that answers requests on it.

use std::future::{Future, poll_fn};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::AsFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_http::{HttpServiceBuilder, KeepAlive, Request};
use actix_service::map_config;
use actix_service::{ServiceFactory, ServiceFactoryExt as _, fn_service};
use actix_web::body::MessageBody;
use actix_web::dev::{AppConfig, ServiceRequest, ServiceResponse};
use actix_web::middleware::from_fn;
use actix_web::rt::net::{TcpStream, UnixStream};
use actix_web::web::{Data, ServiceConfig};
use actix_web::{App, Error};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::config::TrustedProxies;
use crate::domain::Domain;
use crate::http::server::connection::Connection;
use crate::http::server::door::{Door, Full};
use crate::http::server::io::Io;
use crate::http::server::trace;
use crate::http::wire::login_body::LoginTurns;
use crate::http::wire::origin::Peer;
use crate::model::error_code::ErrorCode;

/// How long the library waits for a client to close after an answer that ends the connection.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// How much of a request is read before it is refused without a look at it, in bytes.
const SIP: usize = 4 * 1024;

/// What all connections of one listener share.
#[derive(Clone)]
pub(super) struct Site {
    pub(super) domain: Data<Domain>,
    pub(super) proxies: Data<TrustedProxies>,
    pub(super) logins: Data<LoginTurns>,
    pub(super) door: Arc<Door>,
    pub(super) routes: fn(&mut ServiceConfig),
}

/// A stream as the system hands it over.
pub(super) trait Accepted: AsyncRead + AsyncWrite + AsFd + Unpin + 'static {
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
    let limits = site.domain.engine().limits();
    let app = app(site.clone());
    let http = HttpServiceBuilder::default()
        .graceful_shutdown_signal(leaving)
        .keep_alive(KeepAlive::Timeout(limits.idle_timeout))
        .client_request_timeout(limits.header_timeout)
        .client_disconnect_timeout(DISCONNECT_TIMEOUT)
        // The library would also give up a request because of meaningless bytes behind it; `watch`
        // tells them from a client that has gone.
        .h1_allow_half_closed(true)
        .on_connect_ext(|io: &Io<S>, data| {
            data.insert(io.connection().peer);
            data.insert(Arc::clone(io.connection()));
        })
        .expect(fn_service(expect))
        .h1(map_config(app, |()| AppConfig::default()));
    fn_service(move |stream: S| enter(stream, site.clone())).and_then(http)
}

fn app(
    site: Site,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody + 'static>,
        Error = Error,
        InitError = (),
    > + 'static,
> {
    App::new()
        .app_data(site.domain)
        .app_data(site.proxies)
        .app_data(site.logins)
        .app_data(Data::from(site.door))
        .wrap(from_fn(trace::trace))
        .configure(site.routes)
}

/// The library would send `100 Continue` at once. It goes out when the body is wanted.
async fn expect(request: Request) -> Result<Request, actix_http::Error> {
    if let Some(connection) = request.conn_data::<Arc<Connection>>() {
        connection.expects();
    }
    Ok(request)
}

/// Lets a stream in, or tells its client that there is no place.
async fn enter<S: Accepted>(
    mut stream: S,
    site: Site,
) -> Result<(Io<S>, Option<SocketAddr>), DispatchError> {
    let peer = stream.peer(&site).map_err(DispatchError::Io)?;
    match site.door.enter(&stream, peer).await {
        Ok(connection) => {
            let address = stream.peer_address();
            Ok((Io::new(stream, site.door, connection), address))
        }
        Err(refused) => {
            if refused.is_told {
                tell(&mut stream, refused.full).await;
            }
            Err(DispatchError::Io(io::ErrorKind::ConnectionRefused.into()))
        }
    }
}

/// Answers whatever came, as far as the client takes the answer at once.
async fn tell(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), full: Full) {
    let code = ErrorCode::TooManyConnections;
    let body = json!({
        "title": "Service Unavailable", "status": 503, "code": code, "detail": full.detail(),
    });
    let body = body.to_string();
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\n\
        retry-after: 2\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    poll_fn(|context| {
        let mut bytes = [0; SIP];
        let _ = Pin::new(&mut *stream).poll_read(context, &mut ReadBuf::new(&mut bytes));
        let _ = Pin::new(&mut *stream).poll_write(context, answer.as_bytes());
        let _ = Pin::new(&mut *stream).poll_shutdown(context);
        Poll::Ready(())
    })
    .await;
}
