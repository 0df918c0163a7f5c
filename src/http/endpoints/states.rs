//! The list of states.

use std::str::FromStr;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::domain::Domain;
use crate::http::wire::caller::Authenticated;
use crate::http::wire::error::ApiError;
use crate::http::wire::fields::{self, Fields, RowMembers};
use crate::http::wire::query::{self, Whole};
use crate::http::wire::reply;
use crate::model::error_code::ErrorCode;
use crate::model::name::{BadName, BuildingBlock, StateName, Workspace};
use crate::model::state::StateFilter;

/// The parameters of the list of states.
pub(in crate::http) const PARAMETERS: &str =
    "workspace buildingBlock deleted locked frozen fields limit after";

/// The members of a row.
const MEMBERS: RowMembers = RowMembers {
    own: "workspace buildingBlock address current versions size history_size lock frozen \
        created_at updated_at deleted_at transferred_to",
    below: &[
        ("current", fields::VERSION),
        (
            "lock",
            "lock key address locked_at died last_write refused waiting",
        ),
        ("frozen", "until reason frozen_at frozen_by"),
    ],
};

#[derive(Deserialize)]
struct ListQuery {
    workspace: Option<String>,
    #[serde(rename = "buildingBlock")]
    block: Option<String>,
    #[serde(default)]
    deleted: bool,
    #[serde(default)]
    locked: bool,
    #[serde(default)]
    frozen: bool,
    fields: Option<String>,
    limit: Option<Whole<u32>>,
    after: Option<String>,
}

impl ListQuery {
    fn filter(self, limit: u32) -> Result<StateFilter, BadName> {
        Ok(StateFilter {
            workspace: parsed::<Workspace>(self.workspace)?.map(|name| name.to_string()),
            block: parsed::<BuildingBlock>(self.block)?.map(|name| name.to_string()),
            deleted: self.deleted,
            locked: self.locked,
            frozen: self.frozen,
            after: parsed::<StateName>(self.after)?,
            limit,
        })
    }
}

fn parsed<T: FromStr<Err = BadName>>(name: Option<String>) -> Result<Option<T>, BadName> {
    name.map(|name| name.parse()).transpose()
}

pub(in crate::http) async fn list(
    known: Authenticated,
    request: HttpRequest,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    let asked: ListQuery = query::read(&request)?;
    let limit = query::page_size(&domain, asked.limit)?;
    let fields = Fields::read(asked.fields.as_deref(), MEMBERS)?;
    let filter = asked
        .filter(limit)
        .map_err(|error| ApiError::invalid(ErrorCode::BadQuery, error.to_string()))?;
    let list = domain.states().list(&known.0, filter).await?;
    let base_url = domain.status().base_url();
    let states = list.page.rows.iter();
    let states: Vec<Value> = states
        .map(|state| fields.of(reply::listed(state, base_url)))
        .collect();
    let next = list.next.map(|name| name.to_string());
    let answer = json!({ "states": states, "next": next });
    reply::list(
        &request,
        &domain,
        &reply::beside_damaged(answer, &list.page.damaged),
    )
    .await
}
