//! Around each request: an id that ties its answer to the log and to events, the headers that all
//! answers have, one line in the log, and its time in the metrics. Never a query, a header or a
//! body: they hold secrets.

use std::sync::Arc;
use std::time::Instant;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderMap, HeaderName, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, HttpMessage as _, HttpRequest, ResponseError as _};
use uuid::Uuid;

use crate::domain::{self, Domain};
use crate::http::Route;
use crate::http::endpoints::page;
use crate::http::server::watch::Busy;
use crate::http::server::watch::Connection;
use crate::http::server::watch::Watched;
use crate::http::wire::caller;
use crate::http::wire::caller::KnownAs;
use crate::http::wire::caller::client_address;
use crate::http::wire::error::ApiError;
use crate::http::wire::error::Reason;
use crate::http::wire::error::Refused;
use crate::http::wire::guard::Ended;
use crate::http::wire::guard::gone;
use crate::http::wire::guard::guarded;
use crate::model::caller::Origin;
use crate::model::clock;
use crate::telemetry::REQUESTS;

const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
/// What proxies and clients call the id that they give a request.
const GIVEN_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Which data answers, so that a client knows whether two addresses are the same server.
const INSTANCE: HeaderName = HeaderName::from_static("statekeep-instance");
/// Which state an address is, in the one spelling of its name.
const STATE: HeaderName = HeaderName::from_static("statekeep-state");
const MAX_GIVEN_ID: usize = 64;
/// The methods that metrics name.
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "DELETE", "LOCK", "UNLOCK"];
/// The status in metrics of a request whose client went away before it was answered, as nginx has
/// it.
const GONE: u16 = 499;

/// What every answer says unless it says otherwise: nothing is kept by proxies and browsers, and no
/// page may do anything with it.
const ON_EVERY_ANSWER: [(HeaderName, &str); 5] = [
    (CONTENT_SECURITY_POLICY, page::CONTENT_SECURITY_POLICY),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    (REFERRER_POLICY, "no-referrer"),
    (CACHE_CONTROL, "no-store"),
];

