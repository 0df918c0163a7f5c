//! From errors to answers: the only place that knows which status an error has.

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{ACCEPT, ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, ResponseError};
use serde_json::{Map, Value, json};

use crate::domain::Domain;
use crate::domain::error::{Error, whole_seconds};
use crate::domain::history::rollback::NoRollback;
use crate::domain::history::transfers::NotTransferred;
use crate::http::wire::reply;
use crate::model::error_code::ErrorCode;
use crate::model::name::StateName;

/// The media type of RFC 9457.
const PROBLEM: &str = "application/problem+json";
/// How many seconds a client waits before it tries again when the server has much to do.
const RETRY_SOON: u64 = 2;

/// Why a request is not answered with what it asked for.
#[derive(Debug, thiserror::Error)]
pub(in crate::http) enum ApiError {
    /// The domain says so.
    #[error(transparent)]
    Domain(#[from] Error),
    /// The body trickles.
    #[error("the body came too slowly; nothing was done, send it again")]
    SlowBody,
}

/// What the log says of a failure beside what the client is told.
pub(in crate::http) struct Reason(pub(in crate::http) String);

/// Why a request was refused with 401 or 403, for its line in the log and for the event; the client
/// is not told.
pub(in crate::http) struct Refused {
    /// `missing`, `malformed`, `unknown`, `expired` or `revoked` with 401, `scope` or `permission`
    /// with 403.
    pub(in crate::http) reason: &'static str,
    /// The key that credentials which are not good belong to.
    pub(in crate::http) key: Option<String>,
}

impl Refused {
    fn because(error: &Error) -> Option<Self> {
        if let Error::Unauthorized(why) = error {
            return Some(Self {
                reason: why.reason,
                key: why.key.as_ref().map(|key| key.id.clone()),
            });
        }
        let is_denied = matches!(error, Error::Denied(_));
        let reason = if is_denied { "permission" } else { "scope" };
        (is_denied || matches!(error, Error::OutOfScope(_))).then_some(Self { reason, key: None })
    }
}

impl ApiError {
    /// A request that makes no sense.
    pub(in crate::http) fn invalid(code: ErrorCode, detail: impl Into<String>) -> Self {
        Self::Domain(Error::invalid(code, detail))
    }
}

fn status_and_code(error: &Error) -> (StatusCode, ErrorCode) {
    match error {
        Error::Unauthorized(_) => (StatusCode::UNAUTHORIZED, ErrorCode::Unauthorized),
        Error::TooManyFailures(_) => (StatusCode::TOO_MANY_REQUESTS, ErrorCode::TooManyFailures),
        Error::TooManyTokens(_) => (StatusCode::TOO_MANY_REQUESTS, ErrorCode::TooManyTokens),
        Error::CredentialsBusy => (StatusCode::TOO_MANY_REQUESTS, ErrorCode::CredentialsBusy),
        Error::Denied(_) | Error::OutOfScope(_) => (StatusCode::FORBIDDEN, ErrorCode::Forbidden),
        Error::OutputsUnavailable(_) => (StatusCode::FORBIDDEN, ErrorCode::OutputsUnavailable),
        Error::NoState(_) => (StatusCode::NOT_FOUND, ErrorCode::NoState),
        Error::NoVersion(..) | Error::VersionGone(..) => {
            (StatusCode::NOT_FOUND, ErrorCode::NoVersion)
        }
        Error::NoLock(_) => (StatusCode::NOT_FOUND, ErrorCode::NoLock),
        Error::NoTransfer(_) => (StatusCode::NOT_FOUND, ErrorCode::NoTransfer),
        Error::NoPolicy(_) => (StatusCode::NOT_FOUND, ErrorCode::NoPolicy),
        Error::PruneRunning => (StatusCode::CONFLICT, ErrorCode::PruneRunning),
        Error::ClockInDoubt(_) => (StatusCode::CONFLICT, ErrorCode::ClockInDoubt),
        Error::NoKey => (StatusCode::NOT_FOUND, ErrorCode::NoKey),
        Error::Moved { .. } => (StatusCode::GONE, ErrorCode::Moved),
        Error::Transferred { .. } => (StatusCode::GONE, ErrorCode::Transferred),
        Error::Purged(..) => (StatusCode::GONE, ErrorCode::Purged),
        Error::Invalid { code, .. } => (StatusCode::BAD_REQUEST, *code),
        Error::TooLarge { code, .. } => (StatusCode::PAYLOAD_TOO_LARGE, *code),
        Error::KeyEnded => (StatusCode::CONFLICT, ErrorCode::KeyEnded),
        Error::Conflict { code, .. } => (StatusCode::CONFLICT, *code),
        Error::AddressTaken(_) => (StatusCode::CONFLICT, ErrorCode::AddressTaken),
        Error::NotTransferred(why) => (StatusCode::CONFLICT, why.code()),
        Error::NoRollback(why) => (StatusCode::CONFLICT, why.code()),
        Error::VerifyRuns => (StatusCode::CONFLICT, ErrorCode::VerifyRuns),
        Error::Locked(_) => (StatusCode::LOCKED, ErrorCode::Locked),
        Error::OverBudget => (StatusCode::SERVICE_UNAVAILABLE, ErrorCode::OverMemoryBudget),
        Error::QueueFull => (StatusCode::SERVICE_UNAVAILABLE, ErrorCode::QueueFull),
        Error::ShuttingDown => (StatusCode::SERVICE_UNAVAILABLE, ErrorCode::ShuttingDown),
        Error::DiskFull => (StatusCode::INSUFFICIENT_STORAGE, ErrorCode::DiskFull),
        Error::Damaged(_) => (StatusCode::INTERNAL_SERVER_ERROR, ErrorCode::Damaged),
        Error::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, ErrorCode::Internal),
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
            Self::SlowBody => problem(
                StatusCode::REQUEST_TIMEOUT,
                ErrorCode::SlowBody,
                &self.to_string(),
                Map::new(),
            )
            .force_close()
            .finish_problem(),
        }
    }
}

