//! What lies in `static/`: nothing inline, nothing from elsewhere, nothing that nobody knows of.

use super::{INDEX, PLACE, files, kind, part};
use crate::samples::sha256 as sha256_of;

/// The one address that may appear: the name of the SVG language, which nobody fetches.
const SVG_NAMESPACE: &str = "xmlns=\"http://www.w3.org/2000/svg\"";

/// What the policy forbids or what takes text for markup, in lower case.
const FORBIDDEN: [&str; 18] = [
    "://",
    "src=\"//",
    "href=\"//",
    "url(",
    "@import",
    "<style",
    " style=\"",
    "javascript:",
    "\"data:",
    "'data:",
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
    // An address that a script puts together is none that a sheet loads.
    let text = text.replace("new url(", "").replace("objecturl(", "");
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
            .filter(|word| word.contains("=\""))
            .map(|word| format!("inline handler {word}")),
    );
    faults
}

/// The one library, byte for byte as its package has it. It names the addresses of SVG and MathML
/// and knows `innerHTML`, which the policy's trusted types forbid.
const LIBRARY: (&str, &str) = (
    "vendor/preact-htm.js",
    "72284e8e9079c87817145df1110f74e8a2aa040b2fc384922e18dfcb46fc1fd7",
);

#[test]
fn no_part_has_anything_inline_or_from_elsewhere() {
    let own = files()
        .into_iter()
        .filter(|file| !file.starts_with("vendor/"));
    for file in own {
        assert_eq!(faults(&part(&file)), Vec::<String>::new(), "static/{file}");
    }
}

#[test]
fn the_library_is_the_one_that_was_looked_at_and_stands_with_its_licence() {
    let (file, sha256) = LIBRARY;
    assert_eq!(sha256_of(part(file).as_bytes()), sha256, "static/{file}");
    let licence = part("vendor/LICENSE.txt");
    for needed in ["htm 3.1.1", "Apache License", "The MIT License"] {
        assert!(licence.contains(needed), "{needed} is not in the licences");
    }
    let vendored = files()
        .into_iter()
        .filter(|file| file.starts_with("vendor/"));
    assert_eq!(
        vendored.count(),
        2,
        "a library more needs a look, and a line here"
    );
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

/// Without this list a browser would find out file by file what it needs.
#[test]
fn the_page_names_every_module_and_every_sheet() {
    let page = part(INDEX);
    for file in files() {
        let wanted = match kind(&file) {
            "text/javascript" if file == "app.js" => format!("src={PLACE}{file}\" type=\"module\""),
            "text/javascript" => format!("rel=\"modulepreload\" href={PLACE}{file}\""),
            "text/css" => format!("rel=\"stylesheet\" href={PLACE}{file}\""),
            _ => continue,
        };
        assert!(page.contains(&wanted), "index.html has no {wanted}");
    }
    for name in page.split(PLACE).skip(1) {
        let name = name.split('"').next().unwrap_or_default();
        assert!(
            files().iter().any(|file| file == name),
            "{name} is not there"
        );
    }
}

#[test]
fn every_file_opens_with_what_it_is_for_and_is_short() {
    for file in files() {
        let opens_with = match kind(&file) {
            _ if file.starts_with("vendor/") => continue,
            "text/javascript" => "// ",
            "text/css" => "/* ",
            _ => continue,
        };
        let text = part(&file);
        assert!(
            text.starts_with(opens_with),
            "static/{file} says nothing about itself"
        );
        assert!(text.lines().count() <= 500, "static/{file} is too long");
    }
}

#[test]
fn the_page_can_be_read_by_everyone() {
    let page = part(INDEX);
    for needed in [
        "<html lang=\"en\">",
        "name=\"viewport\"",
        "<noscript>",
        "href=\"readyz\"",
        "<h1>",
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
