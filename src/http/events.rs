//! The event log.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use serde_json::json;

use super::body;
use super::caller::Known;
use super::error::ApiError;
use super::reply;
use crate::domain::Domain;
use crate::model::clock::Timestamp;
use crate::model::event::{EventFilter, EventKind};
use crate::model::name::BuildingBlock;

#[derive(Deserialize)]
struct ListQuery {
    workspace: Option<String>,
    #[serde(rename = "buildingBlock")]
    block: Option<String>,
    key: Option<String>,
    kind: Option<String>,
    attention: Option<bool>,
    since: Option<String>,
    until: Option<String>,
    limit: Option<u32>,
    before: Option<u64>,
}

pub(super) async fn list(known: Known, request: HttpRequest, domain: Data<Domain>) -> Result<HttpResponse, ApiError> {
    let query: ListQuery = body::query(&request)?;
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    let limit = reply::page_size(&domain, query.limit)?;
    let kind = given(query.kind);
    if kind.as_deref().is_some_and(|kind| !EventKind::is_filter(kind)) {
        return Err(ApiError::invalid(
            "bad_query",
            "there is no such kind of event; docs/api.md lists them, and state.* takes a whole family",
        ));
    }
    let filter = EventFilter {
        workspace: given(query.workspace),
        // A UUID may be spelled in another way than the one it is kept in.
        block: given(query.block).map(|name| name.parse::<BuildingBlock>().map_or(name, |block| block.to_string())),
        key: given(query.key),
        kind,
        attention: query.attention,
        since: time(given(query.since))?,
        until: time(given(query.until))?,
        before: query.before,
        limit,
    };
    let events = domain.events().list(&known.0, filter).await?;
    let next = reply::next(&events, limit, |event| event.seq);
    reply::list(&domain, &json!({ "events": events, "next": next }))
}

fn time(text: Option<String>) -> Result<Option<Timestamp>, ApiError> {
    let parse =
        |text: String| Timestamp::parse(&text).ok_or_else(|| ApiError::invalid("bad_query", "a time is written 2026-01-02T03:04:05Z"));
    text.map(parse).transpose()
}
