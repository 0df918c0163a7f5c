//! The status page, as a browser sees it and as it goes over the wire.
//!
//! `files` looks at what lies in `static/`, `headers` at what the server sends with it, `shown` at
//! what real Chromium makes of it. `cross_origin` is about pages of others.

mod browser;
mod cross_origin;
mod files;
mod headers;
mod shown;
mod stub;

/// The policy that every part of the page is sent with: nothing inline, nothing from elsewhere, in
/// nobody's frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The parts of the page: path, file in `static/`, content type.
const PARTS: [(&str, &str, &str); 4] = [
    ("/", "index.html", "text/html"),
    ("/style.css", "style.css", "text/css"),
    ("/app.js", "app.js", "text/javascript"),
    ("/icon.svg", "icon.svg", "image/svg+xml"),
];

/// A file of `static/`, as it lies there.
fn part(file: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("static")
        .join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
