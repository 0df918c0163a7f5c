//! Who asks: credentials and client address of a request, turned into a [`Caller`] before anything
//! else of it is looked at.

use std::any::Any;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;

use actix_web::dev::{Extensions, Payload};
use actix_web::http::header::{AUTHORIZATION, HeaderName};
use actix_web::rt::net::{TcpStream, UnixStream};
use actix_web::web::Data;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::config::TrustedProxies;
use crate::domain::Domain;
use crate::http::wire::error::ApiError;
use crate::http::wire::query;
use crate::http::wire::redirected;
use crate::model::caller::{Actor, Caller, Origin};
use crate::model::error_code::ErrorCode;
use crate::model::name::{BadName, StateName};
use crate::model::secret::Secret;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// What stands for the client's address where the data directory's socket was used.
const SOCKET: &str = "socket";

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
    } else if let Some(address) = connection
        .downcast_ref::<TcpStream>()
        .and_then(|stream| stream.peer_addr().ok())
    {
        data.insert(Peer::Tcp(address.ip()));
    }
}

/// The address of the other end of a connection, whoever that stands for.
pub(in crate::http) fn peer_address(connection: &dyn Any) -> String {
    let peer = connection
        .downcast_ref::<TcpStream>()
        .and_then(|stream| stream.peer_addr().ok());
    peer.map_or_else(
        || SOCKET.to_owned(),
        |address| address.ip().to_canonical().to_string(),
    )
}

/// The client's address, as far as it can be believed.
pub(in crate::http) fn client_address(request: &HttpRequest) -> String {
    match request.conn_data::<Peer>() {
        Some(Peer::Socket) => SOCKET.to_owned(),
        Some(Peer::Tcp(peer)) => {
            let forwarded: Vec<&str> = request
                .headers()
                .get_all(FORWARDED_FOR)
                .filter_map(|value| value.to_str().ok())
                .collect();
            match request.app_data::<Data<TrustedProxies>>() {
                Some(proxies) => proxies.client(*peer, forwarded.into_iter()).to_string(),
                None => peer.to_string(),
            }
        }
        None => "unknown".to_owned(),
    }
}

/// Where a request comes from.
pub(in crate::http) fn origin(request: &HttpRequest) -> Origin {
    origin_of(&request.extensions(), request)
}

/// The same for whoever looks at what is noted of the request already.
pub(in crate::http) fn origin_of(noted: &Extensions, request: &HttpRequest) -> Origin {
    noted.get::<Origin>().cloned().unwrap_or_else(|| Origin {
        address: client_address(request),
        request_id: String::new(),
    })
}

/// The state in the path.
pub(in crate::http) fn name_in(request: &HttpRequest) -> Result<StateName, BadName> {
    let part = |name: &str| request.match_info().get(name).unwrap_or_default();
    StateName::parse(part("workspace"), part("block"))
}

/// The secret or token that a request carries, or that it carries something else for one.
fn credentials(request: &HttpRequest) -> Option<Secret> {
    let unreadable = || Secret::new(String::new());
    request
        .headers()
        .contains_key(AUTHORIZATION)
        .then(|| presented(request).unwrap_or_else(unreadable))
}

/// The secret or token that a request carries.
pub(in crate::http) fn presented(request: &HttpRequest) -> Option<Secret> {
    let header = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, value) = header.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(Secret::new(value.trim().to_owned()));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(value.trim()).ok()?).ok()?;
    decoded
        .split_once(':')
        .map(|(_, password)| Secret::new(password.to_owned()))
}

/// Finds out who sent a request. Without credentials the data directory's socket means the
/// operator.
pub(in crate::http) async fn authenticate(request: &HttpRequest) -> Result<Caller, ApiError> {
    let Some(domain) = request.app_data::<Data<Domain>>() else {
        return Err(ApiError::Domain(crate::domain::error::Error::Internal(
            "no domain".to_owned(),
        )));
    };
    let origin = origin(request);
    let is_at_the_machine = matches!(request.conn_data::<Peer>(), Some(Peer::Socket))
        && !request.headers().contains_key(AUTHORIZATION);
    let caller = if is_at_the_machine {
        Caller::operator(origin)
    } else {
        domain
            .logins()
            .authenticate(credentials(request).as_ref(), origin)
            .await?
    };
    request
        .extensions_mut()
        .insert(KnownAs(caller.actor.clone()));
    Ok(caller)
}

/// Whose key a request came with, for its line in the log and for the event if it is refused.
pub(in crate::http) struct KnownAs(pub(in crate::http) Actor);

type Extraction<T> = Pin<Box<dyn Future<Output = Result<T, ApiError>>>>;

/// Somebody with good credentials.
pub(in crate::http) struct Known(pub(in crate::http) Caller);

impl FromRequest for Known {
    type Error = ApiError;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            query::judge(&request)?;
            authenticate(&request).await.map(Self)
        })
    }
}

/// Somebody with good credentials, and the state in the path; in this order, so that nobody learns
/// anything without credentials. What is wrong with the address itself comes before both, so that a
/// program is refused at its first request and not at its last.
pub(in crate::http) struct OnState {
    pub(in crate::http) caller: Caller,
    pub(in crate::http) name: StateName,
}

impl FromRequest for OnState {
    type Error = ApiError;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            redirected::refuse(&request).await?;
            query::judge(&request)?;
            let caller = authenticate(&request).await?;
            let name = name_in(&request)
                .map_err(|error| ApiError::invalid(ErrorCode::BadAddress, error.to_string()))?;
            Ok(Self { caller, name })
        })
    }
}
