//! What answers requests: the application with its routes, and HTTP/1.1 in front of it.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use actix_http::body::BoxBody;
use actix_http::error::DispatchError;
use actix_http::{HttpServiceBuilder, KeepAlive, Request, Response};
use actix_service::{Service, ServiceFactory, fn_service, map_config};
use actix_web::body::MessageBody;
use actix_web::dev::{AppConfig, ServiceResponse};
use actix_web::middleware::from_fn;
use actix_web::web::{Data, ServiceConfig};
use actix_web::{App, Error};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::config::TrustedProxies;
use crate::domain::Domain;
use crate::http::server::connection::Connection;
use crate::http::server::door::Door;
use crate::http::server::io::Io;
use crate::http::server::trace;
use crate::http::wire::login_body::LoginTurns;

/// How long the library waits for a client to close after an answer that ends the connection.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// What all connections of one listener share.
#[derive(Clone)]
pub(super) struct Site {
    pub(super) domain: Data<Domain>,
    pub(super) proxies: Data<TrustedProxies>,
    pub(super) logins: Data<LoginTurns>,
    pub(super) door: Arc<Door>,
    pub(super) routes: fn(&mut ServiceConfig),
}

/// Why a connection ended before its time.
pub(super) type Severed = DispatchError;

/// A connection's bytes, with the address of its other end.
pub(super) type Entered<S> = (Io<S>, Option<std::net::SocketAddr>);

/// The application.
pub(super) fn app(
    site: Site,
) -> impl ServiceFactory<
    Request,
    Config = (),
    Response = ServiceResponse<impl MessageBody + 'static>,
    Error = Error,
    InitError = (),
> + 'static {
    let app = App::new()
        .app_data(site.domain)
        .app_data(site.proxies)
        .app_data(site.logins)
        .app_data(Data::from(site.door))
        .wrap(from_fn(trace::trace))
        .configure(site.routes);
    map_config(app, |()| AppConfig::default())
}

/// HTTP/1.1 in front of an application. `leaving` resolves when the server leaves.
pub(super) fn http1<S, F, L, A, B>(
    site: &Site,
    leaving: F,
    app: A,
) -> impl ServiceFactory<Entered<S>, Config = (), Response = (), Error = Severed, InitError = ()>
+ use<S, F, L, A, B>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
    F: Fn() -> L + 'static,
    L: Future<Output = ()> + 'static,
    A: ServiceFactory<Request, Config = (), Response = ServiceResponse<B>, InitError = ()>
        + 'static,
    A::Error: Into<Response<BoxBody>> + 'static,
    <A::Service as Service<Request>>::Future: 'static,
    B: MessageBody + 'static,
{
    let limits = site.domain.engine().limits();
    HttpServiceBuilder::default()
        .graceful_shutdown_signal(leaving)
        .keep_alive(KeepAlive::Timeout(limits.idle_timeout))
        .client_request_timeout(limits.header_timeout)
        .client_disconnect_timeout(DISCONNECT_TIMEOUT)
        // The library would also give up a request because of meaningless bytes behind it; `watch`
        // tells them from a client that has gone.
        .h1_allow_half_closed(true)
        .on_connect_ext(|io: &Io<S>, data| io.connection().goes_with(data))
        .expect(fn_service(expect))
        .h1(app)
}

/// The library would send `100 Continue` at once. It goes out when the body is wanted.
async fn expect(request: Request) -> Result<Request, actix_http::Error> {
    if let Some(connection) = request.conn_data::<Arc<Connection>>() {
        connection.expects();
    }
    Ok(request)
}
