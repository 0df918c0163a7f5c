//! What changed from one version of a state to another, and the outputs of the current one; secrets only where they are asked for.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;

use super::body;
use super::caller::OnState;
use super::error::ApiError;
use super::reply;
use crate::domain::{Comparing, Domain};

#[derive(Deserialize)]
struct DiffQuery {
    from: Option<u64>,
    #[serde(default)]
    sensitive: bool,
}

pub(super) async fn compare(on: OnState, request: HttpRequest, domain: Data<Domain>) -> Result<HttpResponse, ApiError> {
    let query: DiffQuery = body::query(&request)?;
    let comparing = Comparing { to: reply::number(&request)?, from: query.from, reveal: query.sensitive };
    let answer = domain.history().compare(&on.caller, &on.name, comparing).await?;
    Ok(reply::made(&domain, answer))
}

#[derive(Deserialize)]
struct OutputsQuery {
    #[serde(default)]
    sensitive: bool,
}

pub(super) async fn outputs(on: OnState, request: HttpRequest, domain: Data<Domain>) -> Result<HttpResponse, ApiError> {
    let query: OutputsQuery = body::query(&request)?;
    let answer = domain.states().outputs(&on.caller, &on.name, query.sensitive).await?;
    Ok(reply::made(&domain, answer))
}
