//! The server: what it listens on, its time-outs, and its end, which waits for the requests under
//! way.

pub(super) mod socket;
pub(super) mod trace;
pub(super) mod watch;

use std::any::Any;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::num::NonZero;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::http::KeepAlive;
use actix_web::middleware::from_fn;
use actix_web::rt::net::{TcpStream, UnixStream};
use actix_web::web::Data;
use actix_web::{App, HttpServer};

use tokio::task::JoinHandle;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::routes;
use crate::config::TrustedProxies;
use crate::domain::Domain;
use crate::http::server::watch::Watch;
use crate::http::wire::caller;

/// A connection's socket, once for the HTTP library and once for [`Watch`].
const FILES_A_CONNECTION: u64 = 2;
/// How many files are open beside connections, at most.
const FILES_BESIDE: u64 = 128;
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
pub struct Running {
    /// Where clients reach it.
    pub address: Option<SocketAddr>,
    handle: ServerHandle,
    task: JoinHandle<io::Result<()>>,
    watch: JoinHandle<()>,
}

impl Running {
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

/// Lets this process have as many open files as so many connections need, and says how many
/// connections it may have then.
///
/// Most systems allow a thousand files unless they are asked for more.
pub fn allow_connections(wanted: usize) -> usize {
    let limit = getrlimit(Resource::Nofile);
    let needed = wanted as u64 * FILES_A_CONNECTION + FILES_BESIDE;
    let most = limit.maximum.map_or(needed, |most| most.min(needed));
    if limit.current.is_some_and(|current| current < most)
        && let Err(error) = setrlimit(
            Resource::Nofile,
            Rlimit {
                current: Some(most),
                maximum: limit.maximum,
            },
        )
    {
        tracing::warn!(%error, "the limit of open files cannot be raised");
    }
    let files = getrlimit(Resource::Nofile).current.unwrap_or(needed);
    let allowed = files.saturating_sub(FILES_BESIDE) / FILES_A_CONNECTION;
    let allowed = usize::try_from(allowed)
        .unwrap_or(usize::MAX)
        .clamp(1, wanted);
    if allowed < wanted {
        tracing::warn!(
            wanted,
            allowed,
            "the system allows fewer open files than --max-connections needs (ulimit -n, or \
                LimitNOFILE= of systemd)"
        );
    }
    allowed
}

fn socket_of(connection: &dyn Any) -> Option<BorrowedFd<'_>> {
    let tcp = connection.downcast_ref::<TcpStream>().map(AsFd::as_fd);
    tcp.or_else(|| connection.downcast_ref::<UnixStream>().map(AsFd::as_fd))
}

/// Lets the system close a connection whose other end takes nothing of an answer for so long; what
/// is sent in pieces notices slow readers itself.
fn hang_up_on_deaf(connection: &dyn Any, after: Duration) {
    let Some(stream) = connection.downcast_ref::<TcpStream>() else {
        return;
    };
    let milliseconds = u32::try_from(after.as_millis()).unwrap_or(u32::MAX);
    if let Err(error) = rustix::net::sockopt::set_tcp_user_timeout(stream, milliseconds) {
        tracing::debug!(%error, "a connection has no time-out for answers that nobody reads");
    }
}

/// Serves the product on these bindings.
pub fn start(
    domain: &Arc<Domain>,
    proxies: TrustedProxies,
    bindings: Bindings,
) -> io::Result<Running> {
    let limits = domain.limits().clone();
    let workers = bindings
        .workers
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, NonZero::get));
    let domain = Data::from(Arc::clone(domain));
    let proxies = Data::new(proxies);
    let app = move || {
        App::new()
            .app_data(domain.clone())
            .app_data(proxies.clone())
            .wrap(from_fn(trace::trace))
            .configure(routes)
    };
    let (quiet, pause) = (
        limits.idle_timeout + limits.header_timeout + limits.body_timeout,
        limits.body_timeout,
    );
    let watch = Watch::begin();
    let watching = Arc::clone(&watch);
    let mut server = HttpServer::new(app)
        .on_connect(move |connection, data| {
            caller::note_peer(connection, data);
            hang_up_on_deaf(connection, limits.body_timeout);
            let peer = caller::peer_address(connection);
            if let Some(Ok(watched)) =
                socket_of(connection).map(|socket| watching.add(socket, peer))
            {
                data.insert(watched);
            }
        })
        .client_request_timeout(limits.header_timeout)
        // The library would give up a request for bytes behind it that make no sense as well;
        // `Watch` tells them from a client that has gone.
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
    let server = server.run();
    let handle = server.handle();
    Ok(Running {
        address,
        handle,
        task: tokio::spawn(server),
        watch: tokio::spawn(watch.run(quiet, pause)),
    })
}
