//! A state of any format as far as differences need it: instances in the order of their addresses,
//! their parts as they are written.
//!
//! Nothing is copied but texts with escapes, and nothing recurses: parts are passed over, however
//! deep they are.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::NotComparable;
use super::address::{Address, Index};
use super::legacy;
use super::reading::{Raw, Scalar, Text, read_members};

/// So many objects a state may have, whatever its size.
const FREE_OBJECTS: usize = 10_000;
/// Beyond these, an object for so many bytes of the state; Terraform's take 300 and more. One takes
/// some 400 in memory.
const LEAST_BYTES_PER_OBJECT: usize = 160;
/// So many members of an object that nobody knows yet are looked at.
const MAX_UNKNOWN: usize = 16;

#[derive(Default)]
struct Document<'a> {
    version: Option<i64>,
    terraform_version: Text<'a>,
    outputs: Raw<'a>,
    resources: Vec<Resource<'a>>,
    modules: Vec<legacy::Module<'a>>,
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

#[derive(Default)]
struct Resource<'a> {
    module: Text<'a>,
    mode: Text<'a>,
    kind: Text<'a>,
    name: Text<'a>,
    provider: Scalar<'a>,
    instances: Vec<Written<'a>>,
}

read_members!(Resource {
    "module" => module,
    "mode" => mode,
    "type" => kind,
    "name" => name,
    "provider" => provider,
    "instances" => instances,
});

/// An object of an instance as it is written.
#[derive(Default)]
struct Written<'a> {
    // As it is written, so that the number 1 and the text "1" stay two keys.
    index_key: Raw<'a>,
    deposed: Text<'a>,
    attributes: Raw<'a>,
    attributes_flat: Raw<'a>,
    sensitive_attributes: Raw<'a>,
    private: Raw<'a>,
    status: Scalar<'a>,
    schema_version: Scalar<'a>,
    // What came before `dependencies`.
    depends_on: Raw<'a>,
    dependencies: Raw<'a>,
    create_before_destroy: Scalar<'a>,
    // OpenTofu's, like the provider of one instance.
    skip_destroy: Scalar<'a>,
    provider: Scalar<'a>,
    identity: Raw<'a>,
    identity_schema_version: Scalar<'a>,
    unknown: Unknown<'a>,
}

read_members!(Written {
    "index_key" => index_key,
    "deposed" => deposed,
    "attributes" => attributes,
    "attributes_flat" => attributes_flat,
    "sensitive_attributes" => sensitive_attributes,
    "private" => private,
    "status" => status,
    "schema_version" => schema_version,
    "depends_on" => depends_on,
    "dependencies" => dependencies,
    "create_before_destroy" => create_before_destroy,
    "skip_destroy" => skip_destroy,
    "provider" => provider,
    "identity" => identity,
    "identity_schema_version" => identity_schema_version,
} else unknown);

/// Members that a program which is newer than this one writes.
#[derive(Clone, Default)]
pub(super) struct Unknown<'a>(Vec<(Cow<'a, str>, Raw<'a>)>);

