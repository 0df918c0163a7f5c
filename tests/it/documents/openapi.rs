//! `docs/openapi.json` has every call, method, parameter, code and kind of event that the server
//! has, and no other.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use statekeep::model::error_code::ErrorCode;
use statekeep::model::event::EventKind;

use super::calls::{Calls, ROUTES, declared};
use super::{API, section};
use crate::harness::Server;
use crate::openapi::{MORE_METHODS, TEXT, parsed, resolved};

const STATE: &str = "/api/terraform/state/workspace/{workspace}/buildingblock/{buildingBlock}";
/// The members of a path that are methods.
const METHODS: [&str; 8] = [
    "get", "head", "post", "put", "delete", "patch", "options", "trace",
];
/// The codes of no operation: of a method that a path does not offer, and of what is no request.
const OF_NO_CALL: [&str; 4] = [
    "method_not_allowed",
    "bad_head",
    "slow_head",
    "head_too_large",
];
/// The part of the document with the first of them.
const OF_NOT_OFFERED: &str = "#/components/responses/MethodNotAllowed";

/// An operation with its path and its method.
pub(super) struct Operation<'d> {
    pub(super) path: &'d str,
    pub(super) method: String,
    item: &'d Value,
    pub(super) said: &'d Value,
}

pub(super) fn operations(document: &Value) -> Vec<Operation<'_>> {
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        let of = |method: &str, said| Operation {
            path,
            method: method.to_ascii_uppercase(),
            item,
            said,
        };
        let usual = METHODS
            .iter()
            .filter_map(|method| item.get(method).map(|said| of(method, said)));
        let more = item[MORE_METHODS].as_object().into_iter().flatten();
        found.extend(usual);
        found.extend(more.map(|(method, said)| of(method, said)));
    }
    found
}

/// The names of an operation's parameters of one kind.
pub(super) fn named(document: &Value, operation: &Operation<'_>, kind: &str) -> BTreeSet<String> {
    let of_path = operation.item["parameters"]
        .as_array()
        .into_iter()
        .flatten();
    let own = operation.said["parameters"]
        .as_array()
        .into_iter()
        .flatten();
    let all = of_path
        .chain(own)
        .map(|parameter| resolved(document, parameter));
    let of_kind = all.filter(|parameter| parameter["in"] == kind);
    of_kind
        .map(|parameter| parameter["name"].as_str().unwrap_or_default().to_owned())
        .collect()
}

/// Calls that only one side has, and parameters that differ.
fn about_calls(document: &Value, declared: &Calls) -> Vec<String> {
    let (mut findings, mut told) = (Vec::new(), BTreeSet::new());
    for operation in &operations(document) {
        let Operation { path, method, .. } = operation;
        let key = (path.replace(STATE, "…"), method.clone());
        let parts = path.split(['{', '}']).skip(1).step_by(2).map(str::to_owned);
        if named(document, operation, "path") != parts.collect() {
            findings.push(format!(
                "{method} {path}: the parts of the path are no parameters"
            ));
        }
        let names = named(document, operation, "query");
        match declared.get(&key) {
            None => findings.push(format!("{method} {path} is no call of the server")),
            Some(known) if *known != names => findings.push(format!(
                "{method} {path} takes {known:?}, and the document has {names:?}"
            )),
            Some(_) => {}
        }
        told.insert(key);
    }
    let missing = declared.keys().filter(|key| !told.contains(*key));
    findings.extend(missing.map(|(path, method)| format!("{method} {path} is missing")));
    findings
}

/// The words of an `enum`, wherever a schema has one for `code`.
fn codes(schema: &Value) -> BTreeSet<String> {
    let parts = schema["allOf"].as_array().into_iter().flatten();
    let lists = parts.filter_map(|part| part["properties"]["code"]["enum"].as_array());
    let words = lists.flatten().filter_map(Value::as_str);
    words.map(str::to_owned).collect()
}

/// Every status with its codes, as operations have them.
fn told_codes(document: &Value) -> BTreeSet<(String, String)> {
    let mut told = BTreeSet::new();
    for operation in operations(document) {
        for (status, response) in operation.said["responses"].as_object().expect("responses") {
            let response = resolved(document, response);
            let problem = &response["content"]["application/problem+json"]["schema"];
            let of_lock = &response["headers"]["Statekeep-Code"];
            let lock = resolved(document, of_lock)["schema"]["const"].as_str();
            let all = codes(problem).into_iter().chain(lock.map(str::to_owned));
            told.extend(all.map(|code| (status.clone(), code)));
        }
    }
    told
}

/// Every status with its codes, as the table of `docs/api.md` has them.
fn known_codes() -> BTreeSet<(String, String)> {
    let rows = section(API, "Error codes").rows();
    let pairs = rows.iter().filter_map(|(_, cells)| {
        let code = cells.get(1)?.trim_matches('`');
        Some((cells.first()?.clone(), code.to_owned()))
    });
    pairs
        .filter(|(status, code)| {
            status.parse::<u16>().is_ok() && !OF_NO_CALL.contains(&code.as_str())
        })
        .collect()
}

fn differences<T: Ord + std::fmt::Debug>(
    what: &str,
    known: &BTreeSet<T>,
    told: &BTreeSet<T>,
) -> Vec<String> {
    let missing = known.difference(told);
    let missing = missing.map(|word| format!("{what} {word:?} is missing"));
    let invented = told.difference(known);
    missing
        .chain(invented.map(|word| format!("{what} {word:?} does not exist")))
        .collect()
}

