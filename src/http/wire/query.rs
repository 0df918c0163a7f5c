//! The query of a request: judged alike on every method, before credentials and before anything is
//! done.
//!
//! The clients keep what stands in a state's address, so parameters that are not ours are left
//! alone there. Ours (`ID`, `force`) belong to single calls: in an address they would be refused
//! only by the write at the end of an apply, when it is too late. Every other call takes what it
//! knows.

use std::str::FromStr;

use actix_web::HttpRequest;
use actix_web::web::Query;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};

use crate::domain::Domain;
use crate::http::wire::error::ApiError;
use crate::http::wire::route::{Route, Takes};
use crate::model::error_code::ErrorCode;

/// The parameters of a state's own address that are ours.
const OURS: [&str; 2] = ["ID", "force"];
/// How much of a name that a client made up is repeated, in characters.
const MAX_NAME: usize = 40;

/// The rows of a list's page, if the request names no number.
const DEFAULT_PAGE: u32 = 50;

/// Refuses a query that its call does not take.
pub(in crate::http) fn judge(request: &HttpRequest) -> Result<(), ApiError> {
    let Some(takes) = takes(request) else {
        return Ok(());
    };
    segments(request).try_for_each(|segment| judge_parameter(takes, segment))?;
    if let Takes::Protocol(names) = takes
        && !names.is_empty()
    {
        read::<WriteQuery>(request)?;
    }
    Ok(())
}

fn judge_parameter(takes: Takes, segment: &str) -> Result<(), ApiError> {
    let Some((name, value)) = pair(segment) else {
        return Err(bad("the query is not valid percent-encoding"));
    };
    let is_ours = matches!(takes, Takes::Only(_)) || OURS.contains(&name.as_str());
    if is_ours && (name.contains('\0') || value.contains('\0')) {
        return Err(bad("a parameter cannot have a NUL character (`%00`)"));
    }
    match takes {
        Takes::Only(names) if !has(names, &name) => Err(unknown(&name, names)),
        Takes::Protocol(names) if is_ours && !has(names, &name) => Err(in_the_address(&name)),
        Takes::Only(_) | Takes::Protocol(_) => Ok(()),
    }
}

/// Whether a call is one of the state protocol, which programs make by themselves.
pub(in crate::http) fn is_protocol(request: &HttpRequest) -> bool {
    matches!(takes(request), Some(Takes::Protocol(_)))
}

fn takes(request: &HttpRequest) -> Option<Takes> {
    request.app_data::<Route>()?.takes(request.method())
}

fn segments(request: &HttpRequest) -> impl Iterator<Item = &str> {
    request
        .query_string()
        .split('&')
        .filter(|segment| !segment.is_empty())
}

/// A parameter's name and its value, decoded.
fn pair(segment: &str) -> Option<(String, String)> {
    let pairs = Query::<Vec<(String, String)>>::from_query(segment)
        .ok()?
        .into_inner();
    pairs.into_iter().next()
}

fn has(names: &str, name: &str) -> bool {
    names.split(' ').any(|known| known == name)
}

fn bad(detail: impl Into<String>) -> ApiError {
    ApiError::invalid(ErrorCode::BadQuery, detail)
}

fn unknown(name: &str, names: &str) -> ApiError {
    let name: String = name.chars().take(MAX_NAME).collect();
    if names.is_empty() {
        return bad(format!("this call takes no parameters, and so no {name:?}"));
    }
    bad(format!(
        "this call takes no parameter {name:?}; it takes {}",
        names.replace(' ', ", ")
    ))
}

fn in_the_address(name: &str) -> ApiError {
    bad(format!(
        "`{name}` cannot stand in the address of a state: it belongs to single writes and unlocks. \
            Take it out of `address`, `lock_address` and \
         `unlock_address`"
    ))
}

/// The query of a write, an unlock or a deletion.
#[derive(Deserialize)]
pub(in crate::http) struct WriteQuery {
    #[serde(rename = "ID")]
    id: Option<String>,
    /// Whether it goes over the stale-write guard.
    #[serde(default)]
    pub(in crate::http) force: bool,
}

impl WriteQuery {
    /// The lock that a request names; an empty one is none.
    pub(in crate::http) fn lock_id(self) -> Option<String> {
        self.id.filter(|id| !id.is_empty())
    }
}

/// A whole number as it is written: digits without a sign and without zeros before them, so that
/// one number has one spelling.
#[derive(Clone, Copy)]
pub(in crate::http) struct Whole<T>(pub(in crate::http) T);

impl<T: FromStr> Whole<T> {
    /// Reads one.
    pub(in crate::http) fn parse(text: &str) -> Option<Self> {
        let is_plain = text.bytes().all(|byte| byte.is_ascii_digit())
            && (text == "0" || !text.starts_with('0'));
        is_plain.then(|| text.parse().ok().map(Self)).flatten()
    }

    /// The number.
    pub(in crate::http) fn get(self) -> T {
        self.0
    }
}

impl<'de, T: FromStr> Deserialize<'de> for Whole<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom("it is no whole number"))
    }
}

/// Reads the query; a refusal names the parameter.
pub(in crate::http) fn read<T: DeserializeOwned>(request: &HttpRequest) -> Result<T, ApiError> {
    let whole = Query::<T>::from_query(request.query_string());
    whole
        .map(Query::into_inner)
        .map_err(|error| explain::<T>(request, &error.to_string()))
}

/// Names the wrong parameter: the one that is refused alone. Each may be left out, so the others
/// are not missed.
fn explain<T: DeserializeOwned>(request: &HttpRequest, error: &str) -> ApiError {
    let why = |error: String| {
        error
            .trim_start_matches("Query deserialize error: ")
            .to_owned()
    };
    let wrong = segments(request).find_map(|segment| {
        Query::<T>::from_query(segment)
            .err()
            .map(|error| (segment, why(error.to_string())))
    });
    match wrong {
        Some((segment, why)) => {
            let name: String = pair(segment)
                .map(|(name, _)| name)
                .unwrap_or_default()
                .chars()
                .take(MAX_NAME)
                .collect();
            bad(format!("the parameter {name:?} is not valid: {why}"))
        }
        None => bad(format!("the query is not valid: {}", why(error.to_owned()))),
    }
}

/// The rows of a list's page, within the limit.
pub(in crate::http) fn page_size(
    domain: &Domain,
    limit: Option<Whole<u32>>,
) -> Result<u32, ApiError> {
    let most = domain.engine().limits().max_page;
    match limit.map(Whole::get) {
        None => Ok(DEFAULT_PAGE.min(most)),
        Some(limit) if (1..=most).contains(&limit) => Ok(limit),
        Some(_) => Err(ApiError::invalid(
            ErrorCode::BadQuery,
            format!("limit has to be from 1 to {most}"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_one_spelling() {
        for (text, number) in [
            ("0", Some(0)),
            ("7", Some(7)),
            ("4294967295", Some(u32::MAX)),
            ("10", Some(10)),
        ] {
            assert_eq!(
                Whole::<u32>::parse(text).map(|whole| whole.0),
                number,
                "{text}"
            );
        }
        for text in [
            "",
            "+1",
            "01",
            "00",
            "-1",
            " 1",
            "1 ",
            "1.0",
            "1e1",
            "0x1",
            "4294967296",
            "١",
        ] {
            assert!(Whole::<u32>::parse(text).is_none(), "{text}");
        }
    }
}