/// Gives a request its id, and writes its line when it is answered or its client has gone.
pub(in crate::http) async fn trace(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<Watched>, Error> {
    let busy = request.conn_data::<Arc<Connection>>().map(Busy::on);
    let mut line = Line::of(&request);
    request.extensions_mut().insert(Origin {
        address: line.address.clone(),
        request_id: line.id.clone(),
    });
    let mut response = match guarded(async { next.call(request).await }, gone(busy.as_ref())).await
    {
        Ok(response) => response?,
        Err(Ended::Panicked) => return Err(panicked(&mut line)),
        // Nobody reads this.
        Err(Ended::Gone) => {
            return Err(
                InternalError::new("the client went away", StatusCode::REQUEST_TIMEOUT).into(),
            );
        }
    };
    let state = caller::name_in(response.request())
        .ok()
        .map(|name| name.to_string());
    line.mark(response.headers_mut());
    if let Some(value) = state.and_then(|state| HeaderValue::try_from(state).ok()) {
        response.headers_mut().insert(STATE, value);
    }
    line.status = Some(response.status().as_u16());
    line.route = response
        .request()
        .app_data::<Route>()
        .map(|route| route.name.clone());
    line.key = response
        .request()
        .extensions()
        .get::<KnownAs>()
        .map(|known| known.0.id.clone());
    line.reason = response
        .response()
        .extensions()
        .get::<Reason>()
        .map(|reason| reason.0.clone());
    if let Some(refused) = response.response().extensions().get::<Refused>() {
        line.refused = Some(refused.reason);
        if line.key.is_none() {
            line.key.clone_from(&refused.key);
        }
        if response.status() == StatusCode::FORBIDDEN {
            note_denied(response.request(), refused.reason);
        }
    }
    Ok(response.map_body(|_, body| Watched::new(body, busy)))
}

/// The answer where a handler panicked. Why is in the log.
fn panicked(line: &mut Line) -> Error {
    let mut response = ApiError::from(domain::error::Error::Internal(
        "a handler panicked".to_owned(),
    ))
    .error_response();
    line.mark(response.headers_mut());
    line.status = Some(response.status().as_u16());
    line.reason = response
        .extensions()
        .get::<Reason>()
        .map(|reason| reason.0.clone());
    InternalError::from_response("a handler panicked", response).into()
}

/// Has an event say what good credentials did not allow. Credentials that are not good have theirs
/// where they are looked at.
fn note_denied(request: &HttpRequest, reason: &'static str) {
    let Some(domain) = request.app_data::<Data<Domain>>() else {
        return;
    };
    let noted = request.extensions();
    let actor = noted.get::<KnownAs>().map(|known| &known.0);
    domain.events().note_denied(
        actor,
        &caller::origin_of(&noted, request),
        caller::name_in(request).ok().as_ref(),
        reason,
    );
}

/// Written when it is dropped, so that a request whose client went away has its line too.
struct Line {
    id: String,
    method: Method,
    path: String,
    address: String,
    domain: Option<Data<Domain>>,
    since: Instant,
    route: Option<String>,
    status: Option<u16>,
    key: Option<String>,
    /// Why the server failed.
    reason: Option<String>,
    /// Why the client was refused.
    refused: Option<&'static str>,
}

impl Line {
    fn of(request: &ServiceRequest) -> Self {
        let given = request
            .headers()
            .get(GIVEN_ID)
            .and_then(|value| value.to_str().ok())
            .filter(|id| is_plain(id));
        Self {
            id: given.map_or_else(|| Uuid::new_v4().to_string(), str::to_owned),
            method: request.method().clone(),
            path: request.path().to_owned(),
            address: client_address(request.request()),
            domain: request.app_data().cloned(),
            since: clock::monotonic(),
            route: None,
            status: None,
            key: None,
            reason: None,
            refused: None,
        }
    }
}

fn is_plain(id: &str) -> bool {
    (1..=MAX_GIVEN_ID).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

impl Line {
    /// Says in an answer what all answers say.
    fn mark(&self, headers: &mut HeaderMap) {
        for (name, value) in ON_EVERY_ANSWER {
            if !headers.contains_key(&name) {
                headers.insert(name, HeaderValue::from_static(value));
            }
        }
        let instance = self
            .domain
            .as_ref()
            .map(|domain| domain.instance().to_string());
        for (name, value) in [(REQUEST_ID, Some(self.id.clone())), (INSTANCE, instance)] {
            if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
                headers.insert(name, value);
            }
        }
    }

    /// What a client makes up is one label for all, so that nobody can fill the memory with labels.
    fn measure(&self, seconds: f64) {
        let Some(domain) = &self.domain else { return };
        let method = METHODS
            .iter()
            .find(|known| **known == self.method.as_str())
            .unwrap_or(&"other");
        let route = self.route.as_deref().unwrap_or("unknown");
        let status = StatusCode::from_u16(self.status.unwrap_or(GONE))
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        domain
            .metrics()
            .requests
            .with_label_values(&[route, method, status.as_str()])
            .observe(seconds);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let seconds = self.since.elapsed().as_secs_f64();
        self.measure(seconds);
        let duration_ms = (seconds * 1e6).round() / 1e3;
        let (method, path, id, address) =
            (self.method.as_str(), &self.path, &self.id, &self.address);
        let key = self.key.as_deref().unwrap_or("-");
        match (self.status, &self.reason) {
            (Some(status), Some(reason)) => {
                tracing::error!(target: REQUESTS, method, path, status, duration_ms, key, request_id = id, address, reason, "request failed");
            }
            (Some(status), None) if let Some(reason) = self.refused => {
                tracing::info!(target: REQUESTS, method, path, status, duration_ms, key, request_id = id, address, reason, "request");
            }
            (Some(status), None) => {
                tracing::info!(target: REQUESTS, method, path, status, duration_ms, key, request_id = id, address, "request");
            }
            (None, _) => {
                let what = "the client went away before it was answered";
                tracing::info!(target: REQUESTS, method, path, duration_ms, key, request_id = id, address, "{what}");
            }
        }
    }
}
