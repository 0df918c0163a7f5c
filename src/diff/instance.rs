//! Resource instances and outputs as far as differences need them: their parts as they are written.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::address::ResourceAddress;
use super::not_comparable::NotComparable;
use super::reading::{Raw, Text, read_members};

/// At most so many members of an object are looked at that this program does not know.
const MAX_UNKNOWN: usize = 16;

/// Members that a newer program writes, and this one does not know.
#[derive(Clone, Default)]
pub(super) struct Unknown<'a>(Vec<(Cow<'a, str>, Raw<'a>)>);

impl<'a> Unknown<'a> {
    pub(super) fn place(&mut self, name: &Text<'a>) -> Option<&mut Raw<'a>> {
        let at = self
            .0
            .iter()
            .position(|(known, _)| *known == name.0)
            .unwrap_or(self.0.len());
        if at == self.0.len() {
            if at >= MAX_UNKNOWN {
                return None;
            }
            self.0.push((name.0.clone(), None));
        }
        self.0.get_mut(at).map(|(_, value)| value)
    }

    fn get(&self, name: &str) -> Option<&'a str> {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .and_then(|(_, value)| value.map(RawValue::get))
    }

    /// Every name that is in either of two, with the values in both.
    pub(super) fn both<'u>(
        &'u self,
        other: &'u Self,
    ) -> impl Iterator<Item = (&'u str, Option<&'a str>, Option<&'a str>)> {
        let names = self.0.iter().chain(
            other
                .0
                .iter()
                .filter(|(name, _)| self.0.iter().all(|(known, _)| known != name)),
        );
        names.map(|(name, _)| (name.as_ref(), self.get(name), other.get(name)))
    }
}

/// One output.
#[derive(Clone, Copy, Default)]
pub(super) struct Output<'a> {
    pub(super) value: Raw<'a>,
    pub(super) kind: Raw<'a>,
    pub(super) sensitive: bool,
}

read_members!(Output { "value" => value, "type" => kind, "sensitive" => sensitive });

/// The parts of an object beside its attributes, each as it is written.
#[derive(Clone, Default)]
pub(super) struct Meta<'a> {
    pub(super) provider: Option<Cow<'a, str>>,
    pub(super) status: Option<&'a str>,
    pub(super) schema_version: Option<Cow<'a, str>>,
    pub(super) create_before_destroy: Option<&'a str>,
    pub(super) skip_destroy: Option<&'a str>,
    pub(super) identity_schema_version: Option<&'a str>,
}

impl Meta<'_> {
    /// Each part with its name.
    pub(super) fn parts(&self) -> [(&'static str, Option<&str>); 6] {
        [
            ("provider", self.provider.as_deref()),
            ("status", self.status),
            ("schema_version", self.schema_version.as_deref()),
            ("create_before_destroy", self.create_before_destroy),
            ("skip_destroy", self.skip_destroy),
            ("identity_schema_version", self.identity_schema_version),
        ]
    }
}

/// An object of an instance: the current one, or a deposed one that waits for its end.
#[derive(Clone, Default)]
pub(super) struct Object<'a> {
    pub(super) attributes: Option<&'a str>,
    /// Attributes in the form of old providers: one object of texts.
    pub(super) flat: Option<Cow<'a, str>>,
    /// The marks of secret attributes.
    pub(super) marks: Option<&'a str>,
    /// The provider's own data.
    pub(super) private: Option<Cow<'a, str>>,
    pub(super) identity: Option<&'a str>,
    /// A list whose order does not count.
    pub(super) dependencies: Option<&'a str>,
    pub(super) meta: Meta<'a>,
    pub(super) unknown: Unknown<'a>,
}

/// A resource instance.
pub(super) struct Instance<'a> {
    pub(super) address: ResourceAddress<'a>,
    /// The current object; none if there are only deposed ones.
    pub(super) current: Option<Object<'a>>,
    /// Its deposed objects by their keys.
    pub(super) deposed: Vec<(Cow<'a, str>, Object<'a>)>,
}

impl<'a> Instance<'a> {
    /// One with a single object, which is deposed if it has a key.
    pub(super) fn of(
        address: ResourceAddress<'a>,
        deposed: Cow<'a, str>,
        object: Object<'a>,
    ) -> Self {
        if deposed.is_empty() {
            return Self {
                address,
                current: Some(object),
                deposed: Vec::new(),
            };
        }
        Self {
            address,
            current: None,
            deposed: vec![(deposed, object)],
        }
    }

    /// Its objects: the current one first, then the deposed ones.
    pub(super) fn objects(&self) -> impl Iterator<Item = &Object<'a>> {
        self.current
            .iter()
            .chain(self.deposed.iter().map(|(_, object)| object))
    }

    /// In the order of addresses, and of the keys of what is deposed.
    pub(super) fn order(&self) -> (&ResourceAddress<'a>, Option<&Cow<'a, str>>) {
        (&self.address, self.deposed.first().map(|(key, _)| key))
    }
}

/// Takes one more object, if there may be so many.
pub(super) fn push<'a>(
    instances: &mut Vec<Instance<'a>>,
    instance: Instance<'a>,
    most: usize,
) -> Result<(), NotComparable> {
    if instances.len() >= most {
        return Err(NotComparable::Crowded);
    }
    instances.push(instance);
    Ok(())
}
