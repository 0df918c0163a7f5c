//! What a browser may do here: look, and nothing that another page has told it to.
//!
//! A browser sends the credentials that it has for this server with the requests of any page. So a
//! request that may change something is refused if a page of another origin can have made it. And a
//! browser is never asked for a name and a password, so that it keeps none.

use actix_web::http::header::{HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN, WWW_AUTHENTICATE};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use crate::domain::Domain;
use crate::http::wire::error::{AccessRefused, BEARER};
use crate::http::wire::origin::is_behind_trusted_proxy;
use crate::http::wire::problem::ProblemDetails;
use crate::http::wire::unknown::accepts_pages;
use crate::model::error_code::ErrorCode;

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
/// The sites that a browser names if the page is of this server, or if a person typed the address.
const OWN_SITES: [&str; 2] = ["same-origin", "none"];

/// The refusal of a request that may change something and that another origin's page can have made.
pub(in crate::http) fn refused(request: &HttpRequest) -> Option<HttpResponse> {
    if request.method().is_safe() && request.method() != actix_web::http::Method::OPTIONS {
        return None;
    }
    comes_from_elsewhere(request).then(|| {
        let detail = "a page of another origin made the browser send this, so nothing was done; \
            if the page is of this server, start the server with its address as --base-url";
        let mut refusal = ProblemDetails::new(ErrorCode::CrossOrigin, detail).finish();
        refusal.extensions_mut().insert(AccessRefused::CROSS_ORIGIN);
        refusal
    })
}

/// Browsers say it in `Sec-Fetch-Site`, which no page can set, where the connection is safe;
/// elsewhere in `Origin`. Terraform, OpenTofu and curl send neither.
fn comes_from_elsewhere(request: &HttpRequest) -> bool {
    let headers = request.headers();
    if headers.contains_key(FETCH_SITE) {
        return !headers.get_all(FETCH_SITE).all(|site| {
            OWN_SITES
                .iter()
                .any(|own| site.as_bytes() == own.as_bytes())
        });
    }
    !headers
        .get_all(ORIGIN)
        .all(|origin| origin.to_str().is_ok_and(|origin| is_ours(request, origin)))
}

/// Whether an origin is where the client has reached this server: at the host that the request
/// names, or a trusted proxy names for it, or at `--base-url`.
fn is_ours(request: &HttpRequest, origin: &str) -> bool {
    let Some((scheme, host)) = origin.split_once("://") else {
        return false;
    };
    let named = |name: &HeaderName| {
        let mut values = request.headers().get_all(name);
        let only = values.next().filter(|_| values.next().is_none());
        only.and_then(|value| value.to_str().ok())
            .is_some_and(|value| same_host(scheme, host, value))
    };
    let is_base = || {
        let domain = request.app_data::<Data<Domain>>();
        let base = domain.map_or("", |domain| domain.status().base_url());
        let (base_scheme, rest) = base.split_once("://").unwrap_or_default();
        let base_host = rest.split('/').next().unwrap_or_default();
        scheme.eq_ignore_ascii_case(base_scheme) && same_host(scheme, host, base_host)
    };
    let is_forwarded = || is_behind_trusted_proxy(request) && named(&FORWARDED_HOST);
    named(&HOST) || is_base() || is_forwarded()
}

/// Whether two hosts are the same for a scheme, whose own port may be left out.
fn same_host(scheme: &str, one: &str, other: &str) -> bool {
    let usual = if scheme.eq_ignore_ascii_case("https") {
        ":443"
    } else {
        ":80"
    };
    let bare = |host: &str| {
        let host = host.trim().to_ascii_lowercase();
        host.strip_suffix(usual).unwrap_or(&host).to_owned()
    };
    !one.is_empty() && bare(one) == bare(other)
}

/// Leaves Basic out of what a 401 offers to a browser, which would ask a person, keep the password
/// and send it with the requests of other pages.
pub(in crate::http) fn offer_no_password(request: &HttpRequest, answer: &mut HeaderMap) {
    let sent = request.headers();
    let is_browser = [FETCH_SITE, FETCH_MODE, ORIGIN]
        .iter()
        .any(|name| sent.contains_key(name))
        || accepts_pages(request);
    if is_browser && answer.contains_key(WWW_AUTHENTICATE) {
        answer.insert(WWW_AUTHENTICATE, HeaderValue::from_static(BEARER));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_the_same_with_and_without_the_usual_port() {
        for (scheme, one, other, same) in [
            ("https", "state.example", "state.example", true),
            ("https", "state.example", "State.Example:443", true),
            ("http", "state.example", "state.example:80", true),
            ("http", "127.0.0.1:8090", "127.0.0.1:8090", true),
            ("http", "[::1]:8090", "[::1]:8090", true),
            ("http", "127.0.0.1:8090", "127.0.0.1:8091", false),
            ("http", "127.0.0.1", "127.0.0.1:443", false),
            ("https", "state.example", "state.example.evil", false),
            ("https", "state.example", "evil.state.example", false),
            ("https", "", "", false),
        ] {
            assert_eq!(
                same_host(scheme, one, other),
                same,
                "{scheme} {one} {other}"
            );
        }
    }
}
