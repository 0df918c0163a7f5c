//! From errors to answers: the code of each error, and all that its answer says beside it.

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};
use serde_json::{Value, json};

use crate::domain::error::refusals::{NoRollback, NotTransferred};
use crate::domain::error::{Error, whole_seconds};
use crate::http::wire::headers::REJECTED_VERSION;
use crate::http::wire::problem::{ProblemDetails, lock_conflict};
use crate::http::wire::status;
use crate::model::error_code::ErrorCode;

/// The ways to prove who one is, as a 401 offers them.
const BASIC: &str = "Basic realm=\"statekeep\", charset=\"UTF-8\"";
pub(in crate::http) const BEARER: &str = "Bearer realm=\"statekeep\"";
/// How many seconds a client waits before it tries again when the server has much to do.
const RETRY_SOON: u64 = 2;

/// Why a request is not answered with what it asked for.
#[derive(Debug, thiserror::Error)]
pub(in crate::http) enum ApiError {
    /// The domain says so.
    #[error(transparent)]
    Domain(#[from] Error),
    /// The domain says so while a body comes, the rest of which is not read.
    #[error(transparent)]
    AmidBody(Error),
    /// The body trickles.
    #[error("the body came too slowly; nothing was done, send it again")]
    SlowBody,
    /// As many logins as one address may send are being read.
    #[error(
        "too many logins from this address are being sent at the same time; nothing was done, try \
        again"
    )]
    TooManyLogins,
    /// A client behind a trusted proxy has its share of requests under way.
    #[error("this address has too many requests under way; nothing was done, try again")]
    TooManyConnections,
}

/// What the log says of a failure beside what the client is told.
pub(in crate::http) struct FailureReason(pub(in crate::http) String);

/// Why a request was refused with 401 or 403, for its line in the log and for the event; the client
/// is not told.
pub(in crate::http) struct AccessRefused {
    /// `missing`, `malformed`, `unknown`, `expired`, `revoked` or `rotated` with 401, `scope`,
    /// `permission` or `cross_origin` with 403.
    pub(in crate::http) reason: &'static str,
    /// The key that credentials which are not good belong to.
    pub(in crate::http) key: Option<String>,
}

impl AccessRefused {
    /// A browser sent it for a page of another origin. Nobody has looked at its credentials.
    pub(in crate::http) const CROSS_ORIGIN: Self = Self {
        reason: "cross_origin",
        key: None,
    };

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

/// The code of an error.
fn code_of(error: &Error) -> ErrorCode {
    use ErrorCode as Code;

    match error {
        Error::Unauthorized(_) => Code::Unauthorized,
        Error::TooManyFailures(_) => Code::TooManyFailures,
        Error::TooManyTokens(_) => Code::TooManyTokens,
        Error::QuotaExceeded { .. } => Code::QuotaExceeded,
        Error::RateExceeded { .. } => Code::RateExceeded,
        Error::TooManyRequests(_) => Code::TooManyRequests,
        Error::TooManyAtOnce(_) => Code::TooManyAtOnce,
        Error::TooManyLocks { .. } => Code::TooManyLocks,
        Error::CredentialsBusy => Code::CredentialsBusy,
        Error::Denied(_) | Error::OutOfScope(_) => Code::Forbidden,
        Error::OutputsUnavailable(_) => Code::OutputsUnavailable,
        Error::NoState(_) => Code::NoState,
        Error::NoVersion(..) | Error::VersionGone(..) => Code::NoVersion,
        Error::NoResource(..) => Code::NoResource,
        Error::NoLock(_) => Code::NoLock,
        Error::StaleLockId(_) => Code::StaleLockId,
        Error::NoTransfer(_) => Code::NoTransfer,
        Error::NoPolicy(_) => Code::NoPolicy,
        Error::NeedsApproval(_) => Code::NeedsApproval,
        Error::NoApproval(_) => Code::NoApproval,
        Error::TooManyApprovals(_) => Code::TooManyApprovals,
        Error::PruneRunning => Code::PruneRunning,
        Error::ClockInDoubt(_) => Code::ClockInDoubt,
        Error::NoEvent(_) => Code::NoEvent,
        Error::NoKey => Code::NoKey,
        Error::Moved { .. } => Code::Moved,
        Error::Transferred { .. } => Code::Transferred,
        Error::Purged(..) => Code::Purged,
        Error::Invalid { code, .. } | Error::TooLarge { code, .. } => *code,
        Error::NotImported(_, why) => why.code(),
        Error::NotPurged { why, .. } => why.code(),
        Error::KeyEnded => Code::KeyEnded,
        Error::NameTaken { .. } => Code::NameTaken,
        Error::AddressTaken(_) => Code::AddressTaken,
        Error::NotTransferred(why) => why.code(),
        Error::NoRollback(why) => why.code(),
        Error::NotBackedUp(why) => why.code(),
        Error::VerifyRuns => Code::VerifyRuns,
        Error::Locked(_) => Code::Locked,
        Error::OverBudget | Error::OverShare => Code::OverMemoryBudget,
        Error::QueueFull => Code::QueueFull,
        Error::ShuttingDown => Code::ShuttingDown,
        Error::DiskFull => Code::DiskFull,
        Error::Damaged(_) => Code::Damaged,
        Error::Internal(_) => Code::Internal,
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Domain(error) | Self::AmidBody(error) => status::of(code_of(error)),
            Self::SlowBody => status::of(ErrorCode::SlowBody),
            Self::TooManyLogins => status::of(ErrorCode::TooManyLogins),
            Self::TooManyConnections => status::of(ErrorCode::TooManyConnections),
        }
    }

