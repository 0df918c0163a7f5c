//! The server: what it listens on, its time-outs, and its end, which waits for the requests under
//! way.

pub(super) mod files;
pub(super) mod socket;

mod guard;
mod line;
mod trace;
mod watch;

use std::any::Any;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::num::NonZero;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::{Extensions, ServerHandle};
use actix_web::http::KeepAlive;
use actix_web::middleware::from_fn;
use actix_web::rt::net::{TcpStream, UnixStream};
use actix_web::web::{Data, ServiceConfig};
use actix_web::{App, HttpServer};
use tokio::task::JoinHandle;

use crate::config::TrustedProxies;
use crate::domain::Domain;
use crate::http::server::watch::Watch;
use crate::http::wire::origin::{note_peer, peer_address};

/// How long requests under way may take when the server leaves.
const SHUTDOWN_TIMEOUT_SECONDS: u64 = 30;

/// What a server listens on.
pub struct Bindings {
    /// For clients; none when only the socket is served.
    pub tcp: Option<TcpListener>,
    /// For the operator.
    pub socket: UnixListener,
    /// How many threads take requests; none for one a core.
    pub workers: Option<usize>,
}

/// A server that runs.
pub struct RunningServer {
    /// Where clients reach it.
    pub address: Option<SocketAddr>,
    handle: ServerHandle,
    task: JoinHandle<io::Result<()>>,
    watch: JoinHandle<()>,
}

impl RunningServer {
    /// Takes no more connections, finishes the requests under way, and ends.
    pub async fn stop(self) -> io::Result<()> {
        self.handle.stop(true).await;
        let ended = self
            .task
            .await
            .unwrap_or_else(|error| Err(io::Error::other(error)));
        self.watch.abort();
        ended
    }
}

fn socket_of(connection: &dyn Any) -> Option<BorrowedFd<'_>> {
    let tcp = connection.downcast_ref::<TcpStream>().map(AsFd::as_fd);
    tcp.or_else(|| connection.downcast_ref::<UnixStream>().map(AsFd::as_fd))
}

/// Closes a connection whose other end takes nothing of an answer for so long. Answers that are
/// sent in pieces notice slow readers themselves.
fn hang_up_on_deaf(connection: &dyn Any, after: Duration) {
    let Some(stream) = connection.downcast_ref::<TcpStream>() else {
        return;
    };
    let milliseconds = u32::try_from(after.as_millis()).unwrap_or(u32::MAX);
    if let Err(error) = rustix::net::sockopt::set_tcp_user_timeout(stream, milliseconds) {
        tracing::debug!(%error, "a connection has no time-out for answers that nobody reads");
    }
}

/// Notes who is at the other end of a new connection, and watches it.
fn on_connect(watch: &Arc<Watch>, pause: Duration) -> impl Fn(&dyn Any, &mut Extensions) + use<> {
    let watch = Arc::clone(watch);
    move |connection, data| {
        note_peer(connection, data);
        hang_up_on_deaf(connection, pause);
        let peer = peer_address(connection);
        if let Some(Ok(watched)) = socket_of(connection).map(|socket| watch.add(socket, peer)) {
            data.insert(watched);
        }
    }
}

fn one_a_core() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

/// Serves these routes on these bindings.
pub(super) fn start(
    domain: &Arc<Domain>,
    proxies: TrustedProxies,
    bindings: Bindings,
    routes: fn(&mut ServiceConfig),
) -> io::Result<RunningServer> {
    let limits = domain.engine().limits();
    let workers = bindings.workers.unwrap_or_else(one_a_core);
    let (data, proxies) = (Data::from(Arc::clone(domain)), Data::new(proxies));
    let app = move || {
        App::new()
            .app_data(data.clone())
            .app_data(proxies.clone())
            .wrap(from_fn(trace::trace))
            .configure(routes)
    };
    let watch = Watch::begin();
    let mut server = HttpServer::new(app)
        .on_connect(on_connect(&watch, limits.body_timeout))
        .client_request_timeout(limits.header_timeout)
        // The library would also give up a request because of meaningless bytes behind it; `Watch`
        // tells them from a client that has gone.
        .h1_allow_half_closed(true)
        .keep_alive(KeepAlive::Timeout(limits.idle_timeout))
        .max_connections(limits.max_connections.div_ceil(workers))
        .workers(workers)
        .shutdown_timeout(SHUTDOWN_TIMEOUT_SECONDS)
        .disable_signals()
        .listen_uds(bindings.socket)?;
    let mut address = None;
    if let Some(tcp) = bindings.tcp {
        address = Some(tcp.local_addr()?);
        server = server.listen(tcp)?;
    }
    let quiet = limits.idle_timeout + limits.header_timeout + limits.body_timeout;
    let server = server.run();
    Ok(RunningServer {
        address,
        handle: server.handle(),
        task: tokio::spawn(server),
        watch: tokio::spawn(watch.run(quiet, limits.body_timeout)),
    })
}
