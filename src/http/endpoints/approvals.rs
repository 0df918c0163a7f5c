//! Acts that wait for a second person.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use crate::domain::Domain;
use crate::domain::error::Error;
use crate::http::wire::caller::Authenticated;
use crate::http::wire::error::ApiError;
use crate::http::wire::reply;

/// The id in the path. What is no number is the id of no request.
fn id(request: &HttpRequest) -> Result<u32, ApiError> {
    let text = request.match_info().get("approval").unwrap_or_default();
    Ok(text.parse().map_err(|_| Error::NoApproval(0))?)
}

pub(in crate::http) async fn list(
    known: Authenticated,
    request: HttpRequest,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    let approvals = domain.approvals().list(&known.0).await?;
    reply::list(&request, &domain, &json!({ "approvals": approvals })).await
}

pub(in crate::http) async fn give(
    known: Authenticated,
    request: HttpRequest,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    let given = domain.approvals().give(&known.0, id(&request)?).await?;
    Ok(reply::json(&given))
}

pub(in crate::http) async fn refuse(
    known: Authenticated,
    request: HttpRequest,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    let refused = domain.approvals().refuse(&known.0, id(&request)?).await?;
    Ok(reply::json(&refused))
}
