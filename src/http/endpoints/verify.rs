//! Verifications: whether the stored bytes are those that were written.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;

use crate::domain::Domain;
use crate::domain::integrity::verify::VerifyRequest;
use crate::http::wire::caller::Authenticated;
use crate::http::wire::credentials::look_again;
use crate::http::wire::error::ApiError;
use crate::http::wire::{body, reply};
use crate::model::error_code::ErrorCode;
use crate::model::event_head::BadEventHead;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct VerifyBody {
    #[serde(default)]
    quick: bool,
    workspace: Option<String>,
    #[serde(rename = "buildingBlock")]
    block: Option<String>,
    #[serde(default)]
    events: bool,
    head: Option<String>,
}

impl VerifyBody {
    fn wanted(self) -> Result<VerifyRequest, ApiError> {
        let bad = |error: crate::model::name::BadName| {
            ApiError::invalid(ErrorCode::BadRequest, error.to_string())
        };
        if self.block.is_some() && self.workspace.is_none() {
            return Err(ApiError::invalid(
                ErrorCode::BadRequest,
                "a buildingBlock needs its workspace beside it",
            ));
        }
        if self.head.is_some() && !self.events {
            return Err(ApiError::invalid(
                ErrorCode::BadRequest,
                "a head is one of the chain of events: say \"events\": true beside it",
            ));
        }
        if self.events && (self.quick || self.workspace.is_some()) {
            return Err(ApiError::invalid(
                ErrorCode::BadRequest,
                "events are of the whole server and are not decoded: \"events\" stands without \
                    quick, workspace and buildingBlock",
            ));
        }
        let head = self.head.map(|head| head.parse()).transpose();
        let head = head.map_err(|error: BadEventHead| {
            ApiError::invalid(ErrorCode::BadRequest, error.to_string())
        })?;
        let workspace = self
            .workspace
            .map(|name| name.parse())
            .transpose()
            .map_err(bad)?;
        let block = self
            .block
            .map(|name| name.parse())
            .transpose()
            .map_err(bad)?;
        Ok(VerifyRequest {
            quick: self.quick,
            workspace,
            block,
            events: self.events,
            head,
        })
    }
}

pub(in crate::http) async fn verify(
    known: Authenticated,
    request: HttpRequest,
    mut payload: Payload,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    domain.integrity().may_verify(&known.0)?;
    let body: VerifyBody = body::maybe_json(&request, &mut payload, &domain).await?;
    let wanted = body.wanted()?;
    let verified = domain.integrity().verify(&known.0, wanted).await?;
    look_again(&request, &domain).await?;
    reply::list(&request, &domain, &verified).await
}

pub(in crate::http) async fn overview(
    known: Authenticated,
    request: HttpRequest,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    reply::list(
        &request,
        &domain,
        &domain.integrity().overview(&known.0).await?,
    )
    .await
}
