//! Paths that no route has. A browser is told 404, a program the address that it may have meant.

use actix_web::http::header::ACCEPT;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use crate::domain::Domain;
use crate::http::wire::problem::ProblemDetails;
use crate::model::error_code::ErrorCode;
use crate::model::name::StateName;

/// Answers a path that no route has.
pub(in crate::http) async fn path(request: HttpRequest) -> HttpResponse {
    not_found(&request)
}

/// A path where nothing is.
///
/// Only a browser gets 404, and only outside the API and below no address that looks like a
/// state's: Terraform takes 404 for "no state" and makes everything again. A program gets 400 with
/// the address that it may have meant.
pub(in crate::http) fn not_found(request: &HttpRequest) -> HttpResponse {
    let path = request.path();
    if !is_like_the_api(path) && accepts_pages(request) {
        let detail = "there is nothing at this path; the page is at /";
        return ProblemDetails::new(ErrorCode::NotFound, detail).finish();
    }
    let domain = request.app_data::<Data<Domain>>();
    let base = domain.map_or("", |domain| domain.status().base_url());
    let address = match state_in(path) {
        Some(name) => format!(
            "did you mean {base}{}? See that no proxy in between changes the path",
            name.path()
        ),
        None => format!(
            "a state's address is {base}/api/terraform/state/workspace/WORKSPACE\
            /buildingblock/BUILDINGBLOCK"
        ),
    };
    let detail = format!("there is nothing at this path; {address}");
    ProblemDetails::new(ErrorCode::BadAddress, &detail).finish()
}

/// Whether a path is one of the API or of a state but for its spelling, or what stands before it.
fn is_like_the_api(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let is_state = |three: &[&str]| three[0] == "workspace" && three[2] == "buildingblock";
    parts.iter().any(|part| part.starts_with("api"))
        || parts.contains(&"terraform")
        || parts.windows(3).any(is_state)
}

/// Whether a client asks for pages by their name, as browsers do and no program that keeps states
/// does.
pub(in crate::http) fn accepts_pages(request: &HttpRequest) -> bool {
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

/// The state that a path seems to mean, with anything before or behind it.
fn state_in(path: &str) -> Option<StateName> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let named = parts.windows(4).find(|four| {
        four[0].eq_ignore_ascii_case("workspace") && four[2].eq_ignore_ascii_case("buildingblock")
    })?;
    StateName::parse(named[1], named[3]).ok()
}
