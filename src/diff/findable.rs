//! What a state can be found by: the addresses of its instances and outputs, and those of their
//! values that name something. It reads values only as they are shown, so nothing that is masked
//! comes out of here, nor how long it is or that it is there.

use core::net::IpAddr;

use serde_json::value::RawValue;

use super::address::ResourceAddress;
use super::apart::Apart;
use super::instance::{Instance, Object, Output};
use super::json::{JsonKind, Step, Tree, Value};
use super::masking::{HIDDEN, Mask};
use super::not_comparable::NotComparable;
use super::state::StateTree;
use super::text::unquoted;
use super::values::{Shown, shown_text, written};
use crate::model::search::{Findable, FoundKind, FoundText};

/// How many texts of an instance or an output are taken.
const MAX_TEXTS: usize = 64;
/// The longest text that is taken, in bytes.
const MAX_TEXT: usize = 256;
/// As many bytes such a text takes as it is written at most: in quotes, and each byte as `\u0000`.
const MAX_WRITTEN: usize = 6 * MAX_TEXT + 2;
/// How many steps into a value are looked at.
const MAX_DEPTH: usize = 6;
/// The longest name of a host, in bytes, and the longest of its parts.
const MAX_HOST: usize = 253;
const MAX_HOST_PART: usize = 63;
/// Attributes that name their resource. So does each that ends with `name`.
const NAMES: &[&str] = &["id", "arn", "urn", "self_link", "host", "bucket", "fqdn"];
/// Attributes that hold tags.
const TAGS: &[&str] = &[
    "tags",
    "tag",
    "tags_all",
    "labels",
    "effective_labels",
    "terraform_labels",
];

/// All that can be found in a state, in the order of their addresses. Of an address that is there
/// twice, which no client writes, it is the last one.
///
/// # Errors
///
/// Where the state cannot be read as one of format 1 to 4.
pub fn findables(bytes: &[u8]) -> Result<Vec<Findable>, NotComparable> {
    StateTree::parse(bytes).map(|tree| findables_in(&tree))
}

/// Whether two states can be found by the same, as far as that can be told from the resources that
/// are not written alike in both; these are few where little has changed.
pub fn has_same_findables(before: &[u8], after: &[u8]) -> bool {
    let trees = Apart::of(before, after).and_then(|apart| apart.trees(before, after));
    let Ok((before, after)) = trees else {
        return false;
    };
    // What is deposed belongs to an instance that may have been left out.
    let mut instances = before.instances.iter().chain(&after.instances);
    instances.all(|instance| instance.current.is_some())
        && findables_in(&before) == findables_in(&after)
}

fn findables_in(tree: &StateTree<'_>) -> Vec<Findable> {
    let mut found: Vec<Findable> = tree.instances.iter().map(of_instance).collect();
    let outputs = tree.outputs.iter();
    found.extend(outputs.map(|(name, output)| of_output(&name.0, output)));
    found
}

fn of_instance(instance: &Instance<'_>) -> Findable {
    let mask = Mask::of([instance], false);
    let address: &ResourceAddress<'_> = &instance.address;
    let mut texts = Texts::default();
    if let Some(object) = instance.objects().next() {
        texts.take_object(object, &mask);
    }
    let provider = instance.objects().find_map(|object| {
        let written = object.meta.provider.as_deref()?;
        Some(source_of(&unquoted(written)))
    });
    Findable {
        kind: FoundKind::Resource,
        address: address.to_string(),
        resource_type: Some(address.kind.to_string()),
        provider,
        texts: texts.found,
    }
}

fn of_output(name: &str, output: &Output<'_>) -> Findable {
    let mask = Mask::of_output(name, output.sensitive, false);
    let mut texts = Texts::default();
    if let Some(value) = output.value {
        texts.take_shown(value.get(), &mask, Root::Value);
    }
    Findable {
        kind: FoundKind::Output,
        address: name.to_owned(),
        resource_type: None,
        provider: None,
        texts: texts.found,
    }
}

