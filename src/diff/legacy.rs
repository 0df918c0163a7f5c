//! States of format 3, as Terraform wrote them before 0.12: modules with an object of resources each, attributes as one object of texts.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::NotComparable;
use super::address::{Address, Index};
use super::state::{Instance, Meta, Output, Text, push};

/// The first name in the path of each module.
const ROOT: &str = "root";

#[derive(Deserialize)]
pub(super) struct Module<'a> {
    #[serde(borrow)]
    path: Option<Vec<Text<'a>>>,
    #[serde(borrow)]
    outputs: Option<BTreeMap<Text<'a>, Output<'a>>>,
    #[serde(borrow)]
    resources: Option<BTreeMap<Text<'a>, Resource<'a>>>,
}

#[derive(Deserialize)]
struct Resource<'a> {
    #[serde(borrow)]
    depends_on: Option<&'a RawValue>,
    #[serde(borrow)]
    primary: Option<Object<'a>>,
    #[serde(borrow)]
    deposed: Option<Vec<Object<'a>>>,
    #[serde(borrow)]
    provider: Option<&'a RawValue>,
}

#[derive(Clone, Copy, Deserialize)]
struct Object<'a> {
    #[serde(borrow)]
    attributes: Option<&'a RawValue>,
    #[serde(borrow)]
    meta: Option<&'a RawValue>,
    #[serde(borrow)]
    tainted: Option<&'a RawValue>,
}

impl Module<'_> {
    /// As format 4 writes it: `module.a.module.b`.
    fn address(&self) -> String {
        let names = self.path.iter().flatten().enumerate().filter(|(index, name)| *index > 0 || name.0 != ROOT);
        names.map(|(_, name)| format!("module.{}", name.0)).collect::<Vec<_>>().join(".")
    }
}

/// The root module's outputs, and the instances of all modules.
type Taken<'a> = (BTreeMap<Text<'a>, Output<'a>>, Vec<Instance<'a>>);

/// Takes modules apart, up to so many instances.
pub(super) fn take(modules: Vec<Module<'_>>, most: usize) -> Result<Taken<'_>, NotComparable> {
    let (mut outputs, mut instances) = (BTreeMap::new(), Vec::new());
    for mut module in modules {
        let path = module.address();
        if path.is_empty() {
            outputs.append(&mut module.outputs.take().unwrap_or_default());
        }
        for (key, mut resource) in module.resources.take().unwrap_or_default() {
            let address = address(&path, &key.0);
            let deposed = resource.deposed.take().unwrap_or_default();
            let objects = resource.primary.map(|object| (String::new(), object)).into_iter();
            for (deposed, object) in objects.chain(deposed.into_iter().enumerate().map(|(index, object)| (index.to_string(), object))) {
                let address = Address { deposed: Cow::Owned(deposed), ..address.clone() };
                push(&mut instances, instance(address, &resource, object), most)?;
            }
        }
    }
    Ok((outputs, instances))
}

fn instance<'a>(address: Address<'a>, resource: &Resource<'a>, object: Object<'a>) -> Instance<'a> {
    Instance {
        address,
        attributes: None,
        flat: object.attributes,
        marks: None,
        private: object.meta,
        identity: None,
        dependencies: resource.depends_on,
        meta: Meta { provider: resource.provider, status: object.tainted, ..Meta::default() },
    }
}

/// From `type.name`, `type.name.0` or `data.type.name`.
fn address(module: &str, key: &str) -> Address<'static> {
    let (mode, rest) = key.strip_prefix("data.").map_or(("managed", key), |rest| ("data", rest));
    let (kind, rest) = rest.split_once('.').unwrap_or((rest, ""));
    let numbered = rest.rsplit_once('.').and_then(|(name, number)| number.parse().ok().map(|number| (name, Index::Number(number))));
    let (name, index) = numbered.unwrap_or((rest, Index::None));
    let owned = |text: &str| Cow::Owned(text.to_owned());
    Address { module: owned(module), mode: owned(mode), kind: owned(kind), name: owned(name), index, deposed: Cow::default(), again: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_those_of_format_4() {
        for (module, key, written) in [
            ("", "aws_x.y", "aws_x.y"),
            ("module.a.module.b", "aws_x.y.10", "module.a.module.b.aws_x.y[10]"),
            ("", "data.aws_x.y.0", "data.aws_x.y[0]"),
            ("", "odd", "odd."),
        ] {
            assert_eq!(address(module, key).to_string(), written);
        }
    }
}
