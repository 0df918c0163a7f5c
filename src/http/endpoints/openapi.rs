//! `GET /api/openapi.json`: the API for programs. The file of the documents is inside the binary,
//! and tests compare it with the routes, the codes and real answers.

use std::sync::LazyLock;

use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};

use crate::domain::Domain;
use crate::http::wire::error::ApiError;
use crate::http::wire::paced::PacedBytes;
use crate::http::wire::query;
use crate::packed;

/// The document, opened once.
static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| packed!("openapi.json").open().into());

pub(in crate::http) async fn document(
    request: HttpRequest,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    query::judge(&request)?;
    let pause = domain.engine().limits().body_timeout;
    Ok(HttpResponse::Ok()
        .content_type("application/json")
        .body(PacedBytes::of_program(DOCUMENT.clone(), pause)))
}