fn domain_problem(error: &Error, detail: &str) -> HttpResponse {
    let (status, code) = status_and_code(error);
    let mut problem = problem(status, code, detail, members(error));
    if let Error::Unauthorized(_) = error {
        problem.builder.append_header((
            WWW_AUTHENTICATE,
            "Basic realm=\"statekeep\", charset=\"UTF-8\"",
        ));
        problem
            .builder
            .append_header((WWW_AUTHENTICATE, "Bearer realm=\"statekeep\""));
    }
    if let Error::TooManyFailures(wait) = error {
        // Whoever comes back when it is over is not too early.
        problem
            .builder
            .insert_header((RETRY_AFTER, whole_seconds(*wait)));
    } else if matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
    ) {
        problem.builder.insert_header((RETRY_AFTER, RETRY_SOON));
    }
    let mut response = problem.finish_problem();
    if let Error::Internal(reason) | Error::Damaged(reason) = error {
        response.extensions_mut().insert(Reason(reason.clone()));
    }
    if let Some(refused) = Refused::because(error) {
        response.extensions_mut().insert(refused);
    }
    response
}

/// What a problem says beside its code, for programs.
fn members(error: &Error) -> Map<String, Value> {
    let mut more = Map::new();
    if let Error::Moved { to, .. } = error {
        more.insert(
            "moved_to".to_owned(),
            json!({ "workspace": to.workspace, "buildingBlock": to.block, "address": to.path() }),
        );
    }
    if let Error::Transferred { to, .. } | Error::NotTransferred(NotTransferred::Begun(to)) = error
    {
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
        self.builder
            .insert_header((CONTENT_TYPE, PROBLEM))
            .body(Value::Object(self.body).to_string())
    }
}

fn problem(status: StatusCode, code: ErrorCode, detail: &str, more: Map<String, Value>) -> Problem {
    let title = status.canonical_reason().unwrap_or("Error");
    let mut body = Map::new();
    body.insert("title".to_owned(), json!(title));
    body.insert("status".to_owned(), json!(status.as_u16()));
    body.insert("code".to_owned(), json!(code));
    body.insert("detail".to_owned(), json!(detail));
    body.extend(more);
    Problem {
        builder: HttpResponse::build(status),
        body,
    }
}