    fn error_response(&self) -> HttpResponse {
        let detail = self.to_string();
        match self {
            Self::Domain(Error::Locked(lock)) => lock_conflict(StatusCode::LOCKED, lock),
            Self::Domain(error) => noted(of_domain(error, &detail).finish(), error),
            Self::AmidBody(error) => of_domain(error, &detail).force_close().finish(),
            Self::SlowBody => ProblemDetails::new(ErrorCode::SlowBody, &detail)
                .force_close()
                .finish(),
            Self::TooManyLogins => come_again(ErrorCode::TooManyLogins, &detail),
            Self::TooManyConnections => come_again(ErrorCode::TooManyConnections, &detail),
        }
    }
}

fn come_again(code: ErrorCode, detail: &str) -> HttpResponse {
    ProblemDetails::new(code, detail)
        .header((RETRY_AFTER, RETRY_SOON))
        .finish()
}

fn of_domain(error: &Error, detail: &str) -> ProblemDetails {
    let code = code_of(error);
    let mut problem = ProblemDetails::new(code, detail);
    if let Error::Unauthorized(_) = error {
        let challenges = [BASIC, BEARER].map(|challenge| (WWW_AUTHENTICATE, challenge));
        problem = challenges.into_iter().fold(problem, ProblemDetails::header);
    }
    if let Some(seconds) = retry_after(error, status::of(code)) {
        problem = problem.header((RETRY_AFTER, seconds));
    }
    match member(error) {
        Some((name, value)) => problem.member(name, value),
        None => problem,
    }
}

/// How many seconds the client waits before it tries again.
fn retry_after(error: &Error, status: StatusCode) -> Option<u64> {
    if let Error::TooManyFailures(wait) = error {
        return Some(whole_seconds(*wait));
    }
    if let Error::RateExceeded { wait, .. } = error {
        return Some(*wait);
    }
    let is_busy = status == StatusCode::TOO_MANY_REQUESTS;
    (is_busy || status == StatusCode::SERVICE_UNAVAILABLE).then_some(RETRY_SOON)
}

/// The member of a problem beside its code, for programs.
fn member(error: &Error) -> Option<(&'static str, Value)> {
    if let Error::Moved { to, .. } = error {
        let address = to.path();
        return Some((
            "moved_to",
            json!({ "workspace": to.workspace, "buildingBlock": to.block, "address": address }),
        ));
    }
    if let Error::Transferred { to, .. } | Error::NotTransferred(NotTransferred::Begun(to)) = error
    {
        return Some(("to", json!(to)));
    }
    if let Error::QuotaExceeded { kind, .. } = error {
        return Some(("quota", json!(kind.name())));
    }
    if let Error::NeedsApproval(approval) = error {
        return Some(("approval", json!(approval)));
    }
    if let Error::NoRollback(NoRollback::NotCurrent { current, .. }) = error {
        return Some(("current", json!(current)));
    }
    if let Error::NotTransferred(NotTransferred::NotCurrent { current, .. }) = error {
        return Some(("current", json!(current)));
    }
    None
}

/// Notes on an answer the part of an error that the client is not told.
fn noted(mut response: HttpResponse, error: &Error) -> HttpResponse {
    let mut extensions = response.extensions_mut();
    if let Error::Internal(reason) | Error::Damaged(reason) = error {
        extensions.insert(FailureReason(reason.clone()));
    }
    if let Some(refused) = AccessRefused::because(error) {
        extensions.insert(refused);
    }
    drop(extensions);
    response
}

/// A state that was refused though it is valid: why, and the number that it is kept under.
pub(in crate::http) fn refused(code: ErrorCode, why: &str, kept: u64) -> HttpResponse {
    let detail = format!(
        "{why}; nothing was overwritten, and what was sent is kept as version {kept} \
        (GET …/versions/{kept}): read the state again before you write"
    );
    with_kept(ProblemDetails::new(code, &detail), kept)
}

/// A valid state by a key that may not write it: why, and the number that it is kept under.
pub(in crate::http) fn denied(why: &Error, kept: u64) -> HttpResponse {
    let detail = format!(
        "{why}; nothing was overwritten, and what was sent is kept as version {kept}, which a \
        rollback makes current"
    );
    noted(
        with_kept(ProblemDetails::new(code_of(why), &detail), kept),
        why,
    )
}

fn with_kept(problem: ProblemDetails, kept: u64) -> HttpResponse {
    problem
        .member("rejected_version", json!(kept))
        .header((REJECTED_VERSION, kept))
        .finish()
}

/// A method that a path does not offer.
pub(in crate::http) fn method_not_allowed(allow: &str) -> HttpResponse {
    let detail = format!("this path offers {allow}");
    ProblemDetails::new(ErrorCode::MethodNotAllowed, &detail)
        .header((ALLOW, allow))
        .finish()
}