impl<'a> Unknown<'a> {
    fn place(&mut self, name: &Text<'a>) -> Option<&mut Raw<'a>> {
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

    /// Every name that is in either of two, and what both say.
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

/// What a state says of an object beside its attributes; each as it is written.
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

/// What a state has of an instance: what it is now, or what was deposed and waits for its end.
#[derive(Clone, Default)]
pub(super) struct Object<'a> {
    pub(super) attributes: Option<&'a str>,
    /// Attributes in the form of old providers: one object of texts.
    pub(super) flat: Option<Cow<'a, str>>,
    /// Which attributes are secret.
    pub(super) marks: Option<&'a str>,
    /// What is the provider's own.
    pub(super) private: Option<Cow<'a, str>>,
    pub(super) identity: Option<&'a str>,
    /// A list whose order says nothing.
    pub(super) dependencies: Option<&'a str>,
    pub(super) meta: Meta<'a>,
    pub(super) unknown: Unknown<'a>,
}

/// A resource instance.
pub(super) struct Instance<'a> {
    pub(super) address: Address<'a>,
    /// What it is; none where there are only deposed objects of it.
    pub(super) current: Option<Object<'a>>,
    /// Its deposed objects by their keys.
    pub(super) deposed: Vec<(Cow<'a, str>, Object<'a>)>,
}

impl<'a> Instance<'a> {
    /// One with a single object, which is deposed if it has a key.
    pub(super) fn of(address: Address<'a>, deposed: Cow<'a, str>, object: Object<'a>) -> Self {
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

    fn written(resource: &Resource<'a>, written: Written<'a>) -> Self {
        let of = |raw: Raw<'a>| raw.map(RawValue::get);
        let address = Address {
            module: resource.module.0.clone(),
            mode: resource.mode.0.clone(),
            kind: resource.kind.0.clone(),
            name: resource.name.0.clone(),
            index: Index::of(of(written.index_key)),
        };
        // OpenTofu writes it at one of both places.
        let own = written
            .provider
            .get()
            .filter(|provider| *provider != "\"\"");
        let meta = Meta {
            provider: own.or(resource.provider.get()).map(Cow::Borrowed),
            status: written.status.get(),
            schema_version: written.schema_version.get().map(Cow::Borrowed),
            create_before_destroy: written.create_before_destroy.get(),
            skip_destroy: written.skip_destroy.get(),
            identity_schema_version: written.identity_schema_version.get(),
        };
        let object = Object {
            attributes: of(written.attributes),
            flat: of(written.attributes_flat).map(Cow::Borrowed),
            marks: of(written.sensitive_attributes),
            private: of(written.private).map(Cow::Borrowed),
            identity: of(written.identity),
            dependencies: of(written.dependencies.or(written.depends_on)),
            meta,
            unknown: written.unknown,
        };
        Self::of(address, written.deposed.0, object)
    }

    /// The objects that it has: what it is first, then the deposed ones.
    pub(super) fn objects(&self) -> impl Iterator<Item = &Object<'a>> {
        self.current
            .iter()
            .chain(self.deposed.iter().map(|(_, object)| object))
    }

    /// In the order of addresses, and of the keys of what is deposed.
    fn order(&self) -> (&Address<'a>, Option<&Cow<'a, str>>) {
        (&self.address, self.deposed.first().map(|(key, _)| key))
    }
}

/// A state, taken apart down to its instances.
pub(super) struct State<'a> {
    /// In the order of their addresses, and of the state where one is there more than once, which
    /// no client writes.
    pub(super) instances: Vec<Instance<'a>>,
    pub(super) outputs: BTreeMap<Text<'a>, Output<'a>>,
    pub(super) terraform_version: Option<Text<'a>>,
}

impl<'a> State<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, NotComparable> {
        let document: Document<'a> =
            serde_json::from_slice(bytes).map_err(|_| NotComparable::Unexpected)?;
        if document.encrypted_data.is_some() {
            return Err(NotComparable::Encrypted);
        }
        let program = Some(document.terraform_version).filter(|program| !program.0.is_empty());
        let mut state = Self {
            instances: Vec::new(),
            outputs: BTreeMap::new(),
            terraform_version: program,
        };
        let most = FREE_OBJECTS + bytes.len() / LEAST_BYTES_PER_OBJECT;
        match document.version {
            Some(4) => {
                let outputs = document
                    .outputs
                    .map(|raw| serde_json::from_str(raw.get()))
                    .transpose();
                state.outputs = outputs
                    .map_err(|_| NotComparable::Unexpected)?
                    .unwrap_or_default();
                state.take_resources(document.resources, most)?;
            }
            Some(format @ 1..=3) => {
                (state.outputs, state.instances) = legacy::take(document.modules, format, most)?
            }
            _ => return Err(NotComparable::Format),
        }
        state.gather();
        Ok(state)
    }

    fn take_resources(
        &mut self,
        resources: Vec<Resource<'a>>,
        most: usize,
    ) -> Result<(), NotComparable> {
        for mut resource in resources {
            if resource.mode.0.is_empty() {
                return Err(NotComparable::Unexpected);
            }
            for written in std::mem::take(&mut resource.instances) {
                push(
                    &mut self.instances,
                    Instance::written(&resource, written),
                    most,
                )?;
            }
        }
        Ok(())
    }

    /// Puts objects in order, and what is deposed to its instance.
    fn gather(&mut self) {
        self.instances
            .sort_by(|one, other| one.order().cmp(&other.order()));
        self.instances.dedup_by(|later, kept| {
            let is_deposed = later.current.is_none() && later.address == kept.address;
            if is_deposed {
                kept.deposed.append(&mut later.deposed);
            }
            is_deposed
        });
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
