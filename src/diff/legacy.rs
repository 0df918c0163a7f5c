//! States of formats 1 to 3, as Terraform wrote them before 0.12: modules with an object of
//! resources each, attributes as one object of texts.
//!
//! Read as the programs read them today: they bring each format to the next one, and what differs
//! in writing alone is the same afterwards.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use serde_json::value::RawValue;

use super::address::{Index, ResourceAddress};
use super::instance::{Instance, Meta, Object, Output, push};
use super::not_comparable::NotComparable;
use super::reading::{Raw, Text, read_members};

/// The first name in the path of each module.
const ROOT: &str = "root";
/// From this format on, outputs have a type and a mark, and objects may be tainted.
const WITH_MARKS: i64 = 2;
/// From this format on, the length of a map is told from that of a list.
const WITH_LENGTHS_OF_MAPS: i64 = 3;

#[derive(Default)]
pub(super) struct LegacyModule<'a> {
    path: Vec<Text<'a>>,
    outputs: BTreeMap<Text<'a>, &'a RawValue>,
    resources: BTreeMap<Text<'a>, Resource<'a>>,
}

read_members!(LegacyModule { "path" => path, "outputs" => outputs, "resources" => resources });

#[derive(Default)]
struct Resource<'a> {
    depends_on: Raw<'a>,
    primary: Option<Box<Written<'a>>>,
    deposed: Vec<Written<'a>>,
    provider: Text<'a>,
}

read_members!(Resource {
    "depends_on" => depends_on,
    "primary" => primary,
    "deposed" => deposed,
    "provider" => provider,
});

#[derive(Default)]
struct Written<'a> {
    id: Text<'a>,
    attributes: Raw<'a>,
    meta: Raw<'a>,
    tainted: bool,
}

read_members!(Written {
    "id" => id,
    "attributes" => attributes,
    "meta" => meta,
    "tainted" => tainted,
});

impl LegacyModule<'_> {
    /// As format 4 writes it: `module.a.module.b`.
    fn address(&self) -> String {
        let names = self
            .path
            .iter()
            .enumerate()
            .filter(|(index, name)| *index > 0 || name.0 != ROOT);
        names
            .map(|(_, name)| format!("module.{}", name.0))
            .collect::<Vec<_>>()
            .join(".")
    }
}

/// The root module's outputs, and the instances of all modules.
type Taken<'a> = (BTreeMap<Text<'a>, Output<'a>>, Vec<Instance<'a>>);

/// Takes modules apart, up to so many objects.
pub(super) fn take(
    modules: Vec<LegacyModule<'_>>,
    format: i64,
    most: usize,
) -> Result<Taken<'_>, NotComparable> {
    let (mut outputs, mut instances) = (BTreeMap::new(), Vec::new());
    for module in modules {
        let path = module.address();
        if path.is_empty() {
            for (name, raw) in module.outputs {
                outputs.insert(name, output(raw, format)?);
            }
        }
        for (key, resource) in module.resources {
            let address = address(&path, &key.0);
            for instance in resource.instances(&address, format) {
                push(&mut instances, instance, most)?;
            }
        }
    }
    Ok((outputs, instances))
}

impl<'a> Resource<'a> {
    /// Its primary object, and its deposed ones by the keys that the programs give them: numbers
    /// from 1.
    fn instances(
        &self,
        address: &ResourceAddress<'a>,
        format: i64,
    ) -> impl Iterator<Item = Instance<'a>> {
        let primary = self.primary.iter().map(|object| (String::new(), &**object));
        let deposed = self.deposed.iter().zip(1_u32..);
        let deposed = deposed.map(|(object, number)| (format!("{number:08x}"), object));
        primary.chain(deposed).map(move |(key, written)| {
            let object = object(address, self, written, format);
            Instance::of(address.clone(), Cow::Owned(key), object)
        })
    }
}

fn output(raw: &RawValue, format: i64) -> Result<Output<'_>, NotComparable> {
    if format < WITH_MARKS {
        return Ok(Output {
            value: Some(raw),
            ..Output::default()
        });
    }
    serde_json::from_str(raw.get()).map_err(|_| NotComparable::Unexpected)
}

fn object<'a>(
    address: &ResourceAddress<'a>,
    resource: &Resource<'a>,
    written: &Written<'a>,
    format: i64,
) -> Object<'a> {
    let (schema_version, private) = of_the_provider(written.meta);
    let meta = Meta {
        provider: Some(Cow::Owned(
            Value::from(provider(address, &resource.provider.0)).to_string(),
        )),
        status: (written.tainted && format >= WITH_MARKS).then_some("\"tainted\""),
        schema_version: schema_version.map(Cow::Owned),
        ..Meta::default()
    };
    let dependencies = resource.depends_on.map(RawValue::get);
    Object {
        flat: flat(written, format),
        private,
        dependencies,
        meta,
        ..Object::default()
    }
}

/// The version of the schema, and what else a provider keeps beside an object's attributes.
fn of_the_provider(meta: Raw<'_>) -> (Option<String>, Option<Cow<'_, str>>) {
    let Some(raw) = meta else { return (None, None) };
    let as_written = || (None, Some(Cow::Borrowed(raw.get())));
    let Ok(mut members) = serde_json::from_str::<serde_json::Map<String, Value>>(raw.get()) else {
        return as_written();
    };
    let version = match members.get("schema_version") {
        Some(Value::String(text)) => text.parse::<u64>().ok().map(|version| version.to_string()),
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => None,
    };
    if version.is_none() {
        return as_written();
    }
    members.remove("schema_version");
    (
        version,
        (!members.is_empty()).then(|| Cow::Owned(Value::from(members).to_string())),
    )
}

