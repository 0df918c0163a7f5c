//! The page, as a browser sees it and as it goes over the wire.
//!
//! `files` looks at what lies in `static/`, `headers` at what the server sends with it, `shown` at
//! what real Chromium makes of it. `cross_origin` is about pages of others.
//!
//! The other files visit the page: a `visitor` reads, clicks and types by what a person sees,
//! through the `driver`. They try `views`, `one_state`, `find`, `made_of`, `guarded`, `allowed`,
//! `told`, `digits`, `canary`, `keyboard`, `day` and `fluid`; `noticed` tries the visitor.

mod allowed;
mod browser;
mod canary;
mod cross_origin;
mod day;
mod dead;
mod digits;
mod driver;
mod files;
mod find;
mod fluid;
mod guarded;
mod headers;
mod keyboard;
mod made_of;
mod noticed;
mod one_state;
mod shown;
mod story;
mod stub;
mod told;
mod views;
mod visitor;

use std::path::{Path, PathBuf};

use crate::harness::Server;

/// The policy that every part of the page is sent with: nothing inline, nothing from elsewhere, no
/// text taken for markup, in nobody's frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'; trusted-types 'none'";

/// The page itself, in `static/`.
const INDEX: &str = "index.html";
/// How the page names its files in `static/`. The server puts a hash of all files behind it.
const PLACE: &str = "\"assets/";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("static")
}

/// A file of `static/`, as it lies there.
fn part(file: &str) -> String {
    let path = root().join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The names of all files in `static/` and in its folders, sorted.
fn files() -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir().expect("static/ can be read") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(root()).expect("below static/");
                found.push(name.to_string_lossy().into_owned());
            }
        }
    }
    found.sort_unstable();
    found
}

/// The content type of a file of the page.
fn kind(file: &str) -> &'static str {
    match file.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html",
        "css" => "text/css",
        "js" => "text/javascript",
        "svg" => "image/svg+xml",
        "txt" => "text/plain",
        _ => panic!("static/{file} has no content type: name it here and in the server"),
    }
}

/// Each file below the page: its path on this server, and its name in `static/`.
fn below(server: &Server) -> Vec<(String, String)> {
    let page = server.anonymous().get("/").expect_status(200).text();
    let (_, rest) = page.split_once(PLACE).expect("the page names its files");
    let hash = rest.split('/').next().unwrap_or_default().to_owned();
    let places = files().into_iter().filter(|file| file != INDEX);
    places
        .map(|file| (format!("/assets/{hash}/{file}"), file))
        .collect()
}
