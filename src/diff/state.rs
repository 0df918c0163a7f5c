//! A state of any format, taken apart down to its instances.
//!
//! Nothing is copied but texts with escapes, and nothing recurses: parts are passed over, however
//! deep they are.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

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
        let document: Document<'a> = read(bytes)?;
        if document.encrypted_data.is_some() {
            return Err(NotComparable::Encrypted);
        }
        let most = most_objects(bytes);
        let (outputs, instances) = match document.version {
            Some(4) => (
                outputs(document.outputs)?,
                format4::take(document.resources.into_iter().map(Ok), most)?,
            ),
            Some(format @ 1..=3) => legacy::take(document.modules, format, most)?,
            _ => return Err(NotComparable::Format),
        };
        Ok(Self::of(instances, outputs, document.terraform_version))
    }

    /// A state with these parts, of which each is still as it is written.
    pub(super) fn of_parts<'r>(
        bytes: &'a [u8],
        resources: impl Iterator<Item = &'r Range<usize>>,
        written: (Option<&Range<usize>>, &str),
    ) -> Result<Self, NotComparable> {
        let resources = resources.map(|range| read_part(bytes, range));
        let instances = format4::take(resources, most_objects(bytes))?;
        let outputs = written.0.map(|range| read_part(bytes, range));
        let program = Text(Cow::Owned(written.1.to_owned()));
        Ok(Self::of(
            instances,
            outputs.transpose()?.unwrap_or_default(),
            program,
        ))
    }

    /// A state without anything in it but the program that wrote it.
    pub(super) fn emptied(&self) -> Self {
        Self {
            instances: Vec::new(),
            outputs: BTreeMap::new(),
            terraform_version: self.terraform_version.clone(),
        }
    }

    fn of(
        instances: Vec<Instance<'a>>,
        outputs: BTreeMap<Text<'a>, Output<'a>>,
        program: Text<'a>,
    ) -> Self {
        Self {
            instances: gathered(instances),
            outputs,
            terraform_version: Some(program).filter(|program| !program.0.is_empty()),
        }
    }
}

/// Reads a state, or a part of one.
pub(super) fn read<'a, T: serde::Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, NotComparable> {
    // Looked at as a text once, none of its parts has to be.
    let read = match std::str::from_utf8(bytes) {
        Ok(text) => serde_json::from_str(text),
        Err(_) => serde_json::from_slice(bytes),
    };
    read.map_err(|_| NotComparable::Unexpected)
}

const fn most_objects(bytes: &[u8]) -> usize {
    FREE_OBJECTS + bytes.len() / LEAST_BYTES_PER_OBJECT
}

fn read_part<'a, T: serde::Deserialize<'a>>(
    bytes: &'a [u8],
    range: &Range<usize>,
) -> Result<T, NotComparable> {
    read(bytes.get(range.clone()).unwrap_or_default())
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
