//! The state that is made for a caller who may only read outputs, so that `terraform_remote_state` works with least rights.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::error::Error;
use crate::model::tfstate::StateHead;

/// The one format that such a state can be made from.
const FORMAT: i64 = 4;

#[derive(Deserialize)]
struct Source<'a> {
    #[serde(borrow, default)]
    outputs: BTreeMap<String, Output<'a>>,
}

/// One output; its value and type are handed on as they stand, however deep they are.
#[derive(Deserialize, Serialize)]
struct Output<'a> {
    #[serde(borrow)]
    value: &'a RawValue,
    #[serde(borrow, rename = "type")]
    kind: &'a RawValue,
    #[serde(default, skip_serializing)]
    sensitive: bool,
}

#[derive(Serialize)]
struct Made<'a> {
    version: i64,
    terraform_version: &'a str,
    serial: u64,
    lineage: &'a str,
    outputs: BTreeMap<String, Output<'a>>,
    resources: [(); 0],
    check_results: Option<()>,
}

/// A state of format 4 with the same serial and lineage, no resources, and the outputs that are not sensitive.
pub(super) fn state_of_outputs(bytes: &[u8], head: &StateHead) -> Result<Vec<u8>, Error> {
    if head.encrypted {
        return Err(Error::OutputsUnavailable("the state is encrypted by its client, so its outputs cannot be read without TFSTATE_LIST"));
    }
    if head.format != Some(FORMAT) {
        return Err(Error::OutputsUnavailable(
            "the state is not of format 4, so its outputs cannot be told apart; apply it once with a newer program",
        ));
    }
    let unreadable = |_| Error::OutputsUnavailable("the state's outputs are not in the form that Terraform writes");
    let source: Source<'_> = serde_json::from_slice(bytes).map_err(unreadable)?;
    let made = Made {
        version: FORMAT,
        terraform_version: head.terraform_version.as_deref().unwrap_or("1.0.0"),
        serial: head.serial,
        lineage: &head.lineage,
        outputs: source.outputs.into_iter().filter(|(_, output)| !output.sensitive).collect(),
        resources: [],
        check_results: None,
    };
    serde_json::to_vec(&made).map_err(|error| Error::Internal(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hands_out_what_is_not_sensitive_and_nothing_else() {
        let bytes =
            br#"{"version":4,"serial":7,"lineage":"l","outputs":{"open":{"value":{"a":[1.10]},"type":["object",{"a":["list","number"]}]},
            "hidden":{"value":"canary","type":"string","sensitive":true}},"resources":[{"canary":"canary"}]}"#;
        let head = crate::model::tfstate::read_head(bytes, 1_000).unwrap();
        let made = String::from_utf8(state_of_outputs(bytes, &head).unwrap()).unwrap();
        assert!(!made.contains("canary"), "{made}");
        assert!(made.contains(r#""value":{"a":[1.10]}"#), "numbers stay as they are written: {made}");
        let again = crate::model::tfstate::read_head(made.as_bytes(), 1_000).unwrap();
        assert_eq!((again.format, again.serial, again.lineage.as_str(), again.resources), (Some(4), 7, "l", Some(0)));
    }

    #[test]
    fn refuses_what_it_cannot_see_into() {
        for bytes in [r#"{"serial":1,"lineage":"l","encrypted_data":"x"}"#, r#"{"version":3,"serial":1,"modules":[]}"#] {
            let head = crate::model::tfstate::read_head(bytes.as_bytes(), 1_000).unwrap();
            assert!(state_of_outputs(bytes.as_bytes(), &head).is_err());
        }
    }
}
