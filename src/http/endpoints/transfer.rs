//! `…/transfer`: the steps by which a client moves a state to another backend.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use serde_json::json;

use crate::domain::Domain;
use crate::http::wire::caller::OnState;
use crate::http::wire::error::ApiError;
use crate::http::wire::{body, reply};
use crate::model::name::StateName;
use crate::model::transfer::Transfer;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Target {
    to: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Arrived {
    version: u64,
}

pub(in crate::http) async fn begin(
    on: OnState,
    request: HttpRequest,
    mut payload: Payload,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    let transfers = domain.transfers();
    transfers.may_transfer(&on.caller, &on.name)?;
    let Target { to } = body::json(&request, &mut payload, &domain).await?;
    Ok(answer(
        &on.name,
        &transfers.begin(&on.caller, &on.name, to).await?,
    ))
}

pub(in crate::http) async fn show(
    on: OnState,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    Ok(answer(
        &on.name,
        &domain.transfers().show(&on.caller, &on.name).await?,
    ))
}

pub(in crate::http) async fn abandon(
    on: OnState,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    Ok(answer(
        &on.name,
        &domain.transfers().abandon(&on.caller, &on.name).await?,
    ))
}

pub(in crate::http) async fn finish(
    on: OnState,
    request: HttpRequest,
    mut payload: Payload,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    let transfers = domain.transfers();
    transfers.may_transfer(&on.caller, &on.name)?;
    let Arrived { version } = body::json(&request, &mut payload, &domain).await?;
    Ok(answer(
        &on.name,
        &transfers.finish(&on.caller, &on.name, version).await?,
    ))
}

fn answer(name: &StateName, transfer: &Transfer) -> HttpResponse {
    reply::json(&json!({
        "workspace": name.workspace,
        "buildingBlock": name.block,
        "to": transfer.intent.to,
        "version": transfer.version,
        "lock": transfer.intent.lock_id,
        "begun_at": transfer.intent.begun_at,
        "begun_by": transfer.intent.begun_by,
        "done_at": transfer.done_at,
    }))
}
