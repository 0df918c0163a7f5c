//! States compared as a whole.

mod changes;
mod formats;
mod properties;
mod secrets;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;
use crate::model::version::ChangeCounts;

fn state(resources: &Value) -> String {
    json!({"version": 4, "terraform_version": "1.11.4", "serial": 1, "lineage": "l",
        "resources": resources})
    .to_string()
}

fn resource(name: &str, instances: &Value) -> Value {
    json!({"mode": "managed", "type": "aws_x", "name": name, "provider": "provider[\"p\"]",
        "instances": instances})
}

/// One instance with these attributes.
fn only(attributes: &Value) -> String {
    state(&json!([resource(
        "y",
        &json!([{"attributes": attributes}])
    )]))
}

fn outputs(bytes: &[u8], reveal: bool) -> Result<BTreeMap<String, ShownOutput>, NotComparable> {
    OutputsPlace::in_state(bytes)?.shown(bytes, reveal)
}

fn open_outputs(bytes: &[u8]) -> Result<BTreeMap<String, OpenOutput<'_>>, NotComparable> {
    OutputsPlace::in_state(bytes)?.open(bytes)
}

#[track_caller]
fn report(before: &str, after: &str) -> Value {
    let report = compare(before.as_bytes(), after.as_bytes())
        .unwrap()
        .report(false);
    serde_json::to_value(report).unwrap()
}

/// Each instance that is not as it was: action, address, paths.
#[track_caller]
fn lines(before: &str, after: &str) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let line = |resource: &Value| {
        let paths = |list: &str| {
            resource[list]
                .as_array()
                .unwrap()
                .iter()
                .map(|change| text(&change["path"]))
                .collect::<Vec<_>>()
        };
        let from = resource["previous_address"]
            .as_str()
            .map(|from| format!("{from} -> "))
            .unwrap_or_default();
        let paths = [paths("meta"), paths("attributes")].concat().join(" ");
        format!(
            "{} {from}{} {paths}",
            text(&resource["action"]),
            text(&resource["address"])
        )
        .trim_end()
        .to_owned()
    };
    report(before, after)["resources"]
        .as_array()
        .unwrap()
        .iter()
        .map(line)
        .collect()
}

fn counts(before: &str, after: &str) -> (u64, u64, u64) {
    let ChangeCounts {
        added,
        changed,
        removed,
    } = compare(before.as_bytes(), after.as_bytes())
        .unwrap()
        .counts();
    (added, changed, removed)
}

/// One instance with these members.
fn with(members: &str) -> String {
    format!(
        r#"{{"version":4,"resources":[{{"mode":"managed","type":"t","name":"n",
            "instances":[{{{members}}}]}}]}}"#
    )
}
