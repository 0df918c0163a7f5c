//! The server: what it listens on, its time-outs, and its end, which waits for the requests under
//! way.
//!
//! The operator's socket has a server, threads and connections of its own. However many clients
//! there are, it answers.

pub(super) mod files;
pub(super) mod socket;

mod accepted;
mod app;
mod connection;
mod door;
mod guard;
mod http2;
mod io;
mod line;
mod refused;
mod secure;
mod shared;
mod trace;
mod watch;
mod watched;

use std::io::{Error, Result};
use std::net::{SocketAddr, TcpListener};
use std::num::NonZero;
use std::os::unix::net::UnixListener;
use std::sync::Arc;

use actix_web::dev::{Server, ServerHandle};
use actix_web::rt::System;
use actix_web::rt::net::{TcpStream, UnixStream};
use actix_web::web::{Data, ServiceConfig};
use tokio::sync::oneshot;

use crate::config::TrustedProxies;
use crate::domain::Domain;
use crate::http::server::accepted::service;
use crate::http::server::app::Site;
use crate::http::server::door::Door;
use crate::http::server::watch::watch;
use crate::http::tls::Tls;
use crate::sabotage::{self, Fault};

/// How long requests under way may take when the server leaves.
const SHUTDOWN_TIMEOUT_SECONDS: u64 = 30;

/// Connections to the listener for metrics. One Prometheus needs one.
const METRICS_CONNECTIONS: usize = 16;

/// What a server listens on.
pub struct Bindings {
    /// For clients; none when only the socket is served.
    pub tcp: Option<TcpListener>,
    /// What TLS is spoken with there; none for plain HTTP.
    pub tls: Option<Arc<Tls>>,
    /// For a Prometheus on this machine, without a key; none if it has to use `tcp` and a key.
    pub metrics: Option<TcpListener>,
    /// For the operator.
    pub socket: UnixListener,
    /// How many threads take the requests of clients; none for one a core.
    pub workers: Option<usize>,
}

/// A server that runs.
pub struct RunningServer {
    /// Where clients reach it.
    pub address: Option<SocketAddr>,
    /// Where the machine's own Prometheus reaches it without a key.
    pub metrics_address: Option<SocketAddr>,
    clients: Option<Serving>,
    metrics: Option<Serving>,
    operator: Serving,
}

/// What serves one listener.
struct Serving {
    handle: ServerHandle,
    ended: oneshot::Receiver<Result<()>>,
}

impl RunningServer {
    /// Takes no more connections, finishes the requests under way, and ends. The operator is served
    /// to the last.
    pub async fn stop(self) -> Result<()> {
        for serving in [self.clients, self.metrics].into_iter().flatten() {
            serving.stop().await?;
        }
        self.operator.stop().await
    }
}

impl Serving {
    /// Serves on a thread of its own.
    fn begin(name: &str, server: Server, site: &Site) -> Result<Self> {
        let handle = server.handle();
        let (sender, ended) = oneshot::channel();
        let limits = site.domain.engine().limits();
        let quiet = limits.idle_timeout + limits.header_timeout + limits.body_timeout;
        let watch = watch(Arc::clone(&site.door), quiet, limits.body_timeout);
        let serve = async move {
            let watching = actix_web::rt::spawn(watch);
            let ended = server.await;
            watching.abort();
            ended
        };
        let thread = std::thread::Builder::new().name(name.to_owned());
        thread.spawn(move || sender.send(System::new().block_on(serve)))?;
        Ok(Self { handle, ended })
    }

    async fn stop(self) -> Result<()> {
        self.handle.stop(true).await;
        self.ended
            .await
            .unwrap_or_else(|_| Err(Error::other("a server ended before it was asked")))
    }
}

fn one_a_core() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

/// What is served on the listeners.
pub(super) struct Routes {
    /// To clients and the operator.
    pub(super) all: fn(&mut ServiceConfig),
    /// To whoever reaches the listener for metrics.
    pub(super) metrics: fn(&mut ServiceConfig),
}

/// Serves these routes on these bindings.
pub(super) fn start(
    domain: &Arc<Domain>,
    proxies: TrustedProxies,
    bindings: Bindings,
    routes: &Routes,
) -> Result<RunningServer> {
    let mut site = Site {
        domain: Data::from(Arc::clone(domain)),
        proxies: Data::new(proxies),
        logins: Data::default(),
        door: Door::for_the_operator(domain),
        routes: routes.all,
    };
    let clients_door = Door::for_clients(domain, domain.engine().limits().max_connections);
    if sabotage::is(Fault::OperatorsDoor) {
        site.door = Arc::clone(&clients_door);
    }
    let operator = serve_operator(&site, bindings.socket)?;
    let metrics_address = bindings.metrics.as_ref().map(TcpListener::local_addr);
    let metrics_site = Site {
        door: Door::for_clients(domain, METRICS_CONNECTIONS),
        routes: routes.metrics,
        ..site.clone()
    };
    let metrics = bindings
        .metrics
        .map(|tcp| serve_tcp("metrics", &metrics_site, tcp, None, 1));
    let mut address = None;
    let mut clients = None;
    if let Some(tcp) = bindings.tcp {
        address = Some(tcp.local_addr()?);
        let workers = bindings.workers.unwrap_or_else(one_a_core);
        let site = Site {
            door: clients_door,
            ..site
        };
        clients = Some(serve_tcp("clients", &site, tcp, bindings.tls, workers)?);
    }
    Ok(RunningServer {
        address,
        metrics_address: metrics_address.transpose()?,
        clients,
        metrics: metrics.transpose()?,
        operator,
    })
}

fn serve_tcp(
    name: &'static str,
    site: &Site,
    tcp: TcpListener,
    tls: Option<Arc<Tls>>,
    workers: usize,
) -> Result<Serving> {
    let builder = Server::build()
        .workers(workers)
        // The door has the true limit. This one keeps the rest in the system's queue while the
        // door closes what it has given up.
        .max_concurrent_connections(site.door.files().div_ceil(workers))
        .shutdown_timeout(SHUTDOWN_TIMEOUT_SECONDS)
        .disable_signals();
    let signal = builder.graceful_shutdown_signal();
    let leaving = move || {
        let signal = signal.clone();
        async move { signal.notified().await }
    };
    let shared = site.clone();
    let server = match tls {
        None => builder.listen(name, tcp, move || {
            service::<TcpStream, _, _>(shared.clone(), leaving.clone())
        })?,
        Some(tls) => builder.listen(name, tcp, move || {
            secure::service(shared.clone(), Arc::clone(&tls), leaving.clone())
        })?,
    };
    Serving::begin(name, server.run(), site)
}

fn serve_operator(site: &Site, socket: UnixListener) -> Result<Serving> {
    let builder = Server::build()
        .workers(1)
        .max_concurrent_connections(site.door.files())
        .shutdown_timeout(SHUTDOWN_TIMEOUT_SECONDS)
        .disable_signals();
    let signal = builder.graceful_shutdown_signal();
    let leaving = move || {
        let signal = signal.clone();
        async move { signal.notified().await }
    };
    let shared = site.clone();
    let server = builder.listen_uds("operator", socket, move || {
        service::<UnixStream, _, _>(shared.clone(), leaving.clone())
    })?;
    Serving::begin("operator", server.run(), site)
}