/// The source of a provider, out of `module.a.provider["registry.terraform.io/hashicorp/aws"].x`;
/// before format 4, its name out of `provider.aws.x`.
fn source_of(written: &str) -> String {
    let quoted = written
        .split_once("[\"")
        .and_then(|(_, rest)| rest.split_once("\"]"));
    let named = || {
        let (_, rest) = written.rsplit_once("provider.")?;
        rest.split('.').next()
    };
    let source = quoted.map(|(source, _)| source).or_else(named);
    cut(source.unwrap_or(written))
}

/// A text without what would end its line, and not longer than is taken.
fn cut(text: &str) -> String {
    let text = &text[..text.floor_char_boundary(MAX_TEXT)];
    text.chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect()
}

/// What a value is that is looked into.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Root {
    /// The attributes of a resource, whose names say what they are.
    Attributes,
    /// The same with names such as `tags.Name`.
    FlatAttributes,
    /// The value of an output.
    Value,
}

/// A value on the way into another.
struct Inside<'t> {
    path: Vec<Step<'t>>,
    value: Value<'t>,
    /// Whether each text in it is taken.
    is_wanted: bool,
    is_tags: bool,
}

/// The texts that were taken.
#[derive(Default)]
struct Texts {
    found: Vec<FoundText>,
}

impl Texts {
    fn take_object(&mut self, object: &Object<'_>, mask: &Mask) {
        if let Some(attributes) = object.attributes {
            self.take_shown(attributes, mask, Root::Attributes);
        }
        if let Some(flat) = object.flat.as_deref() {
            self.take_shown(flat, mask, Root::FlatAttributes);
        }
    }

    /// Takes what a value shows. A value that is not shown has nothing to be found by.
    fn take_shown(&mut self, text: &str, mask: &Mask, root: Root) {
        // To tell whether a text is a secret takes a while, and one of these is not taken anyway.
        if text.starts_with('"') && text.len() > MAX_WRITTEN {
            return;
        }
        let shown: Box<RawValue> = match shown_text(text, mask, usize::MAX) {
            Shown::Value { value, .. } => value,
            Shown::Hidden | Shown::TooLong => return,
        };
        if let Some(tree) = Tree::of(shown.get()) {
            self.take(tree.root(), mask, root);
        }
    }

    fn take(&mut self, root_value: Value<'_>, mask: &Mask, root: Root) {
        let mut open = vec![Inside {
            path: Vec::new(),
            value: root_value,
            is_wanted: false,
            is_tags: false,
        }];
        while let Some(inside) = open.pop() {
            if self.found.len() >= MAX_TEXTS {
                return;
            }
            match inside.value.kind() {
                JsonKind::Text => self.take_text(&inside, mask, root),
                JsonKind::Object if inside.is_tags && self.take_pair(&inside, mask) => {}
                JsonKind::Object if inside.path.len() < MAX_DEPTH => {
                    open.extend(members(&inside, root).into_iter().rev());
                }
                JsonKind::List if inside.path.len() < MAX_DEPTH => open.extend(items(&inside)),
                JsonKind::Object | JsonKind::List | JsonKind::Number | JsonKind::Word => {}
            }
        }
    }

    fn take_text(&mut self, inside: &Inside<'_>, mask: &Mask, root: Root) {
        let text = inside.value.text();
        let value = unquoted(text);
        let names_something = inside.is_wanted || is_address(&value) || is_host(&value);
        if text == HIDDEN || value.len() > MAX_TEXT || !names_something {
            return;
        }
        let value = match inside.path.last() {
            Some(Step::Name(name)) if inside.is_tags && !mask.hides_text(name) => {
                let name = name.strip_prefix("tags.").unwrap_or(name);
                format!("{name}={value}")
            }
            Some(Step::Name(_) | Step::Index(_)) | None => value.into_owned(),
        };
        self.push(
            &written(&inside.path, root == Root::FlatAttributes, mask),
            &value,
        );
    }

