//! A state of any format, taken apart down to its instances.
//!
//! Nothing is copied but texts with escapes, and nothing recurses: parts are passed over, however
//! deep they are.

use std::collections::{BTreeMap, HashMap};

use serde_json::value::RawValue;

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

/// A state whose resources are still as they are written.
#[derive(Default)]
struct Outline<'a> {
    version: Option<i64>,
    terraform_version: Text<'a>,
    outputs: Raw<'a>,
    resources: Vec<&'a RawValue>,
    encrypted_data: Raw<'a>,
}

read_members!(Outline {
    "version" => version,
    "terraform_version" => terraform_version,
    "outputs" => outputs,
    "resources" => resources,
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
                format4::take(document.resources, most)?,
            ),
            Some(format @ 1..=3) => legacy::take(document.modules, format, most)?,
            _ => return Err(NotComparable::Format),
        };
        Ok(Self::of(instances, outputs, document.terraform_version))
    }

    /// Takes two states apart, but for the resources that are written alike in both: nothing of
    /// them differs, and nearly all are like that. It takes little more than to read both once.
    pub(super) fn parse_both(before: &'a [u8], after: &'a [u8]) -> Result<Both<'a>, NotComparable> {
        let (mut one, mut other): (Outline<'a>, Outline<'a>) = (read(before)?, read(after)?);
        let is_plain =
            |state: &Outline<'_>| state.version == Some(4) && state.encrypted_data.is_none();
        // A state beside itself tells whether it can be taken apart at all.
        if before == after || !is_plain(&one) || !is_plain(&other) {
            return Ok((Self::parse(before)?, Self::parse(after)?));
        }
        leave_out_alike(&mut one.resources, &mut other.resources);
        let tree = |state: Outline<'a>, bytes| {
            let resources = state.resources.into_iter();
            let resources = resources.map(|raw| serde_json::from_str(raw.get()));
            let resources: Result<Vec<_>, _> = resources.collect();
            let resources = resources.map_err(|_| NotComparable::Unexpected)?;
            let instances = format4::take(resources, most_objects(bytes))?;
            let outputs = outputs(state.outputs)?;
            Ok(Self::of(instances, outputs, state.terraform_version))
        };
        Ok((tree(one, before)?, tree(other, after)?))
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

/// Two states without what is alike.
pub(super) type Both<'a> = (StateTree<'a>, StateTree<'a>);

/// Reads the outermost object of a state.
fn read<'a, T: serde::Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, NotComparable> {
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

/// Leaves out what both lists have, byte for byte and equally often.
fn leave_out_alike<'a>(one: &mut Vec<&'a RawValue>, other: &mut Vec<&'a RawValue>) {
    let is_alike = |pair: &(&&RawValue, &&RawValue)| pair.0.get() == pair.1.get();
    let in_front = one.iter().zip(other.iter()).take_while(is_alike).count();
    one.drain(..in_front);
    other.drain(..in_front);
    let behind = one.iter().rev().zip(other.iter().rev());
    let behind = behind.take_while(is_alike).count();
    one.truncate(one.len() - behind);
    other.truncate(other.len() - behind);

    let mut unmatched: HashMap<&str, usize> = HashMap::new();
    for raw in one.iter() {
        *unmatched.entry(raw.get()).or_default() += 1;
    }
    let mut take = |text: &str| match unmatched.get_mut(text) {
        Some(left @ 1..) => {
            *left -= 1;
            true
        }
        Some(0) | None => false,
    };
    other.retain(|raw| !take(raw.get()));
    // What is left of each text is in the first list alone.
    one.retain(|raw| take(raw.get()));
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
