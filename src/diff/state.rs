//! A state of format 4 or 3 as far as differences need it: instances in the order of their addresses, their parts as they are written.
//!
//! Nothing is copied but texts with escapes, and nothing recurses: parts are passed over, however deep they are.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::NotComparable;
use super::address::{Address, Index};
use super::legacy;

/// So many instances a state may have, whatever its size.
const FREE_INSTANCES: usize = 10_000;
/// Beyond these, an instance for so many bytes of the state; Terraform's take 300 and more. One takes about as much again in memory.
const LEAST_BYTES_PER_INSTANCE: usize = 128;

/// A text, borrowed where it has no escapes.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

#[derive(Deserialize)]
struct Document<'a> {
    version: Option<i64>,
    #[serde(borrow)]
    terraform_version: Option<Text<'a>>,
    #[serde(borrow)]
    outputs: Option<BTreeMap<Text<'a>, Output<'a>>>,
    #[serde(borrow)]
    resources: Option<Vec<Resource<'a>>>,
    #[serde(borrow)]
    modules: Option<Vec<legacy::Module<'a>>>,
    #[serde(borrow)]
    encrypted_data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Resource<'a> {
    #[serde(borrow)]
    module: Option<Text<'a>>,
    #[serde(borrow)]
    mode: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    provider: Option<&'a RawValue>,
    #[serde(borrow)]
    instances: Option<Vec<Written<'a>>>,
}

/// An instance as it is written.
#[derive(Deserialize)]
struct Written<'a> {
    // As it is written, so that the number 1 and the text "1" stay two keys.
    #[serde(borrow)]
    index_key: Option<&'a RawValue>,
    #[serde(borrow)]
    deposed: Option<Text<'a>>,
    #[serde(borrow)]
    attributes: Option<&'a RawValue>,
    #[serde(borrow)]
    attributes_flat: Option<&'a RawValue>,
    #[serde(borrow)]
    sensitive_attributes: Option<&'a RawValue>,
    #[serde(borrow)]
    private: Option<&'a RawValue>,
    #[serde(borrow)]
    status: Option<&'a RawValue>,
    #[serde(borrow)]
    schema_version: Option<&'a RawValue>,
    // What came before `dependencies`.
    #[serde(borrow)]
    depends_on: Option<&'a RawValue>,
    #[serde(borrow)]
    dependencies: Option<&'a RawValue>,
    #[serde(borrow)]
    create_before_destroy: Option<&'a RawValue>,
    #[serde(borrow)]
    identity: Option<&'a RawValue>,
    #[serde(borrow)]
    identity_schema_version: Option<&'a RawValue>,
}

/// One output.
#[derive(Clone, Copy, Deserialize)]
pub(super) struct Output<'a> {
    #[serde(borrow)]
    pub(super) value: Option<&'a RawValue>,
    #[serde(borrow, rename = "type")]
    pub(super) kind: Option<&'a RawValue>,
    #[serde(default)]
    pub(super) sensitive: bool,
}

/// What a state says of an instance beside its attributes; each as it is written.
#[derive(Clone, Copy, Default)]
pub(super) struct Meta<'a> {
    pub(super) provider: Option<&'a RawValue>,
    pub(super) status: Option<&'a RawValue>,
    pub(super) schema_version: Option<&'a RawValue>,
    pub(super) create_before_destroy: Option<&'a RawValue>,
    pub(super) identity_schema_version: Option<&'a RawValue>,
}

impl<'a> Meta<'a> {
    /// Each part with its name.
    pub(super) fn parts(self) -> [(&'static str, Option<&'a RawValue>); 5] {
        [
            ("provider", self.provider),
            ("status", self.status),
            ("schema_version", self.schema_version),
            ("create_before_destroy", self.create_before_destroy),
            ("identity_schema_version", self.identity_schema_version),
        ]
    }
}

