//! Around each request: an id that ties its answer to the log and to events, the headers that all
//! answers have, and its line in the log.

use std::sync::Arc;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::StatusCode;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderMap, HeaderName, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, HttpMessage as _, HttpRequest, ResponseError as _};

use crate::domain::{self, Domain};
use crate::http::server::guard::{Ended, gone, guarded};
use crate::http::server::line::RequestLine;
use crate::http::server::watch::{Busy, Connection, Watched};
use crate::http::wire::browser;
use crate::http::wire::credentials::{KnownAs, look_again};
use crate::http::wire::error::{AccessRefused, ApiError, FailureReason};
use crate::http::wire::headers::{self, INSTANCE, REQUEST_ID, STATE};
use crate::http::wire::origin::origin_of;
use crate::http::wire::path;
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

/// Gives a request its id, and writes its line when it is answered or its client has gone.
pub(in crate::http) async fn trace(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<Watched>, Error> {
    let busy = request.conn_data::<Arc<Connection>>().map(Busy::on);
    let mut line = RequestLine::of(&request);
    request.extensions_mut().insert(line.origin());
    let answer = async {
        if let Some(refused) = browser::refused(request.request()) {
            return Ok(request.into_response(refused));
        }
        let answer = next.call(request).await?;
        Ok::<_, Error>(unless_lapsed(answer.map_into_boxed_body()).await)
    };
    match guarded(answer, gone(busy.as_ref())).await {
        Ok(answer) => {
            let mut answer = answer?;
            answered(&mut line, &mut answer);
            Ok(answer.map_body(|_, body| Watched::new(body, busy)))
        }
        Err(Ended::Panicked) => Err(panicked(&mut line)),
        // Nobody reads this.
        Err(Ended::Gone) => {
            Err(InternalError::new("the client went away", StatusCode::REQUEST_TIMEOUT).into())
        }
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
