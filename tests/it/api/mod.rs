//! The rest of the API, laid out as its URLs are.

mod acknowledged;
mod activity;
pub mod apart;
mod approvals;
mod before;
mod compacted;
mod consumers;
mod counted;
mod detect;
mod diff;
mod event_bounds;
mod event_pages;
mod events;
mod fields;
mod freezes;
mod fresh_events;
mod gathered;
mod health;
mod holds;
mod import;
mod inspect;
mod inventory;
mod keys;
mod list;
mod login;
mod moves;
mod outputs;
mod preview;
mod programs;
mod prune;
mod purge;
mod quotas;
mod refused;
mod resources;
mod restore;
mod retention;
mod rollback;
mod search;
mod status;
mod stored;
mod token;
mod trail;
mod transfer;
mod transfer_back;
mod verify;
mod versions;
mod waiting;
mod whoami;

use serde_json::Value;

use crate::harness::Client;

const L1: &str = "11111111-1111-4111-8111-111111111111";

/// Follows the pages of a list to its end; `next` is given back as `parameter`. Fails when the
/// pages never end.
fn pages(caller: &Client, path: &str, rows: &str, parameter: &str) -> Vec<Vec<Value>> {
    let mut pages = Vec::new();
    let mut address = path.to_owned();
    for _ in 0..100 {
        let page = caller.get(&address).expect_status(200).json();
        pages.push(page[rows].as_array().expect("a list").clone());
        if page["next"].is_null() {
            return pages;
        }
        let next = text(&page["next"]);
        address = format!("{path}&{parameter}={next}");
    }
    panic!("{path}: the pages never end");
}

/// A value without the quotation marks of a text.
fn text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// One member of each row, as text.
fn column(rows: &[Value], name: &str) -> Vec<String> {
    rows.iter().map(|row| text(&row[name])).collect()
}

/// Checks that a list refuses the limits and parameters that make no sense.
#[track_caller]
fn refuses_bad_queries(caller: &Client, path: &str, more: &[&str]) {
    for query in ["limit=0", "limit=1001", "limit=x", "limit=-1", "limit="]
        .iter()
        .chain(more)
    {
        let answer = caller.get(&format!("{path}?{query}"));
        assert_eq!(answer.status, 400, "{path}?{query}: {}", answer.text());
        answer.expect_problem(400, "bad_query");
    }
    caller.get(&format!("{path}?limit=1")).expect_status(200);
    caller.get(&format!("{path}?limit=1000")).expect_status(200);
}
