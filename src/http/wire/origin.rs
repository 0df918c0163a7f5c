//! Where a request comes from: the other end of its connection, and the client's address as far as
//! proxies in between are trusted.

use std::any::Any;
use std::net::IpAddr;

use actix_web::dev::Extensions;
use actix_web::http::header::HeaderName;
use actix_web::rt::net::{TcpStream, UnixStream};
use actix_web::web::Data;
use actix_web::{HttpMessage as _, HttpRequest};

use crate::config::TrustedProxies;
use crate::model::actor::Origin;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// Stands for the client's address if the data directory's socket was used.
const SOCKET: &str = "socket";
/// Stands for the client's address if a request has no connection, as in tests.
const UNKNOWN: &str = "unknown";

/// The other end of a connection.
#[derive(Clone, Copy, Debug)]
enum Peer {
    Tcp(IpAddr),
    Socket,
}

/// Notes the other end of a new connection.
pub(in crate::http) fn note_peer(connection: &dyn Any, data: &mut Extensions) {
    if connection.is::<UnixStream>() {
        data.insert(Peer::Socket);
    } else if let Some(address) = tcp_peer(connection) {
        data.insert(Peer::Tcp(address));
    }
}

/// The address of the other end of a connection, which may be a proxy's.
pub(in crate::http) fn peer_address(connection: &dyn Any) -> String {
    tcp_peer(connection).map_or_else(
        || SOCKET.to_owned(),
        |address| address.to_canonical().to_string(),
    )
}

fn tcp_peer(connection: &dyn Any) -> Option<IpAddr> {
    let stream = connection.downcast_ref::<TcpStream>()?;
    stream.peer_addr().ok().map(|address| address.ip())
}

/// Whether a request came through the data directory's socket.
pub(in crate::http) fn is_at_the_machine(request: &HttpRequest) -> bool {
    matches!(request.conn_data::<Peer>(), Some(Peer::Socket))
}

/// The client's address, as far as it can be believed.
pub(in crate::http) fn client_address(request: &HttpRequest) -> String {
    match request.conn_data::<Peer>() {
        Some(Peer::Socket) => SOCKET.to_owned(),
        Some(Peer::Tcp(peer)) => behind_proxies(request, *peer).to_string(),
        None => UNKNOWN.to_owned(),
    }
}

/// Whether a request came from a proxy that the operator named.
pub(in crate::http) fn is_behind_trusted_proxy(request: &HttpRequest) -> bool {
    let proxies = request.app_data::<Data<TrustedProxies>>();
    match request.conn_data::<Peer>() {
        Some(Peer::Tcp(peer)) => proxies.is_some_and(|proxies| proxies.trusts(*peer)),
        Some(Peer::Socket) | None => false,
    }
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
    })
}
