//! Around each request: an id that ties its answer to the log and to events, the headers that all
//! answers have, and its line in the log.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderMap, HeaderName, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use actix_web::http::{ConnectionType, StatusCode};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, HttpMessage as _, HttpRequest, ResponseError as _};

use crate::config::Network;
use crate::domain::{self, Domain};
use crate::http::server::connection::{Busy, Connection};
use crate::http::server::door::Door;
use crate::http::server::guard::{Ended, gone, guarded};
use crate::http::server::line::RequestLine;
use crate::http::server::watched::{Watched, arriving};
use crate::http::wire::browser;
use crate::http::wire::credentials::{KnownAs, look_again};
use crate::http::wire::error::{AccessRefused, ApiError, FailureReason};
use crate::http::wire::headers::{self, INSTANCE, REQUEST_ID, STATE};
use crate::http::wire::origin::{client_ip, origin_of};
use crate::http::wire::path;
use crate::http::wire::per_network::Counted;
use crate::model::caller::Caller;

/// The headers of every answer that does not set them itself: proxies and browsers keep nothing,
/// and no page may do anything with it.
const ON_EVERY_ANSWER: [(HeaderName, &str); 5] = [
    (CONTENT_SECURITY_POLICY, headers::CONTENT_SECURITY_POLICY),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    (REFERRER_POLICY, "no-referrer"),
    (CACHE_CONTROL, "no-store"),
];

/// How long a client with too much under way waits for the answer that says so. Who asks again at
/// once, without end, costs others nothing then.
const PAUSE: Duration = Duration::from_millis(250);

