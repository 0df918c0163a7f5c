//! Where a request comes from: the other end of its connection, and the client's address as far as
//! proxies in between are trusted.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use actix_web::dev::Extensions;
use actix_web::http::header::HeaderName;
use actix_web::web::Data;
use actix_web::{HttpMessage as _, HttpRequest};

use crate::config::TrustedProxies;
use crate::model::actor::Origin;
use crate::model::client_certificate::ClientCertificate;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// Stands for the client's address if the data directory's socket was used.
const SOCKET: &str = "socket";
/// Stands for the client's address if a request has no connection, as in tests.
const UNKNOWN: &str = "unknown";

/// The headers that proxies and browsers add. Their requests come from elsewhere.
const FROM_ELSEWHERE: [&str; 12] = [
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-forwarded-port",
    "forwarded",
    "via",
    "x-real-ip",
    "x-client-ip",
    "true-client-ip",
    "cf-connecting-ip",
    "origin",
    "sec-fetch-site",
];

/// The other end of a connection.
#[derive(Clone, Copy, Debug)]
pub(in crate::http) enum Peer {
    /// A client, or a proxy between it and the server.
    Tcp {
        address: IpAddr,
        /// Whether it is a trusted proxy.
        is_proxy: bool,
    },
    /// Someone at the data directory's socket.
    Socket {
        /// Whether the process is the server's own user's, or root's.
        is_operator: bool,
    },
}

impl Peer {
    /// Its address, if it has one.
    pub(in crate::http) const fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Tcp { address, .. } => Some(*address),
            Self::Socket { .. } => None,
        }
    }

    /// Whether it is a trusted proxy, which stands for many clients.
    pub(in crate::http) const fn is_proxy(&self) -> bool {
        matches!(self, Self::Tcp { is_proxy: true, .. })
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { address, .. } => write!(formatter, "{}", address.to_canonical()),
            Self::Socket { .. } => formatter.write_str(SOCKET),
        }
    }
}

/// The other end of a request's connection. Over HTTP/2 it stands with the request.
pub(in crate::http) fn peer_of(request: &HttpRequest) -> Option<Peer> {
    let known = request.conn_data::<Peer>().copied();
    known.or_else(|| request.extensions().get::<Peer>().copied())
}

/// The client certificate of a request's connection, if a good one was shown. Behind a proxy that
/// ends TLS it is the proxy's.
pub(in crate::http) fn certificate_of(request: &HttpRequest) -> Option<Arc<ClientCertificate>> {
    let known = request.conn_data::<Arc<ClientCertificate>>().cloned();
    known.or_else(|| {
        request
            .extensions()
            .get::<Arc<ClientCertificate>>()
            .cloned()
    })
}

/// Whether a request came through the data directory's socket, from a process that may act as the
/// operator, and from no proxy in between.
pub(in crate::http) fn is_at_the_machine(request: &HttpRequest) -> bool {
    let is_operator = matches!(peer_of(request), Some(Peer::Socket { is_operator: true }));
    let headers = request.headers();
    is_operator
        && !FROM_ELSEWHERE
            .iter()
            .any(|name| headers.contains_key(*name))
}

/// The client's address, as far as it can be believed.
pub(in crate::http) fn client_address(request: &HttpRequest) -> String {
    match peer_of(request) {
        Some(Peer::Socket { .. }) => SOCKET.to_owned(),
        Some(Peer::Tcp { address, .. }) => behind_proxies(request, address).to_string(),
        None => UNKNOWN.to_owned(),
    }
}

/// The same as a number; none through the data directory's socket.
pub(in crate::http) fn client_ip(request: &HttpRequest) -> Option<IpAddr> {
    match peer_of(request) {
        Some(Peer::Tcp { address, .. }) => Some(behind_proxies(request, address)),
        Some(Peer::Socket { .. }) | None => None,
    }
}

/// Whether a request came from a proxy that the operator named.
pub(in crate::http) fn is_behind_trusted_proxy(request: &HttpRequest) -> bool {
    peer_of(request).is_some_and(|peer| peer.is_proxy())
}

fn behind_proxies(request: &HttpRequest, peer: IpAddr) -> IpAddr {
    let forwarded: Vec<&str> = request
        .headers()
        .get_all(FORWARDED_FOR)
        .filter_map(|value| value.to_str().ok())
        .collect();
    request
        .app_data::<Data<TrustedProxies>>()
        .map_or(peer, |proxies| proxies.client(peer, forwarded.into_iter()))
}

/// Where a request comes from.
pub(in crate::http) fn origin(request: &HttpRequest) -> Origin {
    origin_of(&request.extensions(), request)
}

/// The same for a caller that has borrowed the request's extensions already.
pub(in crate::http) fn origin_of(noted: &Extensions, request: &HttpRequest) -> Origin {
    noted.get::<Origin>().cloned().unwrap_or_else(|| Origin {
        address: client_address(request),
        request_id: String::new(),
        certificate: None,
    })
}
