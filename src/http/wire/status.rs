//! The status of each error code. No other place knows one.

use actix_web::http::StatusCode;

use crate::model::error_code::{ErrorClass, ErrorCode};

/// The status of a code. One answer has another: `locked` is 409 to an unlock of another's lock.
pub(in crate::http) const fn of(code: ErrorCode) -> StatusCode {
    match code.class() {
        ErrorClass::Invalid => StatusCode::BAD_REQUEST,
        ErrorClass::Unproven => StatusCode::UNAUTHORIZED,
        ErrorClass::Denied => StatusCode::FORBIDDEN,
        ErrorClass::Missing => StatusCode::NOT_FOUND,
        ErrorClass::NotOffered => StatusCode::METHOD_NOT_ALLOWED,
        ErrorClass::TooSlow => StatusCode::REQUEST_TIMEOUT,
        ErrorClass::Conflict => StatusCode::CONFLICT,
        ErrorClass::Gone => StatusCode::GONE,
        ErrorClass::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorClass::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        ErrorClass::Locked => StatusCode::LOCKED,
        ErrorClass::TooMany => StatusCode::TOO_MANY_REQUESTS,
        ErrorClass::Failed => StatusCode::INTERNAL_SERVER_ERROR,
        ErrorClass::Busy => StatusCode::SERVICE_UNAVAILABLE,
        ErrorClass::NoRoom => StatusCode::INSUFFICIENT_STORAGE,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const API: &str = include_str!("../../../docs/api.md");

    /// Status and code of a row such as "| 404 | `no_key` | there is no key with this id |".
    fn row(line: &str) -> Option<(u16, &str)> {
        let mut cells = line.strip_prefix("| ")?.split(" | ");
        let status = cells.next()?.parse().ok()?;
        Some((status, cells.next()?.trim_matches('`')))
    }

    #[test]
    fn the_documents_have_the_status_of_each_code() {
        let documented: BTreeSet<(u16, &str)> = API.lines().filter_map(row).collect();
        let mut known: BTreeSet<(u16, &str)> = ErrorCode::ALL
            .iter()
            .map(|code| (of(*code).as_u16(), code.as_str()))
            .collect();
        known.insert((409, "locked"));
        assert_eq!(documented, known);
    }
}
