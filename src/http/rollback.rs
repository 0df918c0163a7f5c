//! `POST …/rollback`: an earlier version's content becomes current again, or is only told what that would do.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::body;
use super::caller::OnState;
use super::error::ApiError;
use super::reply;
use super::state::WriteQuery;
use crate::domain::Domain;
use crate::domain::rehearsal::Rehearsal;
use crate::domain::rollback::{Rollback, RolledBack};
use crate::model::version::Version;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    version: u64,
    expected_current: Option<u64>,
    #[serde(default)]
    dry_run: bool,
    #[serde(default)]
    allow_serial_regression: bool,
}

#[derive(Serialize)]
struct Answer<'a> {
    #[serde(flatten)]
    version: &'a Version,
    unchanged: bool,
}

pub(super) async fn roll_back(
    on: OnState,
    request: HttpRequest,
    mut payload: Payload,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    let history = domain.history();
    history.may_rehearse(&on.caller, &on.name)?;
    let lock_id = body::query::<WriteQuery>(&request)?.lock_id();
    let Body { version: number, expected_current, dry_run, allow_serial_regression } = body::json(&request, &mut payload, &domain).await?;
    let ask = Rollback { number, expected_current, allow_serial_regression, lock_id };
    if dry_run {
        let rehearsal = history.rehearse(&on.caller, &on.name, &ask).await?;
        return reply::list(&domain, &rehearsed(&rehearsal));
    }
    Ok(match history.rollback(&on.caller, &on.name, ask).await? {
        RolledBack::Done(version) => answer(&version, false),
        RolledBack::Unchanged(version) => answer(&version, true),
    })
}

fn answer(version: &Version, unchanged: bool) -> HttpResponse {
    HttpResponse::Ok().insert_header((reply::VERSION, version.number)).json(Answer { version, unchanged })
}

fn rehearsed(rehearsal: &Rehearsal) -> Value {
    let current = rehearsal.current.as_ref();
    let head = &rehearsal.version.head;
    let change = |from: Option<Value>, to: Value| from.filter(|from| *from != to).map(|from| json!({ "from": from, "to": to }));
    json!({
        "dry_run": true,
        "version": rehearsal.version,
        "current": current,
        "deleted": rehearsal.is_deleted,
        "moved_to": rehearsal.away.as_ref().map(|away| json!({ "workspace": away.workspace, "buildingBlock": away.block })),
        "unchanged": rehearsal.is_unchanged,
        "serial": rehearsal.serial,
        "verbatim": head.encrypted,
        "lineage": change(current.map(|current| json!(current.head.lineage)), json!(head.lineage)),
        "terraform_version": change(current.map(|current| json!(current.head.terraform_version)), json!(head.terraform_version)),
        "lock": rehearsal.lock.as_ref().map(|held| reply::held_lock(held, held.last_write(current))),
        "refused": rehearsal.refusals.iter().map(|refusal| json!({ "code": refusal.code, "detail": refusal.detail })).collect::<Vec<_>>(),
    })
}
