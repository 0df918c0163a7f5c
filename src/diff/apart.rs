//! What of two states has to be taken apart to be compared: where it stands in both, and how many
//! bytes it is. What is written alike in both is left out, and nearly all is.
//!
//! Nothing is held of either state but these places. So whoever compares learns what it takes
//! before anything is taken apart.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::not_comparable::NotComparable;
use super::reading::{Raw, Take, Text, read_members};
use super::state::{StateTree, read};

/// How many resources of one state are listed at most, before memory is reserved for what they are:
/// 16 bytes for each. A state of 256 MiB whose resources are as small as Terraform's has fewer.
const MOST_RESOURCES: usize = 1 << 20;

/// Resources as they are written, and never more than may be.
#[derive(Default)]
struct Listed<'a>(Vec<&'a RawValue>);

impl<'de: 'a, 'a> Take<'de> for Listed<'a> {
    fn take<A: MapAccess<'de>>(&mut self, map: &mut A) -> Result<(), A::Error> {
        *self = map.next_value::<Option<Self>>()?.unwrap_or_default();
        Ok(())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Listed<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Few).map(Self)
    }
}

/// Reads such a list.
struct Few;

impl<'de> Visitor<'de> for Few {
    type Value = Vec<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of at most {MOST_RESOURCES} resources")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut found = Vec::new();
        while let Some(raw) = list.next_element()? {
            if found.len() >= MOST_RESOURCES {
                return Err(de::Error::invalid_length(found.len(), &self));
            }
            found.push(raw);
        }
        Ok(found)
    }
}

/// A state whose resources are still as they are written.
#[derive(Default)]
struct Outline<'a> {
    version: Option<i64>,
    terraform_version: Text<'a>,
    outputs: Raw<'a>,
    resources: Listed<'a>,
    encrypted_data: Raw<'a>,
}

read_members!(Outline {
    "version" => version,
    "terraform_version" => terraform_version,
    "outputs" => outputs,
    "resources" => resources,
    "encrypted_data" => encrypted_data,
});

impl Outline<'_> {
    fn is_plain(&self) -> bool {
        self.version == Some(4) && self.encrypted_data.is_none()
    }
}

/// What of two states has to be taken apart to compare them.
pub struct Apart(Parts);

enum Parts {
    /// All of both, of so many bytes: one of them is of an old format, or cannot be compared.
    All(u64),
    /// All of one, of so many bytes, since the other is the same. It tells whether it can be taken
    /// apart at all.
    One(u64),
    Some(Places, Places),
}

/// What has to be taken apart of one state.
struct Places {
    outputs: Option<Range<usize>>,
    resources: Vec<Range<usize>>,
    terraform_version: String,
}

impl Apart {
    /// Of these two states. It takes little more than to read both once.
    ///
    /// # Errors
    ///
    /// Where one of them is no state.
    pub fn of(before: &[u8], after: &[u8]) -> Result<Self, NotComparable> {
        let (mut one, mut other): (Outline<'_>, Outline<'_>) = (read(before)?, read(after)?);
        if before == after {
            return Ok(Self(Parts::One(before.len() as u64)));
        }
        if !one.is_plain() || !other.is_plain() {
            return Ok(Self(Parts::All((before.len() + after.len()) as u64)));
        }
        leave_out_alike(&mut one.resources.0, &mut other.resources.0);
        let (one, other) = (Places::of(one, before), Places::of(other, after));
        Ok(Self(Parts::Some(one, other)))
    }

    /// How many bytes have to be taken apart, of both together.
    pub fn size(&self) -> u64 {
        match &self.0 {
            Parts::All(size) | Parts::One(size) => *size,
            Parts::Some(one, other) => one.size() + other.size(),
        }
    }

    /// Takes the same two states apart, but for what is alike.
    pub(super) fn trees<'a>(
        &self,
        before: &'a [u8],
        after: &'a [u8],
    ) -> Result<Both<'a>, NotComparable> {
        match &self.0 {
            Parts::All(_) => Ok((StateTree::parse(before)?, StateTree::parse(after)?)),
            Parts::One(_) => {
                let state = StateTree::parse(before)?;
                Ok((state.emptied(), state.emptied()))
            }
            Parts::Some(one, other) => Ok((one.tree(before)?, other.tree(after)?)),
        }
    }
}

/// Two states without what is alike.
pub(super) type Both<'a> = (StateTree<'a>, StateTree<'a>);

impl Places {
    fn of(state: Outline<'_>, bytes: &[u8]) -> Self {
        let place = |raw: &RawValue| {
            let text = raw.get();
            let start = text.as_ptr().addr().saturating_sub(bytes.as_ptr().addr());
            start..start + text.len()
        };
        Self {
            outputs: state.outputs.map(place),
            resources: state.resources.0.iter().map(|raw| place(raw)).collect(),
            terraform_version: state.terraform_version.0.into_owned(),
        }
    }

    fn size(&self) -> u64 {
        let parts = self.outputs.iter().chain(&self.resources);
        parts.map(|range| range.len() as u64).sum()
    }

    fn tree<'a>(&self, bytes: &'a [u8]) -> Result<StateTree<'a>, NotComparable> {
        let beside = (self.outputs.as_ref(), self.terraform_version.as_str());
        StateTree::of_parts(bytes, self.resources.iter(), beside)
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_resources_are_listed_and_no_more() {
        let listed = |count: usize| {
            let resources = vec!["0"; count].join(",");
            let state = format!("{{\"version\":4,\"resources\":[{resources}]}}");
            read::<Outline<'_>>(state.as_bytes()).map(|outline| outline.resources.0.len())
        };
        assert_eq!(listed(MOST_RESOURCES), Ok(MOST_RESOURCES));
        assert_eq!(listed(MOST_RESOURCES + 1), Err(NotComparable::Unexpected));
        let none = read::<Outline<'_>>(br#"{"version":4,"resources":null}"#);
        assert!(none.is_ok_and(|outline| outline.resources.0.is_empty()));
    }
}
