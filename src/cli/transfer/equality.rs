//! Whether two states are one and the same: their resource instances and outputs, not their
//! serials, which a program counts on when it stores a state.

use serde_json::value::RawValue;

use crate::cli::output::{self, CliError};
use crate::diff::{self, Action, ResourceChange, ValueChange};
use crate::model::terraform::tfstate::{self, StateHead};

/// How many differences are named.
const MAX_NAMED: usize = 5;
/// Deeper states than this are not moved, in levels.
const MAX_NESTING: usize = 100_000;

/// What is not the same in two states, in words; empty if they are one: what instances and
/// outputs are, and what a state says of them beside.
pub(super) fn differences(one: &[u8], other: &[u8]) -> Result<Vec<String>, CliError> {
    told(one, other, true)
}

/// The same, but for what a state says beside values, which a program that has just stored it may
/// have written anew in its own way. Whether an instance is tainted counts all the same.
pub(super) fn differences_in_values(one: &[u8], other: &[u8]) -> Result<Vec<String>, CliError> {
    told(one, other, false)
}

fn told(one: &[u8], other: &[u8], beside: bool) -> Result<Vec<String>, CliError> {
    let not_comparable =
        |why| CliError::Failed(format!("the two states cannot be compared: {why}"));
    let diff = diff::compare(one, other).map_err(not_comparable)?;
    let report = diff.report(false);
    let resources = report.resources.iter();
    let mut named: Vec<String> = resources
        .filter(|change| counts(change, beside))
        .map(|change| named_as(&change.address, &said(change)))
        .collect();
    named.extend(report.outputs.iter().map(|change| {
        let output = named_as(&change.value.path, word(change.action));
        format!("output {output}")
    }));
    if beside {
        let marked = diff.marked_otherwise();
        let marked = marked.iter().map(ToString::to_string);
        named.extend(marked.map(|address| named_as(&address, "sensitive_attributes")));
    }
    if named.is_empty() && report.truncated {
        named.push("more than can be told".to_owned());
    }
    Ok(shortened(named))
}

fn named_as(name: &str, difference: &str) -> String {
    format!("{} ({difference})", output::harmless(name))
}

/// The first of many, and how many more there are.
fn shortened(mut named: Vec<String>) -> Vec<String> {
    let more = named.len().saturating_sub(MAX_NAMED);
    if more > 0 {
        named.truncate(MAX_NAMED);
        named.push(format!("{more} more"));
    }
    named
}

/// Whether a state says that another came from it: they have one lineage, and its serial is lower.
pub(super) fn is_older(one: &[u8], other: &[u8]) -> Result<bool, CliError> {
    let (one, other) = (head(one)?, head(other)?);
    Ok(!one.lineage.is_empty() && one.lineage == other.lineage && one.serial < other.serial)
}

/// Whether a state has neither resource instances nor outputs.
pub(super) fn is_empty(state: &[u8]) -> Result<bool, CliError> {
    Ok(differences(state, diff::NOTHING)?.is_empty())
}

fn counts(change: &ResourceChange, beside: bool) -> bool {
    let of_meta = |change: &ValueChange| {
        if beside {
            !is_written_anew(change)
        } else {
            change.path == "status" || change.path.starts_with("deposed")
        }
    };
    change.action != Action::Changed
        || change.truncated
        || !change.attributes.is_empty()
        || change.meta.iter().any(of_meta)
}

/// What a program that reads and writes a state changes of it: the first version of an identity's
/// schema is told by newer ones only, and providers have their full address since Terraform 0.13.
fn is_written_anew(change: &ValueChange) -> bool {
    let text = |value: &Option<Box<RawValue>>| value.as_ref().map(|raw| raw.get().to_owned());
    match (
        change.path.as_str(),
        text(&change.before),
        text(&change.after),
    ) {
        ("identity_schema_version", None, Some(version))
        | ("identity_schema_version", Some(version), None) => version == "0",
        ("provider", Some(before), Some(after)) => {
            let read = |text: String| serde_json::from_str::<String>(&text).ok();
            read(before)
                .zip(read(after))
                .is_some_and(|(before, after)| is_one_provider(&before, &after))
        }
        _ => false,
    }
}

/// Whether of two providers one is the short form of the other, as `provider.aws.west` of
/// `provider["registry.terraform.io/hashicorp/aws"].west`.
fn is_one_provider(one: &str, other: &str) -> bool {
    fn short(text: &str) -> Option<(bool, String)> {
        let (module, rest) = text.split_once("provider")?;
        if let Some(full) = rest.strip_prefix("[\"") {
            let (address, alias) = full.split_once("\"]")?;
            return Some((
                false,
                format!("{module}provider.{}{alias}", address.rsplit('/').next()?),
            ));
        }
        rest.starts_with('.').then(|| (true, text.to_owned()))
    }
    match (short(one), short(other)) {
        (Some((is_short, one)), Some((is_other_short, other))) => {
            is_short != is_other_short && one == other
        }
        _ => false,
    }
}

