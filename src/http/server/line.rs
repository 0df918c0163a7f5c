//! The line of a request in the log, and its time in the metrics. Never a query, a header or a
//! body: they hold secrets.

use std::sync::Arc;
use std::time::Instant;

use actix_web::HttpMessage as _;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::HeaderName;
use actix_web::http::{Method, StatusCode};
use actix_web::web::Data;
use uuid::Uuid;

use crate::domain::Domain;
use crate::http::wire::credentials::KnownAs;
use crate::http::wire::error::{AccessRefused, FailureReason};
use crate::http::wire::origin::{certificate_of, client_address};
use crate::http::wire::route::Route;
use crate::model::actor::Origin;
use crate::model::client_certificate::ClientCertificate;
use crate::model::clock;
use crate::telemetry::REQUESTS;

/// The name that proxies and clients use for the id that they give a request.
const GIVEN_ID: HeaderName = HeaderName::from_static("x-request-id");
const MAX_GIVEN_ID: usize = 64;
/// The methods that metrics name. All others are one label, so that nobody can fill the memory with
/// labels.
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "DELETE", "LOCK", "UNLOCK"];
/// The status in metrics of a request whose client went away before it was answered, as nginx has
/// it.
const GONE: u16 = 499;

/// Written when it is dropped, so that a request whose client went away has its line too.
pub(super) struct RequestLine {
    pub(super) id: String,
    pub(super) domain: Option<Data<Domain>>,
    method: Method,
    path: String,
    address: String,
    certificate: Option<Arc<ClientCertificate>>,
    since: Instant,
    route: Option<String>,
    status: Option<u16>,
    key: Option<String>,
    /// Why the server failed.
    failure: Option<String>,
    /// Why the client was refused.
    refused: Option<&'static str>,
}

impl RequestLine {
    /// Begins with the request, before anything of it is judged.
    pub(super) fn of(request: &ServiceRequest) -> Self {
        Self {
            id: given_id(request).unwrap_or_else(|| Uuid::new_v4().to_string()),
            domain: request.app_data().cloned(),
            method: request.method().clone(),
            path: request.path().to_owned(),
            address: client_address(request.request()),
            certificate: certificate_of(request.request()),
            since: clock::monotonic(),
            route: None,
            status: None,
            key: None,
            failure: None,
            refused: None,
        }
    }

    /// Where the request comes from, for its events.
    pub(super) fn origin(&self) -> Origin {
        Origin {
            address: self.address.clone(),
            request_id: self.id.clone(),
            certificate: self.certificate.clone(),
        }
    }

    /// Notes how the server failed.
    pub(super) fn failed(&mut self, status: StatusCode, reason: Option<&FailureReason>) {
        self.status = Some(status.as_u16());
        self.failure = reason.map(|reason| reason.0.clone());
    }

    /// Notes how the request was answered.
    pub(super) fn answered(&mut self, response: &ServiceResponse<impl Sized>) {
        let (request, noted) = (response.request(), response.response().extensions());
        self.failed(response.status(), noted.get::<FailureReason>());
        self.route = request.app_data::<Route>().map(|route| route.name.clone());
        let extensions = request.extensions();
        let known = extensions.get::<KnownAs>();
        self.key = known.map(|known| known.0.actor.id.clone());
        if let Some(refused) = noted.get::<AccessRefused>() {
            self.refused = Some(refused.reason);
            self.key = self.key.take().or_else(|| refused.key.clone());
        }
    }

    fn measure(&self, seconds: f64) {
        let Some(domain) = &self.domain else { return };
        let method = METHODS
            .iter()
            .find(|known| **known == self.method.as_str())
            .unwrap_or(&"other");
        let route = self.route.as_deref().unwrap_or("unknown");
        let status = StatusCode::from_u16(self.status.unwrap_or(GONE))
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let requests = &domain.engine().metrics().requests;
        requests
            .with_label_values(&[route, method, status.as_str()])
            .observe(seconds);
    }

    fn write(&self, duration_ms: f64) {
        let (method, path, status) = (self.method.as_str(), &self.path, self.status);
        let (request_id, address) = (&self.id, &self.address);
        let key = self.key.as_deref().unwrap_or("-");
        if let Some(reason) = &self.failure {
            tracing::error!(
                target: REQUESTS,
                method, path, status, duration_ms, key, request_id, address, reason,
                "request failed"
            );
            return;
        }
        let message = match status {
            Some(_) => "request",
            None => "the client went away before it was answered",
        };
        let reason = self.refused;
        tracing::info!(
            target: REQUESTS,
            method, path, status, duration_ms, key, request_id, address, reason,
            "{message}"
        );
    }
}

impl Drop for RequestLine {
    fn drop(&mut self) {
        let seconds = self.since.elapsed().as_secs_f64();
        self.measure(seconds);
        self.write((seconds * 1e6).round() / 1e3);
    }
}

fn given_id(request: &ServiceRequest) -> Option<String> {
    let value = request.headers().get(GIVEN_ID)?;
    let id = value.to_str().ok()?;
    is_plain(id).then(|| id.to_owned())
}

fn is_plain(id: &str) -> bool {
    (1..=MAX_GIVEN_ID).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}
