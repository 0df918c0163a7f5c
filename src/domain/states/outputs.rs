//! The outputs of a state: as a list, without what is secret, and as the state that is made for a
//! caller who may only read outputs, so that `terraform_remote_state` works with least rights.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use crate::diff::{NotComparable, OpenOutput, OutputsPlace, ShownOutput};
use crate::domain::content::outputs::memory_for_outputs;
use crate::domain::engine::Engine;
use crate::domain::engine::budget::WhenFull;
use crate::domain::engine::leased_bytes::LeasedBytes;
use crate::domain::error::Error;
use crate::domain::error::refusals::NotCompared;
use crate::model::digest::Digest;
use crate::model::terraform::tfstate::StateHead;
use crate::model::version::Version;

/// The one format that such a state can be made from.
const FORMAT: i64 = 4;

#[derive(Serialize)]
struct Made<'a> {
    version: i64,
    terraform_version: &'a str,
    serial: u64,
    lineage: &'a str,
    outputs: BTreeMap<String, OpenOutput<'a>>,
    resources: [(); 0],
    check_results: Option<()>,
}

/// Why a caller who may only read outputs gets none of a state, if so.
fn hindrance(head: &StateHead) -> Result<(), Error> {
    if head.encrypted {
        return Err(Error::OutputsUnavailable(
            "the state is encrypted by its client, so its outputs cannot be read without \
                TFSTATE_LIST",
        ));
    }
    if head.format != Some(FORMAT) {
        return Err(Error::OutputsUnavailable(
            "the state is not of format 4, so its outputs cannot be told apart; apply it once with \
                a newer program",
        ));
    }
    Ok(())
}

fn unreadable(_: NotComparable) -> Error {
    Error::OutputsUnavailable("the state's outputs are not in the form that Terraform writes")
}

/// A state of format 4 with the same serial and lineage, no resources, and the outputs that are not
/// sensitive.
fn state_of_outputs(
    bytes: &[u8],
    place: &OutputsPlace,
    head: &StateHead,
) -> Result<Vec<u8>, Error> {
    let made = Made {
        version: FORMAT,
        terraform_version: head.terraform_version.as_deref().unwrap_or("1.0.0"),
        serial: head.serial,
        lineage: &head.lineage,
        outputs: place.open(bytes).map_err(unreadable)?,
        resources: [],
        check_results: None,
    };
    serde_json::to_vec(&made).map_err(|error| Error::Internal(error.to_string()))
}

/// The state that is made from a version for a caller who may only read outputs, with its SHA-256.
pub(super) async fn only_outputs(
    engine: &Engine,
    version: &Version,
    bytes: Arc<LeasedBytes>,
) -> Result<(Arc<LeasedBytes>, Digest), Error> {
    hindrance(&version.head)?;
    let looked_at = Arc::clone(&bytes);
    let find = move |()| OutputsPlace::in_state(looked_at.as_ref().as_ref());
    let place = engine.on_a_core(version.size, (), find).await?;
    let place = place.map_err(unreadable)?;
    let needed = memory_for_outputs(engine, &place, version.size);
    let reservation = engine.reserve_for_copies(needed, WhenFull::Wait).await?;
    let (head, size) = (version.head.clone(), place.size());
    let make = move |reservation| {
        let made = state_of_outputs(bytes.as_ref().as_ref(), &place, &head)?;
        let digest = Digest::of(&made);
        Ok((LeasedBytes::new(made, reservation), digest))
    };
    engine.on_a_core(size, reservation, make).await?
}

/// Where the outputs of a version are, or why they are not shown.
pub(super) fn place_of_outputs(
    version: &Version,
    bytes: &[u8],
) -> Result<OutputsPlace, NotComparable> {
    if version.head.encrypted {
        return Err(NotComparable::Encrypted);
    }
    OutputsPlace::in_state(bytes)
}

/// The outputs of a version, as they are listed.
#[derive(Serialize)]
struct Listing<'a> {
    version: u64,
    serial: u64,
    lineage: &'a str,
    terraform_version: Option<&'a str>,
    encrypted: bool,
    not_shown: Option<NotCompared>,
    outputs: Option<BTreeMap<String, ShownOutput>>,
}

/// The list as JSON; `reveal` shows secrets in clear.
pub(super) fn list_of_outputs(
    version: &Version,
    bytes: &[u8],
    place: Result<OutputsPlace, NotComparable>,
    (reveal, may_inspect): (bool, bool),
) -> Result<Vec<u8>, Error> {
    let found = place.and_then(|place| place.shown(bytes, reveal));
    if found.is_err() && !may_inspect {
        return Err(Error::OutputsUnavailable(
            "the state is encrypted by its client, or not of a format that can be read, so its \
                outputs cannot be told without TFSTATE_INSPECT",
        ));
    }
    let (outputs, not_shown) = match found {
        Ok(outputs) => (Some(outputs), None),
        Err(why) => (None, Some(why.into())),
    };
    let head = &version.head;
    let listed = Listing {
        version: version.number,
        serial: head.serial,
        lineage: &head.lineage,
        terraform_version: head.terraform_version.as_deref(),
        encrypted: head.encrypted,
        not_shown,
        outputs,
    };
    serde_json::to_vec(&listed).map_err(|error| Error::Internal(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hands_out_what_is_not_sensitive_and_nothing_else() {
        let bytes =
            br#"{"version":4,"serial":7,"lineage":"l","outputs":{"open":{"value":{"a":[1.10]},
            "type":["object",{"a":["list","number"]}]},
            "hidden":{"value":"canary","type":"string","sensitive":true}},
            "resources":[{"canary":"canary"}]}"#;
        let head = crate::model::terraform::tfstate::read_head(bytes, 1_000).unwrap();
        let place = OutputsPlace::in_state(bytes).unwrap();
        let made = String::from_utf8(state_of_outputs(bytes, &place, &head).unwrap()).unwrap();
        assert!(!made.contains("canary"), "{made}");
        assert!(
            made.contains(r#""value":{"a":[1.10]}"#),
            "numbers stay as they are written: {made}"
        );
        let again = crate::model::terraform::tfstate::read_head(made.as_bytes(), 1_000).unwrap();
        assert_eq!(
            (
                again.format,
                again.serial,
                again.lineage.as_str(),
                again.resources
            ),
            (Some(4), 7, "l", Some(0))
        );
    }

    #[test]
    fn refuses_what_it_cannot_see_into() {
        for bytes in [
            r#"{"serial":1,"lineage":"l","encrypted_data":"x"}"#,
            r#"{"version":3,"serial":1,"modules":[]}"#,
        ] {
            let head =
                crate::model::terraform::tfstate::read_head(bytes.as_bytes(), 1_000).unwrap();
            assert!(hindrance(&head).is_err());
        }
    }
}
