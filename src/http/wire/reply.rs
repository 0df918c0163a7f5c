//! Answers that several endpoints give.

use std::sync::Arc;
use std::time::Duration;

use actix_web::body;
use actix_web::http::header::{ETAG, Header as _, HttpDate, IfNoneMatch, LAST_MODIFIED};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use serde_json::{Value, json};

use crate::domain::Domain;
use crate::domain::engine::leased_bytes::LeasedBytes;
use crate::domain::error::Error;
use crate::domain::states::locks::ShownLock;
use crate::domain::states::read::{Listed, StateContent};
use crate::http::wire::body::holder;
use crate::http::wire::error::ApiError;
use crate::http::wire::headers::VERSION;
use crate::http::wire::paced::PacedBytes;
use crate::model::clock::Timestamp;
use crate::model::lock::{HeldLock, Lock};
use crate::model::lock_death::LockDeath;
use crate::model::page::DamagedRow;
use crate::model::version::Version;

/// The bytes of a state, or 304 if the client has them. A reader may pause for so long.
pub(in crate::http) fn content(
    request: &HttpRequest,
    content: StateContent,
    pause: Duration,
) -> HttpResponse {
    let digest = content.sha256.to_string();
    let known = match IfNoneMatch::parse(request) {
        Ok(IfNoneMatch::Any) => true,
        Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|known| known.tag() == digest),
        Err(_) => false,
    };
    let mut response = if known {
        HttpResponse::NotModified()
    } else {
        HttpResponse::Ok()
    };
    response.insert_header((ETAG, format!("\"{digest}\"")));
    response.insert_header((
        LAST_MODIFIED,
        HttpDate::from(content.created_at.system_time()),
    ));
    response.insert_header((VERSION, content.number));
    if known {
        // An empty body would have the length 0, and a 304 may only tell that of the state.
        return response.body(body::None::new());
    }
    response
        .content_type("application/json")
        .body(PacedBytes::new(content.bytes, content.hold, pause))
}

/// JSON.
pub(in crate::http) fn json(value: &impl Serialize) -> HttpResponse {
    HttpResponse::Ok().json(value)
}

/// A version.
pub(in crate::http) fn version(version: &Version) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((VERSION, version.number))
        .json(version)
}

/// A lock, as its holder sent it.
pub(in crate::http) fn lock(lock: &Lock) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/json")
        .body(lock.text.clone())
}

/// A lock with its evidence.
pub(in crate::http) fn held_lock(
    held: &HeldLock,
    died: Option<LockDeath>,
    last_write: Option<(u64, Timestamp)>,
) -> Value {
    json!({
        "lock": held.lock.raw(),
        "key": held.holder,
        "address": held.address,
        "locked_at": held.locked_at,
        "died": died,
        "last_write": last_write.map(|(version, at)| json!({ "version": version, "at": at })),
        "refused": { "count": held.refused, "latest": held.latest_refusal },
    })
}

/// What keeps callers from an address: the lock with its evidence, if one is held, and the freeze.
pub(in crate::http) fn shown_lock(shown: &ShownLock) -> Value {
    let nothing = json!({
        "lock": null, "key": null, "address": null, "locked_at": null, "died": null,
        "last_write": null,
        "refused": { "count": 0, "latest": null },
    });
    let held = shown.held.as_ref();
    let mut answer = held.map_or(nothing, |held| {
        held_lock(held, shown.died, shown.last_write)
    });
    answer["frozen"] = json!(shown.freeze);
    answer["waiting"] = json!(shown.waiting);
    answer
}

/// A state in a list.
pub(in crate::http) fn listed(state: &Listed, base_url: &str) -> Value {
    let summary = &state.summary;
    let lock = state.lock.as_ref().map(|held| {
        let mut lock = held_lock(held, state.died, held.last_write(summary.current.as_ref()));
        lock["waiting"] = json!(state.waiting);
        lock
    });
    json!({
        "workspace": summary.name.workspace,
        "buildingBlock": summary.name.block,
        "address": format!("{base_url}{}", summary.name.path()),
        "current": summary.current,
        "versions": summary.versions,
        "size": summary.current.as_ref().map(|current| current.size),
        "history_size": summary.history_size,
        "lock": lock,
        "frozen": state.freeze,
        "created_at": summary.created_at,
        "updated_at": summary.updated_at,
        "deleted_at": summary.deleted_at,
        "transferred_to": summary.transferred_to,
    })
}

/// A list. It may be long and its reader slow, so its memory is reserved like that of a state.
pub(in crate::http) async fn list(
    request: &HttpRequest,
    domain: &Domain,
    value: &impl Serialize,
) -> Result<HttpResponse, ApiError> {
    let bytes = serde_json::to_vec(value).map_err(|error| Error::Internal(error.to_string()))?;
    made(request, domain, domain.engine().reserve_for_answer(bytes)?).await
}

/// A list that also names the damaged rows that were met, if there are any.
pub(in crate::http) fn beside_damaged(mut list: Value, damaged: &[DamagedRow]) -> Value {
    if !damaged.is_empty() {
        list["damaged"] = json!(damaged);
    }
    list
}

/// JSON that the domain has made. It is in the share of its reader until they have it.
pub(in crate::http) async fn made(
    request: &HttpRequest,
    domain: &Domain,
    bytes: Arc<LeasedBytes>,
) -> Result<HttpResponse, ApiError> {
    let (engine, size) = (domain.engine(), bytes.as_ref().as_ref().len() as u64);
    let hold = engine.hold_answer(&holder(request), size).await?;
    let pause = engine.limits().body_timeout;
    Ok(HttpResponse::Ok()
        .content_type("application/json")
        .body(PacedBytes::new(bytes, hold, pause)))
}

/// What to give as the next page's start: the last row's, when there may be more.
pub(in crate::http) fn next<T, C>(rows: &[T], limit: u32, cursor: impl Fn(&T) -> C) -> Option<C> {
    if rows.len() < limit as usize {
        None
    } else {
        rows.last().map(cursor)
    }
}