/// What happened to an instance, or which of the things that a state says beside its values are not
/// the same.
fn said(change: &ResourceChange) -> String {
    let names: Vec<&str> = change
        .meta
        .iter()
        .map(|change| change.path.as_str())
        .collect();
    if change.action == Action::Changed && change.attributes.is_empty() && !names.is_empty() {
        return output::harmless(&names.join(", "));
    }
    word(change.action).to_owned()
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
pub(super) fn head(bytes: &[u8]) -> Result<StateHead, CliError> {
    tfstate::read_head(bytes, MAX_NESTING)
        .map_err(|why| CliError::Failed(format!("what was read is no state: {why}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(serial: u32, resources: &str, outputs: &str) -> Vec<u8> {
        let state = format!(
            r#"{{"version":4,"serial":{serial},"lineage":"l{serial}",
                "outputs":{{{outputs}}},"resources":[{resources}]}}"#
        );
        state.into_bytes()
    }

    fn resource(name: &str, id: &str, more: &str) -> String {
        let provider = r#"provider[\"terraform.io/builtin/terraform\"]"#;
        format!(
            r#"{{"mode":"managed","type":"t","name":"{name}","provider":"{provider}",
                "instances":[{{"schema_version":0,{more}"attributes":{{"id":"{id}"}}}}]}}"#
        )
    }

    #[test]
    fn serials_and_what_programs_write_beside_do_not_count() {
        let ours = state(
            1,
            &resource("a", "1", ""),
            r#""o":{"value":1,"type":"number"}"#,
        );
        let same = |other: Vec<u8>| differences(&ours, &other).expect("comparable").is_empty();
        let output = r#""o":{"value":1,"type":"number"}"#;
        assert!(same(state(9, &resource("a", "1", ""), output)));
        let beside = [
            r#""dependencies":["t.b"],"#,
            r#""create_before_destroy":true,"#,
            r#""sensitive_attributes":[[{"type":"get_attr","value":"id"}]],"#,
            r#""schema_version":3,"#,
            r#""private":"bWluZQ==","#,
        ];
        for more in beside {
            let other = state(
                9,
                &resource("a", "1", more).replacen(
                    r#""schema_version":0,"#,
                    if more.contains("schema") {
                        ""
                    } else {
                        r#""schema_version":0,"#
                    },
                    1,
                ),
                output,
            );
            assert!(
                differences_in_values(&ours, &other)
                    .expect("comparable")
                    .is_empty(),
                "{more}"
            );
            assert!(!same(other), "{more}");
        }
        for more in [
            r#""create_before_destroy":false,"#,
            r#""sensitive_attributes":[],"#,
            r#""identity_schema_version":0,"#,
            r#""dependencies":[],"#,
        ] {
            assert!(same(state(9, &resource("a", "1", more), output)), "{more}");
        }
    }

    #[test]
    fn instances_attributes_taints_and_outputs_count() {
        let output = r#""o":{"value":1,"type":"number"}"#;
        let ours = state(1, &resource("a", "1", ""), output);
        let same = |other: Vec<u8>| differences(&ours, &other).expect("comparable").is_empty();
        assert!(
            !same(state(1, &resource("a", "2", ""), output)),
            "an attribute"
        );
        assert!(
            !same(state(
                1,
                &resource("a", "1", r#""status":"tainted","#),
                output
            )),
            "a taint"
        );
        assert!(!same(state(1, &resource("b", "1", ""), output)), "a name");
        assert!(!same(state(1, "", output)), "a missing instance");
        assert!(
            !same(state(1, &resource("a", "1", ""), "")),
            "a missing output"
        );
        assert!(
            !same(state(
                1,
                &resource("a", "1", ""),
                r#""o":{"value":2,"type":"number"}"#
            )),
            "another output"
        );
    }

    #[test]
    fn a_provider_counts_and_its_old_spelling_does_not() {
        let full = r#"provider["registry.terraform.io/hashicorp/aws"]"#;
        for (one, other, same) in [
            (full, "provider.aws", true),
            (
                "module.a.provider.aws.west",
                r#"module.a.provider["registry.terraform.io/-/aws"].west"#,
                true,
            ),
            (full, "provider.gcp", false),
            (full, "provider.aws.west", false),
            (
                full,
                r#"provider["registry.terraform.io/other/aws"]"#,
                false,
            ),
            ("odd", full, false),
        ] {
            assert_eq!(is_one_provider(one, other), same, "{one} {other}");
        }
        let ours = state(1, &resource("a", "1", ""), "");
        let theirs = String::from_utf8(ours.clone())
            .expect("UTF-8")
            .replace("builtin/terraform", "other/terraform");
        assert_eq!(
            differences(&ours, theirs.as_bytes()).expect("comparable"),
            ["t.a (provider)"]
        );
    }

    #[test]
    fn marks_in_another_order_are_the_same() {
        let marked = |marks: &str| {
            state(
                1,
                &resource("a", "1", &format!(r#""sensitive_attributes":[{marks}],"#)),
                "",
            )
        };
        let (one, two) = (
            r#"[{"type":"get_attr","value":"x"}]"#,
            r#"[{"type":"get_attr","value":"y"}]"#,
        );
        let both = |first: &str, second: &str| marked(&format!("{first},{second}"));
        assert!(
            differences(&both(one, two), &both(two, one))
                .expect("comparable")
                .is_empty()
        );
        assert_eq!(
            differences(&both(one, two), &marked(one)).expect("comparable"),
            ["t.a (sensitive_attributes)"]
        );
    }

    #[test]
    fn few_differences_are_named() {
        let many: Vec<String> = (0..9)
            .map(|number| resource(&format!("r{number}"), "1", ""))
            .collect();
        let told =
            differences(&state(1, &many.join(","), ""), &state(1, "", "")).expect("comparable");
        assert_eq!(
            (told.len(), told[0].as_str(), told[5].as_str()),
            (6, "t.r0 (missing)", "4 more")
        );
        assert!(differences(b"{\"encrypted_data\":\"x\"}", b"{}").is_err());
    }
}
