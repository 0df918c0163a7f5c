//! Who reads a state, and whether what they read is what it is now.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use serde_json::json;

use crate::domain::Domain;
use crate::http::wire::caller::OnState;
use crate::http::wire::error::ApiError;
use crate::http::wire::query::{self, Whole};
use crate::http::wire::reply;

#[derive(Deserialize)]
struct ListQuery {
    limit: Option<Whole<u32>>,
    after: Option<String>,
}

pub(in crate::http) async fn list(
    on: OnState,
    request: HttpRequest,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    let asked: ListQuery = query::read(&request)?;
    let limit = query::page_size(&domain, asked.limit)?;
    let page = domain
        .history()
        .consumers(&on.caller, &on.name, asked.after, limit)
        .await?;
    let answer = json!({
        "version": page.version,
        "consumers": page.consumers,
        "next": page.next,
    });
    let answer = reply::beside_damaged(answer, &page.damaged);
    reply::list(&request, &domain, &answer).await
}
