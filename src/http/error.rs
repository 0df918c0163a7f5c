//! From errors to answers: the only place that knows which status an error has.

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, ResponseError};
use serde_json::{Map, Value, json};

use super::reply;
use crate::domain::error::Error;
use crate::domain::rollback::NoRollback;
use crate::domain::transfers::NotTransferred;

/// The media type of RFC 9457.
const PROBLEM: &str = "application/problem+json";
/// How many seconds a client waits before it tries again when the server has much to do.
const RETRY_SOON: u64 = 2;

/// Why a request is not answered with what it asked for.
#[derive(Debug, thiserror::Error)]
pub(super) enum ApiError {
    /// The domain says so.
    #[error(transparent)]
    Domain(#[from] Error),
    /// The body trickles.
    #[error("the body came too slowly; nothing was done, send it again")]
    SlowBody,
}

/// What the log says of a failure beside what the client is told.
pub(super) struct Reason(pub(super) String);

impl ApiError {
    /// A request that makes no sense.
    pub(super) fn invalid(code: &'static str, detail: impl Into<String>) -> Self {
        Self::Domain(Error::invalid(code, detail))
    }
}

fn status_and_code(error: &Error) -> (StatusCode, &'static str) {
    match error {
        Error::Unauthorized(_) => (StatusCode::UNAUTHORIZED, "unauthorized"),
        Error::TooManyFailures(_) => (StatusCode::TOO_MANY_REQUESTS, "too_many_failures"),
        Error::TooManyTokens(_) => (StatusCode::TOO_MANY_REQUESTS, "too_many_tokens"),
        Error::CredentialsBusy => (StatusCode::TOO_MANY_REQUESTS, "credentials_busy"),
        Error::Denied(_) => (StatusCode::FORBIDDEN, "forbidden"),
        Error::OutputsUnavailable(_) => (StatusCode::FORBIDDEN, "outputs_unavailable"),
        Error::NoState(_) => (StatusCode::NOT_FOUND, "no_state"),
        Error::NoVersion(..) => (StatusCode::NOT_FOUND, "no_version"),
        Error::NoLock(_) => (StatusCode::NOT_FOUND, "no_lock"),
        Error::NoTransfer(_) => (StatusCode::NOT_FOUND, "no_transfer"),
        Error::NoPolicy(_) => (StatusCode::NOT_FOUND, "no_policy"),
        Error::PruneRunning => (StatusCode::CONFLICT, "prune_running"),
        Error::ClockInDoubt(_) => (StatusCode::CONFLICT, "clock_in_doubt"),
        Error::NoKey => (StatusCode::NOT_FOUND, "no_key"),
        Error::Moved { .. } => (StatusCode::GONE, "moved"),
        Error::Transferred { .. } => (StatusCode::GONE, "transferred"),
        Error::Purged(..) => (StatusCode::GONE, "purged"),
        Error::Invalid { code, .. } => (StatusCode::BAD_REQUEST, code),
        Error::TooLarge { code, .. } => (StatusCode::PAYLOAD_TOO_LARGE, code),
        Error::KeyEnded => (StatusCode::CONFLICT, "key_ended"),
        Error::Conflict { code, .. } => (StatusCode::CONFLICT, code),
        Error::AddressTaken(_) => (StatusCode::CONFLICT, "address_taken"),
        Error::NotTransferred(why) => (StatusCode::CONFLICT, why.code()),
        Error::NoRollback(why) => (StatusCode::CONFLICT, why.code()),
        Error::VerifyRuns => (StatusCode::CONFLICT, "verify_runs"),
        Error::Locked(_) => (StatusCode::LOCKED, "locked"),
        Error::OverBudget => (StatusCode::SERVICE_UNAVAILABLE, "over_memory_budget"),
        Error::QueueFull => (StatusCode::SERVICE_UNAVAILABLE, "queue_full"),
        Error::ShuttingDown => (StatusCode::SERVICE_UNAVAILABLE, "shutting_down"),
        Error::DiskFull => (StatusCode::INSUFFICIENT_STORAGE, "disk_full"),
        Error::Damaged(_) => (StatusCode::INTERNAL_SERVER_ERROR, "damaged"),
        Error::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Domain(error) => status_and_code(error).0,
            Self::SlowBody => StatusCode::REQUEST_TIMEOUT,
        }
    }

    fn error_response(&self) -> HttpResponse {
        match self {
            Self::Domain(Error::Locked(lock)) => reply::lock_conflict(StatusCode::LOCKED, lock),
            Self::Domain(error) => domain_problem(error, &self.to_string()),
            Self::SlowBody => {
                problem(StatusCode::REQUEST_TIMEOUT, "slow_body", &self.to_string(), Map::new()).force_close().finish_problem()
            }
        }
    }
}

