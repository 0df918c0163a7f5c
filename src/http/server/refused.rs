//! What the HTTP library refuses by itself: bytes that are no request, heads that are too large,
//! and heads that do not come. Its answers have no body. Every error of this server is a problem
//! with a code, so such a problem goes out in place of each.
//!
//! An answer of the application that refuses has a body, so none is taken for the library's. The
//! connection ends behind such an answer.

use std::sync::LazyLock;

use serde_json::json;

use crate::http::wire::status;
use crate::model::error_code::ErrorCode;

/// The code of each refusal, and what is said of it.
const REFUSALS: [(ErrorCode, &str); 3] = [
    (
        ErrorCode::BadHead,
        "what came is no request of HTTP/1.1, or its line or its headers are malformed; check the \
            address and its port, and what a proxy in between makes of the request",
    ),
    (
        ErrorCode::HeadTooLarge,
        "the line and the headers of the request are too large; send fewer or smaller headers. \
            More is taken on a connection on which credentials were good",
    ),
    (
        ErrorCode::SlowHead,
        "the line and the headers of the request did not come in time; send them at once",
    ),
];

/// An answer of the library, and the problem in its place.
struct Refusal {
    code: ErrorCode,
    /// What the answer of the library begins with.
    bare: String,
    problem: String,
}

static ANSWERS: LazyLock<[Refusal; 3]> = LazyLock::new(|| REFUSALS.map(Refusal::of));

impl Refusal {
    fn of((code, detail): (ErrorCode, &str)) -> Self {
        let status = status::of(code);
        let (number, title) = (
            status.as_u16(),
            status.canonical_reason().unwrap_or("Error"),
        );
        let body = json!({"title": title, "status": number, "code": code, "detail": detail});
        let (body, line) = (body.to_string(), format!("HTTP/1.1 {number} {title}\r\n"));
        let length = body.len();
        Self {
            code,
            bare: format!("{line}content-length: 0\r\n"),
            problem: format!(
                "{line}content-type: application/problem+json\r\ncontent-length: {length}\r\n\
                    cache-control: no-store\r\nconnection: close\r\n\r\n{body}"
            ),
        }
    }
}

/// The problem that goes out in place of what the library wants to send, if that is a refusal.
pub(super) fn instead_of(bytes: &[u8]) -> Option<&'static [u8]> {
    let mut answers = ANSWERS.iter();
    let found = answers.find(|answer| bytes.starts_with(answer.bare.as_bytes()));
    found.map(|answer| answer.problem.as_bytes())
}

/// The problem of a head that is too large.
pub(super) fn head_too_large() -> &'static [u8] {
    let mut answers = ANSWERS.iter();
    let found = answers.find(|answer| answer.code == ErrorCode::HeadTooLarge);
    found.map_or(&[][..], |answer| answer.problem.as_bytes())
}
