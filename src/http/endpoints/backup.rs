//! `GET /api/backup`: a backup as one file. It is made, on disk and compared before its first byte
//! is sent, so that a client which has all of it has a good one.

use actix_web::HttpResponse;
use actix_web::body;
use actix_web::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use actix_web::web::Data;

use crate::domain::Domain;
use crate::domain::backups::received;
use crate::http::wire::caller::Authenticated;
use crate::http::wire::error::ApiError;
use crate::http::wire::sent_file::SentFile;

/// The media type of a zstd stream, after RFC 8878.
const ZSTD: &str = "application/zstd";

pub(in crate::http) async fn take(
    known: Authenticated,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    let made = domain.backups().take(&known.0).await?;
    let name = received::dated_name(&made.manifest);
    let pause = domain.engine().limits().body_timeout;
    let disposition = format!("attachment; filename=\"{name}\"");
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, ZSTD))
        .insert_header((CONTENT_DISPOSITION, disposition))
        .body(SentFile::new(made.file, made.size, pause, made.turn)))
}

/// Whether a caller may take one; none is made for that, so its length is not told.
pub(in crate::http) async fn may_take(
    known: Authenticated,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    domain.backups().may_take(&known.0)?;
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, ZSTD))
        .body(body::None::new()))
}
