//! A state's history: its versions, restore, move and purge.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use serde_json::json;

use crate::domain::Domain;
use crate::domain::history::purge::{MAX_PURGED, Which};
use crate::http::wire::caller::OnState;
use crate::http::wire::error::ApiError;
use crate::http::wire::fields::{self, Fields, RowMembers};
use crate::http::wire::query::{self, Whole, WriteQuery};
use crate::http::wire::{body, path, reply};
use crate::model::error_code::ErrorCode;
use crate::model::name::StateName;
use crate::model::version::VersionFilter;
use crate::model::version::{Rejection, VersionKind};

/// The parameters of the list of versions.
pub(in crate::http) const PARAMETERS: &str = "limit before kind intermediate fields";

/// The members of a row.
const MEMBERS: RowMembers = RowMembers {
    own: fields::VERSION,
    below: &[("created_by", "id name"), ("lock", "id operation who")],
};

#[derive(Deserialize)]
struct ListQuery {
    limit: Option<Whole<u32>>,
    before: Option<Whole<u64>>,
    kind: Option<String>,
    intermediate: Option<bool>,
    fields: Option<String>,
}

pub(in crate::http) async fn list(
    on: OnState,
    request: HttpRequest,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    let asked: ListQuery = query::read(&request)?;
    let limit = query::page_size(&domain, asked.limit)?;
    let fields = Fields::read(asked.fields.as_deref(), MEMBERS)?;
    if let Some(kind) = &asked.kind
        && VersionKind::parse(kind, Some(Rejection::Locked.code())).is_none()
    {
        return Err(ApiError::invalid(
            ErrorCode::BadQuery,
            "kind is one of write, rollback, import, restore and rejected",
        ));
    }
    let filter = VersionFilter {
        before: asked.before.map(Whole::get),
        kind: asked.kind,
        without_intermediate: asked.intermediate == Some(false),
        limit,
    };
    let versions = domain
        .history()
        .versions(&on.caller, &on.name, filter)
        .await?;
    let next = reply::next(&versions.rows, limit, |version| version.number);
    let rows = fields.of_rows(&versions.rows)?;
    let answer = json!({ "versions": rows, "next": next });
    let answer = reply::beside_damaged(answer, &versions.damaged);
    reply::list(&request, &domain, &answer).await
}

pub(in crate::http) async fn content(
    on: OnState,
    request: HttpRequest,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    let content = domain
        .history()
        .content(&on.caller, &on.name, path::version(&request)?)
        .await?;
    Ok(reply::content(
        &request,
        content,
        domain.engine().limits().body_timeout,
    ))
}

pub(in crate::http) async fn info(
    on: OnState,
    request: HttpRequest,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    let version = domain
        .history()
        .version(&on.caller, &on.name, path::version(&request)?)
        .await?;
    Ok(reply::version(&version))
}

pub(in crate::http) async fn restore(
    on: OnState,
    request: HttpRequest,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    let lock_id = query::read::<WriteQuery>(&request)?.lock_id();
    let version = domain
        .history()
        .restore(&on.caller, &on.name, lock_id)
        .await?;
    Ok(reply::version(&version))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ToPurge {
    versions: Wanted,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Wanted {
    These(Vec<u64>),
    All(All),
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum All {
    All,
}

pub(in crate::http) async fn purge(
    on: OnState,
    request: HttpRequest,
    mut payload: Payload,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    domain.history().may_purge(&on.caller, &on.name)?;
    let asked: ToPurge = body::json(&request, &mut payload, &domain).await?;
    let which = match asked.versions {
        Wanted::All(All::All) => Which::All,
        Wanted::These(numbers) if (1..=MAX_PURGED).contains(&numbers.len()) => {
            Which::These(numbers)
        }
        Wanted::These(_) => {
            return Err(ApiError::invalid(
                ErrorCode::BadRequest,
                format!("versions is a list of 1 to {MAX_PURGED} numbers, or \"all\""),
            ));
        }
    };
    let purged = domain.history().purge(&on.caller, &on.name, which).await?;
    let hint =
        "backups made before may still hold it, and so may the versions before and after these";
    Ok(reply::json(&json!({
        "versions": purged.versions,
        "erased": purged.erased,
        "erasing": purged.erasing,
        "may_still_hold": purged.copies,
        "hint": hint,
    })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Target {
    workspace: String,
    #[serde(rename = "buildingBlock")]
    block: String,
}

pub(in crate::http) async fn relocate(
    on: OnState,
    request: HttpRequest,
    mut payload: Payload,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    domain.history().may_relocate(&on.caller, &on.name)?;
    let target: Target = body::json(&request, &mut payload, &domain).await?;
    let target = StateName::parse(&target.workspace, &target.block)
        .map_err(|error| ApiError::invalid(ErrorCode::BadRequest, error.to_string()))?;
    let moved = domain
        .history()
        .relocate(&on.caller, &on.name, &target)
        .await?;
    Ok(reply::json(&reply::listed(
        &moved,
        domain.status().base_url(),
    )))
}
