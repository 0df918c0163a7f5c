//! What lies in `static/`: nothing inline, nothing from elsewhere, nothing that nobody knows of.

use super::{PARTS, part};

/// The one address that may appear: the name of the SVG language, which nobody fetches.
const SVG_NAMESPACE: &str = "xmlns=\"http://www.w3.org/2000/svg\"";

/// What the policy forbids or what takes text for markup, in lower case.
const FORBIDDEN: [&str; 17] = [
    "://",
    "src=\"//",
    "href=\"//",
    "url(",
    "@import",
    "<style",
    " style=",
    "javascript:",
    "data:",
    "<iframe",
    "<object",
    "<embed",
    "<base",
    "innerhtml",
    "insertadjacenthtml",
    "document.write",
    "eval(",
];

/// Everything in a part of the page that should not be there.
fn faults(text: &str) -> Vec<String> {
    let text = text.replace(SVG_NAMESPACE, "").to_lowercase();
    let mut faults: Vec<String> = FORBIDDEN
        .iter()
        .filter(|word| text.contains(**word))
        .map(|word| (*word).to_owned())
        .collect();
    let scripts = text.split("<script").skip(1).filter(|rest| {
        let (tag, rest) = rest.split_once('>').unwrap_or((rest, ""));
        !tag.contains(" src=") || !rest.starts_with("</script>")
    });
    faults.extend(
        scripts.map(|rest| format!("inline <script{}", rest.lines().next().unwrap_or_default())),
    );
    let tags = text
        .split('<')
        .skip(1)
        .filter_map(|rest| rest.split_once('>'))
        .map(|(tag, _)| tag);
    let handlers = tags
        .flat_map(str::split_whitespace)
        .filter(|word| word.starts_with("on") && word.contains('='));
    faults.extend(
        handlers
            .filter(|word| word.contains('"'))
            .map(|word| format!("inline handler {word}")),
    );
    faults
}

#[test]
fn no_part_has_anything_inline_or_from_elsewhere() {
    for (_, file, _) in PARTS {
        assert_eq!(faults(&part(file)), Vec::<String>::new(), "static/{file}");
    }
}

/// A control: the search finds what it is there to find.
#[test]
fn faults_are_found() {
    for bad in [
        "<script>alert(1)</script>",
        "<script src=\"app.js\">alert(1)</script>",
        "<p style=\"color: red\">",
        "<style>p {}</style>",
        "<body onload=\"go()\">",
        "<img src=\"https://example.com/x.png\">",
        "<img src=\"//example.com/x.png\">",
        "p { background: url(x.png) }",
        "@import 'x.css';",
        "element.innerHTML = text;",
    ] {
        assert_ne!(faults(bad), Vec::<String>::new(), "{bad}");
    }
}

#[test]
fn every_file_is_a_part_of_the_page() {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("static");
    let mut found: Vec<String> = dir
        .read_dir()
        .expect("static/ exists")
        .map(|entry| {
            entry
                .expect("readable")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    found.sort_unstable();
    let mut known = PARTS.map(|(_, file, _)| file.to_owned());
    known.sort_unstable();
    assert_eq!(
        found, known,
        "each file in static/ goes into the binary: name it in PARTS and serve it, or remove it"
    );
}

#[test]
fn the_page_can_be_read_by_everyone() {
    let page = part("index.html");
    for needed in [
        "<html lang=\"en\">",
        "name=\"viewport\"",
        "aria-live=\"polite\"",
        "<noscript>",
        "href=\"readyz\"",
        "<h1 ",
        "<main ",
    ] {
        assert!(page.contains(needed), "index.html has no {needed}");
    }
    let style = part("style.css");
    for needed in [
        "prefers-color-scheme: dark",
        "@media print",
        "forced-colors",
        "scripting: none",
        ":focus-visible",
    ] {
        assert!(style.contains(needed), "style.css has no {needed}");
    }
}