/// As the programs name the provider of an object.
fn provider(address: &ResourceAddress<'_>, written: &str) -> String {
    if written.contains("provider.") {
        return written.to_owned();
    }
    let implied = if address.kind == "terraform_remote_state" {
        "terraform"
    } else {
        address.kind.split('_').next().unwrap_or_default()
    };
    let of_module = if address.module.is_empty() {
        String::new()
    } else {
        format!("{}.", address.module)
    };
    format!(
        "{of_module}provider.{}",
        if written.is_empty() { implied } else { written }
    )
}

/// Attributes as the newest of these formats has them, as they are written where nothing is to be
/// done.
fn flat<'a>(written: &Written<'a>, format: i64) -> Option<Cow<'a, str>> {
    let attributes = written.attributes.map(RawValue::get);
    let as_written = attributes.map(Cow::Borrowed);
    if written.id.0.is_empty() && format >= WITH_LENGTHS_OF_MAPS {
        return as_written;
    }
    let Ok(mut texts) =
        serde_json::from_str::<BTreeMap<String, String>>(attributes.unwrap_or("{}"))
    else {
        return as_written;
    };
    let mut is_new = format < WITH_LENGTHS_OF_MAPS && name_lengths_of_maps(&mut texts);
    if !written.id.0.is_empty() && texts.get("id").is_none_or(String::is_empty) {
        texts.insert("id".to_owned(), written.id.0.to_string());
        is_new = true;
    }
    if is_new {
        serde_json::to_string(&texts).ok().map(Cow::Owned)
    } else {
        as_written
    }
}

/// Formats 1 and 2 write the number of elements as `tags.#`, of maps too, and of empty lists and
/// maps. Format 3 writes it as `tags.%` of maps, and not at all of empty ones.
fn name_lengths_of_maps(texts: &mut BTreeMap<String, String>) -> bool {
    let prefixes: Vec<String> = texts
        .keys()
        .filter_map(|key| key.strip_suffix('#'))
        .filter(|prefix| prefix.ends_with('.'))
        .map(str::to_owned)
        .collect();
    for prefix in &prefixes {
        let names = names_below(texts, prefix);
        let is_map = names.iter().any(|name| name.parse::<i64>().is_err());
        if !is_map && !names.is_empty() {
            continue;
        }
        if let Some(count) = texts.remove(&format!("{prefix}#"))
            && is_map
        {
            texts.insert(format!("{prefix}%"), count);
        }
    }
    !prefixes.is_empty()
}

/// The names of the elements of a list or map.
fn names_below(texts: &BTreeMap<String, String>, prefix: &str) -> BTreeSet<String> {
    texts
        .range(prefix.to_owned()..)
        .map_while(|(key, _)| key.strip_prefix(prefix))
        .filter(|rest| *rest != "#")
        .map(|rest| {
            rest.split_once('.')
                .map_or(rest, |(name, _)| name)
                .to_owned()
        })
        .collect()
}

/// From `type.name`, `type.name.0` or `data.type.name`.
fn address(module: &str, key: &str) -> ResourceAddress<'static> {
    let (mode, rest) = key
        .strip_prefix("data.")
        .map_or(("managed", key), |rest| ("data", rest));
    let (kind, rest) = rest.split_once('.').unwrap_or((rest, ""));
    let numbered = rest.rsplit_once('.').and_then(|(name, number)| {
        number
            .parse()
            .ok()
            .map(|number| (name, Index::Number(number)))
    });
    let (name, index) = numbered.unwrap_or((rest, Index::None));
    let owned = |text: &str| Cow::Owned(text.to_owned());
    ResourceAddress {
        module: owned(module),
        mode: owned(mode),
        kind: owned(kind),
        name: owned(name),
        index,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_those_of_format_4() {
        for (module, key, written) in [
            ("", "aws_x.y", "aws_x.y"),
            (
                "module.a.module.b",
                "aws_x.y.10",
                "module.a.module.b.aws_x.y[10]",
            ),
            ("", "data.aws_x.y.0", "data.aws_x.y[0]"),
            ("", "odd", "odd."),
        ] {
            assert_eq!(address(module, key).to_string(), written);
        }
    }

    #[test]
    fn lengths_of_maps_are_named_as_format_3_names_them() {
        let texts = [
            ("tags.#", "1"),
            ("tags.Name", "x"),
            ("ports.#", "2"),
            ("ports.0", "80"),
            ("ports.1", "81"),
            ("none.#", "0"),
            ("sub.123.list.#", "0"),
            ("sub.#", "1"),
        ];
        let mut texts = texts
            .into_iter()
            .map(|(key, text)| (key.to_owned(), text.to_owned()))
            .collect();
        assert!(name_lengths_of_maps(&mut texts));
        let keys: Vec<&str> = texts.keys().map(String::as_str).collect();
        assert_eq!(
            keys,
            [
                "ports.#",
                "ports.0",
                "ports.1",
                "sub.#",
                "tags.%",
                "tags.Name"
            ]
        );
    }

    #[test]
    fn providers_are_named_whether_or_not_they_were_written() {
        let of = |module: &str, written: &str| provider(&address(module, "aws_x.y"), written);
        assert_eq!(
            (
                of("", "").as_str(),
                of("", "aws").as_str(),
                of("", "provider.aws").as_str()
            ),
            ("provider.aws", "provider.aws", "provider.aws")
        );
        assert_eq!(of("module.a", "aws.west"), "module.a.provider.aws.west");
    }
}