    /// Takes one of a list of tags that each have a key and a value.
    fn take_pair(&mut self, inside: &Inside<'_>, mask: &Mask) -> bool {
        let members = inside.value.members();
        let text = |wanted: &str| {
            let member = members.iter().find(|member| member.name() == wanted)?;
            let text = member.value();
            (text.kind() == JsonKind::Text).then(|| (text.text(), unquoted(text.text())))
        };
        let (Some((raw_key, key)), Some((raw, value))) = (text("key"), text("value")) else {
            return false;
        };
        if raw_key != HIDDEN && raw != HIDDEN && key.len() + value.len() < MAX_TEXT {
            self.push(
                &written(&inside.path, false, mask),
                &format!("{key}={value}"),
            );
        }
        true
    }

    /// Takes a text, unless the same was taken: `tags_all` repeats `tags`.
    fn push(&mut self, path: &str, value: &str) {
        let value = cut(value);
        if !value.is_empty() && self.found.iter().all(|text| text.value != value) {
            self.found.push(FoundText {
                path: cut(path),
                value,
            });
        }
    }
}

fn members<'t>(inside: &Inside<'t>, root: Root) -> Vec<Inside<'t>> {
    let is_named = root != Root::Value && inside.path.is_empty();
    let members = inside.value.members().into_iter().map(|member| {
        let name = member.name();
        let is_tags = inside.is_tags
            || is_named && (TAGS.contains(&name.as_ref()) || name.starts_with("tags."));
        let is_name = NAMES.contains(&name.as_ref()) || name.ends_with("name");
        let mut path = inside.path.clone();
        path.push(Step::Name(name));
        Inside {
            path,
            value: member.value(),
            is_wanted: is_tags || is_named && is_name,
            is_tags,
        }
    });
    members.collect()
}

fn items<'t>(inside: &Inside<'t>) -> Vec<Inside<'t>> {
    let items = (0..).zip(inside.value.children()).map(|(index, value)| {
        let mut path = inside.path.clone();
        path.push(Step::Index(index));
        Inside {
            path,
            value,
            is_wanted: inside.is_wanted,
            is_tags: inside.is_tags,
        }
    });
    // No more than could be taken, and the first of them first.
    let mut items: Vec<_> = items.take(MAX_TEXTS).collect();
    items.reverse();
    items
}

/// An IP address, with or without the length of a prefix.
fn is_address(text: &str) -> bool {
    let address = match text.split_once('/') {
        Some((address, length)) if length.parse::<u8>().is_ok() => address,
        Some(_) => return false,
        None => text,
    };
    address.parse::<IpAddr>().is_ok()
}

