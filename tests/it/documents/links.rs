//! Every relative link in the documents leads to a file that is there, and to a heading of it.

use std::collections::BTreeMap;
use std::path::Path;

use super::{documents, markdown};

/// Paths of the crate, in the page that is the crate's front page: `rustdoc` checks these.
fn is_for_rustdoc(path: &str, link: &str) -> bool {
    path.starts_with("src/") && !link.contains(['.', '#', '/'])
}

/// What leads nowhere. `exists` tells whether a path of the tree is there.
fn judge(tree: &BTreeMap<String, String>, exists: impl Fn(&str) -> bool) -> Vec<String> {
    let mut findings = Vec::new();
    for (path, text) in tree {
        for (line, link) in markdown::links(text) {
            let is_elsewhere = link.contains("://") || link.starts_with("mailto:");
            if is_elsewhere || is_for_rustdoc(path, &link) {
                continue;
            }
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = if file.is_empty() {
                path.clone()
            } else {
                resolved(path, file)
            };
            if !exists(&target) {
                findings.push(format!("{path}:{line}: `{link}` leads to no file"));
            } else if !anchor.is_empty() && !has_anchor(tree, &target, anchor) {
                findings.push(format!("{path}:{line}: `{link}` leads to no heading"));
            }
        }
    }
    findings
}

/// The path of the tree that a link in a file means.
fn resolved(from: &str, link: &str) -> String {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

fn has_anchor(tree: &BTreeMap<String, String>, path: &str, anchor: &str) -> bool {
    tree.get(path)
        .is_some_and(|text| markdown::anchors(text).iter().any(|known| known == anchor))
}

#[test]
fn every_relative_link_leads_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tree = documents();
    let links: usize = tree.values().map(|text| markdown::links(text).len()).sum();
    assert!(links > 50, "only {links} links were found");
    let findings = judge(&tree, |path| root.join(path).exists());
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

#[test]
fn a_link_that_leads_nowhere_is_found() {
    let text = "# Here\n[a](docs/b.md#there) [b](docs/gone.md)\n[c](docs/b.md#gone) [d](#here)\n\
        [e](#away) [f](https://example.com/x) [g](docs)\n";
    let tree = BTreeMap::from([
        ("a.md".to_owned(), text.to_owned()),
        (
            "docs/b.md".to_owned(),
            "## There\n[a](../a.md#here) [b](a.md)\n".to_owned(),
        ),
    ]);
    let there = ["a.md", "docs/b.md", "docs"];
    let findings = judge(&tree, |path| there.contains(&path));
    let expected = [
        "a.md:2: `docs/gone.md` leads to no file",
        "a.md:3: `docs/b.md#gone` leads to no heading",
        "a.md:4: `#away` leads to no heading",
        "docs/b.md:2: `a.md` leads to no file",
    ];
    assert_eq!(findings, expected);
}
