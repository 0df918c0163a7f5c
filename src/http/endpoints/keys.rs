//! API keys.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use serde_json::json;

use crate::domain::Domain;
use crate::domain::auth::keys::{WantedKey, WithSecret};
use crate::http::wire::caller::Authenticated;
use crate::http::wire::error::ApiError;
use crate::http::wire::fields::{Fields, RowMembers};
use crate::http::wire::query::{self, Whole};
use crate::http::wire::roles::Roles;
use crate::http::wire::{body, path, reply};
use crate::model::error_code::ErrorCode;
use crate::model::key::{ApiKey, KeyId};

/// The parameters of the list of keys.
pub(in crate::http) const PARAMETERS: &str = "limit after fields";

/// The members of a row.
const MEMBERS: RowMembers = RowMembers {
    own: "id name workspace buildingBlock permissions status created_at created_by expires_at \
        revoked_at rotated_at old_secret_until client_sans last_used_at",
    below: &[("created_by", "id name")],
};

#[derive(Deserialize)]
struct ListQuery {
    limit: Option<Whole<u32>>,
    after: Option<String>,
    fields: Option<String>,
}

pub(in crate::http) async fn list(
    known: Authenticated,
    request: HttpRequest,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    let asked: ListQuery = query::read(&request)?;
    let limit = query::page_size(&domain, asked.limit)?;
    let fields = Fields::read(asked.fields.as_deref(), MEMBERS)?;
    let after =
        asked.after.map(|id| id.parse()).transpose().map_err(|_| {
            ApiError::invalid(ErrorCode::BadQuery, "after has to be the id of a key")
        })?;
    let keys = domain.keys().list(&known.0, after, limit).await?;
    let now = domain.engine().time_for_ends();
    let next = reply::next(&keys.rows, limit, |key| key.id.to_string());
    let shown: Vec<_> = keys.rows.iter().map(|key| key.shown(now)).collect();
    let answer = json!({ "keys": fields.of_rows(&shown)?, "next": next });
    reply::list(
        &request,
        &domain,
        &reply::beside_damaged(answer, &keys.damaged),
    )
    .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CreateBody {
    name: String,
    workspace: Option<String>,
    #[serde(rename = "buildingBlock")]
    block: Option<String>,
    role: Option<Roles>,
    #[serde(default)]
    permissions: Vec<String>,
    expires_in: Option<u64>,
    #[serde(default)]
    client_sans: Vec<String>,
}

impl CreateBody {
    fn wanted(self, domain: &Domain) -> WantedKey {
        WantedKey {
            name: self.name,
            workspace: self.workspace,
            block: self.block,
            roles: Roles::all(self.role),
            permissions: self.permissions,
            expires_in: self.expires_in,
            client_sans: self.client_sans,
            are_clients_asked: domain.status().asks_clients(),
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
    let made = domain.keys().create(&known.0, body.wanted(&domain)).await?;
    Ok(with_secret(StatusCode::CREATED, &made, &domain))
}

fn with_secret(status: StatusCode, made: &WithSecret, domain: &Domain) -> HttpResponse {
    let (key, secret) = (
        made.key.shown(domain.engine().time_for_ends()),
        made.secret.reveal(),
    );
    HttpResponse::build(status).json(json!({ "key": key, "secret": secret }))
}

fn id(request: &HttpRequest) -> Result<KeyId, ApiError> {
    path::id(request, "key")
}

pub(in crate::http) async fn show(
    known: Authenticated,
    request: HttpRequest,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    let key = domain.keys().show(&known.0, id(&request)?).await?;
    Ok(reply::json(&key.shown(domain.engine().time_for_ends())))
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RotateBody {
    #[serde(default)]
    grace: u64,
}

pub(in crate::http) async fn rotate(
    known: Authenticated,
    request: HttpRequest,
    mut payload: Payload,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    let body: RotateBody = body::maybe_json(&request, &mut payload, &domain).await?;
    let rotated = domain
        .keys()
        .rotate(&known.0, id(&request)?, Duration::from_secs(body.grace))
        .await?;
    Ok(with_secret(StatusCode::OK, &rotated, &domain))
}

#[derive(Deserialize)]
struct RevokeQuery {
    #[serde(default)]
    children: bool,
}

pub(in crate::http) async fn revoke(
    known: Authenticated,
    request: HttpRequest,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    let RevokeQuery { children } = query::read(&request)?;
    let keys = domain.keys();
    let revoked = keys.revoke(&known.0, id(&request)?, children).await?;
    let mut answer = json!(revoked.key.shown(domain.engine().time_for_ends()));
    if children {
        let ended = revoked.children.iter().map(ApiKey::actor);
        answer["children"] = json!(ended.collect::<Vec<_>>());
        answer["trusts"] = json!(revoked.trusts);
        answer["hooks"] = json!(revoked.hooks);
    }
    reply::list(&request, &domain, &answer).await
}
