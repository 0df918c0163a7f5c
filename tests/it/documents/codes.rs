//! Every error code and every kind of event that the server has stands in `docs/api.md`, and no
//! other does.

use std::collections::BTreeSet;

use statekeep::model::error_code::ErrorCode;
use statekeep::model::event::EventKind;

use super::{API, markdown, section};

/// The table of error codes.
const CODES: &str = "Error codes";
/// The section with the kinds of events, in the first column of its table.
const EVENTS: &str = "`GET /api/events`";

/// What only one side has.
fn judge(what: &str, known: &BTreeSet<&str>, told: &BTreeSet<&str>) -> Vec<String> {
    let missing = known.difference(told);
    let missing = missing.map(|word| format!("{what} `{word}` does not stand in docs/api.md"));
    let invented = told.difference(known);
    let invented = invented.map(|word| format!("{what} `{word}` stands there and does not exist"));
    missing.chain(invented).collect()
}

/// The words in backticks of one column of a section's tables.
fn column(api: &str, title: &str, index: usize) -> BTreeSet<String> {
    let rows = section(api, title).rows();
    let cells = rows.iter().filter_map(|(_, cells)| cells.get(index));
    cells
        .flat_map(|cell| markdown::in_backticks(cell))
        .map(str::to_owned)
        .collect()
}

fn about_codes(api: &str) -> Vec<String> {
    let known = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
    let told = column(api, CODES, 1);
    judge(
        "the code",
        &known,
        &told.iter().map(String::as_str).collect(),
    )
}

fn about_events(api: &str) -> Vec<String> {
    let known = EventKind::ALL.iter().map(|kind| kind.name()).collect();
    let told = column(api, EVENTS, 0);
    judge(
        "the event",
        &known,
        &told.iter().map(String::as_str).collect(),
    )
}

#[test]
fn every_error_code_stands_in_the_api_page_and_no_other_does() {
    let findings = about_codes(API);
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

#[test]
fn every_kind_of_event_stands_in_the_api_page_and_no_other_does() {
    let findings = about_events(API);
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

#[test]
fn a_code_or_an_event_that_only_one_side_has_is_found() {
    let api = API.replacen("| `stale_write` |", "| `stale_wright` |", 1);
    let expected = [
        "the code `stale_write` does not stand in docs/api.md",
        "the code `stale_wright` stands there and does not exist",
    ];
    assert_eq!(about_codes(&api), expected);
    let api = API.replacen("| `clock.trust` |", "| `clock.wind` |", 1);
    let expected = [
        "the event `clock.trust` does not stand in docs/api.md",
        "the event `clock.wind` stands there and does not exist",
    ];
    assert_eq!(about_events(&api), expected);
}
