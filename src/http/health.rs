//! How the server is: for probes, monitors and the page.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use super::caller::Known;
use super::error::ApiError;
use super::query;
use super::reply;
use crate::domain::Domain;
use crate::domain::status::Readiness;

pub(super) async fn alive(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    query::judge(&request)?;
    Ok(reply::json(&json!({ "status": "ok" })))
}

pub(super) async fn ready(
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

pub(super) async fn status(known: Known, domain: Data<Domain>) -> Result<HttpResponse, ApiError> {
    Ok(reply::json(&domain.status().report(&known.0).await?))
}

/// The version of Prometheus' text format.
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(super) async fn metrics(known: Known, domain: Data<Domain>) -> Result<HttpResponse, ApiError> {
    let text = domain.status().metrics(&known.0).await?;
    Ok(HttpResponse::Ok().content_type(METRICS).body(text))
}
