//! The status page, inside the binary. It knows nothing about states, and loads nothing from
//! elsewhere.

use actix_web::{HttpRequest, HttpResponse};
use rust_embed::Embed;

use crate::http::wire::unknown::not_found;

#[derive(Embed)]
#[folder = "static"]
struct Files;

const INDEX: &str = "index.html";

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
