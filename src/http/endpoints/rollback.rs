//! `POST …/rollback`: makes the content of an earlier version current again, or previews that.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::domain::Domain;
use crate::domain::error::refusals::NotCompared;
use crate::domain::history::preview::{DiffReport, RollbackPreview};
use crate::domain::history::rollback::{Rollback, RolledBack};
use crate::http::wire::caller::OnState;
use crate::http::wire::credentials::look_again;
use crate::http::wire::error::ApiError;
use crate::http::wire::query::{self, WriteQuery};
use crate::http::wire::{body, headers, reply};
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

pub(in crate::http) async fn roll_back(
    on: OnState,
    request: HttpRequest,
    mut payload: Payload,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    let history = domain.history();
    history.may_preview(&on.caller, &on.name)?;
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
        let preview = history.preview(&on.caller, &on.name, &ask).await?;
        look_again(&request, &domain).await?;
        return reply::list(&request, &domain, &PreviewAnswer::of(&preview)).await;
    }
    Ok(match history.rollback(&on.caller, &on.name, ask).await? {
        RolledBack::Done(version) => answer(&version, false),
        RolledBack::Unchanged(version) => answer(&version, true),
    })
}

fn answer(version: &Version, unchanged: bool) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((headers::VERSION, version.number))
        .json(Answer { version, unchanged })
}

/// A value that would be another one.
#[derive(Serialize)]
struct ValueChange<T> {
    from: T,
    to: T,
}

fn change<T: PartialEq>(from: Option<T>, to: T) -> Option<ValueChange<T>> {
    from.filter(|from| *from != to)
        .map(|from| ValueChange { from, to })
}

#[derive(Serialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are members of an answer"
)]
struct PreviewAnswer<'a> {
    dry_run: bool,
    version: &'a Version,
    current: Option<&'a Version>,
    deleted: bool,
    transferred_to: Option<&'a str>,
    moved_to: Option<Value>,
    unchanged: bool,
    serial: Option<u64>,
    verbatim: bool,
    lineage: Option<ValueChange<&'a str>>,
    terraform_version: Option<ValueChange<Option<&'a str>>>,
    lock: Option<Value>,
    refused: Vec<Value>,
    #[serde(flatten)]
    comparison: ComparisonAnswer<'a>,
}

/// What would change in the state, or why that cannot be told.
#[derive(Serialize)]
struct ComparisonAnswer<'a> {
    compared: bool,
    not_compared: Option<&'a NotCompared>,
    forgotten: &'a [String],
    recreated: &'a [String],
    truncated: bool,
    diff: Option<&'a DiffReport>,
}

impl<'a> PreviewAnswer<'a> {
    fn of(preview: &'a RollbackPreview) -> Self {
        let (current, head) = (preview.current.as_ref(), &preview.version.head);
        let current_head = current.map(|current| &current.head);
        let program = current_head.map(|head| head.terraform_version.as_deref());
        let holder = preview.lock.as_ref();
        let away = preview.away.as_ref();
        let refused = preview.refusals.iter();
        Self {
            dry_run: true,
            version: &preview.version,
            current,
            deleted: preview.is_hidden,
            transferred_to: preview.transferred_to.as_deref(),
            moved_to: away
                .map(|away| json!({ "workspace": away.workspace, "buildingBlock": away.block })),
            unchanged: preview.is_unchanged,
            serial: preview.serial,
            verbatim: head.encrypted,
            lineage: change(
                current_head.map(|head| head.lineage.as_str()),
                &head.lineage,
            ),
            terraform_version: change(program, head.terraform_version.as_deref()),
            lock: holder.map(|lock| reply::held_lock(lock, preview.died, lock.last_write(current))),
            refused: refused
                .map(|why| json!({ "code": why.code, "detail": why.detail }))
                .collect(),
            comparison: ComparisonAnswer::of(preview),
        }
    }
}

impl<'a> ComparisonAnswer<'a> {
    fn of(preview: &'a RollbackPreview) -> Self {
        let compared = preview.comparison.as_ref();
        Self {
            compared: compared.is_ok(),
            not_compared: compared.err(),
            forgotten: compared.map_or(&[], |compared| &compared.forgotten),
            recreated: compared.map_or(&[], |compared| &compared.recreated),
            truncated: compared.is_ok_and(|compared| compared.is_cut || compared.diff.truncated),
            diff: compared.ok().map(|compared| &compared.diff),
        }
    }
}
