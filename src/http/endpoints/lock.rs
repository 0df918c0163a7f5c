//! Locking and unlocking, at a state's own address and at `…/lock` for proxies and clients that
//! know no `LOCK`.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use crate::domain::Domain;
use crate::domain::content::encode::check_md5;
use crate::domain::states::locks::{Locking, Unlock, Unlocking};
use crate::http::wire::body::{self, at_most, content_md5};
use crate::http::wire::caller::OnState;
use crate::http::wire::error::ApiError;
use crate::http::wire::problem::lock_conflict;
use crate::http::wire::query::{self, WriteQuery};
use crate::http::wire::reply;
use crate::model::error_code::ErrorCode;
use crate::model::lock::Lock;
use crate::sabotage::{self, Fault};

pub(in crate::http) async fn show(
    on: OnState,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    let shown = domain.locks().show(&on.caller, &on.name).await?;
    Ok(reply::json(&reply::shown_lock(&shown)))
}

pub(in crate::http) async fn lock(
    on: OnState,
    request: HttpRequest,
    mut payload: Payload,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    domain.locks().may_lock(&on.caller, &on.name)?;
    let largest = if sabotage::is(Fault::Locks) {
        body::MAX_OLD_LOCK
    } else {
        body::MAX_LOCK
    };
    let body = read(&request, &mut payload, &domain, largest).await?;
    check_md5(&body, content_md5(&request).as_deref())?;
    Ok(
        match domain
            .locks()
            .lock(&on.caller, &on.name, parse(&body)?)
            .await?
        {
            Locking::Held(lock) => reply::lock(&lock),
            Locking::HeldBy(lock) => lock_conflict(StatusCode::LOCKED, &lock),
        },
    )
}

pub(in crate::http) async fn unlock(
    on: OnState,
    request: HttpRequest,
    mut payload: Payload,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    domain.locks().may_unlock(&on.caller, &on.name)?;
    let named = query::read::<WriteQuery>(&request)?.lock_id();
    let body = read(&request, &mut payload, &domain, body::MAX_OLD_LOCK).await?;
    let unlock = which(&body, named.as_deref(), content_md5(&request).as_deref())?;
    Ok(
        match domain.locks().unlock(&on.caller, &on.name, unlock).await? {
            Unlocking::Released(lock) => reply::lock(&lock),
            Unlocking::NothingHeld => reply::json(&json!({})),
            Unlocking::DamagedRemoved(what) => reply::json(&json!({ "damaged": what })),
            Unlocking::OtherHeld(lock) => lock_conflict(StatusCode::CONFLICT, &lock),
        },
    )
}

async fn read(
    request: &HttpRequest,
    payload: &mut Payload,
    domain: &Domain,
    largest: u64,
) -> Result<Vec<u8>, ApiError> {
    let limit = at_most(largest, ErrorCode::LockTooLarge);
    Ok(body::read(request, payload, domain, limit).await?.bytes)
}

fn parse(body: &[u8]) -> Result<Lock, ApiError> {
    Lock::parse(body).map_err(|error| ApiError::invalid(ErrorCode::NotALock, error.to_string()))
}

/// The lock that is meant: the one in the body, the one of `?ID=` if a proxy dropped the body, or
/// any lock that is held if the client sent no body.
fn which(body: &[u8], named: Option<&str>, md5: Option<&str>) -> Result<Unlock, ApiError> {
    if let (true, Some(id)) = (body.is_empty(), named) {
        return Ok(Unlock::Id {
            id: id.to_owned(),
            forced: false,
        });
    }
    // Its checksum tells a body that a proxy dropped from one that was empty.
    check_md5(body, md5)?;
    if body.is_empty() {
        return Ok(Unlock::Any);
    }
    // An address may carry an ID of its own from the start. The body's ID counts.
    let lock = parse(body)?;
    Ok(Unlock::Id {
        id: lock.id,
        forced: lock.bare,
    })
}
