//! Webhooks.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use serde_json::json;

use crate::domain::Domain;
use crate::domain::hooks::WantedHook;
use crate::http::wire::caller::Authenticated;
use crate::http::wire::error::ApiError;
use crate::http::wire::{body, path, reply};
use crate::model::hook::HookId;

fn id(request: &HttpRequest) -> Result<HookId, ApiError> {
    path::id(request, "hook")
}

pub(in crate::http) async fn list(
    known: Authenticated,
    request: HttpRequest,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    let hooks = domain.hooks().list(&known.0).await?;
    let answer = reply::beside_damaged(json!({ "hooks": hooks.rows }), &hooks.damaged);
    reply::list(&request, &domain, &answer).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CreateBody {
    url: String,
    on: Vec<String>,
    workspace: Option<String>,
    allow_private: Option<String>,
}

pub(in crate::http) async fn create(
    known: Authenticated,
    request: HttpRequest,
    mut payload: Payload,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    let body: CreateBody = body::json(&request, &mut payload, &domain).await?;
    let wanted = WantedHook {
        url: body.url,
        on: body.on,
        workspace: body.workspace,
        allow_private: body.allow_private,
    };
    let (hook, secret) = domain.hooks().create(&known.0, wanted).await?;
    let answer = json!({ "hook": hook, "secret": secret.reveal() });
    Ok(HttpResponse::build(StatusCode::CREATED).json(answer))
}

pub(in crate::http) async fn show(
    known: Authenticated,
    request: HttpRequest,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    let hook = domain.hooks().show(&known.0, id(&request)?).await?;
    Ok(reply::json(&hook))
}

pub(in crate::http) async fn delete(
    known: Authenticated,
    request: HttpRequest,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    let hook = domain.hooks().delete(&known.0, id(&request)?).await?;
    Ok(reply::json(&hook))
}

pub(in crate::http) async fn enable(
    known: Authenticated,
    request: HttpRequest,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    let hook = domain.hooks().enable(&known.0, id(&request)?).await?;
    Ok(reply::json(&hook))
}

pub(in crate::http) async fn test(
    known: Authenticated,
    request: HttpRequest,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    let tested = domain.hooks().test(&known.0, id(&request)?).await?;
    Ok(reply::json(&tested))
}

pub(in crate::http) async fn deliveries(
    known: Authenticated,
    request: HttpRequest,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    let deliveries = domain.hooks().deliveries(&known.0, id(&request)?).await?;
    reply::list(&request, &domain, &json!({ "deliveries": deliveries })).await
}
