//! The names and numbers in the path of a request.

use std::str::FromStr;

use actix_web::web::Path;
use actix_web::{FromRequest, HttpRequest};
use serde::Deserialize;

use crate::http::wire::error::ApiError;
use crate::http::wire::query::Whole;
use crate::model::error_code::ErrorCode;
use crate::model::name::{BadName, StateName, Workspace};

/// One part of the path; empty if the route has no such part.
pub(in crate::http) fn part<'r>(request: &'r HttpRequest, name: &str) -> &'r str {
    request.match_info().get(name).unwrap_or_default()
}

/// The state in the path.
pub(in crate::http) fn state(request: &HttpRequest) -> Result<StateName, BadName> {
    StateName::parse(part(request, "workspace"), part(request, "block"))
}

/// The workspace in the path of a call about one.
pub(in crate::http) fn workspace(request: &HttpRequest) -> Result<Workspace, ApiError> {
    part(request, "workspace")
        .parse()
        .map_err(|error: BadName| ApiError::invalid(ErrorCode::BadAddress, error.to_string()))
}

/// The id in the path, of a thing that is named so.
pub(in crate::http) fn id<T: FromStr>(request: &HttpRequest, of: &str) -> Result<T, ApiError> {
    let bad = |_| {
        let why = format!("the id of a {of} is a UUID");
        ApiError::invalid(ErrorCode::BadAddress, why)
    };
    part(request, "id").parse().map_err(bad)
}

/// The number of the version in the path.
pub(in crate::http) fn version(request: &HttpRequest) -> Result<u64, ApiError> {
    Whole::parse(part(request, "number"))
        .map(Whole::get)
        .ok_or_else(|| ApiError::invalid(ErrorCode::BadAddress, "a version's number is 1, 2, 3, …"))
}

/// The number of the event in the path.
pub(in crate::http) fn event(request: &HttpRequest) -> Result<u64, ApiError> {
    Whole::parse(part(request, "seq"))
        .map(Whole::get)
        .ok_or_else(|| ApiError::invalid(ErrorCode::BadAddress, "an event's number is 1, 2, 3, …"))
}

#[derive(Deserialize)]
struct InstanceAddress {
    address: String,
}

/// The address of a resource instance in the path, with its percent-encoding taken away.
pub(in crate::http) fn resource(request: &HttpRequest) -> Result<String, ApiError> {
    let part = Path::<InstanceAddress>::extract(request).into_inner();
    part.map(|part| part.into_inner().address).map_err(|_| {
        let detail = "the address of a resource instance has to be percent-encoded UTF-8";
        ApiError::invalid(ErrorCode::BadAddress, detail)
    })
}