/// A resource instance, or a deposed object of one.
pub(super) struct Instance<'a> {
    pub(super) address: Address<'a>,
    pub(super) attributes: Option<&'a RawValue>,
    /// Attributes in the form of old providers: one object of texts.
    pub(super) flat: Option<&'a RawValue>,
    /// Which attributes are secret.
    pub(super) marks: Option<&'a RawValue>,
    /// What is the provider's own.
    pub(super) private: Option<&'a RawValue>,
    pub(super) identity: Option<&'a RawValue>,
    /// A list whose order says nothing.
    pub(super) dependencies: Option<&'a RawValue>,
    pub(super) meta: Meta<'a>,
}

impl<'a> Instance<'a> {
    fn of(resource: &Resource<'a>, written: Written<'a>) -> Self {
        let Written { status, schema_version, create_before_destroy, identity_schema_version, .. } = written;
        Self {
            address: Address {
                module: resource.module.clone().unwrap_or_default().0,
                mode: resource.mode.clone(),
                kind: resource.kind.clone(),
                name: resource.name.clone(),
                index: Index::of(written.index_key),
                deposed: written.deposed.unwrap_or_default().0,
                again: 0,
            },
            attributes: written.attributes,
            flat: written.attributes_flat,
            marks: written.sensitive_attributes,
            private: written.private,
            identity: written.identity,
            dependencies: written.dependencies.or(written.depends_on),
            meta: Meta { provider: resource.provider, status, schema_version, create_before_destroy, identity_schema_version },
        }
    }
}

/// A state, taken apart down to its instances.
pub(super) struct State<'a> {
    /// In the order of their addresses, each of which is there once.
    pub(super) instances: Vec<Instance<'a>>,
    pub(super) outputs: BTreeMap<Text<'a>, Output<'a>>,
    pub(super) terraform_version: Option<Text<'a>>,
}

impl<'a> State<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, NotComparable> {
        let document: Document<'a> = serde_json::from_slice(bytes).map_err(|_| NotComparable::Unexpected)?;
        if document.encrypted_data.is_some() {
            return Err(NotComparable::Encrypted);
        }
        let modules = document.modules.unwrap_or_default();
        let mut state = Self { instances: Vec::new(), outputs: BTreeMap::new(), terraform_version: document.terraform_version };
        let most = FREE_INSTANCES + bytes.len() / LEAST_BYTES_PER_INSTANCE;
        match document.version {
            Some(4) => {
                state.outputs = document.outputs.unwrap_or_default();
                state.take_resources(document.resources.unwrap_or_default(), most)?;
            }
            Some(3) => (state.outputs, state.instances) = legacy::take(modules, most)?,
            _ => return Err(NotComparable::Format),
        }
        state.instances.sort_by(|one, other| one.address.cmp(&other.address));
        number_repeated(&mut state.instances);
        Ok(state)
    }

    fn take_resources(&mut self, resources: Vec<Resource<'a>>, most: usize) -> Result<(), NotComparable> {
        for mut resource in resources {
            for written in resource.instances.take().unwrap_or_default() {
                push(&mut self.instances, Instance::of(&resource, written), most)?;
            }
        }
        Ok(())
    }
}

/// Takes one more instance, if there may be so many.
pub(super) fn push<'a>(instances: &mut Vec<Instance<'a>>, instance: Instance<'a>, most: usize) -> Result<(), NotComparable> {
    if instances.len() >= most {
        return Err(NotComparable::Crowded);
    }
    instances.push(instance);
    Ok(())
}

/// Addresses that no client would write twice are told apart by their order.
fn number_repeated(instances: &mut [Instance<'_>]) {
    for index in 1..instances.len() {
        let (earlier, later) = instances.split_at_mut(index);
        if let (Some(before), Some(this)) = (earlier.last(), later.first_mut()) {
            this.address.again = before.address.again;
            this.address.again = if this.address == before.address { before.address.again + 1 } else { 0 };
        }
    }
}
