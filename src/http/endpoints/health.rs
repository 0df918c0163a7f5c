//! The server's health, for probes, monitors and the page.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use serde_json::json;

use crate::domain::Domain;
use crate::domain::status::process::Readiness;
use crate::http::wire::caller::Authenticated;
use crate::http::wire::credentials::{authenticate, presented};
use crate::http::wire::error::ApiError;
use crate::http::wire::origin::is_at_the_machine;
use crate::http::wire::{query, reply};
use crate::model::caller::Caller;
use crate::model::clock::Timestamp;
use crate::model::error_code::ErrorCode;

pub(in crate::http) async fn alive(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    query::judge(&request)?;
    Ok(reply::json(&json!({ "status": "ok" })))
}

pub(in crate::http) async fn ready(
    request: HttpRequest,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    query::judge(&request)?;
    // Probes need no credentials, and wrong ones do not fail them.
    let caller = if is_at_the_machine(&request) || presented(&request).is_some() {
        authenticate(&request).await.ok()
    } else {
        None
    };
    let health = domain.status().health_for(caller.as_ref()).await;
    let status = match health.status {
        Readiness::Ready | Readiness::Degraded => StatusCode::OK,
        Readiness::NotReady => StatusCode::SERVICE_UNAVAILABLE,
    };
    Ok(HttpResponse::build(status).json(health))
}

#[derive(Deserialize)]
struct StatusQuery {
    since: Option<String>,
}

pub(in crate::http) async fn status(
    known: Authenticated,
    request: HttpRequest,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    let since = query::read::<StatusQuery>(&request)?.since;
    let since = since.map(|text| {
        let why = "since is RFC 3339 in UTC, as 2026-01-02T03:04:05Z";
        Timestamp::parse(&text).ok_or_else(|| ApiError::invalid(ErrorCode::BadQuery, why))
    });
    let report = domain.status().report(&known.0, since.transpose()?).await?;
    Ok(reply::json(&report))
}

/// The version of Prometheus' text format.
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(in crate::http) async fn metrics(
    known: Authenticated,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    metrics_for(&known.0, &domain).await
}

/// The metrics for the listener of `--metrics-listen`, which this machine alone reaches.
pub(in crate::http) async fn metrics_for_the_machine(
    request: HttpRequest,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    query::judge(&request)?;
    metrics_for(&Caller::server(), &domain).await
}

async fn metrics_for(caller: &Caller, domain: &Domain) -> Result<HttpResponse, ApiError> {
    let text = domain.status().metrics(caller).await?;
    Ok(HttpResponse::Ok().content_type(METRICS).body(text))
}
