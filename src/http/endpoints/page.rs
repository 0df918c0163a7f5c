//! The page, inside the binary. It loads nothing from elsewhere, and shows what the API answers to
//! its reader's own key.
//!
//! Its files stand below a hash of all of them. So a browser keeps them for good, and never mixes
//! the files of two versions. They are compressed once, when the first of them is asked for.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io::Write as _;
use std::path::Path;
use std::sync::LazyLock;

use actix_web::http::header::{
    AcceptEncoding, CACHE_CONTROL, CONTENT_ENCODING, Encoding, Header as _, HeaderValue, VARY,
};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use flate2::Compression;
use flate2::write::GzEncoder;
use rust_embed::Embed;

use crate::http::wire::unknown::not_found;
use crate::model::digest::{Digest, Hasher};

#[derive(Embed)]
#[folder = "static"]
struct Files;

const INDEX: &str = "index.html";
/// How the page names its files; the hash is put in when it is served.
const PLACE: &str = "\"assets/";
/// What is not ours is served byte for byte.
const VENDORED: &str = "vendor/";
/// The bytes below this path never change.
const FOR_GOOD: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// A file of the page, as it goes over the wire.
struct Part {
    content_type: &'static str,
    plain: Bytes,
    gzip: Bytes,
}

/// All files by their names.
static PARTS: LazyLock<HashMap<String, Part>> = LazyLock::new(|| {
    let part = |name: &str| {
        let bytes = Files::get(name)?.data.into_owned();
        let plain = match name {
            INDEX => with_hash(&bytes),
            _ if name.starts_with(VENDORED) => bytes,
            _ => without_comments(name, &bytes),
        };
        let gzip = gzipped(&plain)?;
        Some(Part {
            content_type: content_type(name),
            plain: plain.into(),
            gzip: gzip.into(),
        })
    };
    let named = |name: &str| part(name).map(|part| (name.to_owned(), part));
    Files::iter().filter_map(|name| named(&name)).collect()
});

/// The page with the hash in the addresses of its files.
fn with_hash(page: &[u8]) -> Vec<u8> {
    let page = String::from_utf8_lossy(page);
    let place = format!("{PLACE}{}/", *VERSION);
    page.replace(PLACE, &place).into_bytes()
}

/// How a comment of a sheet begins.
const SHEET: &str = "/*";

/// A script or a sheet without the lines that are comments, and a sheet without what indents its
/// lines: they are for people who read the sources, and a tenth of what browsers would load. Line
/// by line, so that what a browser says of line 7 is about line 7 of the source. Other files stay
/// as they are.
fn without_comments(name: &str, bytes: &[u8]) -> Vec<u8> {
    let opens = match Path::new(name).extension().and_then(OsStr::to_str) {
        Some("js") => "/**",
        Some("css") => SHEET,
        Some(_) | None => return bytes.to_vec(),
    };
    let mut is_open = false;
    let kept = |line: &str| {
        let text = line.trim();
        is_open |= text.starts_with(opens);
        let is_comment = is_open || text.starts_with("//");
        is_open &= !text.ends_with("*/");
        match opens {
            _ if is_comment => "\n".to_owned(),
            SHEET => format!("{text}\n"),
            _ => format!("{line}\n"),
        }
    };
    let text = String::from_utf8_lossy(bytes);
    text.lines().map(kept).collect::<String>().into_bytes()
}

/// The bytes as gzip. Memory takes all of them, so there is no error in practice.
fn gzipped(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).ok()?;
    encoder.finish().ok()
}

impl Part {
    /// Fills an answer with the file, compressed if the client takes that.
    fn fill(&self, request: &HttpRequest, mut answer: HttpResponseBuilder) -> HttpResponse {
        answer.content_type(self.content_type);
        answer.insert_header((VARY, HeaderValue::from_static("Accept-Encoding")));
        let ways = [Encoding::gzip(), Encoding::identity()];
        let takes = AcceptEncoding::parse(request).ok();
        let is_asked = request.headers().contains_key("Accept-Encoding");
        let way = takes.and_then(|takes| takes.negotiate(ways.iter()));
        if !is_asked || way != Some(Encoding::gzip()) {
            return answer.body(self.plain.clone());
        }
        answer.insert_header((CONTENT_ENCODING, HeaderValue::from_static("gzip")));
        answer.body(self.gzip.clone())
    }
}

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
    match PARTS.get(INDEX) {
        Some(part) => part.fill(&request, HttpResponse::Ok()),
        None => not_found(&request),
    }
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
    let Some(part) = is_known.then(|| PARTS.get(&name)).flatten() else {
        return not_found(&request);
    };
    let mut answer = HttpResponse::Ok();
    answer.insert_header((CACHE_CONTROL, FOR_GOOD));
    part.fill(&request, answer)
}