/// Gives a request its id, and writes its line when it is answered or its client has gone.
pub(in crate::http) async fn trace(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<Watched>, Error> {
    if let Some(connection) = ending(&request) {
        connection.hung_up().await;
        return Err(nobody_reads_this());
    }
    let busy = begin(&mut request);
    let mut line = RequestLine::of(&request);
    request.extensions_mut().insert(line.origin());
    let place = place_of_client(&request, busy.as_ref().map(Busy::connection));
    let answer = async {
        if let Some(refused) = browser::refused(request.request()) {
            return Ok(request.into_response(refused));
        }
        if place.is_err() {
            let refusal = ApiError::TooManyConnections.error_response();
            return Ok(request.into_response(refusal));
        }
        let answer = next.call(request).await?;
        let answer = unless_lapsed(answer.map_into_boxed_body()).await;
        if answer.status() == StatusCode::TOO_MANY_REQUESTS {
            tokio::time::sleep(PAUSE).await;
        }
        Ok::<_, Error>(answer)
    };
    match guarded(answer, gone(busy.as_ref())).await {
        Ok(answer) => {
            let mut answer = answer?;
            answered(&mut line, &mut answer);
            end_if_body_is_left(busy.as_ref(), &mut answer);
            let place = place.ok().flatten();
            Ok(answer.map_body(|_, body| Watched::new(body, busy, place)))
        }
        Err(Ended::Panicked) => Err(panicked(&mut line)),
        Err(Ended::Gone) => Err(nobody_reads_this()),
    }
}

fn nobody_reads_this() -> Error {
    InternalError::new("the client went away", StatusCode::REQUEST_TIMEOUT).into()
}

/// The connection of a request, if an answer before it has said that it ends. The request is not
/// looked at then, nor answered.
fn ending(request: &ServiceRequest) -> Option<Arc<Connection>> {
    connection_of(request).filter(|connection| connection.is_ending())
}

/// The connection that a request came on. Over HTTP/2 it stands with the request.
fn connection_of(request: &ServiceRequest) -> Option<Arc<Connection>> {
    let known = request.conn_data::<Arc<Connection>>().cloned();
    known.or_else(|| request.extensions().get::<Arc<Connection>>().cloned())
}

/// Notes on its connection that a request has begun.
fn begin(request: &mut ServiceRequest) -> Option<Busy> {
    let connection = connection_of(request)?;
    let busy = Busy::on(&connection);
    let payload = request.take_payload();
    request.set_payload(arriving(payload, &connection));
    Some(busy)
}

/// A client behind a trusted proxy has no connections that could be counted, and over HTTP/2 one
/// connection has many requests, so the requests under way are counted. An error if a client has
/// its share of them.
fn place_of_client(
    request: &ServiceRequest,
    connection: Option<&Arc<Connection>>,
) -> Result<Option<Counted>, ()> {
    let (Some(connection), Some(door)) = (connection, request.app_data::<Data<Door>>()) else {
        return Ok(None);
    };
    let peer = connection.peer;
    let client = client_ip(request.request());
    let is_counted = |client: &IpAddr| {
        let is_itself = Some(*client) == peer.address();
        if peer.is_proxy() {
            !is_itself
        } else {
            connection.is_multiplexed()
        }
    };
    let client = client.filter(is_counted);
    match client.map(|client| door.request_of(Network::of(client))) {
        Some(None) => Err(()),
        Some(place) => Ok(place),
        None => Ok(None),
    }
}

/// After an answer to a request whose body was not read to its end, nothing on the connection would
/// be in its place.
fn end_if_body_is_left(busy: Option<&Busy>, answer: &mut ServiceResponse<impl Sized>) {
    let Some(connection) = busy.map(Busy::connection) else {
        return;
    };
    if answer.request().extensions().get::<KnownAs>().is_some() {
        connection.prove();
    }
    if connection.leaves_body() {
        connection.end_soon();
        let head = answer.response_mut().head_mut();
        head.set_connection_type(ConnectionType::Close);
    }
}

/// An answer to a read only begins while the credentials still stand. An act has been judged in its
/// transaction, and is answered as it was done.
async fn unless_lapsed(answer: ServiceResponse) -> ServiceResponse {
    let request = answer.request();
    if !request.method().is_safe() || answer.status() == StatusCode::UNAUTHORIZED {
        return answer;
    }
    let Some(domain) = request.app_data::<Data<Domain>>() else {
        return answer;
    };
    match look_again(request, domain).await {
        Ok(()) => answer,
        Err(lapsed) => answer.into_response(lapsed.error_response()),
    }
}

fn answered(line: &mut RequestLine, response: &mut ServiceResponse<impl Sized>) {
    let state = path::state(response.request()).ok();
    let state = state.and_then(|name| HeaderValue::try_from(name.to_string()).ok());
    let request = response.request().clone();
    let headers = response.headers_mut();
    mark(line, headers);
    browser::offer_no_password(&request, headers);
    if let Some(state) = state {
        headers.insert(STATE, state);
    }
    line.answered(response);
    note_refused(response);
}

/// Sets the headers that all answers have.
fn mark(line: &RequestLine, headers: &mut HeaderMap) {
    for (name, value) in ON_EVERY_ANSWER {
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
    let domain = line.domain.as_ref();
    let instance = domain.map(|domain| domain.status().instance().to_string());
    for (name, value) in [(REQUEST_ID, Some(line.id.clone())), (INSTANCE, instance)] {
        if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
            headers.insert(name, value);
        }
    }
}

/// The answer if a handler panicked. The log says why.
fn panicked(line: &mut RequestLine) -> Error {
    let error = domain::error::Error::Internal("a handler panicked".to_owned());
    let mut response = ApiError::from(error).error_response();
    mark(line, response.headers_mut());
    line.failed(
        response.status(),
        response.extensions().get::<FailureReason>(),
    );
    InternalError::from_response("a handler panicked", response).into()
}

/// Records an event if good credentials did not allow the request, or were not good any more when
/// they were looked at again. Bad credentials are recorded where they are checked.
fn note_refused(response: &ServiceResponse<impl Sized>) {
    let noted = response.response().extensions();
    let Some(refused) = noted.get::<AccessRefused>() else {
        return;
    };
    match response.status() {
        StatusCode::FORBIDDEN => record_denied(response.request(), refused.reason),
        StatusCode::UNAUTHORIZED => record_lapsed(response.request(), refused.reason),
        _ => {}
    }
}

fn record_lapsed(request: &HttpRequest, reason: &'static str) {
    let noted = request.extensions();
    let known = noted.get::<KnownAs>();
    if let (Some(known), Some(domain)) = (known, request.app_data::<Data<Domain>>()) {
        let Caller { actor, origin, .. } = &known.0;
        domain.events().note_lapsed(actor, origin, reason);
    }
}

fn record_denied(request: &HttpRequest, reason: &'static str) {
    let Some(domain) = request.app_data::<Data<Domain>>() else {
        return;
    };
    let noted = request.extensions();
    let actor = noted.get::<KnownAs>().map(|known| &known.0.actor);
    domain.events().note_denied(
        actor,
        &origin_of(&noted, request),
        path::state(request).ok().as_ref(),
        reason,
    );
}
