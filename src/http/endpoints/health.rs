//! The server's health, for probes, monitors and the page.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use crate::domain::Domain;
use crate::domain::status::Readiness;
use crate::http::wire::caller::Authenticated;
use crate::http::wire::error::ApiError;
use crate::http::wire::{query, reply};

pub(in crate::http) async fn alive(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    query::judge(&request)?;
    Ok(reply::json(&json!({ "status": "ok" })))
}

pub(in crate::http) async fn ready(
    request: HttpRequest,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    query::judge(&request)?;
    let health = domain.status().health().await;
    let status = match health.status {
        Readiness::Ready | Readiness::Degraded => StatusCode::OK,
        Readiness::NotReady => StatusCode::SERVICE_UNAVAILABLE,
    };
    Ok(HttpResponse::build(status).json(health))
}

pub(in crate::http) async fn status(
    known: Authenticated,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    Ok(reply::json(&domain.status().report(&known.0).await?))
}

/// The version of Prometheus' text format.
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(in crate::http) async fn metrics(
    known: Authenticated,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    let text = domain.status().metrics(&known.0).await?;
    Ok(HttpResponse::Ok().content_type(METRICS).body(text))
}
