//! How content is kept: in the clear or sealed, and by which keys.

use actix_web::HttpResponse;
use actix_web::web::Data;

use crate::domain::Domain;
use crate::http::wire::caller::Authenticated;
use crate::http::wire::error::ApiError;
use crate::http::wire::reply;

pub(in crate::http) async fn show(
    known: Authenticated,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    Ok(reply::json(&domain.sealing().report(&known.0).await?))
}

pub(in crate::http) async fn encrypt(
    known: Authenticated,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    Ok(reply::json(&domain.sealing().encrypt(&known.0).await?))
}

pub(in crate::http) async fn rekey(
    known: Authenticated,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    Ok(reply::json(&domain.sealing().rekey(&known.0).await?))
}
