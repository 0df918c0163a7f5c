//! What the states that a caller may see are made of, and the sums of a page.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::domain::Domain;
use crate::domain::states::inventory::{InstanceCounts, Instances};
use crate::domain::states::read::Listed;
use crate::http::wire::caller::Authenticated;
use crate::http::wire::error::ApiError;
use crate::http::wire::query::{self, Whole};
use crate::http::wire::reply;
use crate::model::error_code::ErrorCode;
use crate::model::name::{BadName, StateName, Workspace};
use crate::model::state::StateFilter;

/// The parameters of the inventory.
pub(in crate::http) const PARAMETERS: &str = "workspace limit after";

#[derive(Deserialize)]
struct InventoryQuery {
    workspace: Option<String>,
    limit: Option<Whole<u32>>,
    after: Option<String>,
}

impl InventoryQuery {
    fn filter(self, limit: u32) -> Result<StateFilter, BadName> {
        let workspace = self.workspace.map(|name| name.parse::<Workspace>());
        let after = self.after.map(|name| name.parse::<StateName>());
        Ok(StateFilter {
            workspace: workspace.transpose()?.map(|name| name.to_string()),
            block: None,
            deleted: false,
            locked: false,
            frozen: false,
            after: after.transpose()?,
            limit,
        })
    }
}

/// What the states of a page come to.
#[derive(Default)]
struct Sums {
    size: u64,
    history_size: u64,
    not_counted: u64,
    programs: InstanceCounts,
    types: InstanceCounts,
    providers: InstanceCounts,
}

impl Sums {
    fn add(&mut self, listed: &Listed, instances: &Instances) {
        let summary = &listed.summary;
        if let Some(current) = &summary.current {
            self.size += current.size;
            if let Some(version) = &current.head.terraform_version {
                *self.programs.entry(version.clone()).or_default() += 1;
            }
        }
        self.history_size += summary.history_size;
        match instances {
            Instances::Counted { types, providers } => {
                add(&mut self.types, types);
                add(&mut self.providers, providers);
            }
            Instances::NotCounted(_) => self.not_counted += 1,
        }
    }
}

fn add(sums: &mut InstanceCounts, counts: &InstanceCounts) {
    for (what, count) in counts {
        *sums.entry(what.clone()).or_default() += count;
    }
}

pub(in crate::http) async fn list(
    known: Authenticated,
    request: HttpRequest,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    let asked: InventoryQuery = query::read(&request)?;
    let limit = query::page_size(&domain, asked.limit)?;
    let filter = asked
        .filter(limit)
        .map_err(|error| ApiError::invalid(ErrorCode::BadQuery, error.to_string()))?;
    let page = domain.states().inventory(&known.0, filter).await?;
    let mut sums = Sums::default();
    for (listed, instances) in &page.states {
        sums.add(listed, instances);
    }
    let states = page.states.iter();
    let states: Vec<Value> = states.map(|(listed, found)| row(listed, found)).collect();
    let answer = json!({
        "states": states,
        "sums": {
            "states": states.len(),
            "size": sums.size,
            "history_size": sums.history_size,
            "not_counted": sums.not_counted,
            "terraform_versions": sums.programs,
            "types": sums.types,
            "providers": sums.providers,
        },
        "next": page.next.map(|name| name.to_string()),
    });
    let answer = reply::beside_damaged(answer, &page.damaged);
    reply::list(&request, &domain, &answer).await
}

fn row(listed: &Listed, instances: &Instances) -> Value {
    let summary = &listed.summary;
    let current = summary.current.as_ref();
    let (types, providers, why) = match instances {
        Instances::Counted { types, providers } => (Some(types), Some(providers), None),
        Instances::NotCounted(why) => (None, None, Some(why)),
    };
    json!({
        "workspace": summary.name.workspace,
        "buildingBlock": summary.name.block,
        "version": current.map(|current| current.number),
        "terraform_version": current.and_then(|current| current.head.terraform_version.as_ref()),
        "written_at": current.map(|current| current.created_at),
        "locked_at": listed.lock.as_ref().map(|held| held.locked_at),
        "size": current.map(|current| current.size),
        "history_size": summary.history_size,
        "versions": summary.versions,
        "types": types,
        "providers": providers,
        "not_counted": why,
    })
}
