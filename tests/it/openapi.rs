//! Answers against `docs/openapi.json`: the harness checks every answer that a test gets. An answer
//! fails if the document does not tell of its status, its media type, a header that it promises, or
//! a member of its body.
//!
//! The document leaves objects of answers open, since a later version may add members. The check
//! takes them as closed, so that a new member has to be written down.

mod calls;
mod fuzzed;
mod walk;

use std::sync::LazyLock;

use serde_json::Value;

use crate::answer::Answer;

/// The document as it is committed.
pub const TEXT: &str = include_str!("../../docs/openapi.json");
/// The largest body that is looked into, in bytes.
const MAX_LOOKED_INTO: usize = 1024 * 1024;
/// Methods that the document cannot have among the others.
pub const MORE_METHODS: &str = "x-additionalOperations";
/// Statuses that may answer anything, without an operation that tells of them.
const OUTSIDE: [u16; 2] = [405, 431];

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| parsed(TEXT));

/// A text as the document that it is.
pub fn parsed(text: &str) -> Value {
    serde_json::from_str(text).expect("docs/openapi.json is JSON")
}

/// What `$ref` means, where a value is one.
pub fn resolved<'d>(document: &'d Value, value: &'d Value) -> &'d Value {
    let Some(target) = value["$ref"].as_str() else {
        return value;
    };
    let pointer = target.strip_prefix('#').unwrap_or_default();
    let found = document.pointer(pointer);
    found.unwrap_or_else(|| panic!("`{target}` leads nowhere"))
}

/// The operation of a path's method.
pub fn operation<'d>(item: &'d Value, method: &str) -> Option<&'d Value> {
    let usual = item.get(method.to_ascii_lowercase());
    usual.or_else(|| item[MORE_METHODS].get(method))
}

/// The path of the document that a request's path is one of.
pub fn template<'d>(document: &'d Value, path: &str) -> Option<&'d str> {
    let paths = document["paths"].as_object().expect("paths");
    let fitting = paths.keys().filter(|template| fits(template, path));
    let found = fitting.min_by_key(|template| template.matches('{').count());
    found.map(String::as_str)
}

/// Whether a path is one of a template. Each answer is asked for each template, so this ends with
/// the first part that does not fit.
fn fits(template: &str, path: &str) -> bool {
    let mut parts = path.split('/');
    let fit = |template: &str, part: &str| {
        (template.starts_with('{') && !part.is_empty())
            || template == part
            || (template == "buildingblock" && part.eq_ignore_ascii_case(template))
    };
    let mut template = template.split('/');
    template.all(|wanted| parts.next().is_some_and(|part| fit(wanted, part)))
        && parts.next().is_none()
}

/// What of an answer the document does not tell of.
pub fn judge(document: &Value, method: &str, path: &str, answer: &Answer) -> Vec<String> {
    let status = answer.status.as_u16();
    let item = template(document, path).map(|template| &document["paths"][template]);
    let operation = item.and_then(|item| operation(item, method));
    let Some(operation) = operation.filter(|_| !OUTSIDE.contains(&status)) else {
        return of_no_operation(document, answer);
    };
    let Some(response) = operation["responses"].get(status.to_string()) else {
        return vec![format!("the document has no {status} there")];
    };
    let response = resolved(document, response);
    let mut findings = missing_headers(document, response, answer);
    if method != "HEAD" {
        findings.extend(of_body(document, response, answer));
    }
    findings
}

/// An address that nothing has, or a method that it does not offer, is a problem.
fn of_no_operation(document: &Value, answer: &Answer) -> Vec<String> {
    if answer.bytes.is_empty() || answer.header("content-type") != "application/problem+json" {
        return Vec::new();
    }
    let problem = &document["components"]["schemas"]["Problem"];
    walk::misfits(document, problem, &answer.json())
}

fn missing_headers(document: &Value, response: &Value, answer: &Answer) -> Vec<String> {
    let told = response["headers"].as_object().into_iter().flatten();
    let promised = told.filter(|(_, header)| resolved(document, header)["required"] == true);
    let missing = promised.filter(|(name, _)| !answer.headers.contains_key(name.as_str()));
    missing
        .map(|(name, _)| format!("the header {name} is missing"))
        .collect()
}

fn of_body(document: &Value, response: &Value, answer: &Answer) -> Vec<String> {
    let media = answer.header("content-type").split(';').next();
    let media = media.unwrap_or_default();
    let Some(told) = response["content"].as_object() else {
        let is_empty = answer.bytes.is_empty();
        let finding = (!is_empty).then(|| "the document has no body there".to_owned());
        return finding.into_iter().collect();
    };
    let Some(content) = told.get(media) else {
        return vec![format!("the document has no body of the type {media:?}")];
    };
    let is_any = content["schema"]["$ref"] == "#/components/schemas/State";
    if is_any || !media.ends_with("json") || answer.bytes.len() > MAX_LOOKED_INTO {
        return Vec::new();
    }
    match serde_json::from_slice(&answer.bytes) {
        Ok(body) => walk::misfits(document, &content["schema"], &body),
        // Values of outputs are passed on as they are written, beyond what this parser takes.
        Err(error) if error.to_string().contains("out of range") => Vec::new(),
        Err(error) => vec![format!("the body is no JSON: {error}")],
    }
}

/// Fails if the document does not tell of an answer.
#[track_caller]
pub fn check(method: &str, path: &str, answer: &Answer) {
    let findings = judge(&DOCUMENT, method, path, answer);
    assert!(
        findings.is_empty(),
        "{method} {path} was answered as docs/openapi.json does not tell: {}; the answer is {}: {}",
        findings.join("; "),
        answer.status,
        answer.text().chars().take(2_000).collect::<String>()
    );
}
