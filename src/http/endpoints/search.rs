//! Finding instances and outputs in the current versions of all states.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::domain::Domain;
use crate::http::wire::caller::Authenticated;
use crate::http::wire::error::ApiError;
use crate::http::wire::query::{self, Whole};
use crate::http::wire::reply;
use crate::model::error_code::ErrorCode;
use crate::model::name::{BadName, BuildingBlock, Workspace};
use crate::model::search::{FoundEntry, FoundKind, Question, SearchPlace, words_of};

/// The parameters of a search.
pub(in crate::http) const PARAMETERS: &str =
    "q type provider workspace buildingBlock kind limit after";

#[derive(Deserialize)]
struct SearchQuery {
    q: Option<String>,
    #[serde(rename = "type")]
    resource_type: Option<String>,
    provider: Option<String>,
    workspace: Option<String>,
    #[serde(rename = "buildingBlock")]
    block: Option<String>,
    kind: Option<String>,
    limit: Option<Whole<u32>>,
    after: Option<String>,
}

impl SearchQuery {
    fn question(self, limit: u32) -> Result<Question, ApiError> {
        let kind = self.kind.map(|name| {
            let kind = FoundKind::parse(&name);
            kind.ok_or_else(|| bad("kind is one of: state, resource, output"))
        });
        let after = self.after.map(|text| {
            let place = SearchPlace::parse(&text);
            place.ok_or_else(|| bad("after has to be the `next` of the page before"))
        });
        let words = words_of(&self.q.unwrap_or_default()).map_err(|why| bad(&why.to_string()))?;
        Ok(Question {
            workspace: name::<Workspace>(self.workspace)?,
            block: name::<BuildingBlock>(self.block)?,
            words,
            kind: kind.transpose()?,
            resource_type: self.resource_type,
            provider: self.provider,
            after: after.transpose()?,
            limit,
        })
    }
}

fn bad(detail: &str) -> ApiError {
    ApiError::invalid(ErrorCode::BadQuery, detail)
}

fn name<T>(name: Option<String>) -> Result<Option<String>, ApiError>
where
    T: std::str::FromStr<Err = BadName> + ToString,
{
    let parsed = name.map(|name| name.parse::<T>().map(|name| name.to_string()));
    parsed.transpose().map_err(|why| bad(&why.to_string()))
}

pub(in crate::http) async fn find(
    known: Authenticated,
    request: HttpRequest,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    let asked: SearchQuery = query::read(&request)?;
    let limit = query::page_size(&domain, asked.limit)?;
    let question = asked.question(limit)?;
    let page = domain.states().find(&known.0, question).await?;
    let found: Vec<Value> = page.found.iter().map(row).collect();
    let next = page.next.map(|place| place.to_string());
    let answer = json!({ "found": found, "next": next, "behind": page.behind });
    let answer = reply::beside_damaged(answer, &page.damaged);
    reply::list(&request, &domain, &answer).await
}

fn row(found: &FoundEntry) -> Value {
    let entry = &found.entry;
    json!({
        "workspace": found.name.workspace,
        "buildingBlock": found.name.block,
        "version": found.version,
        "kind": entry.kind,
        "address": entry.address,
        "type": entry.resource_type,
        "provider": entry.provider,
        "texts": entry.texts,
    })
}