/// A state that was refused though it is valid: why, and the number that it is kept under.
pub(in crate::http) fn refused(code: ErrorCode, why: &str, kept: u64) -> HttpResponse {
    let detail = format!(
        "{why}; nothing was overwritten, and what was sent is kept as version {kept} (GET \
            …/versions/{kept}): read the state again before you write"
    );
    with_kept(StatusCode::CONFLICT, code, &detail, kept)
}

/// A valid state by a key that may not write it: why, and the number that it is kept under.
pub(in crate::http) fn denied(why: &Error, kept: u64) -> HttpResponse {
    let detail = format!(
        "{why}; nothing was overwritten, and what was sent is kept as version {kept}, which a \
            rollback makes current"
    );
    let (status, code) = status_and_code(why);
    let mut response = with_kept(status, code, &detail, kept);
    if let Some(refused) = Refused::because(why) {
        response.extensions_mut().insert(refused);
    }
    response
}

fn with_kept(status: StatusCode, code: ErrorCode, detail: &str, kept: u64) -> HttpResponse {
    let more = Map::from_iter([("rejected_version".to_owned(), json!(kept))]);
    let mut problem = problem(status, code, detail, more);
    problem
        .builder
        .insert_header((reply::REJECTED_VERSION, kept));
    problem.finish_problem()
}

/// Whatever no route knows.
pub(in crate::http) async fn unknown_path(request: HttpRequest) -> HttpResponse {
    not_found(&request)
}

/// A path where nothing is. Terraform takes 404 for "no state" and makes everything again, so only
/// a browser is told in this way, and only outside the API; a program is told the address that it
/// may have meant.
pub(in crate::http) fn not_found(request: &HttpRequest) -> HttpResponse {
    let path = request.path();
    if !path.contains("/api") && accepts_pages(request) {
        let detail = "there is nothing at this path; the status page is at /";
        return problem(
            StatusCode::NOT_FOUND,
            ErrorCode::NotFound,
            detail,
            Map::new(),
        )
        .finish_problem();
    }
    let base = request
        .app_data::<Data<Domain>>()
        .map_or("", |domain| domain.base_url());
    let address = state_in(path).map_or_else(
        || format!("a state's address is {base}/api/terraform/state/workspace/WORKSPACE/buildingblock/BUILDINGBLOCK"),
        |name| format!("did you mean {base}{}? See that no proxy in between changes the path", name.path()),
    );
    let detail = format!("there is nothing at this path; {address}");
    problem(
        StatusCode::BAD_REQUEST,
        ErrorCode::BadAddress,
        &detail,
        Map::new(),
    )
    .finish_problem()
}

/// Whether a client asks for pages by their name, as browsers do and no program that keeps states
/// does.
fn accepts_pages(request: &HttpRequest) -> bool {
    let lists = request
        .headers()
        .get_all(ACCEPT)
        .filter_map(|value| value.to_str().ok());
    lists.flat_map(|list| list.split(',')).any(|kind| {
        let mut parts = kind.split(';').map(|part| part.trim().to_ascii_lowercase());
        let is_page = parts.next().is_some_and(|name| name == "text/html");
        // Named with the weight 0, it is not wanted.
        is_page
            && !parts.any(|weight| {
                weight
                    .strip_prefix("q=")
                    .and_then(|weight| weight.parse::<f32>().ok())
                    .is_some_and(|weight| weight <= 0.0)
            })
    })
}

/// The state that a path seems to mean, whatever stands around it.
fn state_in(path: &str) -> Option<StateName> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let named = parts.windows(4).find(|four| {
        four[0].eq_ignore_ascii_case("workspace") && four[2].eq_ignore_ascii_case("buildingblock")
    })?;
    StateName::parse(named[1], named[3]).ok()
}

/// A method that a path does not offer.
pub(in crate::http) fn method_not_allowed(allow: &str) -> HttpResponse {
    let detail = format!("this path offers {allow}");
    let mut problem = problem(
        StatusCode::METHOD_NOT_ALLOWED,
        ErrorCode::MethodNotAllowed,
        &detail,
        Map::new(),
    );
    problem.builder.insert_header((ALLOW, allow));
    problem.finish_problem()
}
