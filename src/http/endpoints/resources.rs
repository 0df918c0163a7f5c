//! The resource instances of a version, and the history of one of them, always masked.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;

use crate::domain::Domain;
use crate::http::wire::caller::OnState;
use crate::http::wire::error::ApiError;
use crate::http::wire::query::{self, Whole};
use crate::http::wire::{path, reply};
use crate::model::resource::{ResourceFilter, ResourceTrail};

/// The parameters of the list.
pub(in crate::http) const PARAMETERS: &str = "limit after prefix type";

#[derive(Deserialize)]
struct ListQuery {
    limit: Option<Whole<u32>>,
    after: Option<String>,
    prefix: Option<String>,
    r#type: Option<String>,
}

pub(in crate::http) async fn list(
    on: OnState,
    request: HttpRequest,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    let asked: ListQuery = query::read(&request)?;
    let wanted = ResourceFilter {
        prefix: asked.prefix,
        kind: asked.r#type,
        after: asked.after,
        limit: query::page_size(&domain, asked.limit)? as usize,
    };
    let version = (&on.name, path::version(&request)?);
    let answer = domain
        .history()
        .resources(&on.caller, version, wanted)
        .await?;
    reply::made(&request, &domain, answer).await
}

pub(in crate::http) async fn show(
    on: OnState,
    request: HttpRequest,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    let version = (&on.name, path::version(&request)?);
    let answer = domain
        .history()
        .resource(&on.caller, version, path::resource(&request)?)
        .await?;
    reply::made(&request, &domain, answer).await
}

#[derive(Deserialize)]
struct TrailQuery {
    attribute: Option<String>,
    before: Option<Whole<u64>>,
    limit: Option<Whole<u32>>,
}

pub(in crate::http) async fn trail(
    on: OnState,
    request: HttpRequest,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    let asked: TrailQuery = query::read(&request)?;
    let wanted = ResourceTrail {
        address: path::resource(&request)?,
        attribute: asked.attribute.filter(|attribute| !attribute.is_empty()),
        before: asked.before.map(Whole::get),
        limit: query::page_size(&domain, asked.limit)? as usize,
    };
    let answer = domain.history().trail(&on.caller, &on.name, wanted).await?;
    reply::made(&request, &domain, answer).await
}
