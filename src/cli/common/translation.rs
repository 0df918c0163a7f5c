//! The server's words in those of the command line: calls and members of the API become commands
//! and flags, and the next step is the command that takes it.

use std::str::FromStr as _;

use serde_json::Value;

use crate::cli::common::locks::unlock;
use crate::cli::common::rows::state_name;
use crate::model::name::StateName;

/// What the API says of a member, and what the command line says of its flag.
const MEMBERS: [(&str, &str); 4] = [
    (
        "until lies in the future, and at most 366 days from now",
        "--for is longer than 0s, and at most 366d",
    ),
    ("expires_in has to be", "--expires has to be"),
    ("q has to have", "TEXT has to have"),
    (
        "docs/api.md lists them",
        "`statekeep help 'GET /api/events'` lists them",
    ),
];

/// The server's words in those of the command line, and the next step.
pub(in crate::cli) fn translated(
    code: &str,
    detail: &str,
    state: Option<&StateName>,
    body: &Value,
) -> (String, String) {
    let state = state.map_or_else(|| "W/B".to_owned(), ToString::to_string);
    let history = format!("`statekeep state history {state}`");
    let detail = without_calls(code, detail)
        .replace("; see its /versions", "")
        .replace("its /versions", &history);
    (detail, next_step(code, &state, body))
}

/// The server's words without the calls and members of the API.
fn without_calls(code: &str, detail: &str) -> String {
    match code {
        "no_key" => "there is no key with this id".to_owned(),
        "no_trust" => "there is no trust with this id".to_owned(),
        "no_hook" => "there is no hook with this id".to_owned(),
        "no_event" => detail.replace("; GET /api/events lists them", ""),
        "no_approval" => detail.replace("; GET /api/approvals lists them", ""),
        "bad_request" | "bad_query" => MEMBERS
            .iter()
            .fold(detail.to_owned(), |told, (member, flag)| {
                told.replace(member, flag)
            }),
        "no_policy" => detail.replace("; GET /api/retention says what holds", ""),
        "verify_runs" => {
            "a verification is running, and one at a time is enough; wait until it is done"
                .to_owned()
        }
        "encrypted" => detail.replace(
            "Send allow_serial_regression",
            "Say --allow-serial-regression",
        ),
        _ => detail.replace(", or add ?force=true", ""),
    }
}

/// The command that comes next, as the end of a sentence.
fn next_step(code: &str, state: &str, body: &Value) -> String {
    let history = format!("`statekeep state history {state}`");
    match code {
        "no_version" => format!("; {history} lists them"),
        "no_key" => "; `statekeep key list` lists them".to_owned(),
        "no_trust" => "; `statekeep trust list` lists them".to_owned(),
        "no_hook" => "; `statekeep hook list` lists them".to_owned(),
        "no_event" => "; `statekeep events` lists them".to_owned(),
        "no_approval" => "; `statekeep approval list` lists them".to_owned(),
        "no_policy" => "; `statekeep retention list` says what holds".to_owned(),
        "version_held" => format!("; `statekeep state release {state} VERSION` ends a hold"),
        "not_current" => format!("; {history} says what came since"),
        "not_deleted" => format!("; `statekeep state delete {state}` first"),
        "locked" => unlock_of(state, body).unwrap_or_default(),
        "moved" => {
            let to = state_name(&body["moved_to"]);
            format!("; `statekeep state show {to}` shows it")
        }
        _ => String::new(),
    }
}

fn unlock_of(state: &str, body: &Value) -> Option<String> {
    let id = body["lock"]["ID"].as_str().or(body["ID"].as_str())?;
    let state = StateName::from_str(state).ok()?;
    Some(unlock(&state, id))
}
