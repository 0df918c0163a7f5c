//! `POST …/rollback`: an earlier version's content becomes current again, or is only told what that
//! would do.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::body;
use super::caller::OnState;
use super::error::ApiError;
use super::query::{self, WriteQuery};
use super::reply;
use crate::domain::rehearsal::{Rehearsal, Report};
use crate::domain::rollback::{Rollback, RolledBack};
use crate::domain::{Domain, NotCompared};
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
    let lock_id = query::read::<WriteQuery>(&request)?.lock_id();
    let Body {
        version: number,
        expected_current,
        dry_run,
        allow_serial_regression,
    } = body::json(&request, &mut payload, &domain).await?;
    let ask = Rollback {
        number,
        expected_current,
        allow_serial_regression,
        lock_id,
    };
    if dry_run {
        let rehearsal = history.rehearse(&on.caller, &on.name, &ask).await?;
        return reply::list(&domain, &Rehearsed::of(&rehearsal));
    }
    Ok(match history.rollback(&on.caller, &on.name, ask).await? {
        RolledBack::Done(version) => answer(&version, false),
        RolledBack::Unchanged(version) => answer(&version, true),
    })
}

fn answer(version: &Version, unchanged: bool) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((reply::VERSION, version.number))
        .json(Answer { version, unchanged })
}

/// A value that would be another one.
#[derive(Serialize)]
struct Change<T> {
    from: T,
    to: T,
}

fn change<T: PartialEq>(from: Option<T>, to: T) -> Option<Change<T>> {
    from.filter(|from| *from != to)
        .map(|from| Change { from, to })
}

#[derive(Serialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are members of an answer"
)]
struct Rehearsed<'a> {
    dry_run: bool,
    version: &'a Version,
    current: Option<&'a Version>,
    deleted: bool,
    transferred_to: Option<&'a str>,
    moved_to: Option<Value>,
    unchanged: bool,
    serial: Option<u64>,
    verbatim: bool,
    lineage: Option<Change<&'a str>>,
    terraform_version: Option<Change<Option<&'a str>>>,
    lock: Option<Value>,
    refused: Vec<Value>,
    compared: bool,
    not_compared: Option<&'a NotCompared>,
    forgotten: &'a [String],
    sought: &'a [String],
    truncated: bool,
    diff: Option<&'a Report>,
}

impl<'a> Rehearsed<'a> {
    fn of(rehearsal: &'a Rehearsal) -> Self {
        let (current, head) = (rehearsal.current.as_ref(), &rehearsal.version.head);
        let compared = rehearsal.comparison.as_ref();
        Self {
            dry_run: true,
            version: &rehearsal.version,
            current,
            deleted: rehearsal.is_hidden,
            transferred_to: rehearsal.transferred_to.as_deref(),
            moved_to: rehearsal
                .away
                .as_ref()
                .map(|away| json!({ "workspace": away.workspace, "buildingBlock": away.block })),
            unchanged: rehearsal.is_unchanged,
            serial: rehearsal.serial,
            verbatim: head.encrypted,
            lineage: change(
                current.map(|current| current.head.lineage.as_str()),
                &head.lineage,
            ),
            terraform_version: change(
                current.map(|current| current.head.terraform_version.as_deref()),
                head.terraform_version.as_deref(),
            ),
            lock: rehearsal
                .lock
                .as_ref()
                .map(|held| reply::held_lock(held, held.last_write(current))),
            refused: rehearsal
                .refusals
                .iter()
                .map(|why| json!({ "code": why.code, "detail": why.detail }))
                .collect(),
            compared: compared.is_ok(),
            not_compared: compared.err(),
            forgotten: compared.map_or(&[], |compared| &compared.forgotten),
            sought: compared.map_or(&[], |compared| &compared.sought),
            truncated: compared.is_ok_and(|compared| compared.is_cut || compared.diff.truncated),
            diff: compared.ok().map(|compared| &compared.diff),
        }
    }
}
