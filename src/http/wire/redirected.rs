//! Requests that a redirect brought here.
//!
//! A 301 or 302 turns a program's write into a read. The read succeeds, the program reports
//! success, and the state is lost. So a request of the state protocol is refused if it has a
//! `Referer`: Go's client sends one after a redirect, and neither program ever sends one by itself.
//! `init` fails then, before anything is made.

use actix_web::http::header::REFERER;
use actix_web::web::Data;
use actix_web::{HttpMessage as _, HttpRequest};

use crate::domain::Domain;
use crate::http::wire::credentials::{KnownAs, authenticate};
use crate::http::wire::error::ApiError;
use crate::http::wire::origin::origin_of;
use crate::http::wire::path;
use crate::http::wire::query::is_protocol;
use crate::model::error_code::ErrorCode;
use crate::model::name::StateName;

/// The longest part of the first address that is noted, in characters.
const MAX_FROM: usize = 200;

/// Refuses a request of the state protocol behind a redirect, and notes it for a person.
pub(in crate::http) async fn refuse(request: &HttpRequest) -> Result<(), ApiError> {
    if !is_protocol(request) || !request.headers().contains_key(REFERER) {
        return Ok(());
    }
    // Credentials may be missing: a redirect to another host loses them.
    let known = authenticate(request).await.is_ok();
    let Ok(name) = path::state(request) else {
        return Ok(());
    };
    let Some(domain) = request.app_data::<Data<Domain>>() else {
        return Ok(());
    };
    let extensions = request.extensions();
    let actor = extensions
        .get::<KnownAs>()
        .filter(|_| known)
        .map(|known| &known.0.actor);
    domain.events().note_redirected(
        actor,
        &origin_of(&extensions, request),
        &name,
        &from(request),
    );
    Err(ApiError::invalid(
        ErrorCode::Redirected,
        detail(domain.status().base_url(), &name),
    ))
}

fn detail(base_url: &str, name: &StateName) -> String {
    format!(
        "a redirect brought this request here, or a link: the request has a `Referer`. Behind a \
            redirect Terraform and OpenTofu lose a state while they \
         report success. Configure {base_url}{path} as `address` (and as `lock_address` and \
         `unlock_address`) itself",
        path = name.path()
    )
}

/// The address that was asked first, without parts that may be secret.
fn from(request: &HttpRequest) -> String {
    let text = request
        .headers()
        .get(REFERER)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let bare = text.split(['?', '#']).next().unwrap_or_default();
    let (scheme, rest) = bare.split_once("://").unwrap_or(("", bare));
    let (host, path) = rest
        .split_once('/')
        .map_or((rest, String::new()), |(host, path)| {
            (host, format!("/{path}"))
        });
    let host = host.rsplit('@').next().unwrap_or_default();
    let whole = if scheme.is_empty() {
        format!("{host}{path}")
    } else {
        format!("{scheme}://{host}{path}")
    };
    whole
        .chars()
        .filter(char::is_ascii_graphic)
        .take(MAX_FROM)
        .collect()
}
