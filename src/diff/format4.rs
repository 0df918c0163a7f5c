//! The resources of format 4, as every program since Terraform 0.12 writes them.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::address::{Index, ResourceAddress};
use super::instance::{Instance, Meta, Object, Unknown, push};
use super::not_comparable::NotComparable;
use super::reading::{Raw, Scalar, Text, read_members};

#[derive(Default)]
pub(super) struct Resource<'a> {
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

/// Takes resources apart, one after the other, up to so many objects.
pub(super) fn take<'a>(
    resources: impl Iterator<Item = Result<Resource<'a>, NotComparable>>,
    most: usize,
) -> Result<Vec<Instance<'a>>, NotComparable> {
    let mut instances = Vec::new();
    for resource in resources {
        let mut resource = resource?;
        if resource.mode.0.is_empty() {
            return Err(NotComparable::Unexpected);
        }
        for written in std::mem::take(&mut resource.instances) {
            push(&mut instances, instance(&resource, written), most)?;
        }
    }
    Ok(instances)
}

fn instance<'a>(resource: &Resource<'a>, written: Written<'a>) -> Instance<'a> {
    let of = |raw: Raw<'a>| raw.map(RawValue::get);
    let address = ResourceAddress {
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
    Instance::of(address, written.deposed.0, object)
}
