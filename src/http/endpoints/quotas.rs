//! Quotas of workspaces.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use serde_json::json;

use crate::domain::Domain;
use crate::http::wire::caller::Authenticated;
use crate::http::wire::error::ApiError;
use crate::http::wire::query::{self, Whole};
use crate::http::wire::{body, path, reply};
use crate::model::quota::Quota;

#[derive(Deserialize)]
struct ListQuery {
    limit: Option<Whole<u32>>,
    after: Option<String>,
}

pub(in crate::http) async fn list(
    known: Authenticated,
    request: HttpRequest,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    let asked: ListQuery = query::read(&request)?;
    let limit = query::page_size(&domain, asked.limit)?;
    let quotas = domain.quotas().list(&known.0, asked.after, limit).await?;
    let next = reply::next(&quotas, limit, |quota| quota.workspace.clone());
    let answer = json!({ "quotas": quotas, "next": next });
    reply::list(&request, &domain, &answer).await
}

pub(in crate::http) async fn show(
    known: Authenticated,
    request: HttpRequest,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    let quota = domain
        .quotas()
        .show(&known.0, &path::workspace(&request)?)
        .await?;
    Ok(reply::json(&quota))
}

pub(in crate::http) async fn set(
    known: Authenticated,
    request: HttpRequest,
    mut payload: Payload,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    domain.quotas().may_operate(&known.0)?;
    let workspace = path::workspace(&request)?;
    let quota: Quota = body::json(&request, &mut payload, &domain).await?;
    let set = domain.quotas().set(&known.0, &workspace, quota).await?;
    Ok(reply::json(&set))
}

pub(in crate::http) async fn clear(
    known: Authenticated,
    request: HttpRequest,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    let workspace = path::workspace(&request)?;
    let removed = domain.quotas().clear(&known.0, &workspace).await?;
    Ok(reply::json(
        &json!({ "workspace": workspace, "removed": removed }),
    ))
}
