//! `POST …/import`: one version from elsewhere. The body is its exact bytes, and the query holds
//! all else that is known of it.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;

use crate::domain::Domain;
use crate::domain::history::import::request::{ImportOnto, ImportRequest, ImportTerms};
use crate::http::wire::caller::OnState;
use crate::http::wire::error::ApiError;
use crate::http::wire::query::{self, Whole};
use crate::http::wire::{body, reply};
use crate::model::clock::Timestamp;
use crate::model::error_code::ErrorCode;
use crate::model::version::{Rejection, VersionKind};

/// What the query of an import may say.
pub(in crate::http) const PARAMETERS: &str =
    "ID number removed_serial created_at sha256 rejected intermediate deleted after append arrive";

#[derive(Deserialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are parameters of a query"
)]
struct Query {
    #[serde(rename = "ID")]
    id: Option<String>,
    number: Option<Whole<u64>>,
    removed_serial: Option<Whole<u64>>,
    created_at: Option<String>,
    sha256: Option<String>,
    rejected: Option<String>,
    #[serde(default)]
    intermediate: bool,
    #[serde(default)]
    deleted: bool,
    after: Option<Whole<u64>>,
    #[serde(default)]
    append: bool,
    #[serde(default)]
    arrive: bool,
}

impl Query {
    fn onto(&self) -> Result<ImportOnto, ApiError> {
        if self.append && self.deleted {
            return Err(ApiError::invalid(
                ErrorCode::BadQuery,
                "append adds to a live state, and deleted would delete it; give one of them, or \
                    delete the state by DELETE",
            ));
        }
        match (self.after, self.append, self.arrive) {
            (None, false, false) => Ok(ImportOnto::Nothing),
            (Some(Whole(number)), false, false) => Ok(ImportOnto::Imported(number)),
            (None, true, false) => Ok(ImportOnto::Current),
            (None, false, true) => Ok(ImportOnto::NothingLive),
            _ => Err(ApiError::invalid(
                ErrorCode::BadQuery,
                "after continues an import, append adds to a state, and arrive brings a state from \
                    another backend; give one of them",
            )),
        }
    }

    fn created_at(&self) -> Result<Option<Timestamp>, ApiError> {
        let Some(text) = &self.created_at else {
            return Ok(None);
        };
        let time = Timestamp::parse(text).ok_or_else(|| {
            ApiError::invalid(
                ErrorCode::BadQuery,
                "created_at is RFC 3339 in UTC, as 2026-01-02T03:04:05Z",
            )
        })?;
        Ok(Some(time))
    }

    fn rejected(&self) -> Result<Option<Rejection>, ApiError> {
        let Some(code) = &self.rejected else {
            return Ok(None);
        };
        match VersionKind::parse("rejected", Some(code)) {
            Some(VersionKind::Rejected(rejection)) => Ok(Some(rejection)),
            Some(
                VersionKind::Write
                | VersionKind::Rollback
                | VersionKind::Import
                | VersionKind::Restore,
            )
            | None => Err(ApiError::invalid(
                ErrorCode::BadQuery,
                "rejected is one of locked, stale_lock_id, stale_write, \
                        unlocked_writes_refused and forbidden",
            )),
        }
    }
}

pub(in crate::http) async fn import(
    on: OnState,
    request: HttpRequest,
    mut payload: Payload,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    let history = domain.history();
    let mut permit = history.may_import(&on.caller, &on.name)?;
    let asked: Query = query::read(&request)?;
    if asked.deleted {
        permit = permit.deleted()?;
    }
    let (onto, created_at, rejected) = (asked.onto()?, asked.created_at()?, asked.rejected()?);
    let body::ReceivedBody { bytes, reservation } =
        body::read(&request, &mut payload, &domain, |size| {
            permit.check_size(size)
        })
        .await?;
    let import = ImportRequest {
        permit,
        bytes,
        reservation,
        content_md5: body::content_md5(&request),
        sha256: asked.sha256,
        created_at,
        terms: ImportTerms {
            onto,
            number: asked.number.map(Whole::get),
            removed_serial: asked.removed_serial.map(Whole::get),
            rejected,
            intermediate: asked.intermediate,
            lock_id: asked.id.filter(|id| !id.is_empty()),
        },
    };
    Ok(reply::version(&history.import(import).await?))
}
