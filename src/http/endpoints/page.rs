//! The page, inside the binary. It loads nothing from elsewhere, and shows what the API answers to
//! its reader's own key.
//!
//! Its files stand below a hash of all of them. So a browser keeps them for good, and never mixes
//! the files of two versions.

use std::sync::LazyLock;

use actix_web::http::header::{CACHE_CONTROL, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};
use rust_embed::Embed;

use crate::http::wire::unknown::not_found;
use crate::model::digest::{Digest, Hasher};

#[derive(Embed)]
#[folder = "static"]
struct Files;

const INDEX: &str = "index.html";
/// How the page names its files; the hash is put in when it is served.
const PLACE: &str = "\"assets/";
/// The bytes below this path never change.
const FOR_GOOD: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// The hash of all files, with their names.
static VERSION: LazyLock<Digest> = LazyLock::new(|| {
    let mut names: Vec<_> = Files::iter().collect();
    names.sort_unstable();
    let mut hasher = Hasher::default();
    for name in names {
        let file = Files::get(&name).map_or([0; 32], |file| file.metadata.sha256_hash());
        hasher.update(Digest::of(name.as_bytes()).as_bytes());
        hasher.update(&file);
    }
    hasher.finish()
});

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("txt") => "text/plain; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    }
}

/// The page itself, which nobody keeps: it names the files of this version.
pub(in crate::http) async fn index(request: HttpRequest) -> HttpResponse {
    let Some(file) = Files::get(INDEX) else {
        return not_found(&request);
    };
    let page = String::from_utf8_lossy(&file.data);
    HttpResponse::Ok()
        .content_type(content_type(INDEX))
        .body(page.replace(PLACE, &format!("{PLACE}{}/", *VERSION)))
}

/// A file of the page, below the hash of this version.
pub(in crate::http) async fn file(request: HttpRequest) -> HttpResponse {
    let part = |name| request.match_info().get(name).unwrap_or_default();
    let name = match part("folder") {
        "" => part("file").to_owned(),
        folder => format!("{folder}/{}", part("file")),
    };
    // The page has one address.
    let is_known = part("hash") == VERSION.to_string() && name != INDEX;
    match is_known.then(|| Files::get(&name)).flatten() {
        Some(file) => HttpResponse::Ok()
            .content_type(content_type(&name))
            .insert_header((CACHE_CONTROL, FOR_GOOD))
            .body(file.data.into_owned()),
        None => not_found(&request),
    }
}
