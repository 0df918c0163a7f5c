//! The differences between two versions of a state, and the outputs of the current one. Secrets are
//! shown only if the request asks for them.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;

use crate::domain::Domain;
use crate::domain::history::compare::Comparing;
use crate::http::wire::caller::OnState;
use crate::http::wire::error::ApiError;
use crate::http::wire::query::{self, Whole};
use crate::http::wire::{path, reply};

#[derive(Deserialize)]
struct DiffQuery {
    from: Option<Whole<u64>>,
    #[serde(default)]
    sensitive: bool,
}

pub(in crate::http) async fn compare(
    on: OnState,
    request: HttpRequest,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    let asked: DiffQuery = query::read(&request)?;
    let comparing = Comparing {
        to: path::version(&request)?,
        from: asked.from.map(Whole::get),
        reveal: asked.sensitive,
    };
    let answer = domain
        .history()
        .compare(&on.caller, &on.name, comparing)
        .await?;
    reply::made(&request, &domain, answer).await
}

#[derive(Deserialize)]
struct OutputsQuery {
    #[serde(default)]
    sensitive: bool,
}

pub(in crate::http) async fn outputs(
    on: OnState,
    request: HttpRequest,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    let asked: OutputsQuery = query::read(&request)?;
    let answer = domain
        .states()
        .outputs(&on.caller, &on.name, asked.sensitive)
        .await?;
    reply::made(&request, &domain, answer).await
}