fn words(document: &Value, schema: &str) -> BTreeSet<String> {
    let list = document["components"]["schemas"][schema]["enum"].as_array();
    let words = list.into_iter().flatten().filter_map(Value::as_str);
    words.map(str::to_owned).collect()
}

fn about_words(document: &Value) -> Vec<String> {
    let known = ErrorCode::ALL.iter().map(ToString::to_string).collect();
    let mut findings = differences("the code", &known, &words(document, "ErrorCode"));
    let known = EventKind::ALL
        .iter()
        .map(|kind| kind.name().to_owned())
        .collect();
    findings.extend(differences(
        "the event",
        &known,
        &words(document, "EventKind"),
    ));
    findings.extend(differences(
        "status and code",
        &known_codes(),
        &told_codes(document),
    ));
    findings
}

/// Every `$ref` below a value.
fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Array(items) => {
            for item in items {
                references(item, found);
            }
        }
        Value::Object(members) => {
            let target = members.get("$ref").and_then(Value::as_str);
            found.extend(target.map(str::to_owned));
            for member in members.values() {
                references(member, found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// References that lead nowhere, parts that nothing refers to, and ids that stand twice.
fn about_form(document: &Value) -> Vec<String> {
    let mut referred = BTreeSet::new();
    references(document, &mut referred);
    let mut there = BTreeSet::new();
    for kind in ["parameters", "headers", "responses", "schemas"] {
        let parts = document["components"][kind]
            .as_object()
            .expect("components");
        there.extend(
            parts
                .keys()
                .map(|name| format!("#/components/{kind}/{name}")),
        );
    }
    referred.insert(OF_NOT_OFFERED.to_owned());
    let mut findings = differences("the part", &referred, &there);
    let mut ids = BTreeMap::<&str, u32>::new();
    for operation in operations(document) {
        *ids.entry(operation.said["operationId"].as_str().unwrap_or_default())
            .or_default() += 1;
    }
    let twice = ids
        .iter()
        .filter(|(id, count)| id.is_empty() || **count > 1);
    findings.extend(twice.map(|(id, count)| format!("the id {id:?} stands {count} times")));
    findings
}

fn all_findings(text: &str) -> Vec<String> {
    let document = parsed(text);
    let mut findings = about_calls(&document, &declared(ROUTES));
    findings.extend(about_words(&document));
    findings.extend(about_form(&document));
    if document["info"]["version"] != env!("CARGO_PKG_VERSION") {
        findings.push("the document is of another version of the program".to_owned());
    }
    findings
}

#[test]
fn the_openapi_document_has_what_the_server_has_and_nothing_else() {
    let findings = all_findings(TEXT);
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

#[test]
fn the_openapi_document_is_served_as_it_is_committed() {
    let server = Server::start();
    let answer = server
        .anonymous()
        .get("/api/openapi.json")
        .expect_status(200);
    assert_eq!(answer.header("content-type"), "application/json");
    assert!(answer.bytes == TEXT.as_bytes(), "it is another document");
    let problem = server.anonymous().get("/api/openapi.json?pretty=1");
    problem.expect_problem(400, "bad_query");
}

#[test]
fn a_document_that_tells_something_else_is_found() {
    let cases = [
        (
            "{buildingBlock}/purge\"",
            "{buildingBlock}/shred\"",
            "POST …/purge is missing",
        ),
        (
            "{buildingBlock}/purge\"",
            "{buildingBlock}/shred\"",
            "POST /api/terraform/state/w",
        ),
        (
            "\"/api/keys/{id}\"",
            "\"/api/keys/{key}\"",
            "GET /api/keys/{key}: the parts",
        ),
        ("\"put\": {", "\"patch\": {", "PUT … is missing"),
        ("\"UNLOCK\": {", "\"OPEN\": {", "UNLOCK … is missing"),
        (
            "\"name\": \"removed_serial\"",
            "\"name\": \"serial\"",
            "POST /api/terraform/state/w",
        ),
        (
            "\"stale_write\"",
            "\"stale_wright\"",
            "the code \"stale_write\" is missing",
        ),
        (
            "\"clock.trust\"",
            "\"clock.wind\"",
            "the event \"clock.wind\" does not exist",
        ),
        ("\"404\": {", "\"405\": {", "status and code (\"405\", "),
        (
            "schemas/VersionList\"",
            "schemas/VersionsList\"",
            "the part ",
        ),
        (
            "\"operationId\": \"putState\"",
            "\"operationId\": \"writeState\"",
            "the id ",
        ),
    ];
    for (there, planted, beginning) in cases {
        assert!(TEXT.contains(there), "{there}");
        let document = parsed(&TEXT.replace(there, planted));
        let mut findings = about_calls(&document, &declared(ROUTES));
        findings.extend(about_form(&document));
        if beginning.starts_with("the code") || beginning.starts_with("the event") {
            findings.extend(about_words(&document));
        }
        if beginning.starts_with("status") {
            findings = about_words(&document);
        }
        let is_found = findings
            .iter()
            .any(|finding| finding.starts_with(beginning));
        assert!(is_found, "{planted}: {findings:#?}");
    }
}
