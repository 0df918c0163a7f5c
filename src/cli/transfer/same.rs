//! Whether two states are one and the same: their resource instances and outputs, not their serials, which a program counts on when it stores a state.

use crate::cli::output::{self, Failure};
use crate::diff::{self, Action, ResourceChange};
use crate::model::tfstate::{self, StateHead};

/// How many differences are named.
const MAX_NAMED: usize = 5;
/// Deeper states than this are not moved, in levels.
const MAX_NESTING: usize = 100_000;

/// What is not the same in two states, in words; empty where they are one.
pub(super) fn differences(one: &[u8], other: &[u8]) -> Result<Vec<String>, Failure> {
    let not_comparable = |why| Failure::Failed(format!("the two states cannot be compared: {why}"));
    let report = diff::compare(one, other).map_err(not_comparable)?.report(false);
    let resources = report.resources.iter().filter(|change| counts(change));
    let resources = resources.map(|change| format!("{} ({})", output::harmless(&change.address), word(change.action)));
    let outputs = report.outputs.iter().map(|change| format!("output {} ({})", output::harmless(&change.value.path), word(change.action)));
    let mut named: Vec<String> = resources.chain(outputs).collect();
    if named.is_empty() && report.truncated {
        named.push("more than can be told".to_owned());
    }
    if named.len() > MAX_NAMED {
        let more = named.len() - MAX_NAMED;
        named.truncate(MAX_NAMED);
        named.push(format!("{more} more"));
    }
    Ok(named)
}

/// Whether a state has neither resource instances nor outputs.
pub(super) fn is_empty(state: &[u8]) -> Result<bool, Failure> {
    Ok(differences(state, diff::NOTHING)?.is_empty())
}

/// What a state says beside an instance's attributes is written anew by each program in its own way; whether the instance is tainted is not.
fn counts(change: &ResourceChange) -> bool {
    let is_tainted = |path: &str| path == "status";
    change.action != Action::Changed
        || change.truncated
        || !change.attributes.is_empty()
        || change.meta.iter().any(|change| is_tainted(&change.path))
}

const fn word(action: Action) -> &'static str {
    match action {
        Action::Added => "added",
        Action::Removed => "missing",
        Action::Changed => "not the same",
        Action::Moved => "moved",
    }
}

/// What can be told of a state at a glance.
pub(super) fn head(bytes: &[u8]) -> Result<StateHead, Failure> {
    tfstate::read_head(bytes, MAX_NESTING).map_err(|why| Failure::Failed(format!("what was read is no state: {why}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(serial: u32, resources: &str, outputs: &str) -> Vec<u8> {
        format!(r#"{{"version":4,"serial":{serial},"lineage":"l{serial}","outputs":{{{outputs}}},"resources":[{resources}]}}"#).into_bytes()
    }

    fn resource(name: &str, id: &str, more: &str) -> String {
        let provider = r#"provider[\"terraform.io/builtin/terraform\"]"#;
        format!(
            r#"{{"mode":"managed","type":"t","name":"{name}","provider":"{provider}","instances":[{{"schema_version":0,{more}"attributes":{{"id":"{id}"}}}}]}}"#
        )
    }

    #[test]
    fn serials_and_what_programs_write_beside_do_not_count_and_all_else_does() {
        let ours = state(1, &resource("a", "1", ""), r#""o":{"value":1,"type":"number"}"#);
        let same = |other: Vec<u8>| differences(&ours, &other).expect("comparable").is_empty();
        let output = r#""o":{"value":1,"type":"number"}"#;
        assert!(same(state(9, &resource("a", "1", ""), output)));
        assert!(same(state(9, &resource("a", "1", r#""dependencies":["t.b"],"#), output)));
        assert!(!same(state(1, &resource("a", "2", ""), output)), "an attribute");
        assert!(!same(state(1, &resource("a", "1", r#""status":"tainted","#), output)), "a taint");
        assert!(!same(state(1, &resource("b", "1", ""), output)), "a name");
        assert!(!same(state(1, "", output)), "a missing instance");
        assert!(!same(state(1, &resource("a", "1", ""), "")), "a missing output");
        assert!(!same(state(1, &resource("a", "1", ""), r#""o":{"value":2,"type":"number"}"#)), "another output");
    }

    #[test]
    fn few_differences_are_named() {
        let many: Vec<String> = (0..9).map(|number| resource(&format!("r{number}"), "1", "")).collect();
        let told = differences(&state(1, &many.join(","), ""), &state(1, "", "")).expect("comparable");
        assert_eq!((told.len(), told[0].as_str(), told[5].as_str()), (6, "t.r0 (missing)", "4 more"));
        assert!(differences(b"{\"encrypted_data\":\"x\"}", b"{}").is_err());
    }
}
