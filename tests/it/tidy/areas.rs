//! The second table: which area of `domain` may use which, how large `Domain` itself may be, and
//! that endpoints do not know each other.

use super::imports::Crate;
use super::matching::{File, body};
use super::open::Open;

/// What each area of `domain` may use of the others.
const AREAS: [(&str, &[&str]); 16] = [
    ("error", &[]),
    ("access", &["engine", "error"]),
    ("engine", &["error"]),
    ("events", &["engine", "access", "error"]),
    ("content", &["engine", "error"]),
    ("quotas", &["engine", "access", "error"]),
    ("approvals", &["engine", "access", "error"]),
    ("hooks", &["engine", "access", "error"]),
    ("sealing", &["content", "engine", "access", "error"]),
    (
        "states",
        &["content", "engine", "events", "access", "error", "quotas"],
    ),
    (
        "history",
        &[
            "states",
            "content",
            "engine",
            "events",
            "access",
            "error",
            "quotas",
            "approvals",
        ],
    ),
    ("mirror", &["content", "engine", "error"]),
    (
        "auth",
        &["engine", "events", "access", "error", "approvals"],
    ),
    (
        "retention",
        &[
            "content",
            "engine",
            "access",
            "events",
            "error",
            "approvals",
        ],
    ),
    (
        "integrity",
        &["content", "engine", "access", "events", "error"],
    ),
    (
        "backups",
        &[
            "integrity",
            "auth",
            "content",
            "engine",
            "access",
            "events",
            "error",
        ],
    ),
];

/// These see everything, `Domain` too: they tell how all of it is, and keep it going.
const ABOVE_ALL: [&str; 3] = ["keeping", "status", "upkeep"];

const MAX_DOMAIN_FIELDS: usize = 8;
const MAX_DOMAIN_LINES: usize = 180;

/// An area uses only what lies below it, and none but those above all use `Domain`.
pub(super) fn directions(files: &Crate<'_>, open: &Open) -> Vec<String> {
    let mut findings = Vec::new();
    for (index, module) in files.modules.iter().enumerate() {
        let ["domain", area, ..] = module[..] else {
            continue;
        };
        if ABOVE_ALL.contains(&area) || open.areas.contains(&area) {
            continue;
        }
        let Some((_, may_use)) = AREAS.iter().find(|(known, _)| *known == area) else {
            let rule = format!("the area `{area}` is not in the table: add it to AREAS in tidy");
            findings.push(files.files[index].finding(0, &rule));
            continue;
        };
        for &(at, to) in &files.imports[index] {
            let rule = match files.modules[to][..] {
                ["domain"] => {
                    format!("`{area}` may not use `Domain`: take the area that it needs as a field")
                }
                ["domain", other, ..] if other != area && !may_use.contains(&other) => {
                    format!("`{area}` may not use `{other}`, only {may_use:?}")
                }
                _ => continue,
            };
            findings.push(files.files[index].finding(at, &rule));
        }
    }
    findings
}

/// An endpoint answers for itself: what two of them need lies in `wire` or in `domain`.
pub(super) fn endpoints(files: &Crate<'_>, open: &Open) -> Vec<String> {
    let is_endpoint = |module: &[&str]| matches!(module, ["http", "endpoints", _, ..]);
    let mut findings = Vec::new();
    for (index, module) in files.modules.iter().enumerate() {
        if !is_endpoint(module) || open.endpoints.contains(&module[2]) {
            continue;
        }
        for &(at, to) in &files.imports[index] {
            let other = &files.modules[to];
            if is_endpoint(other) && other[2] != module[2] {
                let rule = format!(
                    "an endpoint may not use `{}`: move what both need to `http::wire`",
                    other.join("::")
                );
                findings.push(files.files[index].finding(at, &rule));
            }
        }
    }
    findings
}

/// `Domain` opens, closes and hands out its areas.
pub(super) fn domain_itself(file: &File, open: &Open) -> Vec<String> {
    if file.path != "src/domain/mod.rs" || open.domain_itself {
        return Vec::new();
    }
    let mut findings = Vec::new();
    let lines = file.text.lines().count();
    if lines > MAX_DOMAIN_LINES {
        let rule = format!("{lines} lines, at most {MAX_DOMAIN_LINES}: acts belong to an area");
        findings.push(file.finding(0, &rule));
    }
    let is_struct = |(at, _): &(usize, &str)| file.code[..*at].ends_with("struct ");
    for (at, rest) in file.words("Domain").filter(is_struct) {
        let fields = body(rest).lines().skip(1);
        let count = fields.filter(|line| line.contains(": ")).count();
        if count > MAX_DOMAIN_FIELDS {
            let rule = format!("{count} fields, at most {MAX_DOMAIN_FIELDS}: give them an area");
            findings.push(file.finding(at, &rule));
        }
    }
    findings
}
