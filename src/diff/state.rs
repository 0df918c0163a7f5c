//! A state of any format, taken apart down to its instances.
//!
//! Nothing is copied but texts with escapes, and nothing recurses: parts are passed over, however
//! deep they are.

use std::collections::BTreeMap;

use super::format4;
use super::instance::{Instance, Output};
use super::legacy;
use super::not_comparable::NotComparable;
use super::reading::{Raw, Text, read_members};

/// The objects that a state of any size may have.
const FREE_OBJECTS: usize = 10_000;
/// Beyond these, an object for so many bytes of the state. Terraform's take 300 and more; an object
/// takes some 400 in memory.
const LEAST_BYTES_PER_OBJECT: usize = 160;

#[derive(Default)]
struct Document<'a> {
    version: Option<i64>,
    terraform_version: Text<'a>,
    outputs: Raw<'a>,
    resources: Vec<format4::Resource<'a>>,
    modules: Vec<legacy::LegacyModule<'a>>,
    encrypted_data: Raw<'a>,
}

read_members!(Document {
    "version" => version,
    "terraform_version" => terraform_version,
    "outputs" => outputs,
    "resources" => resources,
    "modules" => modules,
    "encrypted_data" => encrypted_data,
});

/// A state, taken apart.
pub(super) struct StateTree<'a> {
    /// In the order of their addresses. One that is there more than once, which no client writes,
    /// stands in the order of the state.
    pub(super) instances: Vec<Instance<'a>>,
    pub(super) outputs: BTreeMap<Text<'a>, Output<'a>>,
    pub(super) terraform_version: Option<Text<'a>>,
}

impl<'a> StateTree<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, NotComparable> {
        let document: Document<'a> =
            serde_json::from_slice(bytes).map_err(|_| NotComparable::Unexpected)?;
        if document.encrypted_data.is_some() {
            return Err(NotComparable::Encrypted);
        }
        let most = FREE_OBJECTS + bytes.len() / LEAST_BYTES_PER_OBJECT;
        let (outputs, instances) = match document.version {
            Some(4) => (
                outputs(document.outputs)?,
                format4::take(document.resources, most)?,
            ),
            Some(format @ 1..=3) => legacy::take(document.modules, format, most)?,
            _ => return Err(NotComparable::Format),
        };
        let program = Some(document.terraform_version).filter(|program| !program.0.is_empty());
        Ok(Self {
            instances: gathered(instances),
            outputs,
            terraform_version: program,
        })
    }
}

fn outputs(raw: Raw<'_>) -> Result<BTreeMap<Text<'_>, Output<'_>>, NotComparable> {
    let outputs = raw.map(|raw| serde_json::from_str(raw.get())).transpose();
    let outputs = outputs.map_err(|_| NotComparable::Unexpected)?;
    Ok(outputs.unwrap_or_default())
}

/// Puts objects in order, and deposed ones to their instance.
fn gathered(mut instances: Vec<Instance<'_>>) -> Vec<Instance<'_>> {
    instances.sort_by(|one, other| one.order().cmp(&other.order()));
    instances.dedup_by(|later, kept| {
        let is_deposed = later.current.is_none() && later.address == kept.address;
        if is_deposed {
            kept.deposed.append(&mut later.deposed);
        }
        is_deposed
    });
    instances
}
