//! Retention: holds, pruning, policies, and trust in the clock.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::domain::Domain;
use crate::domain::retention::asked::PruneRequest;
use crate::http::wire::caller::{Authenticated, OnState};
use crate::http::wire::credentials::look_again;
use crate::http::wire::error::ApiError;
use crate::http::wire::query::{self, Whole};
use crate::http::wire::{body, path, reply};
use crate::model::error_code::ErrorCode;
use crate::model::name::BadName;
use crate::model::retention::Policy;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HoldBody {
    reason: String,
}

pub(in crate::http) async fn hold(
    on: OnState,
    request: HttpRequest,
    mut payload: Payload,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    let number = path::version(&request)?;
    domain.retention().may_hold(&on.caller, &on.name)?;
    let HoldBody { reason } = body::json(&request, &mut payload, &domain).await?;
    Ok(reply::version(
        &domain
            .retention()
            .hold(&on.caller, &on.name, number, &reason)
            .await?,
    ))
}

pub(in crate::http) async fn release(
    on: OnState,
    request: HttpRequest,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    Ok(reply::version(
        &domain
            .retention()
            .release(&on.caller, &on.name, path::version(&request)?)
            .await?,
    ))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PruneBody {
    /// The policy; left out with `configured` alone. It is read as an object first, since the
    /// parser would take a list for a policy.
    policy: Option<Map<String, Value>>,
    /// By the policies in force.
    #[serde(default)]
    configured: bool,
    workspace: Option<String>,
    #[serde(rename = "buildingBlock")]
    block: Option<String>,
    #[serde(default)]
    dry_run: bool,
}

impl PruneBody {
    fn asked(self) -> Result<PruneRequest, ApiError> {
        let bad = |detail: &str| ApiError::invalid(ErrorCode::BadRequest, detail);
        let named = |error: BadName| bad(&error.to_string());
        if self.policy.is_none() && !self.configured {
            return Err(ApiError::invalid(
                ErrorCode::BadPolicy,
                "give a `policy`, or `configured` for the policies in force",
            ));
        }
        if self.policy.is_some() && self.configured {
            return Err(bad("give either `policy` or `configured`, not both"));
        }
        if self.block.is_some() && self.workspace.is_none() {
            return Err(bad("a `buildingBlock` needs its `workspace`"));
        }
        let workspace = self
            .workspace
            .map(|name| name.parse())
            .transpose()
            .map_err(named)?;
        let block = self
            .block
            .map(|name| name.parse())
            .transpose()
            .map_err(named)?;
        let policy = self
            .policy
            .map(|members| serde_json::from_value(Value::Object(members)))
            .transpose();
        let policy = policy.map_err(|_| {
            ApiError::invalid(
                ErrorCode::BadBody,
                "the policy has members or values that no policy has; \
                docs/api.md says what it takes",
            )
        })?;
        Ok(PruneRequest {
            policy,
            workspace,
            block,
        })
    }
}

pub(in crate::http) async fn prune(
    known: Authenticated,
    request: HttpRequest,
    mut payload: Payload,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    domain.retention().may_operate(&known.0)?;
    let body: PruneBody = body::json(&request, &mut payload, &domain).await?;
    let dry_run = body.dry_run;
    let asked = body.asked()?;
    let retention = domain.retention();
    let answer = if dry_run {
        let preview = retention.preview(&known.0, &asked).await?;
        look_again(&request, &domain).await?;
        json!(preview)
    } else {
        json!(retention.prune(&known.0, &asked).await?)
    };
    reply::list(&request, &domain, &answer).await
}

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
    let in_force = domain
        .retention()
        .in_force(&known.0, asked.after, limit)
        .await?;
    let next = reply::next(&in_force.workspaces, limit, |own| own.workspace.clone());
    let mut answer = json!(in_force);
    answer["next"] = json!(next);
    let answer = reply::beside_damaged(answer, &in_force.damaged);
    reply::list(&request, &domain, &answer).await
}

pub(in crate::http) async fn show(
    known: Authenticated,
    request: HttpRequest,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    Ok(reply::json(
        &domain
            .retention()
            .of_workspace(&known.0, &path::workspace(&request)?)
            .await?,
    ))
}

pub(in crate::http) async fn set(
    known: Authenticated,
    request: HttpRequest,
    mut payload: Payload,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    domain.retention().may_operate(&known.0)?;
    let workspace = path::workspace(&request)?;
    let policy: Policy = body::json(&request, &mut payload, &domain).await?;
    Ok(reply::json(
        &domain.retention().set(&known.0, &workspace, policy).await?,
    ))
}

pub(in crate::http) async fn unset(
    known: Authenticated,
    request: HttpRequest,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    let workspace = path::workspace(&request)?;
    let removed = domain.retention().unset(&known.0, &workspace).await?;
    Ok(reply::json(
        &json!({ "workspace": workspace, "removed": removed }),
    ))
}

pub(in crate::http) async fn trust_clock(
    known: Authenticated,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    Ok(reply::json(
        &json!({ "trusted_at": domain.retention().trust_clock(&known.0).await? }),
    ))
}
