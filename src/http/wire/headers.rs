//! The headers of answers that are ours, and the page's policy, which all answers carry. And what a
//! request's own headers say of its body.

use actix_web::HttpRequest;
use actix_web::http::header::{CONTENT_LENGTH, HeaderName};

/// The number of the version that an answer is about.
pub(in crate::http) const VERSION: HeaderName = HeaderName::from_static("statekeep-version");
/// The number under which a refused state is kept.
pub(in crate::http) const REJECTED_VERSION: HeaderName =
    HeaderName::from_static("statekeep-rejected-version");
/// The code of an answer whose body is a lock.
pub(in crate::http) const CODE: HeaderName = HeaderName::from_static("statekeep-code");
/// The id that ties an answer to its line in the log and to its events.
pub(in crate::http) const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
/// Which data answers. A client learns from it whether two addresses are the same server.
pub(in crate::http) const INSTANCE: HeaderName = HeaderName::from_static("statekeep-instance");
/// The state of an address, in the one spelling of its name.
pub(in crate::http) const STATE: HeaderName = HeaderName::from_static("statekeep-state");

/// The rights of the page: it may load its own files and ask its own server, nothing else.
pub(in crate::http) const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; \
    style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/// How many bytes the body of a request has, by what its client says; 0 if it does not say.
pub(in crate::http) fn announced_length(request: &HttpRequest) -> u64 {
    let length = request.headers().get(CONTENT_LENGTH);
    length
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .unwrap_or(0)
}
