//! The list of states.

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
use crate::model::name::{BuildingBlock, StateName, Workspace};
use crate::model::state::StateFilter;

/// The parameters of the list of states.
pub(in crate::http) const PARAMETERS: &str = "workspace buildingBlock deleted locked limit after";

#[derive(Deserialize)]
struct ListQuery {
    workspace: Option<String>,
    #[serde(rename = "buildingBlock")]
    block: Option<String>,
    #[serde(default)]
    deleted: bool,
    #[serde(default)]
    locked: bool,
    limit: Option<Whole<u32>>,
    after: Option<String>,
}

pub(in crate::http) async fn list(
    known: Authenticated,
    request: HttpRequest,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    let asked: ListQuery = query::read(&request)?;
    let bad = |error: crate::model::name::BadName| {
        ApiError::invalid(ErrorCode::BadQuery, error.to_string())
    };
    let limit = query::page_size(&domain, asked.limit)?;
    let filter = StateFilter {
        workspace: asked
            .workspace
            .map(|name| name.parse::<Workspace>().map(|name| name.to_string()))
            .transpose()
            .map_err(bad)?,
        block: asked
            .block
            .map(|name| name.parse::<BuildingBlock>().map(|name| name.to_string()))
            .transpose()
            .map_err(bad)?,
        deleted: asked.deleted,
        locked: asked.locked,
        after: asked
            .after
            .map(|name| name.parse::<StateName>())
            .transpose()
            .map_err(bad)?,
        limit,
    };
    let (states, is_cut) = domain.states().list(&known.0, filter).await?;
    let limit = if is_cut { 0 } else { limit };
    let next = reply::next(&states, limit, |state| state.summary.name.to_string());
    let states: Vec<Value> = states
        .iter()
        .map(|state| reply::listed(state, domain.status().base_url()))
        .collect();
    reply::list(&domain, &json!({ "states": states, "next": next }))
}
