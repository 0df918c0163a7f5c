//! `GET /api/openapi.json`: the API for programs. The file of the documents is inside the binary,
//! and tests compare it with the routes, the codes and real answers.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use crate::domain::Domain;
use crate::http::wire::error::ApiError;
use crate::http::wire::paced::PacedBytes;
use crate::http::wire::query;

const DOCUMENT: &str = include_str!("../../../docs/openapi.json");

pub(in crate::http) async fn document(
    request: HttpRequest,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    query::judge(&request)?;
    let pause = domain.engine().limits().body_timeout;
    Ok(HttpResponse::Ok()
        .content_type("application/json")
        .body(PacedBytes::of_static(DOCUMENT, pause)))
}
