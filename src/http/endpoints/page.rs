//! The status page, inside the binary. It knows nothing about states, and loads nothing from
//! elsewhere.

use actix_web::{HttpRequest, HttpResponse};
use rust_embed::Embed;

use crate::http::wire::error::not_found;

#[derive(Embed)]
#[folder = "static"]
struct Files;

const INDEX: &str = "index.html";

/// What the page may do: load its own files, ask its own server, nothing else.
pub(in crate::http) const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src \
    'self'; img-src 'self'; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    }
}

pub(in crate::http) async fn file(request: HttpRequest) -> HttpResponse {
    let name = match request.match_info().get("file") {
        None | Some("") => INDEX,
        // The page has one address.
        Some(INDEX) => return not_found(&request),
        Some(name) => name,
    };
    match Files::get(name) {
        Some(file) => HttpResponse::Ok()
            .content_type(content_type(name))
            .body(file.data.into_owned()),
        None => not_found(&request),
    }
}
