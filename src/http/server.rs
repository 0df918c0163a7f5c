//! The server: what it listens on, its time-outs, and its end, which waits for the requests under way.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::http::KeepAlive;
use actix_web::middleware::{DefaultHeaders, from_fn};
use actix_web::web::Data;
use actix_web::{App, HttpServer};

use super::page::CONTENT_SECURITY_POLICY;
use super::{caller, routes, trace};
use crate::config::TrustedProxies;
use crate::domain::Domain;

/// How long the headers of a request may take.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection may be idle.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
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
    task: tokio::task::JoinHandle<io::Result<()>>,
}

impl Running {
    /// Takes no more connections, finishes the requests under way, and ends.
    pub async fn stop(self) -> io::Result<()> {
        self.handle.stop(true).await;
        self.task.await.unwrap_or_else(|error| Err(io::Error::other(error)))
    }
}

/// Serves the product on these bindings.
pub fn start(domain: &Arc<Domain>, proxies: TrustedProxies, bindings: Bindings) -> io::Result<Running> {
    let domain = Data::from(Arc::clone(domain));
    let proxies = Data::new(proxies);
    let app = move || {
        let headers = DefaultHeaders::new()
            .add(("Content-Security-Policy", CONTENT_SECURITY_POLICY))
            .add(("X-Content-Type-Options", "nosniff"))
            .add(("X-Frame-Options", "DENY"))
            .add(("Referrer-Policy", "no-referrer"))
            .add(("Cache-Control", "no-store"));
        App::new().app_data(domain.clone()).app_data(proxies.clone()).wrap(headers).wrap(from_fn(trace::trace)).configure(routes)
    };
    let mut server = HttpServer::new(app)
        .on_connect(caller::on_connect)
        .client_request_timeout(HEADER_TIMEOUT)
        .keep_alive(KeepAlive::Timeout(KEEP_ALIVE))
        .shutdown_timeout(SHUTDOWN_TIMEOUT_SECONDS)
        .disable_signals()
        .listen_uds(bindings.socket)?;
    if let Some(workers) = bindings.workers {
        server = server.workers(workers);
    }
    let mut address = None;
    if let Some(tcp) = bindings.tcp {
        address = Some(tcp.local_addr()?);
        server = server.listen(tcp)?;
    }
    let server = server.run();
    let handle = server.handle();
    Ok(Running { address, handle, task: tokio::spawn(server) })
}
