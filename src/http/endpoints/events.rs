//! The event log.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use serde_json::json;

use crate::domain::Domain;
use crate::http::wire::caller::Authenticated;
use crate::http::wire::error::ApiError;
use crate::http::wire::fields::{Fields, RowMembers};
use crate::http::wire::query::{self, Whole};
use crate::http::wire::{body, path, reply};
use crate::model::clock::Timestamp;
use crate::model::error_code::ErrorCode;
use crate::model::event::{EventFilter, EventKind};
use crate::model::name::BuildingBlock;

/// The parameters of the list of events.
pub(in crate::http) const PARAMETERS: &str =
    "workspace buildingBlock key kind attention acknowledged since until limit before fields";

/// The members of a row.
const MEMBERS: RowMembers = RowMembers {
    own: "seq at kind actor address request_id workspace buildingBlock version lock_id count \
        last_at attention acknowledged detail hash",
    below: &[("actor", "id name"), ("acknowledged", "at by word")],
};

#[derive(Deserialize)]
struct ListQuery {
    workspace: Option<String>,
    #[serde(rename = "buildingBlock")]
    block: Option<String>,
    key: Option<String>,
    kind: Option<String>,
    attention: Option<bool>,
    acknowledged: Option<bool>,
    since: Option<String>,
    until: Option<String>,
    limit: Option<Whole<u32>>,
    before: Option<Whole<u64>>,
    fields: Option<String>,
}

impl ListQuery {
    fn filter(self, limit: u32) -> Result<EventFilter, ApiError> {
        let kind = given(self.kind);
        if kind
            .as_deref()
            .is_some_and(|kind| !EventKind::is_filter(kind))
        {
            let detail = "there is no such kind of event; docs/api.md lists them, and state.* \
                takes a whole family";
            return Err(ApiError::invalid(ErrorCode::BadQuery, detail));
        }
        Ok(EventFilter {
            workspace: given(self.workspace),
            block: given(self.block).map(as_kept),
            key: given(self.key),
            kind,
            // Nothing else is ever acknowledged, and those are found in an index.
            attention: self.attention.or(self.acknowledged.filter(|is| *is)),
            acknowledged: self.acknowledged,
            since: time("since", given(self.since))?,
            until: time("until", given(self.until))?,
            before: self.before.map(Whole::get),
            limit,
        })
    }
}

fn given(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

/// A UUID may be spelled in another way than the one it is kept in.
fn as_kept(name: String) -> String {
    let block = name.parse::<BuildingBlock>();
    block.map_or(name, |block| block.to_string())
}

pub(in crate::http) async fn list(
    known: Authenticated,
    request: HttpRequest,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    let asked: ListQuery = query::read(&request)?;
    let limit = query::page_size(&domain, asked.limit)?;
    let fields = Fields::read(asked.fields.as_deref(), MEMBERS)?;
    let page = domain.events().list(&known.0, asked.filter(limit)?).await?;
    let rows = fields.of_rows(&page.events.rows)?;
    let answer = json!({ "events": rows, "next": page.next });
    reply::list(
        &request,
        &domain,
        &reply::beside_damaged(answer, &page.events.damaged),
    )
    .await
}

pub(in crate::http) async fn head(
    known: Authenticated,
    request: HttpRequest,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    let head = domain.events().head(&known.0).await?;
    reply::list(&request, &domain, &head).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AcknowledgeBody {
    word: Option<String>,
}

pub(in crate::http) async fn acknowledge(
    known: Authenticated,
    request: HttpRequest,
    mut payload: Payload,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    let (events, seq) = (domain.events(), path::event(&request)?);
    events.may_acknowledge(&known.0)?;
    let AcknowledgeBody { word } = body::json(&request, &mut payload, &domain).await?;
    Ok(reply::json(&events.acknowledge(&known.0, seq, word).await?))
}

fn time(name: &str, text: Option<String>) -> Result<Option<Timestamp>, ApiError> {
    let parse = |text: String| {
        Timestamp::parse(&text).ok_or_else(|| {
            let detail = format!("{name} is a time, which is written 2026-01-02T03:04:05Z");
            ApiError::invalid(ErrorCode::BadQuery, detail)
        })
    };
    text.map(parse).transpose()
}