fn domain_problem(error: &Error, detail: &str) -> HttpResponse {
    let (status, code) = status_and_code(error);
    let mut problem = problem(status, code, detail, members(error));
    if let Error::Unauthorized(_) = error {
        problem.builder.append_header((WWW_AUTHENTICATE, "Basic realm=\"statekeep\", charset=\"UTF-8\""));
        problem.builder.append_header((WWW_AUTHENTICATE, "Bearer realm=\"statekeep\""));
    }
    if let Error::TooManyFailures(wait) = error {
        problem.builder.insert_header((RETRY_AFTER, wait.as_secs().max(1)));
    } else if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        problem.builder.insert_header((RETRY_AFTER, RETRY_SOON));
    }
    let mut response = problem.finish_problem();
    if let Error::Internal(reason) | Error::Damaged(reason) = error {
        response.extensions_mut().insert(Reason(reason.clone()));
    }
    response
}

/// What a problem says beside its code, for programs.
fn members(error: &Error) -> Map<String, Value> {
    let mut more = Map::new();
    if let Error::Moved { to, .. } = error {
        more.insert("moved_to".to_owned(), json!({ "workspace": to.workspace, "buildingBlock": to.block, "address": to.path() }));
    }
    if let Error::Transferred { to, .. } | Error::NotTransferred(NotTransferred::Begun(to)) = error {
        more.insert("to".to_owned(), json!(to));
    }
    if let Error::NoRollback(NoRollback::NotCurrent { current, .. }) = error {
        more.insert("current".to_owned(), json!(current));
    }
    if let Error::NotTransferred(NotTransferred::NotCurrent { current, .. }) = error {
        more.insert("current".to_owned(), json!(current));
    }
    more
}

/// A problem of RFC 9457 that is not sent yet.
struct Problem {
    builder: HttpResponseBuilder,
    body: Map<String, Value>,
}

impl Problem {
    fn force_close(mut self) -> Self {
        self.builder.force_close();
        self
    }

    fn finish_problem(mut self) -> HttpResponse<BoxBody> {
        self.builder.insert_header((CONTENT_TYPE, PROBLEM)).body(Value::Object(self.body).to_string())
    }
}

fn problem(status: StatusCode, code: &str, detail: &str, more: Map<String, Value>) -> Problem {
    let title = status.canonical_reason().unwrap_or("Error");
    let mut body = Map::new();
    body.insert("title".to_owned(), json!(title));
    body.insert("status".to_owned(), json!(status.as_u16()));
    body.insert("code".to_owned(), json!(code));
    body.insert("detail".to_owned(), json!(detail));
    body.extend(more);
    Problem { builder: HttpResponse::build(status), body }
}

/// A state that was refused though it is valid: why, and the number that it is kept under.
pub(super) fn refused(code: &str, why: &str, kept: u64) -> HttpResponse {
    let detail = format!(
        "{why}; nothing was overwritten, and what was sent is kept as version {kept} (GET …/versions/{kept}): read the state again before you write"
    );
    let more = Map::from_iter([("rejected_version".to_owned(), json!(kept))]);
    let mut problem = problem(StatusCode::CONFLICT, code, &detail, more);
    problem.builder.insert_header((reply::REJECTED_VERSION, kept));
    problem.finish_problem()
}

/// Whatever no route knows. Where the path looks like the API's, however it was joined, that is 400: Terraform takes 404 for "no state".
pub(super) async fn unknown_path(request: HttpRequest) -> HttpResponse {
    let path = request.path();
    if path.contains("/api") {
        let detail =
            "there is nothing at this path; a state's address is /api/terraform/state/workspace/WORKSPACE/buildingblock/BUILDINGBLOCK";
        return problem(StatusCode::BAD_REQUEST, "bad_address", detail, Map::new()).finish_problem();
    }
    not_found()
}

/// A path outside the API where nothing is.
pub(super) fn not_found() -> HttpResponse {
    problem(StatusCode::NOT_FOUND, "not_found", "there is nothing at this path; the status page is at /", Map::new()).finish_problem()
}

/// A method that a path does not offer.
pub(super) fn method_not_allowed(allow: &str) -> HttpResponse {
    let detail = format!("this path offers {allow}");
    let mut problem = problem(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", &detail, Map::new());
    problem.builder.insert_header((ALLOW, allow));
    problem.finish_problem()
}