/// The name of a host in a domain.
fn is_host(text: &str) -> bool {
    let text = text.strip_suffix('.').unwrap_or(text);
    let is_part = |part: &str| {
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        (1..=MAX_HOST_PART).contains(&part.len()) && part.bytes().all(is_letter)
    };
    let Some((_, last)) = text.rsplit_once('.') else {
        return false;
    };
    text.len() <= MAX_HOST
        && last.len() > 1
        && last.bytes().all(|byte| byte.is_ascii_alphabetic())
        && text.split('.').all(is_part)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn texts(attributes: &serde_json::Value, marks: &serde_json::Value) -> Vec<String> {
        let state = json!({
            "version": 4, "resources": [{
                "mode": "managed", "type": "aws_x", "name": "a",
                "provider": "module.m.provider[\"registry.terraform.io/hashicorp/aws\"].b",
                "instances": [{"attributes": attributes, "sensitive_attributes": marks}],
            }]
        });
        let found = findables(state.to_string().as_bytes()).unwrap();
        assert_eq!(found[0].address, "aws_x.a");
        assert_eq!(
            found[0].provider.as_deref(),
            Some("registry.terraform.io/hashicorp/aws")
        );
        let texts = found[0].texts.iter();
        texts
            .map(|text| format!("{} {}", text.path, text.value))
            .collect()
    }

    #[test]
    fn what_names_a_resource_is_taken_and_the_rest_is_not() {
        let found = texts(
            &json!({
                "id": "i-1", "arn": "arn:aws:x", "bucket_name": "b", "description": "long prose",
                "count": 7, "tags": {"Name": "web"}, "tags_all": {"Name": "web", "by": "me"},
                "tag": [{"key": "k", "value": "v", "propagate": true}],
                "network": [{"ip": "10.1.2.3", "cidr": "10.0.0.0/8", "host": "db.example.org"}],
                "six": "2001:db8::1", "id_of_other": "i-2", "odd": "a.b c.d",
            }),
            &json!([]),
        );
        assert_eq!(
            found,
            [
                "arn arn:aws:x",
                "bucket_name b",
                "id i-1",
                "network[0].cidr 10.0.0.0/8",
                "network[0].host db.example.org",
                "network[0].ip 10.1.2.3",
                "six 2001:db8::1",
                "tag[0] k=v",
                "tags.Name Name=web",
                "tags_all.by by=me",
            ]
        );
    }

    #[test]
    fn nothing_that_is_masked_is_taken() {
        let marks = json!([[{"type": "get_attr", "value": "ip"}]]);
        let found = texts(
            &json!({
                "ip": "10.9.9.9", "password_host": "pw.example.org",
                "name": "skp_0123456789abcdefghij",
                "tags": {"token": "abc", "ok": "glpat-0123456789abcdefgh"},
                "tag": [{"key": "db_password", "value": "x"}],
            }),
            &marks,
        );
        assert_eq!(found, Vec::<String>::new());
        assert_eq!(
            texts(&json!({"id": "i-1"}), &json!("odd")),
            Vec::<String>::new(),
            "in doubt everything is masked"
        );
    }

    #[test]
    fn outputs_are_found_by_their_names_and_addresses() {
        let state = json!({
            "version": 4, "resources": [], "outputs": {
                "open": {"value": {"ip": "10.1.1.1", "text": "prose"}, "type": "dynamic"},
                "sealed": {"value": "10.2.2.2", "type": "string", "sensitive": true},
                "db_password": {"value": "db.example.org", "type": "string"},
            }
        });
        let found = findables(state.to_string().as_bytes()).unwrap();
        let found = found
            .iter()
            .map(|one| (one.address.as_str(), one.texts.len()));
        let found: Vec<_> = found.collect();
        assert_eq!(found, [("db_password", 0), ("open", 1), ("sealed", 0)]);
    }

    #[test]
    fn what_is_found_by_the_same_is_told_from_what_is_not() {
        let state = |x: &str, instance: &serde_json::Value, outputs: &serde_json::Value| {
            let resource = |name: &str, instance: &serde_json::Value| {
                let instances = [instance];
                json!({"mode": "managed", "type": "t", "name": name, "instances": instances})
            };
            let same = json!({"attributes": {"id": "same"}});
            let resources = [
                resource("a", &same),
                resource(x, instance),
                resource("z", &same),
            ];
            json!({"version": 4, "resources": resources, "outputs": outputs}).to_string()
        };
        let instance = |number: u8, id: &str| json!({"attributes": {"n": number, "id": id}});
        let before = state("x", &instance(1, "i-1"), &json!({}));
        let is_same = |after: String| has_same_findables(before.as_bytes(), after.as_bytes());
        assert!(is_same(before.clone()));
        assert!(is_same(state("x", &instance(2, "i-1"), &json!({}))));
        assert!(!is_same(state("x", &instance(1, "i-2"), &json!({}))));
        assert!(!is_same(state("y", &instance(1, "i-1"), &json!({}))));
        let output = json!({"o": {"value": 1}});
        assert!(!is_same(state("x", &instance(1, "i-1"), &output)));
        let mut hidden = instance(1, "i-1");
        hidden["sensitive_attributes"] = json!([[{"type": "get_attr", "value": "id"}]]);
        assert!(!is_same(state("x", &hidden, &json!({}))));
        let mut deposed = instance(1, "i-1");
        deposed["deposed"] = json!("0badcafe");
        let deposed = state("x", &deposed, &json!({}));
        assert!(!is_same(deposed.clone()));
        let later = deposed.replace("\"n\":1", "\"n\":2");
        assert!(
            later != deposed && !has_same_findables(deposed.as_bytes(), later.as_bytes()),
            "it may belong to an instance that was left out"
        );
        assert!(!is_same("{".to_owned()), "in doubt it is not the same");
    }
}
