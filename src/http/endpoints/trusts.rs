//! Trusts in the ID tokens of issuers.

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use serde_json::json;

use crate::domain::Domain;
use crate::domain::auth::trusts::WantedTrust;
use crate::http::wire::caller::Authenticated;
use crate::http::wire::error::ApiError;
use crate::http::wire::query::{self, Whole};
use crate::http::wire::roles::Roles;
use crate::http::wire::{body, path, reply};
use crate::model::error_code::ErrorCode;
use crate::model::key::KeyId;

/// The parameters of the list of trusts.
pub(in crate::http) const PARAMETERS: &str = "limit after";

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
    let after =
        asked.after.map(|id| id.parse()).transpose().map_err(|_| {
            ApiError::invalid(ErrorCode::BadQuery, "after has to be the id of a trust")
        })?;
    let trusts = domain.keys().trusts().list(&known.0, after, limit).await?;
    let now = domain.engine().time_for_ends();
    let next = reply::next(&trusts.rows, limit, |trust| trust.id.to_string());
    let shown: Vec<_> = trusts.rows.iter().map(|trust| trust.shown(now)).collect();
    let answer = json!({ "trusts": shown, "next": next });
    let answer = reply::beside_damaged(answer, &trusts.damaged);
    reply::list(&request, &domain, &answer).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CreateBody {
    name: String,
    issuer: String,
    audience: String,
    jwks_file: Option<String>,
    jwks_url: Option<String>,
    claims: BTreeMap<String, String>,
    workspace: Option<String>,
    #[serde(rename = "buildingBlock")]
    block: Option<String>,
    role: Option<Roles>,
    #[serde(default)]
    permissions: Vec<String>,
    #[serde(default)]
    once: bool,
    expires_in: Option<u64>,
}

impl CreateBody {
    fn wanted(self) -> WantedTrust {
        WantedTrust {
            name: self.name,
            issuer: self.issuer,
            audience: self.audience,
            jwks_file: self.jwks_file,
            jwks_url: self.jwks_url,
            claims: self.claims.into_iter().collect(),
            workspace: self.workspace,
            block: self.block,
            roles: Roles::all(self.role),
            permissions: self.permissions,
            once: self.once,
            expires_in: self.expires_in,
        }
    }
}

pub(in crate::http) async fn create(
    known: Authenticated,
    request: HttpRequest,
    mut payload: Payload,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    let body: CreateBody = body::json(&request, &mut payload, &domain).await?;
    let trusts = domain.keys().trusts();
    let made = trusts.create(&known.0, body.wanted()).await?;
    let shown = made.shown(domain.engine().time_for_ends());
    Ok(HttpResponse::build(StatusCode::CREATED).json(shown))
}

fn id(request: &HttpRequest) -> Result<KeyId, ApiError> {
    path::id(request, "trust")
}

pub(in crate::http) async fn show(
    known: Authenticated,
    request: HttpRequest,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    let trusts = domain.keys().trusts();
    let trust = trusts.show(&known.0, id(&request)?).await?;
    Ok(reply::json(&trust.shown(domain.engine().time_for_ends())))
}

pub(in crate::http) async fn remove(
    known: Authenticated,
    request: HttpRequest,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    let trusts = domain.keys().trusts();
    let trust = trusts.remove(&known.0, id(&request)?).await?;
    Ok(reply::json(&trust.shown(domain.engine().time_for_ends())))
}
