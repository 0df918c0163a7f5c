//! A state's own address: read, write, delete, as the `http` backend does.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use crate::domain::Domain;
use crate::domain::states::delete::Deleted;
use crate::domain::states::job::{WriteRequest, Written};
use crate::domain::states::rules::WriteRefusal;
use crate::http::wire::body::{self, at_most, content_md5};
use crate::http::wire::caller::OnState;
use crate::http::wire::error::{self, ApiError};
use crate::http::wire::headers::REJECTED_VERSION;
use crate::http::wire::problem::lock_conflict;
use crate::http::wire::query::{self, WriteQuery};
use crate::http::wire::reply;
use crate::model::error_code::ErrorCode;
use crate::model::lock::Lock;
use crate::model::version::Rejection;

pub(in crate::http) async fn read(
    on: OnState,
    request: HttpRequest,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    let content = domain.states().read(&on.caller, &on.name).await?;
    Ok(reply::content(
        &request,
        content,
        domain.engine().limits().body_timeout,
    ))
}

pub(in crate::http) async fn write(
    on: OnState,
    request: HttpRequest,
    mut payload: Payload,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    let states = domain.states();
    let permit = states.may_write(&on.caller, &on.name)?;
    let asked: WriteQuery = query::read(&request)?;
    let check = |size| permit.check_size(size);
    let body = body::read(&request, &mut payload, &domain, check).await?;
    let write = WriteRequest {
        permit,
        reservation: body.reservation,
        content_md5: content_md5(&request),
        force: asked.force,
        lock_id: asked.lock_id(),
    };
    let written = states.write(write, body.bytes).await?;
    Ok(answer(written))
}

fn answer(written: Written) -> HttpResponse {
    match written {
        Written::Stored(version) | Written::Unchanged(version) => reply::version(&version),
        Written::Locked(lock, kept) => {
            let mut response = lock_conflict(StatusCode::LOCKED, &lock);
            let headers = response.headers_mut();
            headers.insert(REJECTED_VERSION, kept.into());
            response
        }
        Written::Refused(refusal, kept) => {
            error::refused(refusal.rejection.error_code(), &explain(refusal), kept)
        }
        Written::Denied(denied, kept) => error::denied(&denied, kept),
    }
}

fn explain(WriteRefusal { rejection, why }: WriteRefusal) -> String {
    match rejection {
        Rejection::StaleWrite => {
            format!(
                "{why}; set lock_address and unlock_address, so that two runs cannot write at the \
                same time, or add ?force=true"
            )
        }
        Rejection::Locked | Rejection::StaleLockId | Rejection::Unlocked | Rejection::Forbidden => {
            why.to_owned()
        }
    }
}

pub(in crate::http) async fn delete(
    on: OnState,
    request: HttpRequest,
    mut payload: Payload,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    let permit = domain.states().may_delete(&on.caller, &on.name)?;
    let asked: WriteQuery = query::read(&request)?;
    let limit = at_most(body::MAX_OLD_LOCK, ErrorCode::BodyTooLarge);
    let body = body::read(&request, &mut payload, &domain, limit).await?;
    check_body(&request, &body.bytes)?;
    let deleted = domain.states().delete(permit, asked.lock_id()).await?;
    Ok(match deleted {
        Deleted::Done(version) => reply::json(&json!({ "deleted": true, "version": version })),
        Deleted::Locked(lock) => lock_conflict(StatusCode::LOCKED, &lock),
    })
}

/// A deletion has no body. With a lock for one, or with none but a checksum, which no client sends
/// with a plain DELETE, it is an unlock whose method was set to DELETE.
fn check_body(request: &HttpRequest, body: &[u8]) -> Result<(), ApiError> {
    if Lock::parse(body).is_ok() || content_md5(request).is_some() {
        let detail = "this is an unlock, not a deletion: nothing was deleted. Set the client's \
            unlock_address to this address with /lock at its end";
        return Err(ApiError::invalid(ErrorCode::LooksLikeALock, detail));
    }
    if !body.is_empty() {
        let detail = "deleting a state takes no body; nothing was deleted";
        return Err(ApiError::invalid(ErrorCode::BadBody, detail));
    }
    Ok(())
}
