//! How often the states that a caller may see were written, day by day, and the sums of a page.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::domain::Domain;
use crate::domain::states::activity::{Activity, MAX_DAYS};
use crate::http::wire::caller::Authenticated;
use crate::http::wire::error::ApiError;
use crate::http::wire::query::{self, Whole};
use crate::http::wire::reply;
use crate::model::error_code::ErrorCode;
use crate::model::name::{BadName, BuildingBlock, StateName, Workspace};
use crate::model::state::StateFilter;

/// The parameters of the call.
pub(in crate::http) const PARAMETERS: &str = "workspace buildingBlock days limit after";

/// Six weeks.
const USUAL_DAYS: u32 = 42;

#[derive(Deserialize)]
struct ActivityQuery {
    workspace: Option<String>,
    #[serde(rename = "buildingBlock")]
    block: Option<String>,
    days: Option<Whole<u32>>,
    limit: Option<Whole<u32>>,
    after: Option<String>,
}

impl ActivityQuery {
    fn days(&self) -> Result<u32, ApiError> {
        match self.days.as_ref().map_or(USUAL_DAYS, |days| days.0) {
            days @ 1..=MAX_DAYS => Ok(days),
            _ => Err(ApiError::invalid(
                ErrorCode::BadQuery,
                format!("days has to be from 1 to {MAX_DAYS}"),
            )),
        }
    }

    fn filter(self, limit: u32) -> Result<StateFilter, BadName> {
        let workspace = self.workspace.map(|name| name.parse::<Workspace>());
        let block = self.block.map(|name| name.parse::<BuildingBlock>());
        let after = self.after.map(|name| name.parse::<StateName>());
        Ok(StateFilter {
            workspace: workspace.transpose()?.map(|name| name.to_string()),
            block: block.transpose()?.map(|name| name.to_string()),
            deleted: true,
            locked: false,
            frozen: false,
            after: after.transpose()?,
            limit,
        })
    }
}

pub(in crate::http) async fn list(
    known: Authenticated,
    request: HttpRequest,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    let asked: ActivityQuery = query::read(&request)?;
    let limit = query::page_size(&domain, asked.limit)?;
    let days = asked.days()?;
    let filter = asked
        .filter(limit)
        .map_err(|error| ApiError::invalid(ErrorCode::BadQuery, error.to_string()))?;
    let page = domain.states().activity(&known.0, filter, days).await?;
    let states: Vec<Value> = page.states.iter().map(row).collect();
    let answer = json!({
        "since": page.since,
        "states": states,
        "sums": { "writes": sums(&page.states, days as usize) },
        "next": page.next.map(|name| name.to_string()),
    });
    let answer = reply::beside_damaged(answer, &page.damaged);
    reply::list(&request, &domain, &answer).await
}

fn row(state: &Activity) -> Value {
    json!({
        "workspace": state.name.workspace,
        "buildingBlock": state.name.block,
        "writes": state.writes,
        "complete": state.complete,
    })
}

/// The writes of each day, of all states of a page.
fn sums(states: &[Activity], days: usize) -> Vec<u64> {
    let mut sums = vec![0; days];
    for state in states {
        for (sum, writes) in sums.iter_mut().zip(&state.writes) {
            *sum += writes;
        }
    }
    sums
}
