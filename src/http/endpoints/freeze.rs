//! Freezing a state, and lifting that.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use serde_json::json;

use crate::domain::Domain;
use crate::domain::states::freezes::Unfrozen;
use crate::http::wire::caller::OnState;
use crate::http::wire::error::ApiError;
use crate::http::wire::{body, reply};
use crate::model::clock::Timestamp;
use crate::model::error_code::ErrorCode;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FreezeBody {
    until: Option<String>,
    reason: String,
}

impl FreezeBody {
    fn until(&self) -> Result<Option<Timestamp>, ApiError> {
        let Some(text) = &self.until else {
            return Ok(None);
        };
        let until = Timestamp::parse(text).ok_or_else(|| {
            let detail = "until is RFC 3339 in UTC, as 2026-01-02T03:04:05Z";
            ApiError::invalid(ErrorCode::BadRequest, detail)
        });
        until.map(Some)
    }
}

pub(in crate::http) async fn freeze(
    on: OnState,
    request: HttpRequest,
    mut payload: Payload,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    let locks = domain.locks();
    locks.may_freeze(&on.caller, &on.name)?;
    let asked: FreezeBody = body::json(&request, &mut payload, &domain).await?;
    let what = (asked.until()?, asked.reason.as_str());
    let frozen = locks.freeze(&on.caller, &on.name, what).await?;
    Ok(reply::json(&frozen))
}

pub(in crate::http) async fn unfreeze(
    on: OnState,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    let unfrozen = domain.locks().unfreeze(&on.caller, &on.name).await?;
    let mut answer = json!({
        "workspace": on.name.workspace, "buildingBlock": on.name.block,
        "removed": unfrozen != Unfrozen::WasNotFrozen,
    });
    if let Unfrozen::DamagedRemoved(what) = unfrozen {
        answer["damaged"] = what.into();
    }
    Ok(reply::json(&answer))
}
