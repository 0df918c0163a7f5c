//! Answers that refuse: a problem of RFC 9457 with a stable code, or the lock that is in the way.

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, TryIntoHeaderPair};
use actix_web::{HttpResponse, HttpResponseBuilder};
use serde_json::{Map, Value, json};

use crate::http::wire::headers::CODE;
use crate::http::wire::status;
use crate::model::error_code::ErrorCode;
use crate::model::lock::Lock;

/// The media type of RFC 9457.
const PROBLEM: &str = "application/problem+json";

/// A problem that is not sent yet.
pub(in crate::http) struct ProblemDetails {
    builder: HttpResponseBuilder,
    body: Map<String, Value>,
}

impl ProblemDetails {
    /// A problem with its code, and its detail for a person.
    pub(in crate::http) fn new(code: ErrorCode, detail: &str) -> Self {
        let status = status::of(code);
        let title = status.canonical_reason().unwrap_or("Error");
        let mut body = Map::new();
        body.insert("title".to_owned(), json!(title));
        body.insert("status".to_owned(), json!(status.as_u16()));
        body.insert("code".to_owned(), json!(code));
        body.insert("detail".to_owned(), json!(detail));
        Self {
            builder: HttpResponse::build(status),
            body,
        }
    }

    /// Adds a member for programs.
    pub(in crate::http) fn member(mut self, name: &str, value: Value) -> Self {
        self.body.insert(name.to_owned(), value);
        self
    }

    /// Adds a header.
    pub(in crate::http) fn header(mut self, header: impl TryIntoHeaderPair) -> Self {
        self.builder.append_header(header);
        self
    }

    /// Has the connection closed after the answer.
    pub(in crate::http) fn force_close(mut self) -> Self {
        self.builder.force_close();
        self
    }

    /// The answer.
    pub(in crate::http) fn finish(mut self) -> HttpResponse<BoxBody> {
        self.builder
            .insert_header((CONTENT_TYPE, PROBLEM))
            .body(Value::Object(self.body).to_string())
    }
}

/// The lock that is in the way, as its holder sent it.
pub(in crate::http) fn lock_conflict(status: StatusCode, lock: &Lock) -> HttpResponse {
    HttpResponse::build(status)
        .insert_header((CODE, ErrorCode::Locked.as_str()))
        .content_type("application/json")
        .body(lock.text.clone())
}
